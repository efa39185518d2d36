"""
Process managers, the pure part: what is declared, what a reaction decides, what the books then say.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import BaseModel

from eventsource import (
    Command,
    DeclarationError,
    Event,
    NewEvent,
    ProcessManager,
    RecordedEvent,
    Refusal,
    RuleBrokenError,
    handles,
    on_refusal,
    on_timer,
    reacts,
    starts,
)
from eventsource.errors import (
    ProcessCompletedError,
    ProcessNotStartedError,
    RefusalUnansweredError,
    UndeclaredCommandError,
    UnstorableCommandError,
)
from eventsource.processes import own_command
from eventsource.processes.process_events import CommandRefused
from eventsource.store.commit import LogEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventsource.processes.process_manager import Answer

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class OrderPlaced(Event, type="io.example.process.order-placed"):
    """
    Starts it.
    """

    order: str
    cents: int


class PaymentTaken(Event, type="io.example.process.payment-taken"):
    """
    Says nothing of orders.
    """


class OrderSent(Event, type="io.example.process.order-sent"):
    """
    Ends it.
    """

    order: str | None = None


class PaymentOverdue(Event, type="io.example.process.payment-overdue"):
    """
    A timer.
    """

    reminder: int


class Noted(Event, type="io.example.process.noted"):
    """
    What it remembers.
    """

    cents: int


class Unheard(Event, type="io.example.process.unheard"):
    """
    Nothing answers it.
    """


class TakePayment(BaseModel):
    """
    A command.
    """

    command_id: str = ""
    cents: int


class SendOrder(BaseModel):
    """
    Another one.
    """

    command_id: str = ""


class CardDeclinedError(Exception):
    """
    Refuses the first.
    """


class Ordering(ProcessManager, name="ordering", by="order", sends=[TakePayment, SendOrder]):
    """
    Takes the money, then sends.
    """

    cents: int = 0
    log: list[str] = []  # noqa: RUF012  copied for each process

    @starts
    def placed(self, event: OrderPlaced, recorded: RecordedEvent) -> None:
        """
        Take the payment, wait for it.
        """
        assert recorded.type == OrderPlaced.event_type
        self.emit(Noted(cents=event.cents))
        self.send(TakePayment(cents=self.cents))
        self.schedule(PaymentOverdue(reminder=1), after=timedelta(days=1))
        self.schedule(PaymentOverdue(reminder=2), at=NOON + timedelta(days=9))

    @reacts(by=own_command)
    def paid(self, _: PaymentTaken) -> None:
        """
        Wait no more.
        """
        self.cancel(PaymentOverdue)
        self.send(SendOrder())

    @on_timer
    def overdue(self, event: PaymentOverdue) -> None:
        """
        Ask again.
        """
        self.log.append(f"reminder {event.reminder}")

    @on_refusal(CardDeclinedError)
    def declined(self, command: TakePayment, refusal: Refusal) -> None:
        """
        Give up.
        """
        self.log.append(f"{refusal.name} of {command.cents}")
        self.complete()

    @reacts
    def sent(self, _: OrderSent) -> None:
        """
        It is over.
        """
        self.complete()

    @handles
    def _noted(self, event: Noted) -> None:
        self.cents = event.cents


class Log:
    """
    A log of events, to have recorded ones.
    """

    def __init__(self) -> None:
        self.end = LogEnd(0, 0, "0" * 64)

    def record(self, event: Event, subject: str, **metadata: Any) -> RecordedEvent:
        """
        Record one, at noon.
        """
        data = event.model_dump(mode="json", by_alias=True)
        new = NewEvent(subject=subject, type=event.event_type, data=data | {"_meta": metadata})
        position = self.end.position + 1
        time_ns = int(NOON.timestamp()) * 10**9 + position
        recorded = self.end.append(new, id=f"e-{position}", time_ns=time_ns, source="t")
        self.end = LogEnd(position, recorded.time_ns, recorded.hash)
        return recorded


def settled(process: ProcessManager, log: Log) -> None:
    """
    Commit what is pending.
    """
    recorded = [log.record(event, process.subject) for event in process.pending_events]
    process.mark_committed(recorded[-1].id)


def refused_by(process: ProcessManager, cause: RecordedEvent, refusal: Refusal) -> CommandRefused:
    """
    What is recorded when the first command is refused.
    """
    command = process.book.unsent[cause.id, 0]
    return CommandRefused(cause=cause.id, index=0, command=command, refusal=refusal.name, rule=refusal.rule)


def started(log: Log) -> tuple[Ordering, RecordedEvent, Answer]:
    """
    A process that has begun.
    """
    cause = log.record(OrderPlaced(order="7", cents=5), "/orders/7")
    process = Ordering("7")
    answer = process.react(cause)
    settled(process, log)
    return process, cause, answer


def test_answer_has_what_was_decided() -> None:
    """
    Commands with ids made of process and cause, timers with times counted from the cause, own events.
    """
    process, cause, answer = started(Log())

    assert answer.commands == (TakePayment(command_id=f"ordering/7/{cause.id}/0", cents=5),)
    assert [(timer.due_at, timer.data) for timer in answer.timers] == [
        (cause.time + timedelta(days=1), {"reminder": 1}),
        (NOON + timedelta(days=9), {"reminder": 2}),
    ]
    assert answer.events == (Noted(cents=5),)
    assert not answer.is_completed
    assert process.subject == "/process/ordering/7"


def test_books_are_the_same_when_the_process_is_read_again() -> None:
    """
    What a process is, is what its events say: folded from the log it is what it was when it decided.
    """
    log = Log()
    process = Ordering("7")
    recorded = []
    for cause in (log.record(OrderPlaced(order="7", cents=5), "/orders/7"), log.record(PaymentTaken(), "/payments/1")):
        process.react(cause)
        recorded += [log.record(event, process.subject) for event in process.pending_events]
        process.mark_committed(recorded[-1].id)

    again = Ordering("7")
    again.fold(recorded)

    assert again.book == process.book
    assert again.cents == 5
    assert again.version == process.version
    assert list(again.book.unsent) == [("e-1", 0), ("e-2", 0)]
    assert again.book.timers == {}
    assert again.command("e-1", 0) == TakePayment(command_id="ordering/7/e-1/0", cents=5)


def test_event_finds_its_process_by_field_command_subject_or_function() -> None:
    """
    Each of the four ways leads to the id, or to no process.
    """

    class Others(ProcessManager, name="others", by="/orders/{id}"):
        @starts
        def placed(self, event: OrderPlaced) -> None:
            pass

        @reacts(by=lambda event: event.order and event.order.upper())
        def sent(self, event: OrderSent) -> None:
            pass

    log = Log()

    assert Ordering.processes_of(log.record(OrderPlaced(order="7", cents=5), "/x")) == ("7",)
    assert Ordering.processes_of(log.record(OrderSent(), "/x")) == ()
    assert Ordering.processes_of(log.record(PaymentTaken(), "/x", commandId="ordering/b%C3%A9/e-1/0")) == ("bé",)
    assert Ordering.processes_of(log.record(PaymentTaken(), "/x", commandId="other/7/e-1/0")) == ()
    assert Ordering.processes_of(log.record(PaymentTaken(), "/x")) == ()
    assert Ordering.processes_of(log.record(PaymentOverdue(reminder=1), "/process/ordering/7")) == ("7",)
    assert Ordering.processes_of(log.record(PaymentOverdue(reminder=1), "/elsewhere/7")) == ()
    assert Ordering.processes_of(log.record(Noted(cents=1), "/process/ordering/7")) == ()
    assert Others.processes_of(log.record(OrderPlaced(order="7", cents=5), "/orders/8")) == ("8",)
    assert Others.processes_of(log.record(OrderPlaced(order="7", cents=5), "/orders/8/lines")) == ()
    assert Others.processes_of(log.record(OrderSent(order="a"), "/x")) == ("A",)
    assert Others.processes_of(log.record(OrderSent(), "/x")) == ()


def test_event_that_does_not_fit_still_finds_its_process() -> None:
    """
    So it is that process alone that is parked.
    """
    log = Log()
    new = NewEvent(subject="/x", type=OrderPlaced.event_type, data={"order": "7", "cents": "many"})

    assert Ordering.processes_of(log.end.append(new, id="e-1", time_ns=1, source="t")) == ("7",)


def test_refusal_is_answered_by_its_name() -> None:
    """
    The reaction gets the command as it was sent; what counts as a refusal is declared.
    """
    log = Log()
    process, cause, answer = started(log)
    (command,) = answer.commands
    refusal = Ordering.refusal_in(command, CardDeclinedError())
    assert refusal == Refusal("CardDeclinedError")
    assert Ordering.refusal_in(command, KeyError()) is None

    process.emit(refused_by(process, cause, refusal))
    refused = log.record(process.pending_events[0], process.subject)
    settled(process, log)
    process.react(refused)

    assert process.log == ["CardDeclinedError of 5"]
    assert process.book.is_completed
    assert process.book.timers == {}
    assert process.book.unsent == {}


def test_broken_rule_is_a_refusal_wherever_it_is_not_answered() -> None:
    """
    A command that a rule refuses is not tried again; without a reaction the process is parked.
    """
    log = Log()
    process, cause, answer = started(log)
    error = RuleBrokenError(subject=None, precondition="q", expected="a", found="b", name="funds")
    refusal = Ordering.refusal_in(answer.commands[0], error)
    assert refusal == Refusal("RuleBrokenError", "funds")

    process.emit(refused_by(process, cause, refusal))
    with pytest.raises(RefusalUnansweredError):
        process.react(log.record(process.pending_events[0], process.subject))


def test_timer_is_fired_as_its_event() -> None:
    """
    The event is recorded at the process's own subject, and the timer is gone from the books.
    """
    process, cause, _ = started(Log())

    process.fire(f"{cause.id}/0")

    assert process.pending_events[1:] == (PaymentOverdue(reminder=1),)
    assert list(process.book.timers) == [f"{cause.id}/1"]


def test_event_that_the_process_emitted_is_not_answered() -> None:
    """
    Not even one that it answers where it comes from elsewhere, or from a timer.
    """
    log = Log()
    process, cause, _ = started(log)

    assert Ordering.processes_of(log.record(OrderPlaced(order="7", cents=5), "/process/ordering/7")) == ()
    assert process.passes_over(log.record(PaymentOverdue(reminder=1), "/process/ordering/7"))
    process.fire(f"{cause.id}/0")
    settled(process, log)
    fired = log.record(PaymentOverdue(reminder=1), "/process/ordering/7", causationId=f"{cause.id}/0")
    assert not process.passes_over(fired)


def test_early_and_late_events_are_passed_over_or_refused_as_declared() -> None:
    """
    The default ignores them; "park" makes them a failure.
    """

    class Strict(ProcessManager, name="strict", by="order", if_not_started="park", if_completed="park"):
        @starts
        def placed(self, _: OrderPlaced) -> None:
            self.complete()

        @reacts
        def sent(self, event: OrderSent) -> None:
            pass

    log = Log()
    early = log.record(OrderSent(order="7"), "/x")
    assert Ordering("7").passes_over(early)
    assert not Strict("7").passes_over(early)
    with pytest.raises(ProcessNotStartedError):
        Strict("7").react(early)

    over = Strict("7")
    over.react(log.record(OrderPlaced(order="7", cents=1), "/x"))
    settled(over, log)
    assert not over.passes_over(early)
    with pytest.raises(ProcessCompletedError):
        over.react(early)


def test_what_happened_before_a_process_manager_was_there_begins_nothing() -> None:
    """
    With `since`, old events of a log are no reason to act now; those of processes that run are answered.
    """

    class Recent(ProcessManager, name="recent", by="order", since=NOON + timedelta(hours=1)):
        @starts
        def placed(self, _: OrderPlaced) -> None:
            pass

    log = Log()
    old = log.record(OrderPlaced(order="7", cents=1), "/x")
    assert Recent("7").passes_over(old)
    running = Recent("7")
    running.react(old)
    assert not running.passes_over(old)


def test_only_a_reaction_decides_and_only_what_is_declared() -> None:
    """
    Commands that are not among `sends`, timers that nothing answers, and times without a zone are refused.
    """

    class Careless(ProcessManager, name="careless", by="order", sends=[SendOrder]):
        @starts
        def placed(self, event: OrderPlaced) -> None:
            attempts[event.cents](self)

        @on_timer
        def overdue(self, event: PaymentOverdue) -> None:
            pass

    attempts: list[Callable[[Any], None]] = [
        lambda process: process.send(TakePayment(cents=1)),
        lambda process: process.schedule(Unheard(), after=timedelta(1)),
        lambda process: process.schedule(PaymentOverdue(reminder=1)),
        lambda process: process.schedule(PaymentOverdue(reminder=1), at=NOON.replace(tzinfo=None)),
    ]
    errors: list[type[Exception]] = [UndeclaredCommandError, DeclarationError, ValueError, ValueError]
    log = Log()
    for number, error in enumerate(errors):
        with pytest.raises(error):
            Careless("7").react(log.record(OrderPlaced(order="7", cents=number), "/x"))
    with pytest.raises(RuntimeError):
        Careless("7").complete()


def test_bad_declarations_are_told_when_the_class_is_made() -> None:
    """
    A name, a way from each event to its process, and one answer to each event.
    """
    with pytest.raises(DeclarationError, match="needs a name"):

        class Nameless(ProcessManager):
            pass

    with pytest.raises(DeclarationError, match="nothing says which process OrderPlaced is for"):

        class Lost(ProcessManager, name="lost"):
            @starts
            def placed(self, event: OrderPlaced) -> None:
                pass

    with pytest.raises(DeclarationError, match="OrderPlaced has no field 'number'"):

        class Mistaken(ProcessManager, name="mistaken", by="number"):
            @starts
            def placed(self, event: OrderPlaced) -> None:
                pass

    with pytest.raises(DeclarationError, match="answers OrderPlaced twice"):

        class Twofold(ProcessManager, name="twofold", by="order"):
            @starts
            def placed(self, event: OrderPlaced) -> None:
                pass

            @reacts
            def again(self, event: OrderPlaced) -> None:
                pass

    with pytest.raises(DeclarationError, match="not among `sends`"):

        class Silent(ProcessManager, name="silent", by="order"):
            @on_refusal(CardDeclinedError)
            def declined(self, command: TakePayment) -> None:
                pass

    with pytest.raises(DeclarationError, match="declares 'send'"):

        class Clashing(ProcessManager, name="clashing"):
            send: int = 0  # type: ignore[assignment]

    with pytest.raises(DeclarationError, match="must be a plain function"):

        class Waiting(ProcessManager, name="waiting", by="order"):
            @starts
            async def placed(self, _: OrderPlaced) -> None:
                pass


class Pack(Command, subject="/parcels/{parcel}"):
    """
    Put items in a parcel.
    """

    parcel: str
    items: list[str]
    extra: Any = None


class PackingAsked(Event, type="io.example.test.packing.asked"):
    """
    Starts it.
    """

    parcel: str
    items: list[str]


class PackingDue(Event, type="io.example.test.packing.due"):
    """
    The event of its timer.
    """

    items: list[str]


class Packing(ProcessManager, name="packing", by="parcel", sends=[Pack]):
    """
    Sends what it was given.
    """

    extra: ClassVar[Any] = None

    @starts
    def asked(self, event: PackingAsked) -> None:
        """
        Ask, and change afterwards what was asked for.
        """
        command = Pack(parcel=event.parcel, items=event.items, extra=self.extra)
        due = PackingDue(items=event.items)
        self.send(command)
        self.schedule(due, after=timedelta(days=1))
        event.items.append("changed")
        command.items.append("changed")
        due.items.append("changed")

    @on_timer
    def due(self, event: PackingDue) -> None:
        """
        Nothing more.
        """


def _asked() -> RecordedEvent:
    return RecordedEvent(
        1, "1", 0, "s", "/parcels/7", PackingAsked.event_type, '{"items":["a"],"parcel":"7"}', "0" * 64, "0" * 64
    )


def test_what_a_reaction_changes_afterwards() -> None:
    """
    A command and a timer are recorded as they were when they were asked for, whatever becomes of their lists.
    """
    answer = Packing("7").react(_asked())

    [command] = answer.commands
    assert isinstance(command, Pack)
    assert command.items == ["a"]
    assert answer.timers[0].data == {"items": ["a"]}


def test_a_command_that_would_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A command whose field would be read back as another value is refused where it is sent.
    """
    monkeypatch.setattr(Packing, "extra", (1, 2))

    with pytest.raises(UnstorableCommandError, match="Pack cannot be recorded: its field extra"):
        Packing("7").react(_asked())
