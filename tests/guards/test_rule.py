"""
Declared rules: what a class says the store must find, compiled into the commits they are about.
"""

from collections.abc import Iterator

import pytest

from eventsource import (
    Aggregate,
    DeclarationError,
    Event,
    Guard,
    QueryHolds,
    SubjectIsNew,
    handles,
    rule,
    select_events,
)
from eventsource.guards.rules import rules_of_command


class CoinsMoved(Event, type="io.example.test.rule.coins-moved"):
    """
    Coins came in, or with a negative number went out.
    """

    coins: int


class PurseClosed(Event, type="io.example.test.rule.purse-closed"):
    """
    It is not used any more.
    """


def coins(subject: str, least: int) -> Guard:
    """
    So many are there.
    """
    return select_events(CoinsMoved).at(subject).sum("coins") >= least


class Purse(Aggregate, subject="/purses/{id}"):
    """
    Has a rule about one event, and one about two.
    """

    coins: int = 0

    @rule("enough coins")
    def _enough(self, event: CoinsMoved) -> Guard:
        return coins(self.subject, -event.coins)

    @rule("open purse")
    def _open(self, _: CoinsMoved | PurseClosed) -> Iterator[Guard]:
        yield select_events(PurseClosed).at(self.subject).count() == 0
        yield (select_events(PurseClosed).under("/closed").count() < 9).named("few closed")

    @handles
    def _moved(self, event: CoinsMoved) -> None:
        self.coins += event.coins

    @handles
    def _closed(self, _: PurseClosed) -> None:
        pass


def names(purse: Purse) -> list[str | None]:
    """
    What its rules are called.
    """
    return [each.name for each in purse.pending_rules if isinstance(each, QueryHolds)]


def test_rules_are_added_to_the_version() -> None:
    """
    What is emitted without rules of its own is guarded by what was read and by what is declared.
    """
    purse = Purse("1")

    purse.emit(CoinsMoved(coins=-3))

    assert purse.preconditions[0] == SubjectIsNew("/purses/1")
    assert purse.preconditions[1] == coins("/purses/1", 3).named("enough coins")
    assert names(purse) == ["enough coins", "open purse", "few closed"]


def test_rules_stand_in_place_of_the_version_where_the_event_is_guarded_by_rules() -> None:
    """
    Also where it brings none itself: the declared ones are enough.
    """
    purse = Purse("1")

    purse.emit(CoinsMoved(coins=-3), unversioned=True)

    assert purse.read_guard is None
    assert names(purse) == ["enough coins", "open purse", "few closed"]


def test_rules_speak_of_their_events_only() -> None:
    """
    A rule that holds for two events comes once.
    """
    purse = Purse("1")

    purse.emit(PurseClosed())
    purse.emit(PurseClosed())

    assert names(purse) == ["open purse", "few closed"]


def test_rules_are_inherited_and_replaced_by_name_of_the_method() -> None:
    """
    As methods are.
    """

    class Rich(Purse, subject="/rich/{id}"):
        @rule("never poor")
        def _enough(self, event: CoinsMoved) -> Guard:
            return coins(self.subject, 1_000 - event.coins)

    purse = Rich("1")
    purse.emit(CoinsMoved(coins=1))

    assert set(names(purse)) == {"never poor", "open purse", "few closed"}


def test_rule_sees_the_state_before_its_event() -> None:
    """
    It is asked before the event is folded.
    """
    seen: list[int] = []

    class Watched(Purse, subject="/watched/{id}"):
        @rule("watched")
        def _watch(self, event: CoinsMoved) -> list[Guard]:  # noqa: ARG002  only when it is called counts
            seen.append(self.coins)
            return []

    purse = Watched("1")
    purse.emit(CoinsMoved(coins=1))
    purse.emit(CoinsMoved(coins=1))

    assert seen == [0, 1]


def test_rules_of_a_command_speak_of_the_command() -> None:
    """
    They take nothing but the command.
    """

    class Withdraw:
        coins = 5

        @rule("enough coins")
        def _enough(self) -> Guard:
            return coins("/purses/1", self.coins)

    assert rules_of_command(Withdraw()) == (coins("/purses/1", 5).named("enough coins"),)


def test_query_without_a_guard_gets_the_name_too() -> None:
    """
    A query of one's own is as good as a guard.
    """
    query = "STREAM e FROM events MAP COUNT() == 0"

    class Command:
        @rule("nothing yet")
        def _nothing(self) -> QueryHolds:
            return QueryHolds(query)

    assert rules_of_command(Command()) == (QueryHolds(query, name="nothing yet"),)


def test_rule_without_a_name_is_refused() -> None:
    """
    The name is what whoever is refused gets to see.
    """
    with pytest.raises(DeclarationError, match="needs a name"):
        rule(" ")


def test_rule_of_an_aggregate_is_about_an_event() -> None:
    """
    Without one nobody could tell when it holds.
    """
    with pytest.raises(DeclarationError, match="about no event"):

        class Wrong(Purse, subject="/wrong/{id}"):  # pyright: ignore[reportUnusedClass]  it is not made
            @rule("always")
            def _always(self) -> Guard:
                return coins(self.subject, 1)


def test_rule_of_a_command_takes_no_event() -> None:
    """
    A command has no events to speak of.
    """

    class Wrong:
        @rule("enough coins")
        def _enough(self, event: CoinsMoved) -> Guard:
            return coins("/purses/1", event.coins)

    with pytest.raises(DeclarationError, match="takes nothing but `self`"):
        rules_of_command(Wrong())


def test_rule_without_an_event_class_is_refused() -> None:
    """
    As a handler is.
    """
    with pytest.raises(DeclarationError, match="no event class"):

        class Wrong:  # pyright: ignore[reportUnusedClass]  it is not made
            @rule("wrong")
            def _wrong(self, event: int) -> None:
                pass


def test_rule_gives_guards() -> None:
    """
    A rule that Python decided by itself would not be the store's.
    """

    class Wrong(Purse, subject="/wrong/{id}"):
        @rule("wrong")
        def _wrong(self, _: CoinsMoved) -> list[bool]:
            return [True]

    with pytest.raises(DeclarationError, match="must give guards"):
        Wrong("1").emit(CoinsMoved(coins=1))
