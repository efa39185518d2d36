"""
The state of an aggregate: what its handlers have made of it, apart from what the framework keeps in it.
"""

from __future__ import annotations

import inspect
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, get_type_hints

from eventsource.domain.aggregates.aggregate import Aggregate
from eventsource.domain.aggregates.period_aggregate import PeriodAggregate
from eventsource.domain.aggregates.state_attributes import is_class_variable
from eventsource.domain.snapshots.sameness import are_same
from eventsource.errors import UnstorableStateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventsource.domain.snapshots.snapshot import Snapshot


def own_bases(aggregate_class: type[Aggregate]) -> list[type]:
    """
    The class and those of its bases that are not the framework's, in the order in which Python looks things up.
    """
    return [base for base in aggregate_class.__mro__ if base not in _OURS]


def state_of(aggregate: Aggregate) -> dict[str, object]:
    """
    Its attributes by name: those annotated, as they are now, and whatever else was set. Nothing is copied.
    """
    cls = type(aggregate)
    names = dict.fromkeys(name for base in reversed(own_bases(cls)) for name in _annotated(base))
    declared = {name: getattr(aggregate, name) for name in names if hasattr(aggregate, name)}
    return declared | set_state_of(aggregate)


def set_state_of(aggregate: Aggregate) -> dict[str, object]:
    """
    The attributes that were set: what has its default of the class still is left out.
    """
    cls: Any = type(aggregate)
    left_out = kept_by_framework()
    return {
        name: value
        for name, value in vars(aggregate).items()
        if name not in left_out and not _is_known_without(cls, name, value)
    }


def _is_known_without(cls: Any, name: str, value: object) -> bool:
    default = inspect.getattr_static(cls, name, None)
    # What is computed from the rest is computed again. A class variable that can change is copied for each instance,
    # like a default; nothing of it is state as long as it does not change.
    return isinstance(default, cached_property) or (name in _class_variables(cls) and are_same(value, default))


@cache
def _class_variables(cls: type[Aggregate]) -> frozenset[str]:
    return frozenset(
        name
        for base in own_bases(cls)
        for name, hint in inspect.get_annotations(base).items()
        if is_class_variable(hint)
    )


def put_state(aggregate: Aggregate, state: Mapping[str, object]) -> None:
    """
    Let it have the state of another: the attributes that `set_state_of` gave.
    """
    for name in set_state_of(aggregate):
        delattr(aggregate, name)
    vars(aggregate).update(state)


def continue_at(aggregate: Aggregate, snapshot: Snapshot) -> None:
    """
    Say that what is in the state of an aggregate is what was in that of *snapshot*.
    """
    aggregate._version = snapshot.version  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
    aggregate._passed_over = snapshot.passed_over  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
    aggregate._last_event_id = snapshot.last_event_id  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package


def passed_over(aggregate: Aggregate) -> int:
    """
    How many of the events in its version its class has no handler for.
    """
    return aggregate._passed_over  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package


def state_types(aggregate_class: type[Aggregate]) -> dict[str, Any]:
    """
    The annotations of its attributes, resolved, with what `Annotated` adds.

    Raises:
        UnstorableStateError: One names something that cannot be found.
    """
    types: dict[str, Any] = {}
    for base in reversed(own_bases(aggregate_class)):
        if "__slots__" in vars(base) and vars(base)["__slots__"]:
            raise UnstorableStateError(
                aggregate=aggregate_class.__name__, attribute=None, reason=f"{base.__name__} has __slots__"
            )
        for name, annotation in _annotated(base).items():
            types[name] = _resolve(annotation, base, name)
    return types


def _annotated(base: type) -> dict[str, Any]:
    return {name: hint for name, hint in inspect.get_annotations(base).items() if not is_class_variable(hint)}


def _resolve(annotation: object, base: type, name: str) -> Any:
    # A class of its own with this one annotation: an attribute that cannot be resolved is told by its name.
    holder = type("Holder", (), {"__annotations__": {name: annotation}, "__module__": base.__module__})
    try:
        return get_type_hints(holder, localns=dict(vars(base)), include_extras=True)[name]
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise UnstorableStateError(
            aggregate=base.__name__,
            attribute=name,
            reason=f"its annotation cannot be resolved in {base.__module__}: {error}",
        ) from None


class _Plain(Aggregate, subject="/plain/{id}"):
    """
    Nothing of its own: what an instance has is the framework's.
    """


class _PlainPeriods(PeriodAggregate, abstract=True):
    """
    Nothing of its own, in periods.
    """

    subject_template = "/plain/{id}"


_OURS = frozenset({*_Plain.__mro__, *_PlainPeriods.__mro__})


@cache
def kept_by_framework() -> frozenset[str]:
    """
    The names of the attributes that the framework gives each aggregate.
    """
    return frozenset({*vars(_Plain("1")), *vars(_PlainPeriods("1", period="1"))})
