"""
Rules: named conditions over the log that the store decides when it commits.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from eventsource.events.handlers import check_overrides, event_classes_of, methods_of, note_declared
from eventsource.events.plain_call import check_has_run, check_is_plain
from eventsource.guards.errors import GuardError
from eventsource.guards.guard import Guard
from eventsource.guards.preconditions import Precondition, QueryHolds
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from eventsource.events.event import Event


Method = TypeVar("Method", bound="Callable[..., object]")

_MARK = "_declared_rule"


@attrs.frozen
class _Declared:
    name: str
    # None for a rule of a command: it is about the command itself.
    event_classes: tuple[type[Event], ...] | None


def rule(name: str) -> Callable[[Method], Method]:
    """
    Declare a method that says what the store must find when it comes to the commit, under a name.

    On an aggregate its parameter is annotated with an event class: the rule is compiled into each
    commit in which the aggregate emits such an event. It is asked before the event is folded::

        @rule("sufficient funds")
        def _funds(self, event: MoneyWithdrawn) -> Guard:
            return balance_of(self.subject) >= event.cents

    The commit is guarded by the version that was read and by the rule; where the event is emitted with
    ``rules=[...]`` the rule counts among those that take the place of the version. An event that is emitted
    with ``unversioned=True`` is decided by the declared rules alone, so the aggregate need not be read.

    On a command it has no parameter: it is compiled into the commit of whatever the command does.

    Several guards are several preconditions; each gets the name unless it has one of its own.

    Raises:
        DeclarationError: The name is empty or not visible, the parameters are not as above, or the method
            is asynchronous.
    """
    if not name.strip() or not name.isprintable():
        msg = f"a rule needs a name that can be read, not {name!r}"
        raise DeclarationError(msg)

    def declare(method: Method) -> Method:
        check_is_plain(method, may_yield=True)
        is_about_event = len(inspect.signature(method).parameters) > 1
        body = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  CPython's documented way
        classes = event_classes_of(method, body) if is_about_event else None
        setattr(method, _MARK, _Declared(name, classes))
        note_declared(method, body)
        return method

    return declare


def collect_rules(owner: type) -> Mapping[str, tuple[Callable[..., Any], ...]]:
    """
    Find the rules of an aggregate class and its bases: event type to functions.

    Raises:
        DeclarationError: A rule has no parameter for the event.
    """
    check_overrides(owner, _MARK)
    found: dict[str, list[Callable[..., Any]]] = {}
    for method in methods_of(owner):
        declared: _Declared | None = getattr(method, _MARK, None)
        if declared is None:
            continue
        if declared.event_classes is None:
            msg = f"{method.__qualname__} is a rule about no event: it needs a parameter `event` after `self`"
            raise DeclarationError(msg)
        for event_class in declared.event_classes:
            found.setdefault(event_class.event_type, []).append(method)
    return {name: tuple(methods) for name, methods in found.items()}


def rules_of_command(command: object) -> tuple[QueryHolds, ...]:
    """
    What the rules declared on a command's class say of this command.

    Raises:
        DeclarationError: A rule takes an event, or gives something else than guards.
    """
    owner: Any = type(command)
    return tuple(guard for method in collect_command_rules(owner) for guard in asked(method, command))


# Finding them takes longer than all the rest of a command.
@functools.lru_cache(maxsize=4096)
def collect_command_rules(owner: type) -> tuple[Callable[..., Any], ...]:
    """
    Find the rules of a command class and its bases.

    Raises:
        DeclarationError: A rule takes an event.
    """
    check_overrides(owner, _MARK)
    found: list[Callable[..., Any]] = []
    for method in methods_of(owner):
        declared: _Declared | None = getattr(method, _MARK, None)
        if declared is None:
            continue
        if declared.event_classes is not None:
            msg = f"{method.__qualname__} is a rule of a command, so it takes nothing but `self`"
            raise DeclarationError(msg)
        found.append(method)
    return tuple(found)


def asked(method: Callable[..., Any], owner: object, *event: Event) -> tuple[QueryHolds, ...]:
    """
    What one declared rule says, under its name.

    Raises:
        DeclarationError: It gives something else than guards.
    """
    given: QueryHolds | Iterable[Any] = method(owner, *event)
    check_has_run(given, method, may_yield=True)
    if not isinstance(given, Iterable) and not isinstance(given, QueryHolds):
        msg = f"{method.__qualname__} must give guards, and gives a value of type {type(given).__name__}"  # pyright: ignore[reportUnreachable]  the user's own method
        raise DeclarationError(msg)
    guards = (given,) if isinstance(given, QueryHolds) else tuple(given)
    for guard in guards:
        if not isinstance(guard, QueryHolds):
            msg = f"{method.__qualname__} must give guards, and gives a value of type {type(guard).__name__}"
            raise DeclarationError(msg)
    name: str = getattr(method, _MARK).name
    return tuple(guard if guard.name else _named(guard, name) for guard in guards)


def _named(guard: QueryHolds, name: str) -> QueryHolds:
    return guard.named(name) if isinstance(guard, Guard) else QueryHolds(guard.tree, name)


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
        return ": QueryHolds(text) makes a rule of a query"
    if hasattr(value, "count_recorded"):
        return ": say what must hold of these events, such as .exists() or .count() == 0"
    if hasattr(value, "__ge__") and type(value).__module__.startswith("eventsource."):
        return ": compare it, such as ... >= 5_00"
    if callable(value):
        return ": call it, and give what it returns"
    return ""
