"""
The rules given with an event: an empty list weakens nothing, and what is no rule is refused before anything changes.
"""

from collections.abc import Iterable

import pytest

from eventsource import (
    Aggregate,
    DecisionState,
    Event,
    NewEvent,
    QueryHolds,
    SubjectExists,
    SubjectIsNew,
    UnitOfWork,
    handles,
    select_events,
)
from eventsource.errors import AggregateReadOnlyError, GuardError, NotAnEventError
from eventsource.store import InMemoryEventStore


class Taken(Event, type="io.example.test.rules.taken"):
    """
    Pieces were taken out.
    """

    pieces: int


class Shelf(Aggregate, subject="/shelves/{id}"):
    """
    Holds pieces.
    """

    pieces: int = 10

    @handles
    def _taken(self, event: Taken) -> None:
        self.pieces -= event.pieces


RULE = SubjectExists("/shelves/1")
TAKEN = select_events(Taken).at("/shelves/1")


@pytest.mark.parametrize(
    "rules",
    [None, [], (), set(), {}.values(), iter([]), (rule for rule in list[QueryHolds]())],
    ids=["none", "list", "tuple", "set", "view", "iterator", "generator"],
)
def test_no_rules_keep_the_version(rules: Iterable[QueryHolds] | None) -> None:
    """
    Whatever iterable turns out empty, the version guards the commit.
    """
    shelf = Shelf("1")

    shelf.emit(Taken(pieces=1), rules=rules)

    assert shelf.preconditions == (SubjectIsNew("/shelves/1"),)


@pytest.mark.parametrize("of", [list, tuple, iter, set, lambda rules: (rule for rule in rules)])
def test_rules_take_the_place_of_the_version(of: object) -> None:
    """
    They may come in any iterable, which is read once.
    """
    shelf = Shelf("1")

    shelf.emit(Taken(pieces=1), rules=of([RULE]))  # type: ignore[operator]  # a type, or a function

    assert shelf.preconditions == (RULE,)


def test_unversioned_asks_for_no_guard() -> None:
    """
    The name says what is given up.
    """
    shelf = Shelf("1")

    shelf.emit(Taken(pieces=1), unversioned=True)

    assert shelf.preconditions == ()


def test_one_event_under_the_version_is_enough_for_it_to_count() -> None:
    """
    An empty list beside an event under rules brings the version back.
    """
    shelf = Shelf("1")

    shelf.emit(Taken(pieces=1), rules=[RULE])
    shelf.emit(Taken(pieces=1), rules=[])

    assert shelf.preconditions == (SubjectIsNew("/shelves/1"), RULE)


WRONG = [
    pytest.param([True], "number 1 of the rules is True.*Python has decided", id="a decided comparison"),
    pytest.param([RULE, None], "number 2 of the rules is None", id="none"),
    pytest.param(["funds"], "a value of type str.*QueryHolds", id="text in a list"),
    pytest.param("funds", "expected a list of rules, found a value of type str", id="text"),
    pytest.param(RULE, r"found a value of type SubjectExists; write rules=\[rule\]", id="one rule"),
    pytest.param(True, "expected a list of rules, found True", id="a boolean"),
    pytest.param({"rule": RULE}, "expected a list", id="a mapping"),
    pytest.param([TAKEN], r"\.exists\(\)", id="a selection"),
    pytest.param([TAKEN.count()], "compare it", id="a figure"),
    pytest.param([TAKEN.exists], "call it", id="a method"),
    pytest.param([[RULE]], "a value of type list", id="a nested list"),
]


@pytest.mark.parametrize(("rules", "message"), WRONG)
def test_what_is_no_rule_is_refused_by_an_aggregate(rules: object, message: str) -> None:
    """
    The error says what was found at which place; the state is as it was and nothing is pending.
    """
    shelf = Shelf("1")

    with pytest.raises(GuardError, match=message):
        shelf.emit(Taken(pieces=1), rules=rules)  # type: ignore[arg-type]  # the mistake under test

    assert (shelf.pieces, shelf.pending_events, shelf.preconditions[1:]) == (10, (), ())


@pytest.mark.parametrize(("rules", "message"), WRONG)
async def test_what_is_no_rule_is_refused_by_a_unit_of_work(rules: object, message: str) -> None:
    """
    A unit of work refuses the same with the same words.
    """
    work = UnitOfWork(InMemoryEventStore())

    with pytest.raises(GuardError, match=message):
        work.emit(Taken(pieces=1), at="/shelves/1", rules=rules)  # type: ignore[arg-type]  # likewise

    assert work.emitted == ()


@pytest.mark.parametrize("rules", [[True], ["funds"], [None], True, None])
async def test_what_is_no_rule_is_refused_by_commit_and_require(rules: object) -> None:
    """
    So do the store and `require`, before anything is written.
    """
    async with InMemoryEventStore() as store:
        with pytest.raises(GuardError):
            await store.commit([NewEvent.of(Taken(pieces=1), subject="/shelves/1")], rules)  # type: ignore[arg-type]
        with pytest.raises(GuardError):
            UnitOfWork(store).require(rules)  # type: ignore[arg-type]
        assert await store.count() == 0


@pytest.mark.parametrize("rules", [[], [RULE]])
def test_rules_and_unversioned_exclude_each_other(rules: list[SubjectExists]) -> None:
    """
    Also where the list is empty: the same call must not work on one day and fail on the next.
    """
    shelf = Shelf("1")
    work = UnitOfWork(InMemoryEventStore())

    with pytest.raises(GuardError, match="exclude each other"):
        shelf.emit(Taken(pieces=1), rules=rules, unversioned=True)
    with pytest.raises(GuardError, match="exclude each other"):
        work.emit(Taken(pieces=1), at="/shelves/1", rules=rules, unversioned=True)

    assert (shelf.pieces, shelf.pending_events, work.emitted) == (10, (), ())


def test_the_former_name_is_answered_with_the_new_one() -> None:
    """
    A program written for an earlier release is told what to write, by aggregates and units of work.
    """
    shelf = Shelf("1")
    work = UnitOfWork(InMemoryEventStore())

    with pytest.raises(GuardError, match=r"rules=\[\.\.\.\] in place of guarded_by="):
        shelf.emit(Taken(pieces=1), guarded_by=[])  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(GuardError, match=r"rules=\[\.\.\.\] in place of guarded_by="):
        work.emit(Taken(pieces=1), at="/shelves/1", guarded_by=[])  # type: ignore[arg-type]  # likewise
    with pytest.raises(TypeError, match="unexpected keyword argument 'guards'"):
        shelf.emit(Taken(pieces=1), guards=[])  # type: ignore[arg-type]  # likewise


@pytest.mark.parametrize("event", [None, Taken, "taken", {"pieces": 1}, NewEvent.of(Taken(pieces=1), subject="/a")])
def test_what_is_no_event_is_not_emitted(event: object) -> None:
    """
    A class, a mapping, or an event that has its place already is refused with what to write.
    """
    work = UnitOfWork(InMemoryEventStore())

    with pytest.raises(NotAnEventError, match="emit"):
        Shelf("1").emit(event)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(NotAnEventError, match="emit"):
        work.emit(event, at="/shelves/1")  # type: ignore[arg-type]  # likewise
    assert work.emitted == ()


async def test_a_commit_names_what_an_event_without_a_subject_lacks() -> None:
    """
    A store says that `NewEvent` gives an event its subject, also in a scope, and writes nothing.
    """
    async with InMemoryEventStore() as store:
        for wrong in ([Taken(pieces=1)], Taken(pieces=1), NewEvent.of(Taken(pieces=1), subject="/a"), [None], 7):
            with pytest.raises(NotAnEventError, match="NewEvent"):
                await store.commit(wrong)  # type: ignore[arg-type]  # the mistake under test
        assert await store.count() == 0


def test_a_rule_is_looked_at_before_a_read_only_aggregate_changes() -> None:
    """
    An aggregate of the past refuses to emit whatever the rules are.
    """
    shelf = Shelf("1")
    shelf.make_read_only()

    with pytest.raises(AggregateReadOnlyError):
        shelf.emit(Taken(pieces=1), rules=[])


def test_a_decision_state_takes_rules_nowhere() -> None:
    """
    A decision state emits nothing: its guard is what it has read.
    """

    class Pieces(DecisionState):
        pieces: int = 0

        @handles
        def _taken(self, event: Taken) -> None:
            self.pieces += event.pieces

    assert not hasattr(Pieces(TAKEN), "emit")
