"""
The bodies of requests, as the official SDKs send them.

Members that are not known are ignored: the Go and Swift SDKs send ``id`` and ``time`` with each
event, which the server decides itself. An option that is null is one that is not given.

PHP writes an empty array as ``[]`` whatever it stands for, so where an object belongs an empty list
is an empty object. Inside the data of an event a list stays a list: there it may be one.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from eventsource.events.canonical_json import quote_json
from eventsource.events.event import NewEvent
from eventsource.events.subject import Subject
from eventsource.guards.preconditions import (
    Precondition,
    QueryHolds,
    SubjectExists,
    SubjectIsAtVersion,
    SubjectIsNew,
)
from eventsource.root_error import EventSourceError
from eventsource.wire.request_errors import InvalidRequestError
from eventsource.wire.strict_json import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

AnyBody = TypeVar("AnyBody", bound="Body")

MAX_PRECONDITIONS = 1_000


class Body(BaseModel):
    """
    A JSON object of a request: strict about types, tolerant of members it does not know.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


def _none_as_empty(value: object) -> object:
    return {} if value is None or value == [] else value


def _list_as_empty(value: object) -> object:
    return {} if value == [] else value


_Object = Annotated[dict[str, Any], BeforeValidator(_list_as_empty)]


class EventOptions(Body):
    """
    Options for storing an event.

    Attributes:
        store_data_as_reference: Keep the data apart from the event, so that it can be erased.
    """

    store_data_as_reference: bool | None = None


class EventInput(Body):
    """
    An event of a commit; exactly one of `data` and `ref`, which is data stored by reference.
    """

    source: str = Field(min_length=1)
    subject: str = Field(min_length=1)
    type: str = Field(min_length=1)
    data: _Object | None = None
    ref: _Object | None = None
    options: Annotated[EventOptions, BeforeValidator(_none_as_empty)] = EventOptions()

    def to_new_event(self) -> NewEvent:
        """
        The event as stores take it.

        Raises:
            InvalidSubjectError, UnstorableDataError: As they say.
            ValueError: A type or source that none can have.
        """
        if (self.data is None) == (self.ref is None):
            msg = "an event has either data or ref, a JSON object"
            raise ValueError(msg)
        return NewEvent(
            subject=Subject(self.subject),
            type=self.type,
            data=self.data if self.data is not None else self.ref or {},
            source=self.source,
            store_data_as_reference=self.data is None or bool(self.options.store_data_as_reference),
        )


class PreconditionInput(Body):
    """
    A precondition of a commit.

    Attributes:
        type: "isSubjectNew", "isSubjectExisting" or "isQueryResultTrue".

        payload: Its ``subject`` or its ``query``.
    """

    type: str
    payload: Annotated[dict[str, Any], BeforeValidator(_none_as_empty)] = {}

    def to_precondition(self) -> Precondition:
        """
        The precondition as stores take it.

        Raises:
            InvalidSubjectError, QuerySyntaxError, QueryLimitError: As they say.
            ValueError: An unknown type, or a payload without what it needs.
        """
        if self.type == "isSubjectNew":
            return SubjectIsNew(Subject(self._text("subject")))
        if self.type == "isSubjectExisting":
            return SubjectExists(Subject(self._text("subject")))
        if self.type == "isQueryResultTrue":
            return QueryHolds(self._text("query"))
        msg = "no such type of precondition: there are isSubjectNew, isSubjectExisting and isQueryResultTrue"
        raise ValueError(msg)

    def _text(self, name: str) -> str:
        text = self.payload.get(name)
        if not isinstance(text, str):
            msg = f"the payload needs a text {name!r}"
            raise ValueError(msg)  # noqa: TRY004  the caller of the server, not of this method, is wrong
        return text


class CommitBody(Body):
    """
    ``POST /commit``.
    """

    events: list[EventInput] = Field(min_length=1)
    # Each takes time of the one who writes, whom all other commits wait for.
    preconditions: list[PreconditionInput] | None = Field(default=None, max_length=MAX_PRECONDITIONS)

    def to_new_events(self) -> list[NewEvent]:
        """
        The events as stores take them.

        Raises:
            InvalidSubjectError, UnstorableDataError: As they say.
            InvalidRequestError: Something else in one of them is not as it must be.
        """
        found: list[NewEvent] = []
        for index, event in enumerate(self.events):
            try:
                found.append(event.to_new_event())
            except EventSourceError:
                raise
            except ValueError as error:
                raise InvalidRequestError(str(error), place=f"events[{index}]") from None
        return found

    def to_preconditions(self) -> list[Precondition]:
        """
        The preconditions as stores take them.

        Raises:
            InvalidSubjectError, QuerySyntaxError, QueryLimitError: As they say.
            InvalidRequestError: One of an unknown type, or without what it needs.
        """
        found: list[Precondition] = []
        for index, precondition in enumerate(self.preconditions or ()):
            try:
                found.append(precondition.to_precondition())
            except EventSourceError:
                raise
            except ValueError as error:
                raise InvalidRequestError(str(error), place=f"preconditions[{index}]") from None
        return found


class StreamOptions(Body):
    """
    Options that select a part of a stream.

    Attributes:
        lower_bound: Id of an event to start behind; empty is as none.

        include_lower_bound_event: Start at it.

        upper_bound: Id of an event to end before; empty is as none.

        include_upper_bound_event: End with it.

        latest_by_event_type: Of each subject only its last event of this type; empty is as none.
    """

    lower_bound: str | None = None
    include_lower_bound_event: bool | None = None
    upper_bound: str | None = None
    include_upper_bound_event: bool | None = None
    latest_by_event_type: str | None = None


class ReadBody(Body):
    """
    The members that `StreamBody` and `ObserveBody` share.

    The PHP SDK of 1.0.0 to 1.0.4 sends the options beside ``options``; they mean the same there.
    """

    subject: str

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        members = cast("dict[str, Any]", body)
        names = _option_names(cls)
        _refuse_misspelt(members, names)
        inside = _none_as_empty(members.get("options"))
        if not isinstance(inside, dict):
            return members
        options = cast("dict[str, Any]", inside)
        _refuse_misspelt(options, names)
        # Null and an empty text say nothing.
        given = {name: value for name, value in options.items() if value not in (None, "")}
        beside = {name: value for name, value in members.items() if name in names and value not in (None, "")}
        for name, value in beside.items():
            alias = names[name]
            others = [given[other] for other in given if names.get(other) == alias]
            if any(type(other) is not type(value) or other != value for other in others):
                # In the words of `InvalidRequestError`; pydantic adds nothing to it.
                kind = "conflict"
                raise PydanticCustomError(
                    kind, "{name} stands beside the options and in them, with two values", {"name": alias}
                )
        return {**members, "options": {**beside, **given}}

    def to_subject(self) -> Subject:
        """
        The subject to read, without slashes at its end.

        Raises:
            InvalidSubjectError: The subject is not valid.
        """
        return Subject(self.subject.rstrip("/") or self.subject[:1])


class StreamBody(ReadBody):
    """
    ``POST /stream``.
    """

    options: Annotated[StreamOptions, BeforeValidator(_none_as_empty)] = StreamOptions()


class ObserveOptions(StreamOptions):
    """
    Which part of a stream, and from when.

    Attributes:
        from_start: Ours: without a lower bound start at the first event of the store.
    """

    from_start: bool | None = None


class ObserveBody(ReadBody):
    """
    ``POST /observe``.
    """

    options: Annotated[ObserveOptions, BeforeValidator(_none_as_empty)] = ObserveOptions()


@functools.cache
def _option_names(form: type[ReadBody]) -> Mapping[str, str]:
    """
    The names of the options of a body, in both spellings, with what they are called on the wire.
    """
    options = cast("type[Body]", form.model_fields["options"].annotation)
    return {spelling: to_camel(name) for name in options.model_fields for spelling in (name, to_camel(name))}


def _refuse_misspelt(members: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """
    Refuse an option in another spelling: left out, another part of the stream would be read.
    """
    for name in members:
        if name in names or members[name] is None:
            continue
        plain = name.replace("_", "").replace("-", "").lower()
        meant = next((alias for alias in names.values() if alias.lower() == plain), None)
        if meant is not None:
            kind = "misspelt"
            raise PydanticCustomError(
                kind, "an option {name} is not known; it is written {meant}", {"name": name, "meant": meant}
            )


class QueryBody(Body):
    """
    ``POST /q``, ``POST /query`` and ``POST /explain``.
    """

    query: str


class EraseBody(Body):
    """
    ``POST /erase``.
    """

    subject: str
    # Not of Genesis DB: the types whose data is erased though it was not stored by reference.
    including: list[Annotated[str, Field(min_length=1, max_length=256)]] = Field(default=[], max_length=1_000)


class SchemaBody(Body):
    """
    ``POST /schema/register``.
    """

    type: str = Field(min_length=1)
    # `schema` would hide a method of BaseModel's.
    definition: _Object = Field(alias="schema")


class IndexBody(Body):
    """
    ``POST /indexes`` and ``POST /indexes/drop``.

    Attributes:
        type: The event type.

        path: Such as ``data.email``.
    """

    type: str = Field(min_length=1, max_length=256)
    path: str = Field(min_length=1)


def read_body(form: type[AnyBody], text: bytes) -> AnyBody:
    """
    Read a request body of the given form.

    Raises:
        InvalidJsonError: The body is not JSON.
        InvalidRequestError: It has another form.
    """
    try:
        return form.model_validate(read_json(text))
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise InvalidRequestError(problem["msg"], place=_place(problem["loc"])) from None


def _place(path: Iterable[int | str]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def print_commit(events: Sequence[NewEvent], preconditions: Sequence[Precondition] = (), *, source: str) -> bytes:
    """
    The body of a commit.

    Args:
        source: For the events that name none.
    """
    parts = ['{"events":[', ",".join(_print_event(event, source) for event in events), "]"]
    if preconditions:
        printed = ",".join(_print_precondition(precondition) for precondition in preconditions)
        parts.append(f',"preconditions":[{printed}]')
    parts.append("}")
    return "".join(parts).encode()


def _print_event(event: NewEvent, source: str) -> str:
    options = ',"options":{"storeDataAsReference":true}' if event.store_data_as_reference else ""
    return (
        f'{{"source":{quote_json(event.source or source)},"subject":{quote_json(event.subject)},'
        f'"type":{quote_json(event.type)},"data":{event.data_json}{options}}}'
    )


def precondition_type(precondition: Precondition) -> str:
    """
    The name of a precondition on the wire.
    """
    match precondition:
        case SubjectIsNew():
            return "isSubjectNew"
        case SubjectExists():
            return "isSubjectExisting"
        case SubjectIsAtVersion() | QueryHolds():
            return "isQueryResultTrue"


def _print_precondition(precondition: Precondition) -> str:
    if isinstance(precondition, SubjectIsNew | SubjectExists):
        payload = f'"subject":{quote_json(precondition.subject)}'
    else:
        payload = f'"query":{quote_json(precondition.query)}'
    return f'{{"type":"{precondition_type(precondition)}","payload":{{{payload}}}}}'
