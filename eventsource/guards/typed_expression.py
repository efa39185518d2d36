"""
Operands of guards: what the store reads from events or computes over them, and what it may meet.

An operand knows in which forms its value is stored. So each comparison and each calculation is
checked when it is written, and the constants in it are those that the store has.
"""

from __future__ import annotations

import functools
import re
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import attrs
from pydantic import NaiveDatetime, ValidationError

from eventsource.gdbql import Aggregate, Arithmetic, Comparison, Constant, In, IsNull, ListOf, Not, Path
from eventsource.guards.errors import GuardError
from eventsource.guards.stored_field import JsonKind, StoredField, root

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Literal, TypeAlias

    from pydantic import BaseModel

    from eventsource.gdbql import Expression
    from eventsource.gdbql.tree import ComparisonOperator

    ArithmeticOperator: TypeAlias = Literal["+", "-", "*", "/"]

# What `<` means something for; whatever else can be compared is equal or not.
_ORDERED: Final = frozenset({JsonKind.NUMBER, JsonKind.TEXT, JsonKind.DATE})
_NULL: Final = frozenset({JsonKind.NULL})
_BOOLEAN: Final = frozenset({JsonKind.BOOLEAN})
_NUMBER: Final = frozenset({JsonKind.NUMBER})
_WHOLE: Final = frozenset({JsonKind.LIST, JsonKind.OBJECT})
_TEXTS: Final = frozenset({JsonKind.TEXT, JsonKind.DATE, JsonKind.TIME, JsonKind.CODE})
_EQUALITY: Final = frozenset({"==", "!="})


@attrs.frozen(eq=False)
class TypedExpression:
    """
    A value that the store will have; in Python it has none.

    Attributes:
        node: What the query says.

        forms: What the value can be stored as.

        label: What messages call it.

        fields: Where it is read from, one for each class it can belong to; none if it is computed.
    """

    node: Expression
    forms: frozenset[JsonKind]
    label: str
    fields: tuple[StoredField, ...] = ()

    @property
    def described(self) -> str:
        """
        Its forms in words.
        """
        return _describe(self.forms)

    @property
    def is_number(self) -> bool:
        """
        Whether it is a number, or null at most.
        """
        return self.forms - _NULL == _NUMBER

    # --- Places in the data ---

    def member(self, name: str) -> TypedExpression:
        """
        The field *name* of the model that stands here; of each, where one of several can stand.

        Raises:
            GuardError: One of them has no such field, or they store it in different ways.
        """
        return _member(self, name)

    def element(self, key: object) -> TypedExpression:
        """
        The element of a list at an index, the first at 0, or of a mapping under a text.

        Raises:
            GuardError: What stands here has no such elements.
        """
        if not isinstance(key, (int, str)) or isinstance(key, bool):
            msg = f"{self.label} has elements under an index or a text, not under a value of type {_kind(key)}"
            raise GuardError(msg)
        found = tuple(element for field in self.fields for element in field.element(key))
        if not found:
            msg = f"{self.label} is computed and has no elements"
            raise GuardError(msg)
        return _below(self, key, found, is_optional=True)

    def at_path(self, path: str) -> TypedExpression:
        """
        What stands at a path such as ``cents``, ``address.city`` or ``lines[0].cents``.

        Raises:
            GuardError: It is no path, or leads to no field.
        """
        if not _PATH.fullmatch(path):
            msg = f"not a path to a field: {path!r}; write a name, 'address.city' or 'lines[0].cents'"
            raise GuardError(msg)
        place = self
        for index, name in _STEP.findall(path):
            place = place.element(int(index)) if index else place.member(name)
        return place

    # --- Comparisons ---

    def compared(self, operator: ComparisonOperator, other: object) -> Expression:
        """
        The comparison with a value, None, or another operand.

        Raises:
            GuardError: It could never hold, or mean nothing.
            QueryValueError: No query can carry the value.
        """
        if other is None:
            return self._compared_with_null(operator)
        self.check_comparable(operator)
        if isinstance(other, TypedExpression):
            other.check_comparable(operator)
            if not self._can_equal(other):
                msg = f"{self.label} is {self.described}, {other.label} is {other.described}: they never compare"
                raise GuardError(msg)
            if _may_have_offset(self) and _may_have_offset(other):
                raise self._many_texts()
            return Comparison(operator, self.node, other.node)
        constant = self._equal_constant(other) if operator in _EQUALITY else self._ordered_constant(other)
        return Comparison(operator, self.node, constant)

    def check_comparable(self, operator: ComparisonOperator) -> None:
        """
        Refuse a comparison that means nothing for such values, whatever they meet.

        Raises:
            GuardError: It is a list or an object, or has no order.
        """
        if self.forms & _WHOLE:
            msg = f"{self.label} is {self.described}: compare what is inside"
            raise GuardError(msg)
        if operator in _EQUALITY or self._has_order:
            return
        msg = f"{self.label} is {self.described}: less and more mean nothing there"
        if any(isinstance(kind, type) and issubclass(kind, datetime) for field in self.fields for kind in field.types):
            msg += "; when an event was committed is asked with .since(...) and .until(...)"
        raise GuardError(msg)

    def among(self, choices: Collection[object]) -> Expression:
        """
        Whether it equals one of *choices*.

        Raises:
            GuardError: There are none, or one that it could never equal.
            QueryValueError: No query can carry one of them.
        """
        if isinstance(choices, (str, bytes)) or not choices:
            msg = f"expected a list of values that {self.label} can have"
            raise GuardError(msg)
        self.check_comparable("==")
        if any(choice is None for choice in choices):
            msg = f"None is no such value; ask for {self.label} == None beside the others"
            raise GuardError(msg)
        constants = sorted({self._equal_constant(choice) for choice in choices}, key=_place)
        return In(self.node, ListOf(tuple(constants)))

    def as_condition(self) -> Expression:
        """
        Whether it is true.

        Raises:
            GuardError: It is no boolean.
        """
        if self.forms - _NULL != _BOOLEAN:
            msg = f"{self.label} is {self.described}, neither true nor false: compare it with something"
            raise GuardError(msg)
        return Comparison("==", self.node, Constant(value=True))

    def _compared_with_null(self, operator: ComparisonOperator) -> Expression:
        if operator not in _EQUALITY:
            msg = f"{self.label} is neither less nor more than None"
            raise GuardError(msg)
        if not self.forms & {JsonKind.NULL, JsonKind.ANY}:
            msg = f"{self.label} is never None"
            raise GuardError(msg)
        is_null = IsNull(self.node)
        return is_null if operator == "==" else Not(is_null)

    @property
    def _has_order(self) -> bool:
        forms = self.forms - _NULL
        return len(forms) == 1 and forms <= _ORDERED

    def _can_equal(self, other: TypedExpression) -> bool:
        return JsonKind.ANY in self.forms | other.forms or bool(_families(self.forms) & _families(other.forms))

    # --- Constants ---

    def _equal_constant(self, value: object) -> Constant:
        """
        What is stored where a field has this value.
        """
        if not self.fields:
            return self._ordered_constant(value)
        if isinstance(value, (datetime, time)) and value.tzinfo is not None and JsonKind.TIME in self.forms:
            raise self._many_texts()
        if isinstance(value, Decimal) or (JsonKind.ANY in self.forms and type(value) not in _SCALARS):
            raise self._unlike(value)
        stored: list[object] = []
        refusals: list[str] = []
        for field in self.fields:
            try:
                stored.append(field.encode(value))
            except ValidationError as error:
                refusals += (problem["type"] for problem in error.errors(include_url=False, include_input=False))
            except (TypeError, AttributeError, ValueError, LookupError) as error:
                # Of a validator or serializer of the user's own, which may want other fields, too.
                refusals.append(f"{type(error).__name__} in its validator or serializer, which sees this value alone")
        if not stored:
            reasons = ", ".join(dict.fromkeys(refusals))
            msg = f"{self.label} is {self.described} and is never such a value of type {_kind(value)} ({reasons})"
            raise GuardError(msg)
        # 1 and 1.0 are one value, 1 and true are not.
        constants = {(isinstance(one, bool), one): Constant(one) for one in stored if isinstance(one, _SCALARS)}
        if len(constants) > 1:
            msg = f"{self.label} store such a value of type {_kind(value)} in different ways; write a guard for each"
            raise GuardError(msg)
        if not constants:
            raise self._unlike(value)
        return constants.popitem()[1]

    def _ordered_constant(self, value: object) -> Constant:
        """
        A value that the field need not be able to have: one that is above 0 can be compared with 0.
        """
        if not isinstance(value, Enum):
            if JsonKind.NUMBER in self.forms:
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    return Constant(value)
            elif JsonKind.DATE in self.forms:
                if isinstance(value, date) and not isinstance(value, datetime):
                    return Constant(value.isoformat())
            elif isinstance(value, str):
                return Constant(value)
        raise self._unlike(value)

    def _many_texts(self) -> GuardError:
        msg = (
            f"{self.label} is {_describe(self.forms - _NULL)}: one instant has a text for each offset, so the store "
            "could not tell that they are the same. When an event was committed is asked with .since(...) and "
            ".until(...); a time of its own is compared if it is stored in one form, as an integer for example"
        )
        return GuardError(msg)

    def _unlike(self, value: object) -> GuardError:
        msg = f"{self.label} is {self.described} and never compares with a value of type {_kind(value)}"
        return GuardError(msg + _hint_at_cents(value))

    # --- Calculations ---

    def calculated(self, operator: ArithmeticOperator, right: TypedExpression) -> TypedExpression:
        """
        The result of calculating with two numbers.

        Raises:
            GuardError: One is no number, or the divisor is 0.
        """
        for operand in (self, right):
            if not operand.is_number:
                msg = f"{operand.label} is {operand.described}, and nothing is calculated with that"
                raise GuardError(msg)
        if operator == "/" and right.node in _ZEROS:
            msg = f"{self.label} is divided by 0"
            raise GuardError(msg)
        node = Arithmetic(operator, self.node, right.node)
        return TypedExpression(node, self.forms | right.forms, f"{self.label} {operator} {right.label}")

    def aggregated(self, function: Literal["SUM", "AVG", "MIN", "MAX"]) -> TypedExpression:
        """
        The sum, average, lowest or highest over many events.

        Raises:
            GuardError: It is no number, or has no order.
        """
        label = f"the {_FUNCTIONS[function]} of {self.label}"
        node = Aggregate(function, self.node)
        if function in {"MIN", "MAX"}:
            if not self._has_order:
                msg = f"{self.label} is {self.described}, of which none is the {_FUNCTIONS[function]}"
                raise GuardError(msg)
            return TypedExpression(node, self.forms - _NULL, label, self.fields)
        if not self.is_number:
            msg = f"{self.label} is {self.described}, which has no {_FUNCTIONS[function]}; .count() counts events"
            raise GuardError(msg)
        return TypedExpression(node, _NUMBER, label)


# A guard is made for each command, of the same few fields.
@functools.lru_cache(maxsize=4096)
def _member(place: TypedExpression, name: str) -> TypedExpression:
    found = [pair for field in place.fields for pair in field.member(name)]
    if not found:
        msg = f"{place.label} is computed and has no field {name!r}"
        raise GuardError(msg)
    wires = dict.fromkeys(wire for wire, _ in found)
    if len(wires) > 1:
        places = " and ".join(f"{field.label} (as {wire!r})" for wire, field in found)
        msg = f"{places} are stored under different names; write one guard for each"
        raise GuardError(msg)
    # A member of what is null is not there.
    is_optional = any(JsonKind.NULL in field.forms for field in place.fields)
    return _below(place, found[0][0], tuple(field for _, field in found), is_optional=is_optional)


def _below(
    place: TypedExpression, step: str | int, fields: tuple[StoredField, ...], *, is_optional: bool
) -> TypedExpression:
    if len({_families(field.forms) for field in fields}) > 1:
        places = " and ".join(f"{field.label} ({_describe(field.forms)})" for field in fields)
        msg = f"{places} are stored in unlike forms; write one guard for each"
        raise GuardError(msg)
    forms = frozenset(form for field in fields for form in field.forms)
    steps = place.node.steps if isinstance(place.node, Path) else ()
    label = " and ".join(dict.fromkeys(field.label for field in fields))
    return TypedExpression(Path((*steps, step)), forms | _NULL if is_optional else forms, label, fields)


@functools.lru_cache(maxsize=1024)
def event_data(event_classes: tuple[type[BaseModel], ...]) -> TypedExpression:
    """
    The data of an event of one of these classes.
    """
    label = " and ".join(event_class.__name__ for event_class in event_classes)
    return TypedExpression(Path(("data",)), frozenset({JsonKind.OBJECT}), label, tuple(map(root, event_classes)))


def count_of_events() -> TypedExpression:
    """
    How many events there are.
    """
    return TypedExpression(Aggregate("COUNT"), _NUMBER, "the count")


def number(value: object) -> TypedExpression:
    """
    A number to calculate with.

    Raises:
        GuardError: It is none.
    """
    if isinstance(value, (int, float)) and not isinstance(value, (bool, Enum)):
        return TypedExpression(Constant(value), _NUMBER, "a number")
    msg = f"expected a number to calculate with, found a value of type {_kind(value)}{_hint_at_cents(value)}"
    raise GuardError(msg)


_PATH: Final = re.compile(r"[^\W\d_]\w*(?:\.[^\W\d_]\w*|\[[0-9]{1,9}\])*")
_STEP: Final = re.compile(r"\[([0-9]+)\]|(\w+)")
_SCALARS: Final = (str, int, float, bool)
_ZEROS: Final = frozenset({Constant(0), Constant(0.0)})
_FUNCTIONS: Final = {"SUM": "sum", "AVG": "average", "MIN": "lowest", "MAX": "highest"}


def _may_have_offset(operand: TypedExpression) -> bool:
    if JsonKind.TIME not in operand.forms:
        return False
    return any(kind is not NaiveDatetime for field in operand.fields for kind in field.types if kind is not None)


def _place(constant: Constant) -> tuple[str, Any]:
    return type(constant.value).__name__, constant.value


def _families(forms: frozenset[JsonKind]) -> frozenset[JsonKind]:
    """
    The kinds of JSON: all texts are one; null is left out.
    """
    return frozenset(JsonKind.TEXT if form in _TEXTS else form for form in forms - _NULL)


def _describe(forms: frozenset[JsonKind]) -> str:
    return " or ".join(sorted(form.value for form in forms))


def _hint_at_cents(value: object) -> str:
    return "; amounts are integers of the smallest unit, such as cents" if isinstance(value, Decimal) else ""


def _kind(value: object) -> str:
    return type(value).__name__
