"""
Finding what arguments name: the projectors of ``module:Projector``, the event classes of ``module``.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from eventsource.cli.failures import ModuleNotLoadedError, ProjectorNotLoadedError
from eventsource.cli.signals import InterruptedBySignal
from eventsource.events.event_types import event_types
from eventsource.projections.projector import Projector

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from eventsource.cli.failures import CommandError
    from eventsource.events.event import Event


def load_projectors(names: Sequence[str]) -> list[Projector]:
    """
    One projector for each ``module:Projector``, where the second part is a class or an instance.

    Raises:
        ProjectorNotLoadedError: There is none by that name, or two are stored under one name.
    """
    projectors: dict[str, Projector] = {}
    for name in names:
        projector = _load(name)
        if projector.name in projectors:
            msg = f"{name}: there is already a projector named {projector.name!r}, and each has its own checkpoint"
            raise ProjectorNotLoadedError(msg)
        projectors[projector.name] = projector
    return list(projectors.values())


def load_event_classes(names: Sequence[str]) -> list[type[Event]]:
    """
    The event classes that these modules declare or import by name, in the order of their types.

    Raises:
        ModuleNotLoadedError: There is no such module, importing it fails, or it has no event classes.
    """
    found: dict[str, type[Event]] = {}
    for name in names:
        module = _import(name, ModuleNotLoadedError)
        here = [each for each in event_types if _is_in(each, module)]
        if not here:
            msg = f"module {name} declares no event classes, and imports none by name"
            raise ModuleNotLoadedError(msg)
        found |= {each.event_type: each for each in here}
    return [found[event_type] for event_type in sorted(found)]


def _is_in(event_class: type[Event], module: ModuleType) -> bool:
    return event_class.__module__ == module.__name__ or any(value is event_class for value in vars(module).values())


def find_object(name: str, error: type[CommandError], *, example: str) -> object:
    """
    What ``module:name`` names; modules are found from the current directory, too.

    Args:
        error: What to raise where there is none.

        example: What to write, such as "projector: write module:Projector, such as bank.balances:Balances".

    Raises:
        CommandError: *error*: there is none by that name, or its module cannot be imported.
    """
    module_name, separator, path = name.partition(":")
    if not (separator and module_name and path):
        msg = f"{name!r} names no {example}"
        raise error(msg)
    found: object = _import(module_name, error)
    for attribute in path.split("."):
        if not hasattr(found, attribute):
            msg = f"{name}: module {module_name} has no {path!r}"
            raise error(msg)
        found = getattr(found, attribute)
    return found


def _load(name: str) -> Projector:
    found = find_object(
        name, ProjectorNotLoadedError, example="projector: write module:Projector, such as bank.balances:Balances"
    )
    path = name.partition(":")[2]
    if isinstance(found, Projector):
        return found
    if isinstance(found, type) and issubclass(found, Projector) and found.name:
        return _make(name, found)
    what = "is an abstract projector" if isinstance(found, type) and issubclass(found, Projector) else "is no projector"
    msg = f"{name}: {path} {what}; a projector is a class such as `class {path}(Projector, name=…)`, or one of its kind"
    raise ProjectorNotLoadedError(msg)


def _import(name: str, kind: type[CommandError]) -> ModuleType:
    directory = str(Path.cwd())
    # A console script has its own directory there, `python -m` an empty text for the current one.
    if directory not in sys.path and "" not in sys.path:
        sys.path.insert(0, directory)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise kind(_why_import_failed(name, error)) from error
        msg = f"there is no module {error.name!r} in {Path.cwd()} or on the import path"
        raise kind(msg) from error
    except InterruptedBySignal:
        raise
    except (Exception, SystemExit) as error:
        # A module runs anything when it is imported, and may raise anything.
        raise kind(_why_import_failed(name, error)) from error


def _why_import_failed(name: str, error: BaseException) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = "" if place.filename.startswith("<") else f" ({place.filename}, line {place.lineno})"
    return f"module {name} fails when it is imported: {type(error).__name__}: {error}{where}"


def _make(name: str, projector_class: type[Projector]) -> Projector:
    try:
        return projector_class()
    except Exception as error:
        msg = (
            f"{name}: {projector_class.__name__}() raises {type(error).__name__}: {error}; "
            "if it takes arguments, make an instance in its module and name that"
        )
        raise ProjectorNotLoadedError(msg) from error
