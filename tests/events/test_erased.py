"""
Personal events: stored by reference, and what they decode as once they are erased.
"""

from __future__ import annotations

import pytest

from eventsource import (
    Aggregate,
    DeclarationError,
    Erased,
    Event,
    Metadata,
    NewEvent,
    RecordedEvent,
    Repository,
    handles,
)
from eventsource.errors import NotOneEventError
from eventsource.store import InMemoryEventStore

HASH = "0" * 64


class HolderNamed(Event, type="io.example.test.erased.holder-named", personal=True):
    """
    Who holds the account.
    """

    name: str
    born: int | None = None


class AccountOpened(Event, type="io.example.test.erased.account-opened"):
    """
    The business fact beside it.
    """

    currency: str


class Account(Aggregate, subject="/accounts/{id}"):
    """
    It says what becomes of an erased holder.
    """

    holder: str | None = None
    is_erased: bool = False

    def open(self, holder: str) -> None:
        """
        Open it.
        """
        self.emit(AccountOpened(currency="EUR"))
        self.emit(HolderNamed(name=holder))

    @handles
    def _opened(self, event: AccountOpened) -> None:
        pass

    @handles
    def _named(self, event: HolderNamed | Erased[HolderNamed]) -> None:
        if isinstance(event, Erased):
            self.holder, self.is_erased = None, True
        else:
            self.holder = event.name


class Greeting(Aggregate, subject="/accounts/{id}"):
    """
    It says nothing about erased holders.
    """

    names: tuple[str, ...] = ()

    @handles
    def _opened(self, event: AccountOpened) -> None:
        pass

    @handles
    def _named(self, event: HolderNamed) -> None:
        self.names += (event.name,)


def left_by_a_store(data_json: str) -> RecordedEvent:
    """
    A personal event the way a store holds it.
    """
    return RecordedEvent(1, "e-1", 1, "test", "/accounts/42", HolderNamed.event_type, data_json, HASH, HASH)


async def test_an_erased_event_is_read_as_erased() -> None:
    """
    What the aggregate emits is stored by reference; erased, its handler is told, and no empty name is seen.
    """
    async with InMemoryEventStore() as store:
        accounts = Repository(Account, store)
        async with accounts.create("42") as account:
            account.open("Ada")
        assert (await accounts.load("42")).holder == "Ada"

        assert await store.erase("/accounts/42") == 1
        account = await accounts.load("42")
        events = [event async for event in store.stream("/accounts/42")]
        greeting = await Repository(Greeting, store).load("42")

    assert (account.holder, account.is_erased, account.version) == (None, True, 2)
    assert events[1].decode_all() == (Erased(HolderNamed),)
    assert (greeting.names, greeting.version) == ((), 2)
    with pytest.raises(NotOneEventError, match="is erased"):
        events[1].decode()


def test_a_personal_event_carries_no_metadata() -> None:
    """
    Erasing would take it along; only the marker is stored.
    """
    new = NewEvent.of(HolderNamed(name="Ada"), subject="/accounts/42", metadata=Metadata(actor="ada"))

    assert new.store_data_as_reference
    assert new.data_json == '{"_meta":{"held":"yes"},"born":null,"name":"Ada"}'


@pytest.mark.parametrize(
    "data_json",
    [
        '{"_meta":{"held":""},"born":0,"name":""}',
        '{"_meta":{"held":false},"born":null,"name":""}',
        '{"_meta":{"held":null},"born":null,"name":"[erased]"}',
        '{"_meta":"","born":0,"name":""}',
        '{"_meta":{"held":"","version":0},"born":1815,"name":""}',
        '{"_meta":{},"born":0,"name":""}',
        '{"born":0,"name":""}',
        "{}",
        "null",
        '""',
    ],
)
def test_what_stores_leave_is_erased(data_json: str) -> None:
    """
    Whether a store empties the texts alone, or everything, or takes members away.
    """
    assert left_by_a_store(data_json).decode_all() == (Erased(HolderNamed),)


@pytest.mark.parametrize(
    "data_json",
    [
        '{"_meta":{"held":"yes"},"born":null,"name":"Ada"}',
        '{"_meta":{"actor":"x"},"name":"Ada"}',
        '{"name":"Ada"}',
    ],
)
def test_what_is_there_is_read(data_json: str) -> None:
    """
    Also where it was stored before its class was personal.
    """
    assert left_by_a_store(data_json).decode() == HolderNamed(name="Ada")


def test_an_empty_value_is_not_erased() -> None:
    """
    The marker tells an empty text from an erased one.
    """
    assert left_by_a_store('{"_meta":{"held":"yes"},"born":null,"name":""}').decode() == HolderNamed(name="")


def test_an_erased_event_without_its_class_is_refused() -> None:
    """
    A handler of erased events says which, when the class is made.
    """
    with pytest.raises(DeclarationError, match="Erased\\[TheEventClass\\]"):

        class _Odder(Aggregate, subject="/odd/{id}"):
            @handles
            def _opened(self, event: Erased) -> None:  # type: ignore[type-arg]
                pass
