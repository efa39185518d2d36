"""
Events: what happened, before and after it is stored.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, cast, final

import attrs
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from eventsource.events.canonical_json import parse_json, to_canonical_json
from eventsource.events.content import EventContent, to_data
from eventsource.events.data_reference import emptied
from eventsource.events.decoding import decode
from eventsource.events.errors import NotAnEventError, NotOneEventError, UnstorableDataError
from eventsource.events.event_types import event_types
from eventsource.events.metadata import METADATA_KEY, Metadata
from eventsource.events.personal_data import HELD, HELD_KEY, Erased
from eventsource.events.reserved import check_given_metadata
from eventsource.events.round_trip import round_trip_of
from eventsource.events.subject import Subject
from eventsource.events.timestamp import format_timestamp, to_datetime
from eventsource.events.validation import validate
from eventsource.root_error import DeclarationError, InvalidSubjectError, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

# A type or source ends up in logs, headers and URIs. The official JavaScript SDK drops events whose
# source is no URI reference, for example one with a space in it.
_NAME = re.compile(r"[!-~\u00a1-\ud7ff\ue000-\U0010ffff]{1,256}")


class Event(BaseModel):
    """
    Something that happened: named in the past tense, immutable, with fields that JSON can carry.

    Subclass it with the stable name that is stored with each event. The name is part of the
    data for ever; rename the class as you like::

        class MoneyDeposited(Event, type="io.example.bank.money-deposited"):
            cents: int

    Fields are snake_case in Python and camelCase in the stored data. A stored member that the
    class has no field for is ignored on reading, so a newer writer does not stop an older reader.
    ``abstract=True`` declares a base for other events; it has no type name.

    ``version=2`` says that its stored form is another one than before: an `upcaster` reads the old
    form. ``personal=True`` says that it is about a person: its data is stored by reference, so that it can
    be erased, and once it is the event decodes as `Erased`. A class derived from a personal one is personal.

    An event comes back from the store as it was emitted, or it is refused: its class when it is declared, where that
    can be known, else the event when it is emitted.

    Raises:
        DeclarationError: No type name, or one that another class already has; a version below 1; a field that
            cannot come back from the store as it was.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        allow_inf_nan=False,
        # Else an infinity in a field of type Any would be stored as null, and nobody told.
        ser_json_inf_nan="constants",
    )

    event_type: ClassVar[str] = ""
    event_version: ClassVar[int] = 1
    event_is_personal: ClassVar[bool] = False

    if TYPE_CHECKING:

        def __init_subclass__(
            cls, *, type: str = "", version: int = 1, personal: bool = False, abstract: bool = False
        ) -> None: ...

    else:

        def __init_subclass__(
            cls, *, type: str = "", version: int = 1, personal: bool = False, abstract: bool = False, **config: object
        ) -> None:
            super().__init_subclass__(**config)

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, type: str = "", version: int = 1, personal: bool = False, abstract: bool = False, **config: Any
    ) -> None:
        super().__pydantic_init_subclass__(**config)
        cls.event_is_personal = personal or cls.event_is_personal
        cls.event_version = version
        if abstract:
            if type or version != 1:
                msg = f"{cls.__qualname__} is abstract, so it takes no type name and no version"
                raise DeclarationError(msg)
            cls.event_type = ""
            return
        if not type and cls.__pydantic_generic_metadata__["origin"]:
            # `Changed[str]` is no class of its own: its subclasses are declared.
            return
        if not type:
            msg = (
                f"{cls.__qualname__} has no event type: write "
                f'class {cls.__name__}(Event, type="…") with a name that never changes'
            )
            raise DeclarationError(msg)
        if not _NAME.fullmatch(type):
            msg = f"{cls.__qualname__}: {type!r} is no event type: 1 to 256 visible characters, no white space"
            raise DeclarationError(msg)
        if version < 1:
            msg = f"{cls.__qualname__}: versions count from 1, not {version}"
            raise DeclarationError(msg)
        fields: list[Any] = [*cls.model_fields.values(), *cls.model_computed_fields.values()]
        if any(METADATA_KEY in {field.alias, getattr(field, "serialization_alias", None)} for field in fields):
            msg = f"{cls.__qualname__}: a field is stored as {METADATA_KEY!r}, which is reserved for metadata"
            raise DeclarationError(msg)
        cls.event_type = type
        if cls.__pydantic_complete__:
            # Else it is looked at when the first event is emitted: its annotations cannot be resolved yet.
            round_trip_of(cls)
        event_types.register(cls)

    def to_data_json(self) -> str:
        """
        The event's fields as canonical JSON, the way they are stored.

        Raises:
            UnstorableDataError: A field holds what JSON cannot carry.
        """
        return to_canonical_json(to_data(self))

    @classmethod
    def from_recorded(cls, recorded: RecordedEvent) -> Self:
        """
        Read a recorded event as this class.

        Events of types that become this class go through their upcasters; those of any other type are
        read as if they were of this one.

        Raises:
            EventDecodingError: The stored data does not fit.
            NotOneEventError: It is erased, or read as another number of events of this class than one.
            NewerEventError, UpcastingError: See `RecordedEvent.decode`.
        """
        if not event_types.can_give(recorded.type, (cls.event_type,)):
            return cast("Self", validate(recorded, cls, recorded.data_json))
        found = [event for event in decode(recorded) if event.event_type == cls.event_type]
        return cast("Self", _only(recorded, found))


class _Printed(str):
    """
    Data that is canonical JSON already.
    """

    __slots__ = ()


def _to_object_json(data: Mapping[str, object] | _Printed) -> str:
    # CommitRequest carries data as a protobuf Struct, which is an object.
    # Source: genesisdb-io-proto, genesisdb.proto, EventInput.data.
    if type(data) is _Printed:
        return str(data)
    text = to_canonical_json(data)
    if not text.startswith("{"):
        raise UnstorableDataError(path="$", reason=f"a value of type {type(data).__name__} in place of an object")
    # One look for a member, in place of parsing a text at each commit.
    members = cast("Mapping[str, object]", data)
    if METADATA_KEY in members:
        _check_metadata(members[METADATA_KEY], text)
    return text


def _check_metadata(stored: object, text: str) -> None:
    metadata = check_given_metadata(stored)
    if metadata.get(HELD_KEY) == "" and emptied(text) != text:
        reason = "the mark of erased data, which has no values"
        raise UnstorableDataError(path=f"$.{METADATA_KEY}.{HELD_KEY}", reason=reason)


def _with_metadata(data_json: str, stored: Mapping[str, object]) -> str:
    if not stored:
        return data_json
    begin = f'{{"{METADATA_KEY}":{to_canonical_json(stored)}'
    if data_json == "{}":
        return begin + "}"
    # Members are sorted by name.
    if data_json[2:3] > METADATA_KEY[0]:
        return f"{begin},{data_json[1:]}"
    return to_canonical_json({**parse_json(data_json), METADATA_KEY: stored})


def check_event_subject(path: str) -> Subject:
    """
    The subject of an event.

    Raises:
        InvalidSubjectError: *path* is no subject that an event can have.
    """
    subject = path if isinstance(path, Subject) else Subject(path)
    if subject.is_root:
        raise InvalidSubjectError(subject, "an event needs a subject below '/'")
    return subject


@functools.cache
def _version_alone(version: int) -> dict[str, Any]:
    """
    Returns the stored metadata of an event that has none but the version of its class. Callers must not change it.
    """
    return Metadata(version=version).to_data()


def check_is_event(event: object) -> None:
    """
    Check that *event* is what can happen, an instance of an event class.

    Raises:
        NotAnEventError: It is something else.
    """
    if isinstance(event, Event):
        return
    if isinstance(event, type):
        advice = f"{event.__name__} is a class: emit an instance of it, {event.__name__}(...)"
    elif isinstance(event, (NewEvent, RecordedEvent)):
        advice = "emit the event itself; its place is that of what emits it"
    else:
        advice = "emit an instance of an event class, such as MoneyDeposited(cents=5)"
    raise NotAnEventError(type(event).__name__, advice)


def checked_new_events(events: object) -> tuple[NewEvent, ...]:
    """
    The events of a commit, each a `NewEvent`, which has a subject.

    Raises:
        NotAnEventError: One is something else.
    """
    # Lists and tuples first: to ask an abstract class takes longer than all the rest.
    if not isinstance(events, (list, tuple)) and (isinstance(events, NewEvent) or not isinstance(events, Iterable)):
        advice = "commit a list of events, [NewEvent.of(event, subject=...)]"
        raise NotAnEventError(type(events).__name__, advice)
    given = tuple(cast("Iterable[object]", events))
    for event in given:
        if isinstance(event, NewEvent):
            continue
        name = type(event).__name__
        if isinstance(event, Event):
            advice = f'it has no subject yet; commit NewEvent.of({name}(...), subject="/...")'
        elif isinstance(event, RecordedEvent):
            advice = "it is stored already; NewEvent(subject=..., type=..., data=...) makes a new event of its content"
        else:
            advice = 'commit a NewEvent, such as NewEvent.of(MoneyDeposited(cents=5), subject="/accounts/42")'
        raise NotAnEventError(name, advice)
    return cast("tuple[NewEvent, ...]", given)


def check_event_type(name: str) -> None:
    """
    Check that *name* can be the type of an event.

    Raises:
        ValueError: It cannot.
    """
    if not _NAME.fullmatch(name):
        msg = f"{shortened(name)!r} is no event type: 1 to 256 visible characters, no white space"
        raise ValueError(msg)


def _check_name(_: object, attribute: attrs.Attribute[str], name: str) -> None:
    if not _NAME.fullmatch(name):
        msg = f"{shortened(name)!r} is no event {attribute.name}: 1 to 256 visible characters, no white space"
        raise ValueError(msg)


@final
@attrs.frozen(kw_only=True)
class NewEvent:
    """
    An event with its place, not stored yet.

    >>> NewEvent(subject="/accounts/42", type="io.example.bank.account-closed", data={"reason": "moved"}).data_json
    '{"reason":"moved"}'

    Attributes:
        subject: Where it belongs; not ``/`` itself.

        type: The stable name of its kind.

        data_json: Its data as canonical JSON, an object; given as `data`, which also tells it as a dictionary.

        source: The system that writes it, a URI reference; None takes the store's.

        store_data_as_reference: Keep the data so that it can be erased later (`EventStore.erase`), for
            what is about a person.

    Raises:
        InvalidSubjectError: *subject* is not one an event can have.
        UnstorableDataError: *data* is no JSON object, or its ``_meta`` has another shape than metadata.
        ValueError: *type* or *source* is empty, longer than 256 characters or has white space.
    """

    subject: Subject = attrs.field(converter=check_event_subject)
    type: str = attrs.field(validator=_check_name)
    data_json: str = attrs.field(alias="data", converter=_to_object_json)
    source: str | None = attrs.field(default=None, validator=attrs.validators.optional(_check_name))
    store_data_as_reference: bool = False
    # Whether the library made it for itself, see `eventsource.events.reserved`: no parameter sets it.
    _is_record: bool = attrs.field(default=False, init=False, repr=False, eq=False)

    @property
    def data(self) -> dict[str, Any]:
        """
        The data as it will be stored, parsed anew at each access: what `RecordedEvent.data` gives after the commit.

        Keys are camelCase. Metadata, the version of the class and the mark of data that can be erased are in it.
        """
        data: dict[str, Any] = parse_json(self.data_json)
        return data

    @classmethod
    def of(
        cls,
        event: Event,
        *,
        subject: str,
        source: str | None = None,
        store_data_as_reference: bool = False,
        metadata: Metadata | None = None,
    ) -> Self:
        """
        Place *event* at *subject*, with its *metadata* and the version of its class in its data.

        A personal event is stored by reference in any case. Of such events' data nothing is to be told
        apart from what they say about the person, so they carry no metadata, but for a mark that erasing empties:
        so each reader can tell that they were erased, whatever their class.

        Raises:
            NotAnEventError: *event* is no event.
            UnstorableEventError: It would not come back from the store as it is.
            UnstorableDataError: A field holds what JSON cannot carry.
            InvalidSubjectError: *subject* is not one an event can have.
        """
        check_is_event(event)
        return cls.of_content(
            EventContent.of(event),
            subject=subject,
            source=source,
            store_data_as_reference=store_data_as_reference,
            metadata=metadata,
        )

    @classmethod
    def of_content(
        cls,
        content: EventContent,
        *,
        subject: str,
        source: str | None = None,
        store_data_as_reference: bool = False,
        metadata: Metadata | None = None,
    ) -> Self:
        """
        Place what an event said when its *content* was taken. See `of`.

        Raises:
            InvalidSubjectError: *subject* is not one an event can have.
        """
        place = check_event_subject(subject)
        event_class = content.event_class
        by_reference = store_data_as_reference or event_class.event_is_personal
        stored = _version_alone(event_class.event_version)
        if by_reference:
            stored = {**stored, HELD_KEY: HELD}
        elif metadata is not None:
            stored = attrs.evolve(metadata.of_event_at(place), version=event_class.event_version).to_data()
        return cls(
            subject=place,
            type=event_class.event_type,
            data=_Printed(_with_metadata(content.data_json, stored)),
            source=source,
            store_data_as_reference=by_reference,
        )

    def at(self, subject: str) -> Self:
        """
        The same event at another subject.

        Raises:
            InvalidSubjectError: *subject* is not one an event can have.
        """
        # Its data is checked and printed already, which is most of the work of making one.
        moved = copy.copy(self)
        object.__setattr__(moved, "subject", check_event_subject(subject))
        return moved

    def of_type(self, name: str) -> Self:
        """
        The same event, stored with another type.

        Raises:
            ValueError: *name* cannot be the type of an event.
        """
        check_event_type(name)
        renamed = copy.copy(self)
        object.__setattr__(renamed, "type", name)
        return renamed


@final
class RecordedEvent(NamedTuple):
    """
    An event as it is stored.

    A tuple underneath, since reading makes one of every row: rebuilding an aggregate ran 1.6 times
    as fast as with an attrs class.

    Attributes:
        position: Its place in the whole store: it grows, and never leaves the store. Our own stores
            count 1, 2, 3 …; over HTTP it is the time.

        id: Its identity, opaque; our stores use random UUIDs.

        time_ns: When it was committed, in nanoseconds since 1970 UTC; strictly increasing.

        source: The system that wrote it.

        subject: Where it belongs.

        type: The stable name of its kind.

        data_json: Its data as JSON text.

        predecessor_hash: The hash of the event before it in the store; 64 zeros for the first.

        hash: SHA-256 over all the others (but for the position), 64 lower-case hex digits. Where the
            data is stored by reference, over a digest of the data.
    """

    position: int
    id: str
    time_ns: int
    source: str
    subject: str
    type: str
    data_json: str
    predecessor_hash: str
    hash: str

    @property
    def data(self) -> dict[str, Any]:
        """
        The data, parsed anew at each access. Keys are camelCase, as stored.
        """
        data: dict[str, Any] = parse_json(self.data_json)
        return data

    @property
    def metadata(self) -> Metadata:
        """
        What is stored about it beside what happened, parsed anew at each access.
        """
        return Metadata.from_data(self.data)

    @property
    def time(self) -> datetime:
        """
        When it was committed: aware, UTC, cut to microseconds.
        """
        return to_datetime(self.time_ns)

    def decode(self) -> Event:
        """
        Read it as the class that was declared with its type name, or that its upcasters lead to.

        Raises:
            UnknownEventTypeError: No such class is imported.
            EventDecodingError: The data does not fit the class.
            NotOneEventError: It is erased, or upcasters drop it or split it: use `decode_all`.
            NewerEventError: It was written by a newer version of the program.
            UpcastingError: An upcaster fails.
        """
        return _only(self, self.decode_all())

    def decode_all(self) -> tuple[Event | Erased[Any], ...]:
        """
        Read it as the events it stands for today: one, or as many as upcasters make of it, or none.

        An event whose data was erased is `Erased`.

        Raises:
            UnknownEventTypeError, EventDecodingError, NewerEventError, UpcastingError: See `decode`.
        """
        return decode(self)

    def to_cloud_event(self) -> dict[str, Any]:
        """
        The event as Genesis DB writes it, members in its order.

        Source:
            Field order of genesisdb-io-proto, genesisdb.proto, message Event.
        """
        return {
            "source": self.source,
            "subject": self.subject,
            "type": self.type,
            "specversion": "1.0",
            "id": self.id,
            "time": format_timestamp(self.time_ns),
            "datacontenttype": "application/json",
            "predecessorhash": self.predecessor_hash,
            "data": self.data,
            "hash": self.hash,
        }


def _only(recorded: RecordedEvent, found: Sequence[Event | Erased[Any]]) -> Event:
    if len(found) == 1 and not isinstance(found[0], Erased):
        return found[0]
    raise NotOneEventError(
        event_type=recorded.type,
        event_id=recorded.id,
        subject=recorded.subject,
        count=len(found),
        is_erased=any(isinstance(event, Erased) for event in found),
    )
