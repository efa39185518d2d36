"""
Loans: what a customer asked for, and the process that leads to money on an account, or to none at all.
"""

from datetime import date

from eventsource import Aggregate, ProcessManager, Refusal, handles, on_refusal, reacts, starts
from eventsource.processes import own_command
from examples.bank.account import check_amount
from examples.bank.commands import GrantLoan, PayOutLoan, RefuseLoan, ReleaseFunds, ReserveFunds
from examples.bank.events import (
    FundsReserved,
    LoanGranted,
    LoanNoted,
    LoanRefused,
    LoanRequested,
    MoneyDeposited,
)


class Loan(Aggregate, subject="/loans/{id}"):
    """
    What a customer asked for, and the answer.
    """

    def request(self, account: str, cents: int, *, on: date) -> None:
        """
        Ask for *cents* to be lent and paid into the account.

        Raises:
            AmountRefusedError: The amount is not positive, or absurd.
        """
        check_amount(cents)
        self.emit(LoanRequested(account=account, cents=cents, requested_on=on))

    def grant(self) -> None:
        """
        Say that the money is there.
        """
        self.emit(LoanGranted())

    def refuse(self, rule: str) -> None:
        """
        Say no.
        """
        self.emit(LoanRefused(rule=rule))

    @handles
    def _happened(self, event: LoanRequested | LoanGranted | LoanRefused) -> None:
        # The process knows where it is; here nothing is decided by it.
        pass


class LoanApplication(
    ProcessManager,
    name="loan-application",
    by="/loans/{id}",
    sends=[ReserveFunds, PayOutLoan, GrantLoan, ReleaseFunds, RefuseLoan],
):
    """
    Reserve, pay out, grant: three steps at three places, which cannot be one commit for ever.

    Where a step is refused, those before it are taken back: no money stays set aside for nobody.
    """

    terms: LoanNoted | None = None

    @starts
    def requested(self, event: LoanRequested) -> None:
        """
        First the money is set aside.
        """
        self.emit(LoanNoted(account=event.account, cents=event.cents))
        self.send(ReserveFunds(loan=self.id, cents=event.cents))

    @on_refusal()
    def not_reserved(self, _: ReserveFunds, refusal: Refusal) -> None:
        """
        Nothing is done yet, so there is nothing to take back.
        """
        self.send(RefuseLoan(loan=self.id, rule=_rule_of(refusal)))

    @reacts(by="loan")
    def reserved(self, event: FundsReserved) -> None:
        """
        Then it is paid.
        """
        terms = self._known_terms()
        self.send(PayOutLoan(account=terms.account, loan=self.id, cents=event.delta_cents))

    @reacts(by=own_command)
    def paid_out(self, _: MoneyDeposited) -> None:
        """
        The account knows nothing of loans; whose payment it was tells the id of the command.
        """
        self.send(GrantLoan(loan=self.id))

    @on_refusal()
    def not_paid_out(self, _: PayOutLoan, refusal: Refusal) -> None:
        """
        The compensation: what was set aside is released.
        """
        self.send(ReleaseFunds(loan=self.id, cents=self._known_terms().cents))
        self.send(RefuseLoan(loan=self.id, rule=_rule_of(refusal)))

    @reacts
    def answered(self, _: LoanGranted | LoanRefused) -> None:
        """
        It ends here.
        """
        self.complete()

    @handles
    def _noted(self, event: LoanNoted) -> None:
        self.terms = event

    def _known_terms(self) -> LoanNoted:
        assert self.terms is not None  # noqa: S101  the first reaction noted them
        return self.terms


def _rule_of(refusal: Refusal) -> str:
    return refusal.rule or refusal.name
