"""
Projectors: handlers that keep a read model up to date.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar

from eventsource.aggregates.folding import handled
from eventsource.events.decoding import decode, is_surely_plain
from eventsource.events.errors import EventDecodingError, EventError
from eventsource.events.event_types import event_types
from eventsource.events.handlers import collect_erased_handlers, collect_handlers
from eventsource.events.personal_data import Erased, may_be_erased
from eventsource.events.plain_call import check_has_run
from eventsource.events.subject import Subject
from eventsource.events.validation import validate
from eventsource.projections.errors import ProjectorNotRunningError
from eventsource.projections.progress import WatchedProgress
from eventsource.root_error import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Table

    from eventsource.events.event import Event, RecordedEvent
    from eventsource.projections.database import ReadModelDatabase
    from eventsource.projections.progress import Progress
    from eventsource.store.interface import EventStore

_HANDLER_PARAMETERS = 4

# As many characters as a column of the checkpoints takes.
_LONGEST_NAME = 200
_LARGEST_VERSION = 2**31 - 1

# Names that the library uses for itself in the same tables.
_RESERVED_TABLES = "eventsource_"
_RESERVED_NAMES = "process:"


class Projector:
    """
    Takes events into tables of its own.

    The class statement gives its name, under which its checkpoint is stored (it never changes),
    the subject whose events it gets, with everything below, its tables, which no other projector fills, and its
    version, an integer that grows when the handlers make something else of the events (1 if it is not given)::

        class Balances(Projector, name="balances", subject="/accounts", tables=[balance]):
            @handles
            def _deposited(self, event: MoneyDeposited, recorded: RecordedEvent, tx: Connection) -> None:
                tx.execute(update(balance).where(...).values(cents=balance.c.cents + event.cents))

    Handlers run in order, many to a transaction, and the checkpoint is written in it: each
    event has its effect exactly once. A handler does nothing but change the tables through *tx*.
    Events without a handler are passed over. Where an upcaster makes several events of one that is
    stored, the handler of each runs, in one transaction. A handler that raises stops the projector before
    that event.

    Once a subject was erased (`eventsource.erase_subject`), its emptied events are handled again, by the handlers
    of ``Erased[TheEvent]``; such a handler may run more than once for an event. A projector that handles one of them
    and has no such handler is filled again from the first event, by whoever runs it.

    A `Worker` runs it; `rebuild` fills the tables again from the start.

    Raises:
        DeclarationError: When the class is made: no name, or a reserved one; a version that is no positive integer;
            a table that is named twice or reserved; a handler that does not take ``(self, event, recorded, tx)`` or is
            async; two handlers for one event.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    subject: ClassVar[Subject] = Subject("/")
    tables: ClassVar[tuple[Table, ...]] = ()

    _handlers: ClassVar[dict[str, tuple[type[Event], Callable[..., Any]]]] = {}
    _erased_handlers: ClassVar[dict[str, Callable[..., Any]]] = {}

    # Set by whoever runs or watches it.
    _progress: Progress | None = None

    def __init_subclass__(
        cls,
        *,
        name: str = "",
        subject: str = "/",
        tables: Sequence[Table] = (),
        version: int = 1,
        abstract: bool = False,
    ) -> None:
        super().__init_subclass__()
        cls._handlers = collect_handlers(cls)
        cls._erased_handlers = collect_erased_handlers(cls)
        for method in (*(method for _, method in cls._handlers.values()), *cls._erased_handlers.values()):
            if len(inspect.signature(method).parameters) != _HANDLER_PARAMETERS:
                msg = f"{method.__qualname__} must take (self, event, recorded, tx)"
                raise DeclarationError(msg)
        if abstract:
            return
        if not name:
            msg = f'{cls.__qualname__} has no name: write class {cls.__name__}(Projector, name="…")'
            raise DeclarationError(msg)
        cls.name = _checked_name(cls, name)
        cls.version = _checked_version(cls, version)
        cls.subject = Subject(subject)
        cls.tables = _checked_tables(cls, tables)

    @classmethod
    def handled_types(cls) -> frozenset[str]:
        """
        The types of the events that it handles; those of erased events in square brackets.
        """
        return frozenset(cls._handlers) | {f"Erased[{event_type}]" for event_type in cls._erased_handlers}

    def wants(self, recorded: RecordedEvent) -> bool:
        """
        True if it has a handler for the event, or for one that it may be read as.
        """
        return (
            recorded.type in self._handlers
            or recorded.type in self._erased_handlers
            or (
                not event_types.is_plain(recorded.type)
                and (
                    event_types.can_give(recorded.type, self._handlers)
                    or event_types.can_give(recorded.type, self._erased_handlers)
                )
            )
        )

    def handle(self, recorded: RecordedEvent, tx: Connection) -> None:
        """
        Run the handler of the event: once for each event that it is read as, and that has one.

        Raises:
            EventDecodingError: Its data does not fit the event class.
            NewerEventError, UpcastingError: It cannot be read as what it is today.
            Exception: Any error the handler raises.
        """
        if (
            event_types.is_plain(recorded.type)
            and is_surely_plain(recorded.data_json)
            and recorded.type in self._handlers
        ):
            event_class, method = self._handlers[recorded.type]
            try:
                event = validate(recorded, event_class, recorded.data_json)
            except EventDecodingError:
                if not may_be_erased(recorded):
                    raise
            else:
                check_has_run(method(self, event, recorded, tx), method)
                return
        reader = f"projector {self.name}"
        for method, made in handled(
            recorded, self._handlers, self._erased_handlers, reader=reader, unknown_events="ignore"
        ):
            check_has_run(method(self, made, recorded, tx), method)

    def lets_go(self, recorded: RecordedEvent) -> bool:
        """
        True if `handle`, run again, is enough once the data of an event was erased.

        This requires that the event is read as erased, and that each handler it had has a counterpart for `Erased`.
        Otherwise the tables must be filled again.
        """
        try:
            had_handlers = [event for event in decode(recorded) if event.event_type in self._handlers]
        except EventError:
            # Not an event that says it is erased, then.
            return False
        return all(isinstance(event, Erased) and event.event_type in self._erased_handlers for event in had_handlers)

    async def seen(self, event_id: str, timeout_s: float = 5.0) -> None:
        """
        Wait until the read model holds everything up to this event of the store.

        For reading one's own writes: ``await balances.seen(recorded[-1].id)`` before the query.

        Args:
            event_id: Any event of the store, handled here or not.

            timeout_s: Longest wait, in seconds.

        Raises:
            NotSeenError: It was not reached in time.
            EventNotFoundError: The store has no such event.
            ProjectorNotRunningError: No `Worker` of this process runs or watches this projector.
            ProjectorFailedError: It stopped, or stops while waiting.
        """
        if self._progress is None:
            raise ProjectorNotRunningError(self.name)
        await self._progress.wait_until_seen(event_id, timeout_s)

    def watch(self, store: EventStore, database: ReadModelDatabase) -> None:
        """
        Make `seen` follow this projector when a worker of another process runs it on *database*.
        """
        self.track(WatchedProgress(self.name, self.subject, store, database))

    def track(self, progress: Progress) -> None:
        """
        Make `seen` wait on *progress*.
        """
        self._progress = progress


def _checked_name(cls: type[Projector], name: str) -> str:
    if len(name) > _LONGEST_NAME or name.startswith(_RESERVED_NAMES):
        msg = (
            f"{cls.__qualname__} cannot be called {name[:_LONGEST_NAME]!r}: a name has at most {_LONGEST_NAME} "
            f"characters and does not begin with {_RESERVED_NAMES!r}"
        )
        raise DeclarationError(msg)
    return name


def _checked_version(cls: type[Projector], version: object) -> int:
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= _LARGEST_VERSION:
        msg = f"{cls.__qualname__} has version {version!r}: a version is an integer from 1 on"
        raise DeclarationError(msg)
    return version


def _checked_tables(cls: type[Projector], tables: Sequence[Table]) -> tuple[Table, ...]:
    names = [f"{table.schema or ''}.{table.name}" for table in tables]
    for table in tables:
        if table.name.lower().startswith(_RESERVED_TABLES):
            msg = (
                f"{cls.__qualname__} cannot fill {table.name!r}: tables called {_RESERVED_TABLES}... are the library's"
            )
            raise DeclarationError(msg)
        if names.count(f"{table.schema or ''}.{table.name}") > 1:
            msg = f"{cls.__qualname__} names table {str(table)!r} twice"
            raise DeclarationError(msg)
    return tuple(tables)
