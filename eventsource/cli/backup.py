"""
``eventsource backup`` and ``eventsource restore``: a whole store as lines of JSON, and a store made of them.
"""

import contextlib
import os
import re
import sys
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import IO, Annotated, Any, Final, cast
from zlib import crc32

import attrs
import typer
from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from eventsource.cli.failures import CommandError, ExitCode, OutputError
from eventsource.cli.options import Json, StoreUrl, WritableStoreUrl
from eventsource.cli.output import escape, is_terminal, to_json, write_error, write_json, write_lines
from eventsource.cli.signals import run
from eventsource.private_files import look, replacing
from eventsource.root_error import UnsafeFileError
from eventsource.store.opening import connect
from eventsource.store.restoring import BackupReader
from eventsource.wire.backup import BEGIN, CHECK_MEMBER, RECORD_MEMBER, framed
from eventsource.wire.errors import BackupInvalidError, StoreNotEmptyError
from eventsource.wire.json_array import read_numbered_array
from eventsource.wire.request_errors import InvalidJsonError
from eventsource.wire.strict_json import read_json

_BLOCK_BYTES: Final = 256 * 1024
# Longer than any item of a backup: an event or a part of the schemas, with its escapes.
_MAX_LINE_BYTES: Final = 4 * 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_SPACE: Final = b" \t\r\n"

# Is told how many events there are so far.
Advance = Callable[[int], None]


class BackupFileError(CommandError):
    """
    A file is no backup, or not all of one.
    """

    code = BackupInvalidError.code
    exit_code = ExitCode.FAILED


class BackupFileExistsError(CommandError):
    """
    There is a file already where the backup shall be.
    """

    code = "backup-file-exists"


class RestoredStoreDamagedError(CommandError):
    """
    The audit of the restored store found problems.
    """

    code = "restored-store-damaged"
    exit_code = ExitCode.FAILED


class BackupResult(BaseModel):
    """
    What was backed up or restored.

    Attributes:
        events: The number of events.

        head: The hash of the last one; 64 zeros without events.

        imported: How many of them come from another kind of store, so that only their links were checked.
    """

    model_config = ConfigDict(frozen=True)

    events: int
    head: str
    imported: int


def backup(
    store: StoreUrl,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Where to write it; standard output by default, or where it says -.")
    ] = "-",
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a backup that is there.")] = False,
    json: Json = False,
) -> int:
    """
    Write all of a store as it is at this moment: events, idempotency keys, schemas, declared indexes.

    A line of JSON each; the first and the last one say where the backup begins and ends. Commits go on meanwhile. A
    file appears under its name when it is complete and on the disk, and only its owner can read it: it holds personal
    data. Interrupted or killed, the command leaves no file of that name, or the one that was there.

    Exits with 1 if the store is damaged, with 2 if there is a file already, with 3 if the store cannot be opened or
    read, or the backup cannot be written.
    """
    if file == "-":
        with _written_to_output() as output:
            result = run(_back_up(store, output))
        tell = write_error
    else:
        with _whole_file(Path(file), overwrite=overwrite) as output:
            result = run(_back_up(store, output))
        tell = _write_line
    tell(to_json(result.model_dump()) if json else f"backed up {result.events:,} events, head {result.head}")
    return ExitCode.DONE


def restore(
    store: WritableStoreUrl,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The backup; standard input by default, or where it says -.")
    ] = "-",
    *,
    json: Json = False,
) -> int:
    """
    Fill an empty store with a backup: all of it or nothing, whatever happens.

    It takes what "eventsource backup" writes, and the JSON array of events that a Genesis DB gives. Then it audits the
    store. Interrupted or killed, it leaves the store as empty as before: run it again.

    Exits with 1 if the backup is damaged or was cut, and says where, with 2 if the store has events already, with 3 if
    the store cannot be opened or written to.
    """
    with _opened_for_reading(file) as source:
        result = run(_restore(store, source, "standard input" if file == "-" else file))
    if json:
        write_json(result)
    else:
        imported = f", {result.imported:,} of another kind of store" if result.imported else ""
        write_lines([f"restored {result.events:,} events{imported}, head {result.head}", "intact"])
    return ExitCode.DONE


def _write_line(text: str) -> None:
    write_lines([text])


# --- Writing ---


async def _back_up(url: str, output: IO[bytes]) -> BackupResult:
    async with connect(url, read_only=True) as store:
        reader = BackupReader()
        with _bar("backing up", await store.count()) as advance:
            try:
                async with contextlib.aclosing(store.backup()) as items:
                    async for item in framed(items):
                        # What is written can be restored, or it is not called a backup.
                        reader.read(item)
                        output.write(_print_line(item))
                        advance(reader.events)
                reader.complete()
            except BackupInvalidError as error:
                msg = (
                    f"the store is damaged, so no backup was written: item {error.index} (counted from 0): "
                    f'{error.problem}; "eventsource audit" tells more'
                )
                raise BackupFileError(msg) from error
    return BackupResult(events=reader.events, head=reader.head, imported=reader.imported)


def _print_line(item: Mapping[str, Any]) -> bytes:
    """
    A line of the file, with what tells that its bytes have changed.
    """
    text = to_json(item)
    return f'{text[:-1]},"{CHECK_MEMBER}":"{crc32(text.encode()):08x}"}}\n'.encode()


def _is_unchanged(line: bytes, item: Mapping[str, Any]) -> bool:
    check = item.get(CHECK_MEMBER)
    match = _CHECK.search(line)
    if match is not None:
        return f"{crc32(line[: match.start()] + b'}'):08x}" == check
    # Written anew by another program, which may set spaces.
    text = to_json({name: value for name, value in item.items() if name != CHECK_MEMBER})
    return f"{crc32(text.encode()):08x}" == check


_CHECK: Final = re.compile(rb',"' + CHECK_MEMBER.encode() + rb'":"[0-9a-f]{8}"\}\s*\Z')


@contextlib.contextmanager
def _whole_file(path: Path, *, overwrite: bool) -> Generator[IO[bytes]]:
    """
    A file that has its name when the block has ended well, and no other time.
    """
    # The name itself stays: it must be no symbolic link.
    path = path.parent.resolve() / path.name
    _check_place(path, overwrite=overwrite)
    try:
        with replacing(path, overwrite=overwrite) as output:
            yield output
    except FileExistsError:
        msg = f"{escape(str(path))} is there already: it was made meanwhile"
        raise BackupFileExistsError(msg) from None
    except OSError as error:
        msg = f"cannot write the backup to {escape(str(path))}: {error.strerror}"
        raise OutputError(msg) from error


def _check_place(path: Path, *, overwrite: bool) -> None:
    try:
        if look(path) is None:
            return
        if not overwrite:
            msg = f"{escape(str(path))} is there already; --overwrite replaces it"
            raise BackupFileExistsError(msg)
        with path.open("rb") as there:
            begins = there.read(1)
    except UnsafeFileError as error:
        msg = f"{escape(str(path))} is there, and it is no file to replace: {error.reason}"
        raise BackupFileExistsError(msg) from error
    except OSError as error:
        msg = f"cannot write the backup to {escape(str(path))}: {error.strerror}"
        raise OutputError(msg) from error
    if begins.strip() not in {b"", b"{", b"["}:
        # Perhaps a store, typed at the wrong place.
        msg = f"{escape(str(path))} is there, and it is no backup: remove it, or give another name"
        raise BackupFileExistsError(msg)


@contextlib.contextmanager
def _written_to_output() -> Generator[IO[bytes]]:
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError as error:
        # The interpreter would try once more at its end to write what is left, and complain.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        reason = "nobody read it to its end" if isinstance(error, BrokenPipeError) else error.strerror
        msg = f"the backup is not complete: cannot write it to standard output: {reason}"
        raise OutputError(msg) from error


# --- Reading ---


@contextlib.contextmanager
def _opened_for_reading(file: str) -> Generator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        source = Path(file).open("rb")  # noqa: SIM115  closed below, where errors of the block are others
    except OSError as error:
        msg = f"cannot read {escape(file)}: {error.strerror}"
        raise CommandError(msg) from error
    with source:
        yield source


async def _restore(url: str, source: IO[bytes], name: str) -> BackupResult:
    async with connect(url) as store:
        if events := await store.count():
            # Before anything is read or sent.
            raise StoreNotEmptyError(url, events=events)
        lines = _Lines(name)
        with _bar("restoring", None) as advance:
            try:
                restored = await store.restore(lines.items(source, advance))
            except BackupInvalidError as error:
                raise BackupFileError(lines.in_words(lines.line_of(error.index), error.problem)) from error
        with _bar("auditing", None):
            report = await store.audit()
        count = await store.count()
    if not report.is_intact or count != restored:
        found = report.problems[0].what if report.problems else f"it has {count} events in place of {restored}"
        msg = f'the restored store does not pass its audit: {found}; "eventsource audit" tells more'
        raise RestoredStoreDamagedError(msg)
    return BackupResult(events=restored, head=report.head, imported=report.imported)


@attrs.define
class _Lines:
    """
    Reads the items of a backup, and knows on which line each of them stands.
    """

    name: str
    _count: int = 0
    _last_line: int = 0
    # True if each line tells whether it is as it was written.
    _is_checked: bool = False
    # Where lines and items come apart: the items from such an index on stand so many lines behind it.
    _indexes: list[int] = attrs.field(factory=list[int])
    _offsets: list[int] = attrs.field(factory=list[int])

    async def items(self, source: IO[bytes], advance: Advance) -> AsyncIterator[dict[str, Any]]:
        """
        The items, from lines or from an array.

        Raises:
            BackupFileError: There is none, or one is no JSON object.
        """
        blocks = _blocks(source, self)
        begin = b""
        for block in blocks:
            begin += block
            if begin.strip():
                break
        content = begin.lstrip(_SPACE)
        if not content:
            msg = f"{escape(self.name)} is empty: it is no backup"
            raise BackupFileError(msg)
        if content.startswith(_GZIP):
            msg = f"{escape(self.name)} is compressed: unpack it first, for example with gunzip -c"
            raise BackupFileError(msg)
        numbered = self._from_array(begin, blocks) if content.startswith(b"[") else self._from_lines(begin, blocks)
        async for line, item in numbered:
            if not isinstance(item, dict):
                raise BackupFileError(self.in_words(line, "it is no JSON object"))
            self._note(line)
            advance(self._count)
            yield item

    def line_of(self, index: int) -> int:
        """
        The line of an item; one behind the last item stands on the next line.
        """
        if index >= self._count:
            return self._last_line + 1
        place = bisect_right(self._indexes, index) - 1
        return index + self._offsets[place]

    def in_words(self, line: int, problem: str) -> str:
        """
        What is wrong on a line, for people.
        """
        return f"{escape(self.name)}, line {line}: {problem}; nothing was restored"

    def _note(self, line: int) -> None:
        if not self._offsets or self._offsets[-1] != line - self._count:
            self._indexes.append(self._count)
            self._offsets.append(line - self._count)
        self._count += 1
        self._last_line = line

    async def _from_array(self, begin: bytes, blocks: Iterator[bytes]) -> AsyncIterator[tuple[int, Any]]:
        async def parts() -> AsyncIterator[bytes]:
            yield begin
            for block in blocks:
                yield block

        try:
            async for line, item in read_numbered_array(parts()):
                yield line, item
        except InvalidJsonError as error:
            msg = f"{escape(self.name)} is no whole backup: {error.reason}; nothing was restored"
            raise BackupFileError(msg) from error

    async def _from_lines(self, begin: bytes, blocks: Iterator[bytes]) -> AsyncIterator[tuple[int, Any]]:
        number = 0
        rest = begin
        while True:
            *complete, rest = rest.split(b"\n")
            for line in complete:
                number += 1
                if line.strip():
                    yield number, self._read(number, line)
            block = next(blocks, None)
            if block is None:
                break
            rest += block
            if len(rest) > _MAX_LINE_BYTES and b"\n" not in rest:
                raise BackupFileError(self.in_words(number + 1, f"it is longer than {_MAX_LINE_BYTES} bytes"))
        if rest.strip():
            yield number + 1, self._read(number + 1, rest)

    def _read(self, number: int, line: bytes) -> Any:
        try:
            item: Any = read_json(line)
        except InvalidJsonError as error:
            # It is read alone, so it knows no other line than the first.
            reason = error.reason.replace(" at line 1, column", ": column")
            raise BackupFileError(self.in_words(number, f"it is no JSON, or was cut: {reason}")) from error
        if isinstance(item, dict):
            item = members = cast("dict[str, Any]", item)
            self._is_checked |= self._count == 0 and members.get(RECORD_MEMBER) == BEGIN
            if self._is_checked and not _is_unchanged(line, members):
                raise BackupFileError(self.in_words(number, "it was changed or damaged after it was written"))
        return item


def _blocks(source: IO[bytes], lines: _Lines) -> Iterator[bytes]:
    try:
        # What is there of a pipe, without waiting for more of it.
        while block := source.read1(_BLOCK_BYTES):  # type: ignore[attr-defined]  # a buffered reader
            yield block
    except OSError as error:
        msg = f"cannot read {escape(lines.name)}: {error.strerror}"
        raise CommandError(msg) from error


@contextlib.contextmanager
def _bar(what: str, total: int | None) -> Generator[Advance]:
    """
    A bar on standard error where a person may see it.
    """
    if not is_terminal():
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task: TaskID = progress.add_task(what, total=total)
        yield lambda events: progress.update(task, completed=events)
