"""
Stand-ins for events: functions such as ``lambda e: e.cents > 500``, recorded for the store.

A stand-in has the fields of an event's class, and each operation on them gives a part of a query in
place of a value. To type checkers it is the event itself, so they check names and comparisons with
the types of the fields; whatever slips by them is refused when the function runs, once.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast

from eventsource.gdbql import And, Or
from eventsource.guards.errors import GuardError
from eventsource.guards.typed_expression import TypedExpression, event_data, number

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from eventsource.events.event import Event
    from eventsource.gdbql import Expression
    from eventsource.gdbql.tree import ComparisonOperator
    from eventsource.guards.typed_expression import ArithmeticOperator

Value = TypeVar("Value")

_DECIDED_BY_PYTHON: Final = (
    "Python would decide this before the store is asked. Write (a) & (b) for `a and b`, (a) | (b) for `a or b`, "
    "x != y for `not x == y`, (low <= x) & (x <= high) for `low <= x <= high`, one_of(x, [a, b]) for `x in [a, b]`, "
    "x == None for `x is None`"
)


def record_condition(event_classes: tuple[type[Event], ...], condition: Callable[[Any], object]) -> Expression:
    """
    What *condition* says about an event of these classes.

    Raises:
        GuardError: It says something the store cannot decide, or nothing about the event.
    """
    return _condition(condition(FieldProxy(event_data(event_classes))))


def record_operand(event_classes: tuple[type[Event], ...], field: Callable[[Any], object]) -> TypedExpression:
    """
    What *field* reads from an event of these classes, or calculates.

    Raises:
        GuardError: There is no such field, or it is nothing of the event.
    """
    found = field(FieldProxy(event_data(event_classes)))
    if not isinstance(found, FieldProxy):
        what = "a condition" if isinstance(found, ConditionProxy) else f"a value of type {type(found).__name__}"
        msg = f"expected a field of the event, found {what}"
        raise GuardError(msg)
    return _operand(found)


def one_of(value: Value, choices: Collection[Value]) -> bool:
    """
    Whether a field has one of several values, inside the conditions of a guard.

    >>> from eventsource import Event, select_events
    >>> class OrderPlaced(Event, type="com.example.order-placed"):
    ...     country: str
    >>> guard = select_events(OrderPlaced).where(lambda e: one_of(e.country, ["AT", "DE"])).exists()
    >>> guard.query.partition(" AND ")[2]
    "e.data.country IN ['AT', 'DE'] MAP COUNT() > 0"

    Raises:
        GuardError: The first argument is no field of the event of a guard; there are no choices, or
            one that the field could never have.
    """
    if not isinstance(value, FieldProxy):
        msg = "one_of wants a field of the event of a guard: .where(lambda e: one_of(e.country, [...]))"
        raise GuardError(msg)
    # To type checkers a condition is what it is for a real event.
    return cast("bool", ConditionProxy(_operand(value).among(choices)))


class FieldProxy:
    """
    The stand-in for a value in an event, or calculated from such.

    Its own attributes begin with an underscore, which fields of models never do.
    """

    __slots__ = ("_operand",)

    def __init__(self, operand: TypedExpression) -> None:
        self._operand = operand

    def __repr__(self) -> str:
        return f"<{self._operand.label}>"

    def __getattr__(self, name: str) -> FieldProxy:
        # Copying, pickling and debuggers ask for special attributes.
        if name.startswith("_"):
            raise AttributeError(name)
        return FieldProxy(self._operand.member(name))

    def __getitem__(self, key: int | str) -> FieldProxy:
        return FieldProxy(self._operand.element(key))

    # --- Comparisons ---

    def __eq__(self, other: object) -> ConditionProxy:  # type: ignore[override] # a condition, not its truth
        return self._compared("==", other)

    def __ne__(self, other: object) -> ConditionProxy:  # type: ignore[override] # likewise
        return self._compared("!=", other)

    __hash__ = None  # type: ignore[assignment] # what compares like this can be no key

    def __lt__(self, other: object) -> ConditionProxy:
        return self._compared("<", other)

    def __le__(self, other: object) -> ConditionProxy:
        return self._compared("<=", other)

    def __gt__(self, other: object) -> ConditionProxy:
        return self._compared(">", other)

    def __ge__(self, other: object) -> ConditionProxy:
        return self._compared(">=", other)

    def _compared(self, operator: ComparisonOperator, other: object) -> ConditionProxy:
        operand = _operand(other) if isinstance(other, FieldProxy) else other
        return ConditionProxy(self._operand.compared(operator, operand))

    # --- Logic, for fields that are true or false themselves ---

    def __and__(self, other: object) -> ConditionProxy:
        return ConditionProxy(And((_condition(self), _condition(other))))

    def __or__(self, other: object) -> ConditionProxy:
        return ConditionProxy(Or((_condition(self), _condition(other))))

    # --- Calculations ---

    def __add__(self, other: object) -> FieldProxy:
        return _calculated("+", self, other)

    def __radd__(self, other: object) -> FieldProxy:
        return _calculated("+", other, self)

    def __sub__(self, other: object) -> FieldProxy:
        return _calculated("-", self, other)

    def __rsub__(self, other: object) -> FieldProxy:
        return _calculated("-", other, self)

    def __mul__(self, other: object) -> FieldProxy:
        return _calculated("*", self, other)

    def __rmul__(self, other: object) -> FieldProxy:
        return _calculated("*", other, self)

    def __truediv__(self, other: object) -> FieldProxy:
        return _calculated("/", self, other)

    def __rtruediv__(self, other: object) -> FieldProxy:
        return _calculated("/", other, self)

    # --- What Python wants to know at once ---

    def __bool__(self) -> NoReturn:
        raise GuardError(_DECIDED_BY_PYTHON)

    def __contains__(self, item: object) -> NoReturn:
        raise GuardError(_DECIDED_BY_PYTHON)

    def __iter__(self) -> NoReturn:
        msg = f"{self._operand.label} has no elements before the store reads it; name one by its index"
        raise GuardError(msg)

    def __format__(self, spec: str) -> NoReturn:
        msg = f"{self._operand.label} has no text before the store reads it"
        raise GuardError(msg)


class ConditionProxy:
    """
    The stand-in for what holds for an event or does not.
    """

    __slots__ = ("_node",)

    def __init__(self, node: Expression) -> None:
        self._node = node

    def __and__(self, other: object) -> ConditionProxy:
        return ConditionProxy(And((self._node, _condition(other))))

    def __or__(self, other: object) -> ConditionProxy:
        return ConditionProxy(Or((self._node, _condition(other))))

    def __bool__(self) -> NoReturn:
        raise GuardError(_DECIDED_BY_PYTHON)


def _condition(value: object) -> Expression:
    match value:
        case ConditionProxy():
            return _node(value)
        case FieldProxy():
            return _operand(value).as_condition()
        case bool():
            msg = f"a condition says nothing about the event: it is {value} for each. {_DECIDED_BY_PYTHON}"
        case _:
            msg = f"expected a condition about the event, found a value of type {type(value).__name__}"
    raise GuardError(msg)


def _calculated(operator: ArithmeticOperator, left: object, right: object) -> FieldProxy:
    one, other = (_operand(side) if isinstance(side, FieldProxy) else number(side) for side in (left, right))
    return FieldProxy(one.calculated(operator, other))


# Fields have every name without an underscore, so these are read from outside in one place.
_node: Final[Callable[[ConditionProxy], Expression]] = attrgetter("_node")
_operand: Final[Callable[[FieldProxy], TypedExpression]] = attrgetter("_operand")
