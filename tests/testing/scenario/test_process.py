"""
Scenarios of a process manager.
"""

from datetime import timedelta

import pytest

from eventsource import Command, Event, ProcessManager, Refusal, handles, on_refusal, on_timer, starts
from eventsource.testing import ProcessScenario, at
from tests.testing.lending import BookLent

LOAN_PERIOD = timedelta(days=28)


class ReminderDue(Event, type="io.example.test.kit.reminder-due"):
    """
    A reader has had a book for long.
    """


class ReaderNoted(Event, type="io.example.test.kit.reader-noted"):
    """
    Who has it.
    """

    reader: str


class Remind(Command, subject="/readers/{reader}"):
    """
    Remind a reader of a book.
    """

    reader: str
    book: str


class ReportLoss(Command, subject="/books/{book}"):
    """
    Nobody can be reminded of the book.
    """

    book: str


class UnreachableError(Exception):
    """
    The reader cannot be reached.
    """


class Reminding(ProcessManager, name="reminding", by="/books/{id}", sends=[Remind, ReportLoss]):
    """
    Reminds a reader once.
    """

    reader: str = ""

    @starts
    def lent(self, event: BookLent) -> None:
        """
        Wait.
        """
        self.emit(ReaderNoted(reader=event.reader))
        self.schedule(ReminderDue(), after=LOAN_PERIOD)

    @on_timer
    def due(self, _: ReminderDue) -> None:
        """
        Remind.
        """
        self.send(Remind(reader=self.reader, book=self.id))

    @on_refusal(UnreachableError)
    def unreachable(self, _: Remind, refusal: Refusal) -> None:
        """
        Then the book is lost.
        """
        assert refusal.name == "UnreachableError"
        self.send(ReportLoss(book=self.id))
        self.complete()

    @handles
    def _noted(self, event: ReaderNoted) -> None:
        self.reader = event.reader


given = ProcessScenario(Reminding).given
LENT = at("/books/7", BookLent(reader="Ada"))


def test_what_is_sent_is_what_was_expected() -> None:
    """
    Nothing at first; when the time has come, one command.
    """
    given().when(LENT).then_nothing_sent().then_state("7", reader="Ada", is_completed=False)
    given(LENT).when_time_passes(days=27).then_nothing_sent()
    given(LENT).when_time_passes(days=28).then_sent(Remind(reader="Ada", book="7"))


def test_refusals_are_answered() -> None:
    """
    What compensates is sent behind what was refused.
    """
    given(LENT).refusing(Remind, UnreachableError()).when_time_passes(days=28).then_sent(
        Remind(reader="Ada", book="7"), ReportLoss(book="7")
    ).then_state("7", is_completed=True)


def test_refusal_without_an_answer_parks_the_process() -> None:
    """
    Somebody has to look at it.
    """
    given(LENT).refusing(Remind, RuntimeError()).when_time_passes(days=28).then_state("7", is_parked=True)


def test_difference_is_told() -> None:
    """
    Both sides are shown, without the ids.
    """
    with pytest.raises(AssertionError, match=r"- ReportLoss\(book='7'\)\n\+ Remind\(reader='Ada', book='7'\)"):
        given(LENT).when_time_passes(days=28).then_sent(ReportLoss(book="7"))
    with pytest.raises(AssertionError, match="reader: expected 'Bob', found 'Ada'"):
        given().when(LENT).then_state("7", reader="Bob")
    with pytest.raises(AssertionError, match=r"no process '8', only \['7'\]"):
        given().when(LENT).then_state("8")
