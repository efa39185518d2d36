"""
Events as type checkers see them.
"""

from typing import Any, assert_type

from eventsource import Event, NewEvent, RecordedEvent, Subject, handles
from tests.typing.bank import Account, AccountOpened


def fields_are_checked() -> None:
    """
    A wrong, missing, unknown or positional field is found before the event is made.
    """
    AccountOpened(owner="Ada")
    AccountOpened(owner="Ada", limit_cents=5)
    AccountOpened(owner=1)  # type: ignore[arg-type]
    AccountOpened()  # type: ignore[call-arg]
    AccountOpened(owner="Ada", onwer="Ada")  # type: ignore[call-arg]
    AccountOpened("Ada")  # type: ignore[call-arg]


def events_cannot_be_changed(event: AccountOpened) -> None:
    """
    What happened does not change.
    """
    assert_type(event.owner, str)
    event.owner = "Eve"  # type: ignore[misc]


def reading_gives_the_class(recorded: RecordedEvent) -> None:
    """
    Who names the class gets it; who does not gets some event.
    """
    assert_type(AccountOpened.from_recorded(recorded), AccountOpened)
    assert_type(recorded.decode(), Event)
    assert_type(recorded.data, dict[str, Any])


def placing_takes_texts_for_subjects(event: AccountOpened) -> None:
    """
    A subject may be given as text, and is one afterwards.
    """
    assert_type(NewEvent.of(event, subject="/accounts/1").subject, Subject)
    assert_type(NewEvent(subject="/accounts/1", type="t", data={"a": 1}), NewEvent)
    NewEvent("/accounts/1", "t", {})  # type: ignore[call-arg]
    NewEvent.of("event", subject="/accounts/1")  # type: ignore[arg-type]


def emitting_takes_events(account: Account, event: AccountOpened) -> None:
    """
    Nothing but an event can happen.
    """
    account.emit(event)
    account.emit(AccountOpened)  # type: ignore[arg-type]
    account.emit({"owner": "Ada"})  # type: ignore[arg-type]


def handler_keeps_its_type(account: Account, event: AccountOpened) -> None:
    """
    The decorator changes nothing about a method.
    """

    @handles
    def opened(self: Account, event: AccountOpened) -> int:
        return self.cents + event.limit_cents

    assert_type(opened(account, event), int)
    opened(account, "event")  # type: ignore[arg-type]
