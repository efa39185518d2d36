"""
Commands: immutable requests to change something, and the subject that each of them is about.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self

import attrs
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from eventsource.events.subject import Subject
from eventsource.guards.rules import collect_command_rules
from eventsource.root_error import DeclarationError, InvalidSubjectError

if TYPE_CHECKING:
    from collections.abc import Collection


# As much as the indexes of our stores hold of a text, and what needs no escapes in a query.
CommandId = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]

_RESERVED: Final = frozenset({"subject", "subject_template", "personal_fields"})


class Command(BaseModel):
    """
    A request: named in the imperative, immutable, with an id and one subject that it is about.

    The class statement says which subject, made of its fields, each in braces for a whole segment::

        class Withdraw(Command, subject="/accounts/{account}"):
            account: str
            cents: int

    Carrying out the same command twice is carrying it out once: what tells is the `command_id`. Give it
    the id that the request has anyway (of the click, the message, the line of a file), or keep the one
    that is drawn and send it again with it. The id counts at and under the subject; the same id at
    another subject is another command.

    As JSON, fields are camelCase: ``Withdraw.model_validate_json('{"commandId":"7","account":"42","cents":5}')``.
    ``abstract=True`` declares a base for other commands; it has no subject. Rules that the store decides
    are declared with `rule`, on methods without parameters.

    An id names one command: its class and its content. A digest of both is stored beside the id, so that another
    command with the same id is refused. It outlives erasing, so fields about a person are left out of it; say which
    these are: ``class Register(Command, subject="/customers/{number}", personal=["name", "email"])``. If the class says
    nothing and a personal event is emitted, none of the fields counts; ``personal=[]`` says that none is personal.

    Attributes:
        personal_fields: The fields that are about a person; None if the class does not say.

        command_id: What tells it from all others: 1 to 200 visible ASCII characters, drawn at random
            unless given. It is stored with each event, so let it not be personal.

    Raises:
        DeclarationError: When the class is made: the subject is missing or none, a segment of it is no
            field, a personal field is none or is part of the subject, or a rule takes an event.
        ValidationError: When a command is made: a field does not fit, or the subject is none with it.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )

    subject_template: ClassVar[str] = ""
    personal_fields: ClassVar[frozenset[str] | None] = None
    _template: ClassVar[SubjectTemplate | None] = None

    command_id: CommandId = Field(default_factory=lambda: str(uuid.uuid4()))

    if TYPE_CHECKING:

        def __init_subclass__(
            cls, *, subject: str = "", personal: Collection[str] | None = None, abstract: bool = False
        ) -> None: ...

    else:

        def __init_subclass__(
            cls,
            *,
            subject: str = "",
            personal: Collection[str] | None = None,
            abstract: bool = False,
            **config: object,
        ) -> None:
            super().__init_subclass__(**config)

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, subject: str = "", personal: Collection[str] | None = None, abstract: bool = False, **config: Any
    ) -> None:
        super().__pydantic_init_subclass__(**config)
        if taken := sorted(_RESERVED & cls.model_fields.keys()):
            msg = f"{cls.__qualname__} declares {taken[0]!r}, which Command itself uses: choose another name"
            raise DeclarationError(msg)
        collect_command_rules(cls)
        cls._declare_personal(personal)
        if abstract:
            return
        cls.subject_template = subject or cls.subject_template
        if not cls.subject_template:
            msg = f'{cls.__qualname__} has no subject: write class {cls.__name__}(Command, subject="/…/{{field}}")'
            raise DeclarationError(msg)
        cls._template = SubjectTemplate.of(cls.subject_template, fields=cls.model_fields, owner=cls.__qualname__)
        segments = {name for name, is_field in cls._template.segments if is_field}
        if clash := sorted(segments & (cls.personal_fields or frozenset())):
            msg = (
                f"{cls.__qualname__}: {clash[0]!r} is part of the subject, which is stored in the clear and never "
                "erased, so it must not be personal"
            )
            raise DeclarationError(msg)

    @classmethod
    def _declare_personal(cls, personal: Collection[str] | None) -> None:
        if personal is None:
            return
        if isinstance(personal, str) or not {*personal} <= {*cls.model_fields} - {"command_id"}:
            msg = (
                f'{cls.__qualname__}: personal is a list of names of fields, such as personal=["name"], '
                f"and the fields are {', '.join(name for name in cls.model_fields if name != 'command_id')}"
            )
            raise DeclarationError(msg)
        cls.personal_fields = (cls.personal_fields or frozenset()) | {*personal}

    @model_validator(mode="after")
    def _check_subject(self) -> Self:
        # A command that is there can be carried out: an id that is no segment is told where it comes in.
        _ = self.subject
        return self

    @property
    def subject(self) -> Subject:
        """
        What it is about. Its id counts there and below.

        Raises:
            TypeError: The class is abstract.
        """
        if self._template is None:
            msg = f"{type(self).__qualname__} is abstract: make a command of a class derived from it"
            raise TypeError(msg)
        return self._template.filled(self)


_KINDS: Final = (str, int, uuid.UUID)


@attrs.frozen
class SubjectTemplate:
    """
    A subject in which some segments are fields: ``/accounts/{account}``.

    Attributes:
        text: As it was written.

        segments: The segments in order, and whether each is the name of a field.
    """

    text: str
    segments: tuple[tuple[str, bool], ...]

    @classmethod
    def of(cls, text: str, *, fields: Collection[str], owner: str) -> Self:
        """
        Read a template.

        Args:
            fields: The names that may stand in braces.

            owner: Whose subject it is, for the error.

        Raises:
            DeclarationError: It is none.
        """
        segments = tuple(
            (segment[1:-1], True) if segment[:1] == "{" and segment[-1:] == "}" else (segment, False)
            for segment in text.split("/")[1:]
        )
        for name, is_field in segments:
            if is_field and name not in fields:
                msg = f"{owner}: the subject {text!r} names {name!r}, which is no field"
                raise DeclarationError(msg)
            if not is_field and ("{" in name or "}" in name):
                msg = f"{owner}: in the subject {text!r} a field is a whole segment, such as /accounts/{{account}}"
                raise DeclarationError(msg)
        try:
            example = Subject("/".join(("", *("x" if is_field else name for name, is_field in segments))))
        except InvalidSubjectError as error:
            msg = f"{owner}: {error}"
            raise DeclarationError(msg) from None
        if not text.startswith("/") or example.is_root:
            msg = f"{owner}: the subject {text!r} must be one that an event can have, such as /accounts/{{account}}"
            raise DeclarationError(msg)
        return cls(text, segments)

    def filled(self, owner: object) -> Subject:
        """
        The subject with the fields of *owner* in their places.

        Raises:
            InvalidSubjectError: A field cannot be one segment of a subject.
        """
        return Subject("".join(f"/{_segment(owner, name) if is_field else name}" for name, is_field in self.segments))


def _segment(owner: object, name: str) -> str:
    value: object = getattr(owner, name)
    if isinstance(value, bool) or not isinstance(value, _KINDS):
        place = f"{{{name}}}"
        raise InvalidSubjectError(place, "a field in a subject is a text, an integer or a UUID")
    text = str(value)
    if not text or "/" in text:
        raise InvalidSubjectError(text, f"{name} must be one segment of a subject")
    return text
