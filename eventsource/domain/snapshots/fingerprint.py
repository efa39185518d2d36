"""
Fingerprints of folds: a text that changes whenever other code would make the same events into state.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Final

import attrs
import pydantic

from eventsource.domain.event_type import event_types
from eventsource.domain.snapshots.aggregate_state import own_bases, state_types
from eventsource.domain.snapshots.code_description import NOTHING, Description

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType, FunctionType

    from eventsource.domain.aggregates.aggregate import Aggregate

# Raised when this package folds or stores state in another way.
_FOLD: Final = "1"


# What Python calls by itself when an aggregate is made and its attributes are used.
_CALLED_BY_PYTHON: Final = ("__init__", "__new__", "__setattr__", "__getattr__", "__getattribute__", "__delattr__")


@attrs.frozen(eq=False)
class Fingerprint:
    """
    The fingerprint of a fold, and what it was taken from.

    Attributes:
        text: 64 hex digits.
    """

    text: str
    _upcasters_declared: tuple[int, ...]
    _names: tuple[tuple[Mapping[str, object], str, object], ...]
    _codes: tuple[tuple[FunctionType, CodeType], ...]

    @property
    def is_current(self) -> bool:
        """
        Whether every function, class and constant it was taken from still stands where it stood.

        A module that was loaded again, or a function that a tool has put in place of another, is seen. What is
        changed inside a list or a dict is not: take the fingerprint again to see that.
        """
        return (
            self._upcasters_declared == event_types.upcasters_declared
            and all(names.get(name, NOTHING) is value for names, name, value in self._names)
            and all(function.__code__ is code for function, code in self._codes)
        )


def fingerprint_of(aggregate_class: type[Aggregate], *, revision: str = "") -> Fingerprint:
    """
    Take the fingerprint of how a class makes state of events.

    It covers the handlers; the functions and methods they call and the constants they read, as far as these
    are of the same project; the attributes with their types and defaults; the fields of the events; and the
    version of Python, whose byte code it is. It is the same in every process that runs the same code. Code
    of other distributions counts by the version of their package, where it says one.

    What it cannot see is what a handler should not do: read a file, a clock, the state of another object.

    Args:
        aggregate_class: The class.

        revision: A word of yours that counts in, for what cannot be seen.

    Raises:
        UnstorableStateError: The annotation of an attribute cannot be resolved.
    """
    bases = own_bases(aggregate_class)
    # A project's own packages may be installed as distributions, too.
    packages = frozenset(base.__module__.partition(".")[0] for base in bases)
    description = Description(packages, tuple(bases))
    description.add("fold", _FOLD, revision, aggregate_class.subject_template)
    description.add("python", str(sys.implementation.cache_tag), importlib.util.MAGIC_NUMBER.hex())
    description.add("pydantic", pydantic.VERSION)
    handlers, erased = aggregate_class._handlers, aggregate_class._erased_handlers  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
    description.add("unknown events", aggregate_class._unknown_events)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
    for name, (event_class, handler) in handlers.items():
        description.add("handler", name, description.token(event_class), description.token(handler))
    for name, handler in erased.items():
        description.add("erased", name, description.token(handler))
    for upcaster in event_types.upcasters_to({*handlers, *erased}):
        facts = (upcaster.stored_type, upcaster.version, upcaster.function, upcaster.places, upcaster.gives_pairs)
        description.add("upcaster", description.token(facts))
    for name, annotation in state_types(aggregate_class).items():
        description.add("type", name, description.token(annotation))
        description.add_attribute(name)
    for name in (*_CALLED_BY_PYTHON, *aggregate_class._mutable_defaults):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  of the same package
        description.add_attribute(name)
    text = description.finish()
    return Fingerprint(text, event_types.upcasters_declared, tuple(description.names), tuple(description.codes))
