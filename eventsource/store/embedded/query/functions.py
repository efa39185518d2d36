"""
Python functions that SQL statements call: for what SQLite would decide in another way than the language.

There is one SQL function, registered once for a connection; its first argument names the Python
function. Registering one for each query would make SQLite compile every statement anew.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

SQL_NAME = "gdbql"


class SqlFunction:
    """
    A function SQL can call as long as somebody keeps it: ``gdbql(number, arguments...)``.
    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call
        self.number = next(_numbers)
        _known[self.number] = self


def register(connection: apsw.Connection) -> None:
    """
    Make the functions known to *connection*.
    """
    connection.create_scalar_function(SQL_NAME, _call, -1)


def _call(*values: Any) -> Any:
    number, *arguments = values
    return _known[number].call(*arguments)


_numbers = itertools.count(1)
_known: WeakValueDictionary[int, SqlFunction] = WeakValueDictionary()
