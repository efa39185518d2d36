"""
Finding the process managers that ``module:Process`` names, and what carries out their commands.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, cast

from eventsource.cli.failures import ProcessNotLoadedError
from eventsource.cli.loading import find_object
from eventsource.commands.dispatcher import Dispatcher
from eventsource.processes.process_manager import ProcessManager

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsource.store.interface import EventStore


def load_processes(names: Sequence[str]) -> list[type[ProcessManager]]:
    """
    One process manager for each ``module:Process``.

    Raises:
        ProcessNotLoadedError: There is none by that name, or two have the same name.
    """
    processes: dict[str, type[ProcessManager]] = {}
    for name in names:
        process = load_process(name)
        if process.process_name in processes:
            msg = f"{name}: there is already a process manager named {process.process_name!r}"
            raise ProcessNotLoadedError(msg)
        processes[process.process_name] = process
    return list(processes.values())


def load_process(name: str) -> type[ProcessManager]:
    """
    The process manager that ``module:Process`` names.

    Raises:
        ProcessNotLoadedError: There is none by that name.
    """
    example = "process manager: write module:Process, such as bank.loans:LoanApplication"
    found = find_object(name, ProcessNotLoadedError, example=example)
    if isinstance(found, type) and issubclass(found, ProcessManager) and found.process_name:
        return found
    path = name.partition(":")[2]
    msg = f"{name}: {path} is no process manager; one is a class such as `class {path}(ProcessManager, name=…)`"
    raise ProcessNotLoadedError(msg)


async def load_dispatcher(name: str, store: EventStore) -> Dispatcher:
    """
    The dispatcher that ``module:name`` names, on *store*: a dispatcher itself, or a function that makes one.

    The function takes the store; it may be asynchronous.

    Raises:
        ProcessNotLoadedError: There is none by that name, or the function makes none.
    """
    example = "dispatcher: write module:name, such as bank.commands:make_dispatcher"
    found = find_object(name, ProcessNotLoadedError, example=example)
    if isinstance(found, Dispatcher):
        return found.on(store)
    if not callable(found) or isinstance(found, type):
        msg = f"{name} is no Dispatcher, and no function that takes the store and gives one"
        raise ProcessNotLoadedError(msg)
    try:
        made: object = found(store)
        dispatcher = cast("object", await made) if inspect.isawaitable(made) else made
    except Exception as error:
        msg = f"{name}(store) raises {type(error).__name__}: {error}"
        raise ProcessNotLoadedError(msg) from error
    if not isinstance(dispatcher, Dispatcher):
        msg = f"{name}(store) gives a value of type {type(dispatcher).__name__}, and no Dispatcher"
        raise ProcessNotLoadedError(msg)
    return dispatcher
