"""
Being told to stop: SIGINT (Ctrl-C), SIGTERM, and SIGHUP (the terminal was closed).
"""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import FrameType

Result = TypeVar("Result")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedBySignal(SystemExit):
    """
    A signal ended the command early. It passes through asyncio, which lets a SystemExit pass.
    """

    def __init__(self, number: int) -> None:
        # What a shell reports of a process that a signal has ended.
        self.exit_code = 128 + number
        super().__init__(self.exit_code)


@contextmanager
def interrupted_by_signals() -> Generator[None]:
    """
    Let a signal raise `InterruptedBySignal` at once, also out of a write that waits for its reader.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the form of a signal handler
        raise InterruptedBySignal(number)

    before = {number: signal.signal(number, interrupt) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(
    work: Coroutine[Any, Any, Result], *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> Result:
    """
    Run the coroutine of a command.

    Args:
        loop_factory: Makes the event loop; by default asyncio's own.
    """

    async def catching() -> Result | InterruptedBySignal:
        # asyncio would log the exception of a task that breaks the loop, so none leaves the task.
        try:
            with nullcontext() if loop_factory else _woken_by_signals():
                return await work
        except InterruptedBySignal as interrupted:
            return interrupted

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        result = runner.run(catching())
    if isinstance(result, InterruptedBySignal):
        raise result
    return result


@contextmanager
def _woken_by_signals() -> Generator[None]:
    """
    Wake the event loop when a signal comes: one that comes right before the loop waits would be heeded after the wait.
    """
    loop = asyncio.get_running_loop()
    reading, writing = socket.socketpair()
    with reading, writing:
        reading.setblocking(False)  # noqa: FBT003  its only parameter
        writing.setblocking(False)  # noqa: FBT003  its only parameter
        before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        loop.add_reader(reading, reading.recv, 4096)
        try:
            yield
        finally:
            loop.remove_reader(reading)
            signal.set_wakeup_fd(before)


@attrs.define
class Stop:
    """
    Whether, and by which signal, this process was told to stop.

    Attributes:
        number: The signal; 0 as long as none came.
    """

    number: int = 0
    _came: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def set(self, number: int) -> None:
        """
        The signal has come.
        """
        self.number = number
        self._came.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """
        Return True when a signal has come, False when none did in *timeout_s* seconds.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._came.wait()
        except TimeoutError:
            return False
        return True


@contextmanager
def stopped_by_signals() -> Generator[Stop]:
    """
    Let the first signal ask for a clean stop, and a second one end the process at once.
    """
    loop = asyncio.get_running_loop()
    stop = Stop()
    before = {number: signal.getsignal(number) for number in _heeded()}

    def on_signal(number: int) -> None:
        stop.set(number)
        for each in before:
            loop.remove_signal_handler(each)
            # Whoever sends a second one does not want to wait for what hangs, and a kill does no harm.
            signal.signal(each, signal.SIG_DFL)

    for number in before:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _heeded() -> list[signal.Signals]:
    # ``nohup`` asks to live on when the terminal is closed.
    return [each for each in _SIGNALS if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]


async def unless_stopped(work: Coroutine[Any, Any, Result], stop: Stop) -> Result:
    """
    Run *work*, and cancel it when the process is told to stop.

    Raises:
        InterruptedBySignal: It was.
    """
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise InterruptedBySignal(stop.number)
        return working.result()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
