"""
Plain calls: functions of the user's that the library calls and does not await.

Calling an asynchronous function or a generator function runs nothing of it. So such functions are refused where
they are given; and where that cannot be seen, what they return is refused before anything is kept.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable


def check_is_plain(function: Callable[..., object], *, may_yield: bool = False, may_await: bool = False) -> None:
    """
    Check that calling *function* runs it.

    Looks through `functools.partial`, bound methods, and objects that are called like functions.

    Args:
        may_yield: Whether it may be a generator function, since what it yields is taken.

        may_await: Whether it may be a coroutine function, since it is awaited.

    Raises:
        DeclarationError: It is asynchronous, or a generator function.
    """
    called = _called(function)
    is_async = inspect.iscoroutinefunction(called) and not may_await
    if is_async or inspect.isasyncgenfunction(called) or (inspect.isgeneratorfunction(called) and not may_yield):
        kind = "a generator" if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called) else "async"
        msg = f"{name_of(function)} must be a plain function, and is {kind}: {_WHY}"
        raise DeclarationError(msg)


def check_has_run(returned: object, function: object, *, may_yield: bool = False) -> None:
    """
    Check that what a call returned is no promise to run later.

    A coroutine or generator that would be forgotten is closed.

    Args:
        function: What was called, for the error.

    Raises:
        DeclarationError: It is an awaitable or a generator.
    """
    # Most functions of this kind return nothing, and this is asked for each event that is folded.
    if returned is None or type(returned) in _HAVE_RUN:
        return
    is_generator = inspect.isgenerator(returned)
    if is_generator and may_yield:
        return
    if is_generator or inspect.isasyncgen(returned) or inspect.isawaitable(returned):
        _close(returned)
        kind = type(returned).__name__
        msg = f"{name_of(function)} returned {_a(kind)} {kind}, which has not run: {_WHY}"
        raise DeclarationError(msg)


def name_of(function: object) -> str:
    """
    What a function is called, for errors.
    """
    while isinstance(function, functools.partial):
        function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  any function
    name: str = getattr(function, "__qualname__", "") or type(function).__qualname__  # pyright: ignore[reportUnknownArgumentType]  likewise
    return name


_WHY = "it is called, and what it returns is not awaited or iterated"
_HAVE_RUN = frozenset({int, str, bool, float, list, tuple, dict})


def _called(function: Any) -> Any:
    while isinstance(function, (functools.partial, functools.partialmethod)):
        function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  any function
    if isinstance(function, (staticmethod, classmethod)):
        function = function.__func__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  likewise
    if inspect.isroutine(function) or inspect.isclass(function):
        return function  # pyright: ignore[reportUnknownVariableType]  likewise
    if inspect.iscoroutinefunction(function):
        # It says so itself, as mocks do.
        return function
    kind: type = type(function)  # pyright: ignore[reportUnknownVariableType]  of whatever class
    return getattr(kind, "__call__", function)  # noqa: B004  the function itself is wanted


def _close(returned: Any) -> None:
    # An asynchronous generator that has not begun holds nothing.
    if inspect.iscoroutine(returned) or inspect.isgenerator(returned):
        returned.close()
    elif callable(cancel := getattr(returned, "cancel", None)):
        # A task: it would run beside what was refused.
        cancel()


def _a(word: str) -> str:
    return "an" if word[:1].lower() in {*"aeiou"} else "a"
