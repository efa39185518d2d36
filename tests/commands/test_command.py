"""
Commands: immutable, with an id, about one subject made of their fields.
"""

import uuid
from typing import Any

import pytest
from pydantic import ValidationError

from eventsource import Command, DeclarationError
from tests.commands.requests import Withdraw


class Book(Command, subject="/rooms/{room_number}/days/{day}/bookings/{booking}"):
    """
    A command whose subject is made of three fields.
    """

    room_number: int
    day: str
    booking: uuid.UUID


def test_subject_is_made_of_fields() -> None:
    """
    Texts, integers and UUIDs, each a whole segment.
    """
    booking = uuid.UUID(int=7)

    assert (
        Book(room_number=3, day="2026-05-31", booking=booking).subject == f"/rooms/3/days/2026-05-31/bookings/{booking}"
    )


def test_each_command_has_an_id_of_its_own() -> None:
    """
    Drawn at random unless given.
    """
    one, other = Withdraw(account="1", cents=5), Withdraw(account="1", cents=5)

    assert one.command_id != other.command_id
    assert Withdraw(command_id="7", account="1", cents=5).command_id == "7"


def test_command_survives_json() -> None:
    """
    With its id, in camelCase.
    """
    command = Book(command_id="7", room_number=3, day="x", booking=uuid.UUID(int=7))

    text = command.model_dump_json(by_alias=True)

    assert text.startswith('{"commandId":"7","roomNumber":3')
    assert Book.model_validate_json(text) == command


def test_command_cannot_be_changed() -> None:
    """
    Another one with other fields is made by copying, and has the subject of its own fields.
    """
    command = Withdraw(account="1", cents=5)

    with pytest.raises(ValidationError):
        setattr(command, "cents", 6)  # noqa: B010  type checkers know that it fails
    assert command.model_copy(update={"account": "2"}).subject == "/accounts/2"


@pytest.mark.parametrize("account", ["", "a/b", ".", "\n"])
def test_field_that_is_no_segment_is_told_where_it_comes_in(account: str) -> None:
    """
    A command that is there can be carried out.
    """
    with pytest.raises(ValidationError):
        Withdraw(account=account, cents=5)


@pytest.mark.parametrize("command_id", ["", " ", "a b", "é", "x" * 201, "a\n"])
def test_id_is_visible_and_short(command_id: str) -> None:
    """
    It stands in a query and in an index.
    """
    with pytest.raises(ValidationError):
        Withdraw(command_id=command_id, account="1", cents=5)


def test_field_of_another_kind_cannot_be_in_the_subject() -> None:
    """
    How it would be written is nobody's choice.
    """

    class Weigh(Command, subject="/things/{weight}"):
        """
        A number with a fraction in the subject.
        """

        weight: Any

    assert Weigh(weight=1).subject == "/things/1"
    for weight in (1.5, True, None, b"1"):
        with pytest.raises(ValidationError, match="a text, an integer or a UUID"):
            Weigh(weight=weight)


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        ("", "has no subject"),
        ("/", "one that an event can have"),
        ("/accounts/{id}", "'id', which is no field"),
        ("/accounts/x{account}", "a whole segment"),
        ("/accounts//{account}", "empty"),
        ("accounts/{account}", "must be one that an event can have"),
    ],
)
def test_subject_of_the_class_is_checked(subject: str, problem: str) -> None:
    """
    When the class is made, with what is wrong.
    """
    with pytest.raises(DeclarationError, match=problem):

        class Wrong(Command, subject=subject):
            """
            Not made.
            """

            account: str


def test_reserved_names_are_no_fields() -> None:
    """
    The subject is made, not given.
    """
    with pytest.raises(DeclarationError, match="'subject'"), pytest.warns(UserWarning, match="shadows"):

        class Wrong(Command, subject="/a/{subject}"):
            """
            Not made.
            """

            subject: str  # type: ignore[assignment]  # pyright: ignore  what is to fail


def test_base_of_commands_has_no_subject() -> None:
    """
    Its fields are those of the commands derived from it.
    """

    class OfAccount(Command, abstract=True):
        """
        What commands over accounts share.
        """

        account: str

    class Close(OfAccount, subject="/accounts/{account}"):
        """
        One of them.
        """

    class CloseAtOnce(Close):
        """
        With the subject of its base.
        """

    assert Close(account="1").subject == CloseAtOnce(account="1").subject == "/accounts/1"
    with pytest.raises(TypeError, match="abstract"):
        OfAccount(account="1")
