"""
The client: each operation of a Genesis DB as one method.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import quote

import httpx

from eventsource.events.canonical_json import to_canonical_json
from eventsource.events.errors import MalformedEventError
from eventsource.genesisdb.attempt import CommitAttempt
from eventsource.genesisdb.body import SMALL_BYTES, check_media_type, parts
from eventsource.genesisdb.commit import Committer
from eventsource.genesisdb.errors import ClientSettingError
from eventsource.genesisdb.event import Event
from eventsource.genesisdb.exchange import DEFAULT_LIMITS, JSON, Exchange, Limits, stream_body
from eventsource.genesisdb.observing import Following
from eventsource.genesisdb.options import (
    print_event,
    print_preconditions,
    print_stream_options,
    typed_preconditions,
)
from eventsource.genesisdb.read_back import is_event, read_event
from eventsource.genesisdb.rows import Rows
from eventsource.genesisdb.settings import TOKEN, TOKEN_VARIABLE, URL, VERSION, Settings
from eventsource.wire.backup import is_record
from eventsource.wire.errors import BackupInvalidError, CommitOutcomeUnknownError, DamagedLineError, NotSupportedError
from eventsource.wire.json_array import read_array
from eventsource.wire.ndjson import LineSplitter, read_value
from eventsource.wire.request_errors import RequestRefusedError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
    from types import TracebackType

    from eventsource.events.event import NewEvent
    from eventsource.genesisdb.exchange import Reply
    from eventsource.genesisdb.options import EventInput, PreconditionInput, StreamOptions
    from eventsource.guards.preconditions import Precondition


class Client:
    """
    A Genesis DB over HTTP.

    Its methods are named as those of the official Python SDK and take the same dictionaries; the
    errors are those of this package. Use it as ``async with``, or call `aclose` at the end; one that
    is never closed keeps its idle connections until the program ends.

    One client serves the whole program: several event loops, one after another or in several threads, and
    processes that were forked. Each has connections of its own.

    Args:
        config: The settings ``api_url``, ``api_version`` and ``auth_token`` as a dictionary, as the official
            SDK takes them; or the URL alone.

        api_version: Version of the API; by default the value of ``GENESISDB_API_VERSION``, or ``v1``.

        auth_token: The token to send; by default the value of ``GENESISDB_AUTH_TOKEN``.

        api_url: URL of the server; by default the value of ``GENESISDB_API_URL``, or ``GENESISDB_URL``.

        limits: Time limits, size limits and numbers of attempts.

        http: An `httpx.AsyncClient` of your own to send by, for a proxy or a certificate, say. You
            close it. It belongs to the event loop that uses it first, and it may bring a token of its own.
            Without one the client has its own connections, which are several times as fast.

        tls: Verifies servers for the client's own connections; by default as
            `ssl.create_default_context` does.

        max_connections: Greatest number of its own connections at a time, in each event loop.

        mark_commits: Put the idempotency key of each commit into the data of its events, as
            ``_meta.commit``. A server that keeps no such keys, like Genesis DB itself, then lets a
            lost answer be settled in more cases; see `resolve`.

    Raises:
        InvalidStoreUrlError: No URL, or not one of a server.
        ClientSettingError: No token, a version or token that cannot be sent, or a setting that does not exist.
    """

    def __init__(
        self,
        config: Mapping[str, str | None] | str | None = None,
        api_version: str | None = None,
        auth_token: str | None = None,
        *,
        api_url: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
        http: httpx.AsyncClient | None = None,
        tls: ssl.SSLContext | None = None,
        max_connections: int | None = None,
        mark_commits: bool = False,
    ) -> None:
        given = {URL: api_url, VERSION: api_version, TOKEN: auth_token}
        settings = Settings.of(*_read_config(config, given))
        if settings.token is None and http is None:
            raise ClientSettingError(TOKEN, f"give a token, or set {TOKEN_VARIABLE}")
        self.exchange = Exchange(settings, limits=limits, http=http, tls=tls, max_connections=max_connections)
        self.committer = Committer(self.exchange)
        self.marks_commits = mark_commits

    def __repr__(self) -> str:
        return f"<Client of {self.exchange.settings.url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def url(self) -> str:
        """
        The URL of the server, without secrets.
        """
        return self.exchange.settings.url

    @property
    def api_url(self) -> str:
        """
        The URL of the server, without a slash at its end.
        """
        return self.exchange.settings.url

    @property
    def api_version(self) -> str:
        """
        The version of the API.
        """
        return self.exchange.settings.version

    @property
    def auth_token(self) -> str | None:
        """
        The token that is sent.
        """
        return self.exchange.settings.token

    async def aclose(self) -> None:
        """
        Wait for requests under way to end, then close all connections. Streams are cut.

        Later requests are refused.
        """
        await self.exchange.aclose()

    # The operations of the official SDK.

    async def commit_events(
        self,
        events: Iterable[EventInput | NewEvent | Mapping[str, Any]],
        preconditions: Iterable[PreconditionInput | Precondition | Mapping[str, Any]] | None = None,
        *,
        idempotency_key: str | None = None,
        reads_back: bool = False,
    ) -> list[Event]:
        """
        Write all *events* or none, if all *preconditions* hold.

        Args:
            events: Each with ``source``, ``subject``, ``type``, ``data`` and perhaps ``options``.

            preconditions: Each with ``type`` and ``payload``, or objects of this package.

            idempotency_key: Names the commit, so that a server that keeps such keys stores it once;
                by default a new one.

            reads_back: If the server does not tell the events, read them.

        Returns:
            The events as stored; empty if the server does not tell them and they are not read back.

        Raises:
            PreconditionFailedError: One did not hold; nothing was written.
            CommitOutcomeUnknownError: It may have been written or not, see `resolve`.
            TimeoutError, asyncio.CancelledError: A time limit of yours ended it, or its task was cancelled:
                it may have been written or not. `CommitOutcomeUnknownError.behind` finds the error for `resolve`.
            StoreUnavailableError: The server cannot be reached; nothing was written.
            EventSourceError: The server refused, for the reason the class names.
        """
        guards = list(preconditions or ())
        attempt = CommitAttempt.of(
            [print_event(event) for event in events],
            print_preconditions(guards),
            key=idempotency_key,
            is_marked=self.marks_commits,
            typed=typed_preconditions(guards),
            known_id=self.committer.known_id,
        )
        return [Event(members) for members in await self.committer.commit(attempt, reads_back=reads_back)]

    async def resolve(self, error: CommitOutcomeUnknownError) -> list[Event] | None:
        """
        Find out what became of a commit.

        The commit is sent again if that cannot store it twice: the server keeps idempotency keys,
        or the commit itself breaks one of its guards. Otherwise it is looked for by its mark.

        Returns:
            Its events if it is stored; None if it is not, and never will be.

        Raises:
            CommitOutcomeUnknownError: The outcome cannot be decided, or not now.
            ValueError: The error is not of a commit over HTTP.
        """
        if not isinstance(error.attempt, CommitAttempt):
            msg = "this error is not of a commit over HTTP"
            raise ValueError(msg)  # noqa: TRY004  its type is right
        found = await self.committer.resolve(error.attempt)
        return None if found is None else [Event(members) for members in found]

    def stream_events(self, subject: str, options: StreamOptions | Mapping[str, Any] | None = None) -> Rows[Event]:
        """
        The events of *subject* and of all below it, in the order they were committed.

        ``await`` it for a list, or take them one by one with ``async for``.

        Raises:
            EventNotFoundError: A bound is not in the store.
            DamagedLineError: A line of the answer cannot be read, or the last one was cut.
            EventSourceError: Any other refusal, or no answer.
        """
        body = stream_body(subject, print_stream_options(options))

        async def pages() -> AsyncGenerator[list[Event]]:
            async with aclosing(self.exchange.lines("/stream", body)) as found:
                async for lines in found:
                    yield [_read_event(number, line) for number, line in lines]

        return Rows(pages)

    async def observe_events(
        self, subject: str, options: StreamOptions | Mapping[str, Any] | None = None
    ) -> AsyncGenerator[Event]:
        """
        Events as they are committed; with ``lower_bound`` first those behind it. It does not end.

        When the connection goes, or is silent for too long, it is opened again behind the last event
        that came, for as long as it takes: none is missed, none comes twice. With ``upper_bound`` it
        ends there.

        Raises:
            EventNotFoundError: The bound is not in the store.
            DamagedLineError: A line of the answer cannot be read.
            StoreUnavailableError: No answer, at the start.
            EventSourceError: Any other refusal.
        """
        following = Following(self.exchange, subject, print_stream_options(options), from_now=True)
        async with aclosing(following.batches()) as batches:
            async for batch in batches:
                for number, line in batch.lines:
                    yield _read_event(number, line)

    def query_events(self, query: str) -> Rows[Any]:
        """
        The rows of a GDBQL query, each a JSON value.

        ``await`` it for a list, or take them one by one with ``async for``.

        Raises:
            QuerySyntaxError, RequestRefusedError: The server does not take the query.
            EventSourceError: Any other refusal, or no answer.
        """
        body = to_canonical_json({"query": query}).encode()

        async def pages() -> AsyncGenerator[list[Any]]:
            async with aclosing(self.exchange.lines("/q", body)) as found:
                async for lines in found:
                    yield [read_value(number, line) for number, line in lines]

        return Rows(pages)

    def q(self, query: str) -> Rows[Any]:
        """
        The older name of `query_events`.
        """
        return self.query_events(query)

    async def erase_data(self, subject: str) -> None:
        """
        Empty the data of the events of exactly *subject* that were stored by reference.

        Raises:
            SubjectNotFoundError, RequestRefusedError: The subject does not exist.
            EventSourceError: Any other refusal, or no answer: then ask again, repeating is harmless.
        """
        await self.erase(subject)

    async def ping(self) -> str:
        """
        Check that the server is there: ``pong``. Needs no token.

        Raises:
            StoreUnavailableError: It does not answer.
        """
        return await self._text("/status/ping", tries=1)

    async def audit(self) -> str:
        """
        The server's report after checking its hash chain; one line or more.
        """
        return await self._text("/status/audit", tries=1)

    # Further operations of Genesis DB.

    async def status(self) -> dict[str, Any]:
        """
        The server's version and machine, and how much it holds: ``engine``, ``system``, ``events``.
        """
        return self._object(await self.exchange.get("/status", limit_bytes=SMALL_BYTES))

    async def subjects(self, under: str = "/") -> list[str]:
        """
        The subjects that have events.

        Args:
            under: Only these at and below it are wanted. An eventsource server leaves out the others;
                a Genesis DB may list all, so look at what comes.
        """
        path = "/subjects" if under == "/" else f"/subjects?under={quote(under, safe='/')}"
        return await self._texts(path, "subjects")

    async def types(self) -> list[str]:
        """
        The types of the events.
        """
        return await self._texts("/types", "types")

    async def register_schema(self, event_type: str, schema: Mapping[str, Any]) -> None:
        """
        Make the server check the data of each further event of that type.

        Raises:
            SchemaExistsError, RequestRefusedError: There is one already; it cannot be changed.
        """
        body = to_canonical_json({"type": event_type, "schema": dict(schema)})
        await self._extended("POST", "/schema/register", body.encode())

    async def schemas(self) -> dict[str, Any]:
        """
        The schemas by event type.
        """
        found = _read_whole(await self._extended("GET", "/schema/get"))
        if isinstance(found, dict):
            members = cast("dict[str, Any]", found)
            inner = members.get("schemas")
            return cast("dict[str, Any]", inner) if isinstance(inner, dict) else members
        if found is not None and not isinstance(found, list):
            reason = "it is no list or object of schemas"
            raise DamagedLineError(1, reason)
        schemas: dict[str, Any] = {}
        for entry in found or []:  # pyright: ignore[reportUnknownVariableType]  # mypy knows it
            if not isinstance(entry, dict) or "type" not in entry:
                reason = "an entry of it is no schema"
                raise DamagedLineError(1, reason)
            schemas[str(cast("dict[str, Any]", entry)["type"])] = cast("dict[str, Any]", entry).get("schema")
        return schemas

    async def backup(self) -> AsyncGenerator[Event]:
        """
        All events of the store as of one moment, complete, for `restore`.
        """
        try:
            async with self.exchange.opened("GET", "/backup/create", accept=JSON) as response:
                if not response.is_success:
                    raise self.exchange.failure(await self.exchange.reply(response))
                check_media_type(response.headers)
                async for item in read_array(parts(response)):
                    members = cast("dict[str, Any]", item)
                    if not is_event(item) and not (isinstance(item, dict) and is_record(members)):
                        reason = "what the server sends is no backup"
                        raise MalformedEventError(reason)
                    yield Event(members)
        except httpx.TransportError as error:
            raise self.exchange.unavailable(error) from error

    async def restore(self, events: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]) -> int | None:
        """
        Fill an empty store with the events of a backup, as they are.

        Returns:
            Number of events; None if the server does not say.

        Raises:
            StoreNotEmptyError, RequestRefusedError: The store is not empty, or the events do not fit together.
        """
        return _count(await self.exchange.post("/backup/restore", _print_array(events)), "restored")

    async def erase(self, subject: str, *, including: Collection[str] = ()) -> int | None:
        """
        As `erase_data`.

        Args:
            including: Types of events whose data is erased, too, where it was not stored by reference.

        Returns:
            Number of events emptied; None if the server does not say.

        Raises:
            NotSupportedError: The server erases by reference only, as Genesis DB does: it does not say that it took
                *including*.
        """
        # A `Subject` is a text that JSON printers do not take for one.
        body: dict[str, Any] = {"subject": str(subject)}
        if including:
            body["including"] = [including] if isinstance(including, str) else sorted(including)
        reply = await self.exchange.post("/erase", to_canonical_json(body).encode())
        if including and _member(reply, "including") != body["including"]:
            msg = "the server erases data that was stored by reference and no other: not the types in `including`"
            raise NotSupportedError(msg)
        return _count(reply, "erased")

    # Only the servers of this package know these operations.

    async def explain(self, query: str) -> dict[str, Any]:
        """
        Ask how the server would answer a query.

        Raises:
            NotSupportedError: It does not tell, as Genesis DB itself.
        """
        return self._object(await self._extended("POST", "/explain", to_canonical_json({"query": query}).encode()))

    async def indexes(self) -> list[dict[str, Any]]:
        """
        The declared indexes on data.

        Raises:
            NotSupportedError: The server has none, as Genesis DB itself.
        """
        found = await self._list("/indexes", "indexes")
        if not all(isinstance(index, dict) for index in found):
            reason = "an entry of it is no index"
            raise DamagedLineError(1, reason)
        return cast("list[dict[str, Any]]", found)

    async def create_index(self, event_type: str, path: str) -> dict[str, Any]:
        """
        Declare an index on *path*, such as ``data.email``, of the events of a type.

        Raises:
            NotSupportedError: The server has none, as Genesis DB itself.
        """
        body = to_canonical_json({"type": event_type, "path": path})
        return self._object(await self._extended("POST", "/indexes", body.encode()))

    async def drop_index(self, event_type: str, path: str) -> bool:
        """
        Remove a declared index; whether there was one.

        Raises:
            NotSupportedError: The server has none, as Genesis DB itself.
        """
        body = to_canonical_json({"type": event_type, "path": path})
        return bool(self._object(await self._extended("POST", "/indexes/drop", body.encode())).get("dropped"))

    async def _extended(self, method: str, path: str, body: bytes | None = None) -> Reply:
        """
        Ask for what not every server has.
        """
        try:
            return await (self.exchange.get(path) if method == "GET" else self.exchange.post(path, body or b""))
        except RequestRefusedError as refusal:
            if refusal.status in _NO_SUCH_PLACE:
                msg = f"the server at {self.url} has no {path}"
                raise NotSupportedError(msg) from refusal
            raise

    async def _text(self, path: str, *, tries: int) -> str:
        reply = await self.exchange.get(path, accept="text/plain", tries=tries, limit_bytes=SMALL_BYTES)
        return reply.body.decode(errors="replace")

    async def _texts(self, path: str, member: str) -> list[str]:
        found = await self._list(path, member)
        if not all(isinstance(text, str) for text in found):
            reason = f"it is no list of {member}"
            raise DamagedLineError(1, reason)
        return cast("list[str]", found)

    async def _list(self, path: str, member: str) -> list[Any]:
        found = _read_whole(await self._extended("GET", path))
        if isinstance(found, dict):
            found = cast("dict[str, Any]", found).get(member)
        if isinstance(found, str):
            # A list of one, as lines.
            found = [found]
        if not isinstance(found, list):
            reason = f"it is no list of {member}"
            raise DamagedLineError(1, reason)
        items: list[Any] = found  # pyright: ignore[reportUnknownVariableType]
        return items

    def _object(self, reply: Reply) -> dict[str, Any]:
        found = _read_whole(reply)
        if not isinstance(found, dict):
            reason = "it is no JSON object"
            raise DamagedLineError(1, reason)
        return cast("dict[str, Any]", found)


def _read_config(config: Mapping[str, str | None] | str | None, given: dict[str, str | None]) -> list[str | None]:
    """
    The settings in the order of `Settings.of`; empty ones count as not given, as in the official SDK.
    """
    in_config: dict[str, Any] = {URL: config} if isinstance(config, str) else dict(config or {})
    for name, value in in_config.items():
        if name not in given:
            raise ClientSettingError(str(name), f"no such setting; there are {', '.join(given)}")
        if not isinstance(value, str | None):
            raise ClientSettingError(name, f"a text is wanted, not {type(value).__name__}")
        if value and given[name]:
            raise ClientSettingError(name, "it is given twice")
    return [given[name] or in_config.get(name) for name in given]


# No such path, no such method there, not written yet.
_NO_SUCH_PLACE = frozenset({404, 405, 501})


def _read_event(number: int, line: bytes) -> Event:
    return Event(read_event(number, line))


def _count(reply: Reply, name: str) -> int | None:
    count = _member(reply, name)
    return count if isinstance(count, int) else None


def _member(reply: Reply, name: str) -> Any:
    try:
        found = read_value(1, reply.body)
    except DamagedLineError:
        return None
    return cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None


def _read_whole(reply: Reply) -> Any:
    """
    The JSON of an answer: a value, or the list of its lines; None for nothing.
    """
    try:
        return read_value(1, reply.body)
    except DamagedLineError as damage:
        lines = LineSplitter()
        try:
            values = [read_value(number, line) for part in (reply.body, b"\n") for number, line in lines.feed(part)]
        except DamagedLineError:
            raise damage from None
    return values[0] if len(values) == 1 else values or None


async def _print_array(events: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    """
    A JSON array in parts, so that a backup larger than the memory passes.
    """
    part = [b"["]
    size = 0
    separator = b""
    index = 0
    async for event in _each(events):
        # Callers without a type checker.
        if not isinstance(event, Mapping):
            problem = "it is no JSON object"
            raise BackupInvalidError(problem, index=index)
        index += 1
        line = to_canonical_json(dict(event)).encode()
        part += [separator, line]
        separator = b",\n"
        size += len(line)
        if size > _PART_BYTES:
            yield b"".join(part)
            part, size = [], 0
    part.append(b"]")
    yield b"".join(part)


_PART_BYTES = 256 * 1024


async def _each(
    events: Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
) -> AsyncIterator[Mapping[str, Any]]:
    if isinstance(events, AsyncIterable):
        async for event in events:
            yield event
    else:
        for each in events:
            yield each
