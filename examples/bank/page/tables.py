"""
Columns and cells that the page's tables share.
"""

from typing import Any


def text_column(name: str, label: str) -> dict[str, Any]:
    """
    A column of text.
    """
    return {"name": name, "label": label, "field": name, "align": "left"}


def amount_column(name: str, label: str) -> dict[str, Any]:
    """
    A column of amounts: right-aligned, so that the decimals stand below each other.
    """
    return {"name": name, "label": label, "field": name, "align": "right", "classes": "amount"}


def amount_cell(name: str) -> str:
    """
    The template of a cell of `amount_column` that stands out when the row says ``NAME_is_negative``.

    It has its minus sign as well: colour alone tells nothing to those who do not see it.
    """
    return f"""
    <q-td :props="props">
      <span :class="props.row.{name}_is_negative ? 'negative' : ''">{{{{ props.value }}}}</span>
    </q-td>
    """
