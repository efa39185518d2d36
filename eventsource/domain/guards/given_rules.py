"""
The rules that a caller gives with an event: each is looked at before anything happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from eventsource.domain.precondition import Precondition
from eventsource.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Collection

_NO_LIST = "write rules=[rule], a list, also for one rule"


def check_given_rules(
    rules: Iterable[Precondition] | None, *, unversioned: bool, others: Collection[str]
) -> tuple[Precondition, ...]:
    """
    The rules that `emit` was given, in order.

    Args:
        rules: As given; None where the caller left them out. An iterator is read here, once.

        unversioned: As given.

        others: The names of arguments that `emit` does not have.

    Raises:
        GuardError: A rule is no rule, *rules* is no list of them, *unversioned* is given beside them, or an
            argument of a former release is given.
        TypeError: There are *others*.
    """
    if others:
        _refuse_arguments(others)
    if not isinstance(unversioned, bool):
        msg = f"unversioned is True or False, not a value of type {type(unversioned).__name__}"
        raise GuardError(msg)
    if rules is None:
        return ()
    if unversioned:
        msg = (
            "rules and unversioned=True exclude each other: rules are decided in place of the version, "
            "unversioned=True asks for no guard at all"
        )
        raise GuardError(msg)
    return checked_rules(rules)


def checked_rules(rules: object) -> tuple[Precondition, ...]:
    """
    The rules in a list, or in whatever can be iterated.

    Raises:
        GuardError: It is no list, or holds something that is no rule.
    """
    if rules == ():
        return ()
    if isinstance(rules, (str, bytes, Mapping)) or not isinstance(rules, Iterable):
        msg = f"expected a list of rules, found {_described(rules)}; {_NO_LIST}"  # pyright: ignore[reportUnknownArgumentType]  looked at here
        raise GuardError(msg)
    given: tuple[Any, ...] = tuple(rules)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  looked at below
    for place, each in enumerate(given):
        if not isinstance(each, Precondition):
            msg = f"number {place + 1} of the rules is {_described(each)}, and no rule"
            raise GuardError(msg + _advice(each))
    return given


def _refuse_arguments(others: Collection[str]) -> None:
    if "guarded_by" in others:
        msg = (
            "emit() takes rules=[...] in place of guarded_by=: an empty list adds nothing and keeps the version, "
            "and unversioned=True writes without any guard"
        )
        raise GuardError(msg)
    msg = f"emit() got an unexpected keyword argument {min(others)!r}"
    raise TypeError(msg)


def _described(value: object) -> str:
    # Without the value itself: it may be personal.
    if value is None or isinstance(value, bool):
        return str(value)
    return f"a value of type {type(value).__name__}"


def _advice(value: object) -> str:
    if isinstance(value, bool):
        return (
            ": Python has decided the comparison before the store was asked. A rule compares what the store computes, "
            "such as events(SeatTaken).count() == 0"
        )
    if isinstance(value, str):
        return ": QueryIsTrue(text) makes a rule of a query"
    if hasattr(value, "count_recorded"):
        return ": say what must hold of these events, such as .exists() or .count() == 0"
    if hasattr(value, "__ge__") and type(value).__module__.startswith("eventsource."):
        return ": compare it, such as ... >= 5_00"
    if callable(value):
        return ": call it, and give what it returns"
    return ""
