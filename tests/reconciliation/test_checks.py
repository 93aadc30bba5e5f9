"""What is asked of the books at the end of a run, told by rows alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import update
from sqlalchemy.orm import Session

from portal import ledger
from portal.core import clock, db
from portal.core.db import new_id
from portal.core.money import Money
from portal.invoices import crediting, writing_off
from portal.invoices import service as invoices
from portal.invoices.credit_lines import Wanted
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice
from portal.ledger import LedgerAccount
from portal.payments.models import Confirmation
from portal.reconciliation import checks, transactions
from portal.reconciliation.checks import CHARGED_TWICE_WITHIN, STUCK_AFTER
from portal.reconciliation.models import RunKind
from portal.reconciliation.run import Run
from portal.reconciliation.transactions import COMES_WITHIN
from tests import factories

HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
NONE = timedelta(0)
NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
LONG_AGO = NOON - timedelta(days=100)


def a_run(days: int = 35) -> Run:
    """It writes nothing; what it finds is in its drafts."""
    now = clock.now()
    return Run(RunKind.FREQUENT, now - timedelta(days=days), now, now, dry=True)


def subjects(run: Run) -> list[str]:
    return [draft.subject for draft in run.drafts]


@pytest.mark.parametrize(
    ("apart", "is_named"), [(HOUR, True), (CHARGED_TWICE_WITHIN, True), (CHARGED_TWICE_WITHIN + INSTANT, False)]
)
def test_what_is_charged_twice_within_a_day_is_named(database: str, apart: timedelta, is_named: bool) -> None:
    with db.transaction() as session:
        customer, now = factories.customer(session), clock.now()
        first = factories.payment(session, customer, created_at=now - apart)
        second = factories.payment(session, customer, created_at=now)
    run = a_run()
    checks.charged_twice(run)
    assert [(draft.subject, draft.facts["first"]) for draft in run.drafts] == [(second.id, first.id)] * is_named


def test_payments_of_each_month_hide_none_that_was_charged_twice(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST", 1)
    with db.transaction() as session:
        customer, now = factories.customer(session), clock.now()
        for month in range(15):
            factories.payment(session, customer, description="Rent", created_at=now - month * timedelta(days=30))
        twice = [factories.payment(session, customer, id=f"pay_zz{number}") for number in range(2)]
    run = a_run()
    checks.charged_twice(run)
    assert subjects(run) == [twice[1].id]
    assert run.incomplete == {"charged_twice"}, "there may be more than it names"


@pytest.mark.parametrize(
    ("other", "is_named"),
    [
        ({}, True),
        ({"amount_minor": 50_01}, False),
        ({"currency": "usd"}, False),
        ({"description": "Another deposit"}, False),
        ({"status": "canceled", "succeeded_at": None}, False),
    ],
)
def test_what_differs_is_not_charged_twice(database: str, other: dict[str, Any], is_named: bool) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        factories.payment(session, customer)
        factories.payment(session, customer, **other)
        factories.payment(session, factories.customer(session))
    run = a_run()
    checks.charged_twice(run)
    assert len(run.drafts) == is_named


@pytest.mark.parametrize(("invoices", "is_named"), [("one of two", True), ("two", False), ("none", True)])
def test_payments_of_two_invoices_are_two_debts(database: str, invoices: str, is_named: bool) -> None:
    with db.transaction() as session:
        customer = factories.customer(session)
        first, second = (factories.invoice(session, customer) for _ in range(2))
        of_first, of_second = {"one of two": (first, None), "two": (first, second), "none": (None, None)}[invoices]
        alike = {"description": "Power", "amount_minor": 119_00}
        factories.payment(session, customer, of_first, **alike)
        factories.payment(session, customer, of_second, **alike)
    run = a_run()
    checks.charged_twice(run)
    assert len(run.drafts) == is_named


# From the books to Stripe


def test_each_posting_of_the_span_is_held_against_stripe(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first moment up to its last, less what Stripe may take: also many of one moment, page by page."""
    monkeypatch.setattr(transactions, "ROWS", 2)
    run = a_run(days=1)
    last = run.until - COMES_WITHIN
    at = {"before": run.since - INSTANT, "after": last + INSTANT}
    at |= {"first": run.since, "last": last} | {f"between {number}": run.since + HOUR for number in range(3)}
    with db.transaction() as session:
        for reference, moment in at.items():
            ledger.post(
                session,
                "other",
                debit=LedgerAccount.STRIPE,
                credit=LedgerAccount.OTHER,
                amount=Money(5_00, "eur"),
                subject="txn_1",
                reference=reference,
                at=moment,
            )
        ledger.post(
            session,
            "outside",
            debit=LedgerAccount.BANK,
            credit=LedgerAccount.RECEIVABLES,
            amount=Money(5_00, "eur"),
            subject="pay_1",
            reference="not at Stripe",
            at=run.since + HOUR,
        )
    places = list(transactions.postings(run, None))
    alone = [draft.facts["reference"] for draft in run.drafts]
    assert sorted(alone) == ["between 0", "between 1", "between 2", "first", "last"]
    assert run.counts["postings"] == 5

    run.drafts.clear()
    list(transactions.postings(run, places[0].cursor))
    assert [draft.facts["reference"] for draft in run.drafts] == alone[2:], "it goes on behind the first page"


# Limits in time

Make = Callable[[Session, datetime], str]


def _unanswered(session: Session, at: datetime) -> str:
    payment = factories.payment(session, factories.customer(session), succeeded_at=None, status="requires_confirmation")
    session.add(
        Confirmation(
            id=new_id("cnf"),
            payment_id=payment.id,
            customer_id=payment.customer_id,
            client_key=new_id("key"),
            stripe_payment_method_id="pm_1",
            off_session=False,
            key_used_at=at,
            created_at=at,
        )
    )
    return payment.id


def _twice(session: Session, at: datetime) -> str:
    customer = factories.customer(session)
    return max(factories.payment(session, customer, updated_at=at, created_at=at).id for _ in range(2))


# What a check names when it is older than what anything may take.
LATE: dict[Callable[[Run], None], list[Make]] = {
    checks.receipts: [lambda s, at: factories.payment(s, factories.customer(s), succeeded_at=at).id],
    checks.credit_notes: [
        lambda s, at: factories.refund(s, factories.payment(s, factories.customer(s)), succeeded_at=at).id
    ],
    checks.unsent_documents: [
        lambda s, at: factories.receipt(s, factories.payment(s, factories.customer(s)), issued_at=at).id
    ],
    checks.stuck_payments: [
        lambda s, at: (
            factories.payment(s, factories.customer(s), status="processing", succeeded_at=None, updated_at=at).id
        ),
        _unanswered,
    ],
    checks.stuck_refunds: [
        lambda s, at: (
            factories.refund(
                s,
                factories.payment(s, factories.customer(s)),
                status="approved",
                succeeded_at=None,
                stripe_refund_id=None,
                updated_at=at,
            ).id
        )
    ],
}


@pytest.mark.parametrize(
    ("check", "make"), [(check, make) for check, makes in LATE.items() for make in makes], ids=lambda one: one.__name__
)
def test_what_takes_longer_than_anything_may_is_named(database: str, check: Callable[[Run], None], make: Make) -> None:
    with time_machine.travel(NOON, tick=False):
        with db.transaction() as session:
            late = make(session, NOON - STUCK_AFTER - INSTANT)
            make(session, NOON - STUCK_AFTER)
        run = a_run()
        check(run)
    assert subjects(run) == [late]


# What a check names when it has changed since the run's beginning; the second is what lies so long before.
CHANGED: dict[Callable[[Run], None], tuple[Make, timedelta]] = {
    checks.unposted_payments: (lambda s, at: factories.payment(s, factories.customer(s), updated_at=at).id, NONE),
    checks.over_refunded: (
        lambda s, at: (
            factories.refund(
                s, factories.payment(s, factories.customer(s)), amount_minor=50_01, updated_at=at
            ).payment_id
        ),
        NONE,
    ),
    checks.receipts: (
        lambda s, at: factories.payment(s, factories.customer(s), updated_at=at, succeeded_at=LONG_AGO).id,
        NONE,
    ),
    checks.credit_notes: (
        lambda s, at: (
            factories.refund(s, factories.payment(s, factories.customer(s)), updated_at=at, succeeded_at=LONG_AGO).id
        ),
        NONE,
    ),
    checks.unsent_documents: (
        lambda s, at: factories.receipt(s, factories.payment(s, factories.customer(s)), issued_at=at).id,
        NONE,
    ),
    checks.charged_twice: (
        _twice,
        CHARGED_TWICE_WITHIN,
    ),
}


@pytest.mark.parametrize("check", CHANGED, ids=lambda check: check.__name__)
def test_what_has_changed_since_the_beginning_is_looked_at(database: str, check: Callable[[Run], None]) -> None:
    make, before = CHANGED[check]
    with time_machine.travel(NOON, tick=False):
        run = a_run()
        with db.transaction() as session:
            named = make(session, run.since - before)
            make(session, run.since - before - INSTANT)
        check(run)
    assert subjects(run) == [named]


def test_what_was_given_back_up_to_the_cent_is_not_too_much(database: str) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, factories.customer(session))
        factories.refund(session, payment, amount_minor=20_00)
        factories.refund(session, payment, amount_minor=30_00)
    run = a_run()
    checks.over_refunded(run)
    assert run.drafts == []


def test_an_invoice_that_does_not_add_up_by_its_postings_is_named(database: str, settings: object) -> None:
    with db.transaction() as session:
        customer_id = factories.customer(session).id
    first, second = factories.reviewer(), factories.reviewer()
    line = LineDraft("Green electricity", 1_000, 100_00, 1900)

    def issue() -> str:
        return invoices.issue(InvoiceDraft(customer_id, "eur", (line,))).id

    untouched, credited, given_up, void, paid = (issue() for _ in range(5))
    crediting.credit(credited, first, reason="One came back.", lines=[Wanted(1, None, 10_00)])
    writing_off.approve(writing_off.propose(given_up, first, reason="Insolvent.").id, second)
    invoices.void(void, "Billed twice")
    factories.record_outside(paid, amount=Money(50_00, "eur"))

    def found(kind: RunKind = RunKind.FREQUENT) -> list[tuple[str, str]]:
        now = clock.now()
        run = Run(kind, now - timedelta(days=1), now, now, dry=True)
        checks.invoices_add_up(run)
        return [(draft.subject, draft.code.removeprefix("invoice_")) for draft in run.drafts]

    assert found() == found(RunKind.NIGHTLY) == []
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (untouched, {"credited_minor": 1}, "due"),
        (credited, {"credited_minor": 0}, "due"),
        (paid, {"paid_minor": 0}, "due"),
    ]
    wrong += [(given_up, {"paid_minor": 1}, "written_off"), (void, {"status": "open"}, "total")]
    for invoice_id, values, figure in wrong:
        with db.transaction() as session:
            row = session.get_one(Invoice, invoice_id)
            before = {name: getattr(row, name) for name in values}
            session.execute(update(Invoice).where(Invoice.id == invoice_id).values(**values))
        assert found() == found(RunKind.NIGHTLY) == [(invoice_id, figure)]
        with db.transaction() as session:
            session.execute(update(Invoice).where(Invoice.id == invoice_id).values(**before))
