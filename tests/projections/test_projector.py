"""
Projector classes: what is wrong with one is said when it is made.
"""

import inspect

import pytest
from sqlalchemy import Connection

from eventsource import DeclarationError, Projector, RecordedEvent, handles
from eventsource.errors import InvalidSubjectError, ProjectorNotRunningError
from tests.projections.bank import AccountOpened, Balances, LetterSent, MoneyMoved, applied, balances


def test_class_statement_says_name_subject_and_tables() -> None:
    """
    What the class statement gives can be read from the class.
    """
    assert (Balances.name, Balances.subject, Balances.tables) == ("balances", "/accounts", (applied, balances))


def test_subject_is_everything_unless_given() -> None:
    """
    A projector without a subject gets the events of the whole store.
    """

    class Everything(Projector, name="everything"):
        pass

    assert (Everything.subject, Everything.tables) == ("/", ())


def test_missing_name_is_refused() -> None:
    """
    The checkpoint is stored under the name; the error shows how to write one.
    """
    with pytest.raises(DeclarationError, match=r"Nameless has no name: write class Nameless\(Projector, name="):

        class Nameless(Projector):
            pass


def test_subject_must_be_one() -> None:
    """
    What is no subject is refused.
    """
    with pytest.raises(InvalidSubjectError):

        class Misplaced(Projector, name="misplaced", subject="accounts"):
            pass


def test_handler_takes_event_recorded_and_transaction() -> None:
    """
    A handler with other parameters could not be called.
    """
    with pytest.raises(DeclarationError, match=r"Short\._opened must take \(self, event, recorded, tx\)"):

        class Short(Projector, name="short"):
            @handles
            def _opened(self, event: AccountOpened) -> None: ...

    with pytest.raises(DeclarationError, match=r"Long\._opened must take"):

        class Long(Projector, name="long"):
            @handles
            def _opened(self, event: AccountOpened, recorded: RecordedEvent, tx: Connection, more: int, /) -> None: ...


def test_asynchronous_handler_is_refused() -> None:
    """
    Nobody would await it, and the checkpoint would move past an event that was never applied.
    """
    with pytest.raises(DeclarationError, match="plain function"):

        class Eager(Projector, name="eager"):
            @handles
            async def _opened(self, event: AccountOpened, recorded: RecordedEvent, tx: Connection) -> None: ...


def test_two_handlers_for_one_event_are_refused() -> None:
    """
    Only one of them would run.
    """
    with pytest.raises(DeclarationError, match="two handlers for AccountOpened"):

        class Doubled(Balances, name="doubled"):
            @handles
            def _opened_too(self, event: AccountOpened, recorded: RecordedEvent, tx: Connection) -> None: ...


def test_abstract_projector_passes_its_handlers_on() -> None:
    """
    A base for others needs no name.
    """

    class Listening(Projector, abstract=True):
        @handles
        def _opened(self, event: AccountOpened, recorded: RecordedEvent, tx: Connection) -> None: ...

    class Counting(Listening, name="counting"):
        pass

    assert Listening.name == ""
    assert Counting().wants(a_recorded(AccountOpened.event_type))


def test_projector_wants_what_it_has_a_handler_for() -> None:
    """
    Any other type is passed over.
    """
    projector = Balances()

    assert projector.wants(a_recorded(MoneyMoved.event_type))
    assert not projector.wants(a_recorded(LetterSent.event_type))


async def test_waiting_for_a_projector_that_nobody_runs_is_an_error() -> None:
    """
    Without a worker nothing would ever come.
    """
    with pytest.raises(ProjectorNotRunningError) as excinfo:
        await Balances().seen("any event")

    assert excinfo.value.projector == "balances"


def a_recorded(event_type: str) -> RecordedEvent:
    """
    A recorded event of this type.
    """
    texts = dict.fromkeys(inspect.signature(RecordedEvent).parameters, "")
    return RecordedEvent(**(texts | {"position": 1, "time_ns": 0, "type": event_type}))  # type: ignore[arg-type]  # two are numbers
