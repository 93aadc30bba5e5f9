"""News about one payment, its refunds and its dispute in any order, doubled, late or lost: in the end the books equal the truth.

The truth is `model`'s. Rows and transactions are real; only the fetch is left out, between the reading of the version before it and the
settling after it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from portal import stripe_sync
from portal.core import clock, config, db
from portal.core.money import Money
from portal.disputes import queries as disputes
from portal.disputes import settling as settling_disputes
from portal.gateway import Intent
from portal.invoices.models import Invoice
from portal.jobs.models import JobRow
from portal.ledger import LedgerAccount, Posting
from portal.payments import intents, statuses
from portal.payments import jobs as payment_jobs
from portal.payments.models import Payment
from portal.payments.statuses import PaymentStatus
from portal.reconciliation import figures
from portal.refunds import executing
from portal.refunds import jobs as refund_jobs
from portal.refunds.models import Refund as RefundRow
from tests import factories
from tests.certain import present
from tests.simulation.model import (
    DISPUTE_MOVES,
    INTENT_MOVES,
    NOBODY_KNOWS,
    PART,
    PRICE,
    REFUND_MOVES,
    Truth,
    numbers,
)

PAYMENT, DISPUTE = "payment", "dispute"


@dataclass
class Desk:
    """One payment here, with its invoice, ready to hear of its intent."""

    payment_id: str
    invoice_id: str
    truth: Truth

    @property
    def payment(self) -> Payment:
        with db.reading() as session:
            return session.get_one(Payment, self.payment_id)

    @property
    def postings(self) -> Counter[tuple[str, int]]:
        """Those that move the balance at Stripe."""
        with db.reading() as session:
            rows = session.query(Posting).filter(Posting.subject == self.payment_id, figures.touches_balance())
            return Counter((row.kind, row.amount_minor) for row in rows)

    @property
    def balances(self) -> Counter[str]:
        """Debits minus credits of each account in all postings of the invoice."""
        found = Counter[str]()
        with db.reading() as session:
            query = select(Posting.debit, Posting.credit, Posting.amount_minor).where(
                Posting.item_id == self.invoice_id
            )
            for debit, credit, minor in session.execute(query):
                found[debit] += minor
                found[credit] -= minor
        return found

    @property
    def amount_due(self) -> int:
        with db.reading() as session:
            return session.get_one(Invoice, self.invoice_id).amount_due.minor

    @property
    def is_invoice_paid(self) -> bool:
        with db.reading() as session:
            return session.get_one(Invoice, self.invoice_id).status == "paid"

    def jobs(self, key: str) -> int:
        with db.reading() as session:
            return session.query(JobRow).filter(JobRow.unique_key == key).count()

    def hear(self, **changes: Any) -> bool:
        """Settle the truth as it is now, or with a lie in it."""
        return stripe_sync.settle(
            intents.KIND,
            self.payment_id,
            replace(self.truth.intent, **changes),
            None,
            seen_version=self.payment.version,
        )


def desk(status: str = "requires_payment_method") -> Desk:
    """A payment of 119 euros whose intent is stored, both in this state."""
    with db.transaction() as session:
        customer = factories.customer(session, stripe_customer_id=f"cus_model_{next(numbers)}")
        invoice = factories.invoice(session, customer)
        intent_id = f"pi_model_{next(numbers)}"
        payment = factories.payment(
            session,
            customer,
            invoice,
            status=status,
            succeeded_at=None,
            stripe_intent_id=intent_id,
            stripe_charge_id=None,
        )
        intent = Intent(
            id=intent_id,
            status="requires_payment_method",
            amount=PRICE,
            amount_received=Money(0, "eur"),
            customer_id=customer.stripe_customer_id,
            livemode=False,
            created=clock.now(),
            client_secret="secret",
        )
        return Desk(payment.id, invoice.id, Truth(intent))


@dataclass(frozen=True)
class Look:
    """A fetch that was begun: of what, and which version the row had before."""

    what: str
    seen_version: int | None


@dataclass(frozen=True)
class Answer:
    look: Look
    found: Any


class News(RuleBasedStateMachine):
    """A look reads the row's version, Stripe answers with how it is then, and the answer arrives whenever it likes, or never."""

    begun = Bundle("begun")
    answered = Bundle("answered")

    @initialize()
    def begin(self) -> None:
        self.desk = desk()
        self.final = ""

    # What happens at Stripe

    @rule(data=st.data())
    def the_payment_moves(self, data: st.DataObject) -> None:
        moves = INTENT_MOVES[self.truth.intent.status]
        if moves:
            self.truth.move_intent(data.draw(st.sampled_from(moves)))

    @precondition(lambda self: self.has_succeeded and self.truth.intent.charge.balance_transaction is None)
    @rule()
    def the_fee_is_known(self) -> None:
        self.truth.know_fee()

    @precondition(lambda self: self.has_succeeded and len(self.truth.refunds) < 3 and self.desk.payment.has_succeeded)
    @rule()
    def a_refund_is_made(self) -> None:
        with db.transaction() as session:
            row = factories.refund(
                session,
                session.get_one(Payment, self.desk.payment_id),
                status="executing",
                amount_minor=PART.minor,
                stripe_refund_id=f"re_model_{next(numbers)}",
                succeeded_at=None,
            )
        self.truth.make_refund(row.id, str(row.stripe_refund_id))

    @precondition(lambda self: self.truth.refunds)
    @rule(data=st.data())
    def a_refund_moves(self, data: st.DataObject) -> None:
        refund_id = data.draw(st.sampled_from(sorted(self.truth.refunds)))
        moves = REFUND_MOVES[self.truth.refunds[refund_id].status]
        if moves:
            self.truth.move_refund(refund_id, data.draw(st.sampled_from(moves)))

    @precondition(lambda self: self.has_succeeded and self.truth.dispute is None)
    @rule(status=st.sampled_from(["warning_needs_response", "needs_response"]))
    def a_dispute_is_opened(self, status: str) -> None:
        self.truth.open_dispute(status)

    @precondition(lambda self: self.truth.dispute is not None)
    @rule(data=st.data())
    def the_dispute_moves(self, data: st.DataObject) -> None:
        assert self.truth.dispute is not None
        moves = DISPUTE_MOVES[self.truth.dispute.status]
        if moves:
            self.truth.move_dispute(data.draw(st.sampled_from(moves)))

    # What is heard of it

    @rule(target=begun, data=st.data())
    def somebody_looks(self, data: st.DataObject) -> Look:
        return self.look(data.draw(st.sampled_from(self.everything)))

    @rule(target=answered, look=begun)
    def stripe_answers(self, look: Look) -> Answer:
        return self.answer(look)

    @rule(answer=answered, goes_on=st.booleans())
    def an_answer_arrives(self, answer: Answer, goes_on: bool) -> None:
        """It may arrive more than once. Who is told that it is a stale update looks again, unless their process dies."""
        if not self.settle(answer) and goes_on:
            self.look_now(answer.look.what)

    # What always holds

    @invariant()
    def what_is_paid_is_paid_at_stripe_and_stays_so(self) -> None:
        payment = self.desk.payment
        assert payment.review_reason == ""
        assert not payment.has_succeeded or self.has_succeeded
        assert self.final in {"", payment.status}
        if payment.status in statuses.FINAL:
            self.final = payment.status
        assert self.desk.is_invoice_paid == payment.has_succeeded == (payment.succeeded_at is not None)
        assert self.desk.jobs(payment_jobs.issue_receipt.key(payment_id=payment.id)) == int(payment.has_succeeded)
        assert self.desk.postings <= self.truth.books

    @invariant()
    def what_is_owed_is_what_the_books_say(self) -> None:
        balances = self.desk.balances
        assert balances[LedgerAccount.RECEIVABLES] == self.desk.amount_due
        assert balances[LedgerAccount.REFUNDS] == 0
        assert -balances[LedgerAccount.REVENUE] - balances[LedgerAccount.TAX] == PRICE.minor - self.given_back

    @property
    def given_back(self) -> int:
        """What went back by the postings, less what has failed."""
        moved = self.desk.postings
        return sum(
            minor * (number if kind == "refund" else -number)
            for (kind, minor), number in moved.items()
            if "refund" in kind
        )

    def teardown(self) -> None:
        """One look at the truth, whatever was lost: the end is the same as if nothing had been."""
        if not hasattr(self, "desk"):
            return
        for what in self.everything:
            self.look_now(what)
        assert self.desk.payment.status == self.truth.intent.status
        assert self.desk.postings == self.truth.books
        for refund_id, refund in self.truth.refunds.items():
            row = self.refund(refund_id)
            assert (row.status, row.review_reason) == (refund.status, "")
            assert self.desk.jobs(refund_jobs.issue_credit_note.key(refund_id=refund_id)) >= (
                refund.status == "succeeded"
            )
        if self.truth.dispute is not None:
            with db.reading() as session:
                dispute = disputes.by_stripe_id(session, self.truth.dispute.id)
            assert dispute is not None
            assert (dispute.status, dispute.review_reason) == (self.truth.dispute.status, "")
        self.what_is_paid_is_paid_at_stripe_and_stays_so()
        self.what_is_owed_is_what_the_books_say()

    # Means

    @property
    def truth(self) -> Truth:
        return self.desk.truth

    @property
    def has_succeeded(self) -> bool:
        return self.truth.intent.status == PaymentStatus.SUCCEEDED

    @property
    def everything(self) -> list[str]:
        """What can be looked at: the payment, its refunds by our ids, its dispute."""
        return [PAYMENT, *self.truth.refunds, *([DISPUTE] if self.truth.dispute else [])]

    def refund(self, refund_id: str) -> RefundRow:
        with db.reading() as session:
            return session.get_one(RefundRow, refund_id)

    def look(self, what: str) -> Look:
        if what == PAYMENT:
            return Look(what, self.desk.payment.version)
        if what == DISPUTE:
            assert self.truth.dispute is not None
            with db.reading() as session:
                known = disputes.by_stripe_id(session, self.truth.dispute.id)
            return Look(what, known.version if known else None)
        return Look(what, self.refund(what).version)

    def answer(self, look: Look) -> Answer:
        if look.what == PAYMENT:
            return Answer(look, self.truth.intent)
        return Answer(look, self.truth.dispute if look.what == DISPUTE else self.truth.refunds[look.what])

    def settle(self, answer: Answer) -> bool:
        look = answer.look
        if look.what == PAYMENT:
            return stripe_sync.settle(
                intents.KIND, self.desk.payment_id, answer.found, None, seen_version=present(look.seen_version)
            )
        if look.what != DISPUTE:
            seen = present(look.seen_version)
            return stripe_sync.settle(executing.KIND, look.what, answer.found, None, seen_version=seen)
        if self.desk.payment.stripe_charge_id is None:  # as settling_disputes.payment_of does
            self.look_now(PAYMENT)
        row_id = stripe_sync.row_of(settling_disputes.KIND, answer.found.id)
        if row_id is None or look.seen_version is None:
            return stripe_sync.open_row(settling_disputes.KIND, self.desk.payment_id, answer.found)
        return stripe_sync.settle(settling_disputes.KIND, row_id, answer.found, None, seen_version=look.seen_version)

    def look_now(self, what: str) -> None:
        assert self.settle(self.answer(self.look(what)))


def test_the_end_is_the_same_whatever_was_heard_and_when(settings: config.Settings, database: str) -> None:
    examples = 60 if database.startswith("sqlite") else 20
    run_state_machine_as_test(
        News,
        settings=hypothesis_settings(
            max_examples=examples, stateful_step_count=30, suppress_health_check=list(HealthCheck)
        ),
    )


# One by one: what each of these would break is named by its own test


def test_a_fall_back_is_no_stale_update(settings: config.Settings) -> None:
    """The bank took its time and said no: the payment waits for its customer again."""
    one = desk()
    one.truth.move_intent(PaymentStatus.PROCESSING)
    assert one.hear()
    assert one.payment.status == "processing"
    one.truth.move_intent(PaymentStatus.REQUIRES_PAYMENT_METHOD)
    assert one.hear()
    assert one.payment.status == "requires_payment_method"


def test_every_pair_of_statuses(settings: config.Settings) -> None:
    """Whatever lay between them was not heard. Final states absorb, and staff are told of what contradicts them."""
    for before, after in product(INTENT_MOVES, INTENT_MOVES):
        one = desk()
        one.truth.move_intent(before)
        assert one.hear()
        assert one.payment.status == before
        one.truth.move_intent(after)
        assert one.hear()
        payment, contradiction = one.payment, before in statuses.FINAL and before != after
        assert payment.status == (before if contradiction else after), (before, after)
        assert (payment.review_reason != "") == contradiction, (before, after)
        assert one.is_invoice_paid == payment.has_succeeded, (before, after)


def test_an_unknown_status_is_never_taken_for_paid(settings: config.Settings) -> None:
    one = desk()
    assert one.hear(status=NOBODY_KNOWS, amount_received=PRICE)
    assert one.payment.status == NOBODY_KNOWS
    assert not one.is_invoice_paid
    assert one.postings == Counter()


LIES: dict[str, dict[str, Any]] = {
    "less was received": {"amount_received": PRICE - Money(1, "eur")},
    "more was received": {"amount_received": PRICE + Money(1, "eur")},
    "it is over less": {"amount": PRICE - Money(1, "eur")},
    "it is in another currency": {"amount": Money(PRICE.minor, "usd"), "amount_received": Money(PRICE.minor, "usd")},
    "it is another customer's": {"customer_id": "cus_of_someone_else"},
    "it is nobody's": {"customer_id": None},
    "it is of the live mode": {"livemode": True},
    "it is another intent": {"id": "pi_of_something_else"},
}


@pytest.mark.parametrize("lie", LIES)
def test_what_does_not_fit_is_left_to_staff(settings: config.Settings, lie: str) -> None:
    one = desk()
    one.truth.move_intent(PaymentStatus.SUCCEEDED)
    assert one.hear(**LIES[lie])
    payment = one.payment
    assert (payment.status, payment.succeeded_at) == (PaymentStatus.REQUIRES_PAYMENT_METHOD, None)
    assert payment.review_reason != ""
    assert not one.is_invoice_paid
    assert one.postings == Counter()


def test_a_payment_succeeds_with_all_that_belongs_to_it_or_not_at_all(
    settings: config.Settings,
) -> None:
    """No second step is needed that a dead process could leave out."""
    one = desk()
    one.truth.move_intent(PaymentStatus.SUCCEEDED)
    one.truth.know_fee()
    assert one.hear()
    assert one.is_invoice_paid
    assert one.postings == one.truth.books
    assert one.jobs(payment_jobs.issue_receipt.key(payment_id=one.payment_id)) == 1
