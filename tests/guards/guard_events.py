"""
Events with fields of all kinds, and how a query sees them.
"""

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from eventsource import Event

OwnerId = NewType("OwnerId", str)


class Tier(enum.StrEnum):
    """
    A closed set of texts.
    """

    GOLD = "gold"
    BASIC = "basic"


class Priority(enum.IntEnum):
    """
    A closed set of numbers.
    """

    LOW = 1
    HIGH = 2


class City(BaseModel):
    """
    A model inside a model, with a name of its own on the wire.
    """

    name: str
    postal_code: str = Field(alias="zip")


class Address(BaseModel):
    """
    A model inside an event.
    """

    street: str
    city: City
    former: "Address | None" = None


class Line(BaseModel):
    """
    An element of a list.
    """

    item_cents: int
    tags: dict[str, str] = Field(default={})


class Moved(Event, abstract=True):
    """
    What deposits and withdrawals share.
    """

    delta_cents: int


class Deposited(Moved, type="io.example.test.guard.deposited"):
    """
    More money.
    """


class Withdrawn(Moved, type="io.example.test.guard.withdrawn"):
    """
    Less money.
    """

    fee_cents: int = 0


class Registered(Event, type="io.example.test.guard.registered"):
    """
    An event with a field of each kind.
    """

    email: Annotated[str, StringConstraints(to_lower=True)]
    full_name: str
    age_years: Annotated[int, Field(gt=0)]
    score: float = 0.5
    is_admin: bool = False
    note: str | None = None
    credit_cents: int | None = None
    tier: Tier = Tier.BASIC
    priority: Priority = Priority.LOW
    language: Literal["de", "en"] = "en"
    owner: OwnerId = OwnerId("nobody")
    customer_id: UUID = UUID(int=0)
    born: date = date(1970, 1, 1)
    seen_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    home: Address
    second_home: Address | None = None
    lines: list[Line] = Field(default=[])
    labels: dict[str, int] = Field(default={})
    pair: tuple[int, str] = (0, "")
    mixed: int | str = 0
    anything: Any = None
    price: Decimal = Decimal(0)
    password: SecretStr = SecretStr("")
    wake: time = time(0)
    pause: timedelta = timedelta(0)


def rows(*found: Event, subject: str = "/people/1", when: str = "2026-05-31T00:00:00Z") -> list[Mapping[str, Any]]:
    """
    Events as a query sees them.
    """
    parsed = [parse_json(event) for event in found]
    return [
        {"subject": subject, "type": event.event_type, "time": when, "data": data}
        for event, data in zip(found, parsed, strict=True)
    ]


def parse_json(event: Event) -> dict[str, Any]:
    """
    The data of *event* as stored.
    """
    return event.model_dump(mode="json", by_alias=True)


def registration(**values: Any) -> Registered:
    """
    A registration with some values that matter.
    """
    home = Address(street="Ring 1", city=City(name="Wien", zip="1010"))
    usual: dict[str, Any] = {"email": "a@example.com", "full_name": "Ada", "age_years": 36, "home": home}
    return Registered(**(usual | values))
