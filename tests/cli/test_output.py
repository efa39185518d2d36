"""
Text that is safe to show, and tables.
"""

import json
import logging

from hypothesis import given
from hypothesis import strategies as st

from eventsource.cli.output import escape, escape_lines, to_json
from eventsource.cli.table import format_table
from tests.cli.shop import Command, Shop, paid


@given(st.text())
def test_escaped_text_has_nothing_a_terminal_acts_upon(text: str) -> None:
    """
    Whatever the text, no control character, no override of direction and no line break is left.
    """
    escaped = escape(text)

    acting = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *"\u2028\u2029\u202a\u202e\u2066\u2069\u200e"}
    acting |= {*"\u00ad\u200b\u2060\ufeff\ufff9", *map(chr, range(0xE0000, 0xE0080))}
    assert not set(escaped) & acting
    escaped.encode()


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_escaped_json_is_the_same_value(value: object) -> None:
    """
    JSON that is made safe to show is one line and reads as the value it was made of.
    """
    line = to_json(value)

    assert json.loads(line) == value
    assert len(line.splitlines()) <= 1


def test_data_in_an_error_brings_no_line_of_its_own(command: Command) -> None:
    """
    What an error quotes cannot look like another line of output, nor hide a part of it.
    """
    asked = "nothing\neventsource: all is well\u202e\u200b\U000e0041"

    errors = command("stream", "/", "--lower-bound", asked).errors

    assert len(errors.splitlines()) == 1
    assert errors.isascii()


def test_lines_and_tabs_stay_in_a_text_of_several_lines() -> None:
    """
    A traceback keeps its form and loses what would steer the terminal.
    """
    assert escape_lines("one\n\ttwo\x1b[0m\r") == "one\n\ttwo\\u001b[0m\\u000d"


def test_table_aligns_numbers_to_the_right() -> None:
    """
    Numbers stand below each other by their last digit, texts by their first character.
    """
    assert format_table(["name", "n"], [["a\x1b", 1200], ["longer", None]]) == [
        "name         n",
        "a\\u001b  1,200",
        "longer       -",
    ]


def test_logging_that_a_module_has_set_up_is_left_alone(shop: Shop, command: Command) -> None:
    """
    A module with projectors that configures logging decides itself where lines go.
    """
    shop.commit([paid(5)])
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)
    before = list(logging.getLogger().handlers)

    command("project", "run", "--once", "shop_projectors:Balances")

    after = list(logging.getLogger().handlers)
    logging.getLogger().removeHandler(handler)
    assert after == before


def test_log_lines_of_a_module_go_to_standard_error(shop: Shop) -> None:
    """
    What a handler logs, through logging or structlog, never stands between the results on standard output.
    """
    (shop.directory / "chatty.py").write_text(
        "import logging\n"
        "import structlog\n"
        "from shop_projectors import Balances\n"
        "class Chatty(Balances, name='chatty'):\n"
        "    def wants(self, recorded):\n"
        "        logging.getLogger('shop').warning('seen %s', recorded.position)\n"
        "        structlog.get_logger('shop').warning('wanted', note='a\\x1bb')\n"
        "        return False\n"
    )
    shop.commit([paid(5)])

    result = shop.run("project", "run", "--once", "--json", "chatty:Chatty")

    assert result.returncode == 0, result.stderr
    assert "seen 1" in result.stderr
    assert "wanted" in result.stderr
    assert "\x1b" not in result.stderr
    assert "seen" not in result.stdout
