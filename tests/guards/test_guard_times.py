"""
Rules about times and numbers with more than one text: what the store could not tell to be the same is refused.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AwareDatetime, NaiveDatetime, PlainSerializer

from eventsource import Event, EventStore, NewEvent, connect
from eventsource import select_events as all_events
from eventsource.errors import GuardError, PreconditionFailedError
from eventsource.store import InMemoryEventStore

NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
NOON_IN_VIENNA = NOON.astimezone(timezone(timedelta(hours=2)))


def in_utc(time: datetime) -> str:
    """
    One text for each instant.
    """
    return time.astimezone(UTC).isoformat(timespec="microseconds")


class Booked(Event, type="io.example.test.times.booked"):
    """
    A table is taken at a time.
    """

    at: datetime
    aware: AwareDatetime | None = None
    local: NaiveDatetime | None = None
    written: NaiveDatetime | None = None
    instant: Annotated[datetime, PlainSerializer(in_utc, return_type=str)] = NOON
    amount: int | Decimal = 0
    ratio: Annotated[Decimal, PlainSerializer(float, return_type=float)] = Decimal(0)


BOOKED = all_events(Booked)


@pytest.mark.parametrize(
    "guard",
    [
        lambda: BOOKED.where(at=NOON),
        lambda: BOOKED.where(aware=NOON),
        lambda: BOOKED.where(lambda e: e.at != NOON),
        lambda: BOOKED.where(lambda e: e.at == e.aware),
        lambda: BOOKED.where(lambda e: e.local == e.at).where(lambda e: e.at == e.at),
        lambda: BOOKED.where(amount=1),
        lambda: BOOKED.sum("amount"),
    ],
    ids=range(7),
)
def test_what_has_many_texts_is_not_compared(guard: Callable[[], object]) -> None:
    """
    A rule that would let the same instant, or the same number, through is refused where it is written.
    """
    with pytest.raises(GuardError, match=r"one instant has a text for each offset|is a Decimal"):
        guard()


@pytest.mark.parametrize("kind", ["memory", "embedded"])
@pytest.mark.parametrize(
    ("condition", "booked"),
    [
        pytest.param({"instant": NOON}, {"instant": NOON_IN_VIENNA}, id="written in one form"),
        pytest.param({"local": datetime(2026, 5, 31, 12)}, {"local": datetime(2026, 5, 31, 12)}, id="without offset"),  # noqa: DTZ001
        pytest.param({"at": datetime(2026, 5, 31, 12)}, {"at": datetime(2026, 5, 31, 12)}, id="a value without offset"),  # noqa: DTZ001
        pytest.param(
            {"local": datetime(2026, 5, 31, 12, 0, 0, 500_000)},  # noqa: DTZ001
            {"local": datetime.fromisoformat("2026-05-31T12:00:00.5")},
            id="digits of a fraction",
        ),
    ],
)
async def test_what_has_one_text_is_compared(
    kind: str, condition: dict[str, Any], booked: dict[str, Any], tmp_path: Path
) -> None:
    """
    The second booking of the same time is refused, on each kind of store.
    """
    rule = BOOKED.where(**condition).count() == 0
    store: EventStore = InMemoryEventStore() if kind == "memory" else connect(f"sqlite:{tmp_path / 'times.db'}")
    async with store:
        event = NewEvent.of(Booked(**{"at": NOON, **booked}), subject="/tables/1")
        await store.commit([event], [rule])
        with pytest.raises(PreconditionFailedError):
            await store.commit([event], [rule])
        assert await store.count() == 1


def test_a_decimal_that_is_stored_as_a_number_is_calculated_with() -> None:
    """
    A serializer that writes numbers leaves no text to compare.
    """
    assert "e.data.ratio" in (BOOKED.sum("ratio") > 1).query
