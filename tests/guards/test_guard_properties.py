"""
Guards, held against Python: the store finds what the same rule finds over the decoded events.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

import attrs
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from eventsource import Event, Guard, Subject, select_events
from eventsource.errors import GuardError, QueryValueError
from eventsource.events.timestamp import format_timestamp
from eventsource.gdbql import is_true, parse
from eventsource.guards import one_of


class Channel(StrEnum):
    """
    A closed set.
    """

    APP = "app"
    DESK = "desk"


class Place(BaseModel):
    """
    A model inside an event.
    """

    city_name: str


class Paid(Event, type="io.example.test.guard-properties.paid"):
    """
    An event with fields to compare and to calculate with.
    """

    cents: int
    fee_cents: int | None
    payer: str
    note: str | None
    paid_on: date
    channel: Channel
    is_urgent: bool
    place: Place
    tags: list[str]


class Refunded(Event, type="io.example.test.guard-properties.refunded"):
    """
    Another event, with the same amount.
    """

    cents: int


@attrs.frozen
class Stored:
    """
    An event in its place.
    """

    event: Paid | Refunded
    subject: Subject
    time: datetime

    @property
    def row(self) -> Mapping[str, Any]:
        """
        The event as a query sees it.
        """
        microseconds = (self.time - EPOCH) // timedelta(microseconds=1)
        return {
            "subject": str(self.subject),
            "type": self.event.event_type,
            "time": format_timestamp(microseconds * 1000),
            "data": self.event.model_dump(mode="json", by_alias=True),
        }


@attrs.frozen
class Rule:
    """
    A condition as it is written in a guard, and what it means in Python.
    """

    written: Callable[[Paid], bool]
    meant: Callable[[Paid], bool]

    @classmethod
    def alike(cls, condition: Callable[[Paid], bool]) -> "Rule":
        """
        A condition that is the same for a stand-in and for an event.
        """
        return cls(condition, condition)


EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SUBJECTS: Final = tuple(map(Subject, ("/a", "/a/b", "/a/b/c", "/ab", "/b")))
COMPARE: Final = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
HOSTILE: Final = (
    "'",
    '"',
    "\\",
    "'\"",
    "\\'",
    "\n",
    "\r\t\x1f",
    "' OR TRUE OR '",
    "//",
    "/*",
    "e.data.payer",
    "\U0001f600",
)

small = st.integers(-3, 3)
# Few values, so that they meet; what stores refuse is left out.
plain_texts = st.one_of(
    st.sampled_from(("", "a", "b", "B", *HOSTILE)),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3),
)
days = st.dates(date(1999, 12, 30), date(2000, 1, 2))
times = st.integers(0, 5).map(lambda number: EPOCH + timedelta(milliseconds=500 * number))
paid = st.builds(
    dict,
    cents=small,
    fee_cents=st.none() | small,
    payer=plain_texts,
    note=st.none() | plain_texts,
    paid_on=days,
    channel=st.sampled_from(Channel),
    is_urgent=st.booleans(),
    place=plain_texts.map(lambda name: Place(city_name=name)),
    tags=st.lists(plain_texts, max_size=2),
).map(Paid.model_validate)
logs = st.lists(
    st.builds(Stored, st.one_of(paid, st.builds(Refunded, cents=small)), st.sampled_from(SUBJECTS), times), max_size=6
)
comparisons = st.sampled_from(COMPARE)


def number_rule(compare: Callable[[Any, Any], bool], limit: int) -> Rule:
    """
    Compare what is calculated from a number.
    """
    return Rule.alike(lambda e: compare(2 * e.cents - 1, limit))


def optional_rule(is_equal: bool, note: str | None) -> Rule:  # noqa: FBT001 - drawn
    """
    Compare a field that may be null.
    """
    return Rule.alike(lambda e: e.note == note if is_equal else e.note != note)


def fee_rule(limit: int) -> Rule:
    """
    Null is neither less nor more than anything.
    """
    # Type checkers would not let this through: the fee can be None.
    return Rule(
        lambda e: e.fee_cents < limit,  # type: ignore[operator] # see above
        lambda e: e.fee_cents is not None and e.fee_cents < limit,
    )


def choice_rule(choices: list[str]) -> Rule:
    """
    One of several texts.
    """
    return Rule(lambda e: one_of(e.payer, choices), lambda e: e.payer in choices)


def tag_rule(index: int, tag: str) -> Rule:
    """
    An element of a list that may be too short.
    """
    return Rule(lambda e: e.tags[index] == tag, lambda e: e.tags[index : index + 1] == [tag])


def both(one: Rule, other: Rule) -> Rule:
    """
    Both hold.
    """
    return Rule(lambda e: one.written(e) & other.written(e), lambda e: one.meant(e) and other.meant(e))


def either(one: Rule, other: Rule) -> Rule:
    """
    One holds, or both.
    """
    return Rule(lambda e: one.written(e) | other.written(e), lambda e: one.meant(e) or other.meant(e))


rules = st.recursive(
    st.one_of(
        st.builds(number_rule, comparisons, small),
        st.builds(optional_rule, st.booleans(), st.none() | plain_texts),
        st.builds(fee_rule, small),
        st.builds(choice_rule, st.lists(plain_texts, min_size=1, max_size=3)),
        st.builds(tag_rule, st.integers(0, 2), plain_texts),
        st.builds(lambda compare, text: Rule.alike(lambda e: compare(e.payer, text)), comparisons, plain_texts),
        st.builds(lambda compare, day: Rule.alike(lambda e: compare(e.paid_on, day)), comparisons, days),
        st.builds(lambda channel: Rule.alike(lambda e: e.channel == channel), st.sampled_from(Channel)),
        st.builds(lambda text: Rule.alike(lambda e: e.place.city_name != text), plain_texts),
        st.just(Rule.alike(lambda e: e.is_urgent)),
        st.just(Rule.alike(lambda e: e.payer == e.place.city_name)),
    ),
    lambda inner: st.builds(both, inner, inner) | st.builds(either, inner, inner),
    max_leaves=4,
)


def holds(guard: Guard, log: Sequence[Stored]) -> bool:
    """
    Whether the guard holds, going by nothing but its text.
    """
    tree = parse(guard.query)
    assert tree == guard.tree
    return is_true(tree, [stored.row for stored in log])


def payments(log: Sequence[Stored]) -> list[Paid]:
    """
    The payments in a log.
    """
    return [stored.event for stored in log if isinstance(stored.event, Paid)]


@given(logs, rules, comparisons, st.integers(0, 4))
def test_conditions(log: list[Stored], rule: Rule, compare: Callable[[Any, Any], Any], limit: int) -> None:
    """
    The events that fulfil a condition are those that fulfil it in Python.
    """
    guard = compare(select_events(Paid).where(rule.written).count(), limit)

    assert holds(guard, log) is compare(sum(rule.meant(event) for event in payments(log)), limit)


@given(logs, st.sampled_from(SUBJECTS), times, times, st.booleans())
def test_selections(log: list[Stored], subject: Subject, since: datetime, until: datetime, recursive: bool) -> None:  # noqa: FBT001 - drawn
    """
    So are those of a subject or a subtree, and of a period.
    """
    selection = select_events(Refunded, Paid)
    selection = selection.under(subject) if recursive else selection.at(subject)
    selection = selection.since(since).until(until) if since < until else selection.since(since)

    chosen = [
        stored
        for stored in log
        if (stored.subject == subject or (recursive and stored.subject.is_under(subject)))
        and stored.time >= since
        and (since >= until or stored.time < until)
    ]

    assert holds(selection.count() == len(chosen), log)
    assert holds(selection.sum(lambda e: e.cents) == sum(stored.event.cents for stored in chosen), log)


@given(logs, comparisons, st.integers(-6, 6), st.integers(-2, 2))
def test_figures(log: list[Stored], compare: Callable[[Any, Any], Any], limit: int, factor: int) -> None:
    """
    Sums and averages leave null out, and calculations are those of Python.
    """
    found = payments(log)
    fees = [event.fee_cents for event in found if event.fee_cents is not None]
    selection = select_events(Paid)
    total = selection.sum(lambda e: e.cents * e.cents)

    figure = total * factor - selection.sum("fee_cents") + 1
    squares = sum(event.cents**2 for event in found)

    assert holds(compare(figure, limit), log) is compare(squares * factor - sum(fees) + 1, limit)
    average = Fraction(sum(fees), len(fees)) if fees else None
    expected = compare(average, limit) if average is not None else compare is operator.ne
    assert holds(compare(selection.avg(lambda e: e.fee_cents), limit), log) is expected


@given(logs, comparisons, small, plain_texts, days)
def test_extremes(log: list[Stored], compare: Callable[[Any, Any], Any], number: int, text: str, day: date) -> None:
    """
    Lowest and highest values are those of Python; where there are none, only ``!=`` holds.
    """
    found = payments(log)
    selection = select_events(Paid)

    expected = (
        [
            compare(max(event.cents for event in found), number),
            compare(min(event.payer for event in found), text),
            compare(max(event.paid_on for event in found), day),
        ]
        if found
        else [compare is operator.ne] * 3
    )

    assert [
        holds(compare(selection.max(lambda e: e.cents), number), log),
        holds(compare(selection.min(lambda e: e.payer), text), log),
        holds(compare(selection.max(lambda e: e.paid_on), day), log),
    ] == expected


@given(st.lists(rules, max_size=4), st.randoms(use_true_random=False))
def test_order_of_conditions_does_not_show(conditions: list[Rule], random: Any) -> None:
    """
    Equal guards print equal text, however their conditions were ordered and grouped.
    """
    shuffled = [*conditions, *conditions[:1]]
    random.shuffle(shuffled)

    one = select_events(Paid).where(*(rule.written for rule in conditions)).exists()
    other = select_events(Paid)
    for rule in shuffled:
        other = other.where(rule.written)

    assert one == other.exists()
    assert one.query == other.exists().query


@given(st.text(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
@example("\0", "")
@example("a\ud800", "a")
def test_any_text(asked: str, there: str) -> None:
    """
    A text finds itself and nothing else, or is refused by name.
    """
    stored = Paid(
        cents=0, fee_cents=None, payer=there, note=None, paid_on=date(2000, 1, 1),
        channel=Channel.APP, is_urgent=False, place=Place(city_name=""), tags=[],
    )  # fmt: skip
    log = [Stored(stored, SUBJECTS[0], EPOCH)]

    try:
        guard = select_events(Paid).where(payer=asked).exists()
    except (QueryValueError, GuardError):
        assert "\0" in asked or any("\ud800" <= character <= "\udfff" for character in asked)
    else:
        assert holds(guard, log) is (asked == there)
    assert holds(select_events(Paid).where(payer=there).exists(), log)
