"""
The floors below an aggregate: its balance, straight from the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.bank import AccountOpened, MoneyDeposited, MoneyWithdrawn

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

_EVENTS = "SELECT type, data FROM events WHERE subject = ? ORDER BY position"


def fold_dicts(connection: apsw.Connection, subject: str) -> int:
    """
    Decode to dicts, look the handler up by type name.
    """
    state = {"balance": 0}
    for type_name, data in connection.execute(_EVENTS, (subject,)):
        _DICT_HANDLERS[type_name](state, orjson.loads(data))
    return state["balance"]


def fold_models(connection: apsw.Connection, subject: str) -> int:
    """
    Make a frozen pydantic model of each event, look model and method up by type name.
    """
    account = _BareAccount()
    for type_name, data in connection.execute(_EVENTS, (subject,)):
        decode, handle = _MODEL_HANDLERS[type_name]
        handle(account, decode(data))
    return account.balance


def _ignore(state: dict[str, int], data: dict[str, Any]) -> None:
    pass


def _add(state: dict[str, int], data: dict[str, Any]) -> None:
    state["balance"] += data["cents"]


def _subtract(state: dict[str, int], data: dict[str, Any]) -> None:
    state["balance"] -= data["cents"]


_DICT_HANDLERS: dict[str, Callable[[dict[str, int], dict[str, Any]], None]] = {
    AccountOpened.event_type: _ignore,
    MoneyDeposited.event_type: _add,
    MoneyWithdrawn.event_type: _subtract,
}


class _BareAccount:
    def __init__(self) -> None:
        self.owner = ""
        self.balance = 0

    def opened(self, event: AccountOpened) -> None:
        self.owner = event.owner

    def deposited(self, event: MoneyDeposited) -> None:
        self.balance += event.cents

    def withdrawn(self, event: MoneyWithdrawn) -> None:
        self.balance -= event.cents


_MODEL_HANDLERS: dict[str, tuple[Callable[[str], Any], Callable[[_BareAccount, Any], None]]] = {
    AccountOpened.event_type: (AccountOpened.__pydantic_validator__.validate_json, _BareAccount.opened),
    MoneyDeposited.event_type: (MoneyDeposited.__pydantic_validator__.validate_json, _BareAccount.deposited),
    MoneyWithdrawn.event_type: (MoneyWithdrawn.__pydantic_validator__.validate_json, _BareAccount.withdrawn),
}
