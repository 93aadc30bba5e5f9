"""Payments that arrived in another way than through Stripe: recorded in parts, approved by a second person, and reversed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from sqlalchemy import select

from portal import ledger
from portal.accounts.models import Customer
from portal.core import company_days, db
from portal.core.errors import Conflict, Forbidden, Invalid, NotFound, PortalError
from portal.core.money import Money
from portal.invoices import outside, queries, service
from portal.invoices.models import Invoice, OutsidePayment
from portal.invoices.statuses import InvoiceStanding
from portal.invoices.waiting import waiting_for_second_person
from portal.payments import service as _payments  # noqa: F401  # its guard speaks against an invoice that is being paid
from portal.web.waiting import Staff
from tests import factories
from tests.crashing import dies
from tests.factories import record_outside
from tests.invoices.conftest import Issue, days_ago, line
from tests.invoices.test_service import events_of, pay, stored, void


def eur(minor: int) -> Money:
    return Money(minor, "eur")


def large(issue: Issue) -> Invoice:
    """One of 1190.00, above the threshold of 500."""
    return issue(line("Oven", price=1000_00))


def postings_of(invoice: Invoice) -> list[tuple[str, str, str, int]]:
    with db.reading() as session:
        found = session.scalars(
            select(ledger.Posting)
            .where(ledger.Posting.subject == invoice.id, ledger.Posting.kind.startswith("outside"))
            .order_by(ledger.Posting.reference)
        )
        return sorted((one.kind, one.debit, one.credit, one.amount_minor) for one in found)


def record_of(row: OutsidePayment) -> OutsidePayment:
    with db.reading() as session:
        return queries.outside_payment(session, row.id)


def standing_of(invoice: Invoice) -> str:
    with db.reading() as session:
        return queries.standings(session, [session.get_one(Invoice, invoice.id)])[invoice.id].status


def test_money_that_came_another_way_pays_the_invoice_and_is_booked_once(issue: Issue) -> None:
    made, by = issue(), factories.reviewer()
    first = record_outside(made.id, by, paid_on=days_ago(3), client_key="one-form-of-tom")
    again = record_outside(made.id, by, how="cash", reference="again", client_key="one-form-of-tom")
    assert first.id == again.id
    paid = stored(made)
    assert (paid.status, paid.amount_due, paid.amount_paid) == ("paid", eur(0), eur(119_00))
    assert paid.paid_at is not None and paid.paid_at.date() == days_ago(3)
    kept = record_of(first)
    assert (kept.how, kept.paid_on, kept.reference, kept.recorded_by) == (
        "bank_transfer",
        days_ago(3),
        "Statement 11",
        by.id,
    )
    assert postings_of(made) == [("outside", "bank", "receivables", 119_00)]
    assert events_of(made) == ["invoice.issued", "invoice.paid_outside"]


def test_who_dies_while_recording_has_recorded_nothing_and_the_next_try_records_once(issue: Issue) -> None:
    made, by = issue(), factories.reviewer()

    def record() -> None:
        record_outside(made.id, by, client_key="one-form-of-tom")

    dies("outside payment recorded", record)
    assert (stored(made).status, postings_of(made)) == ("open", [])
    record()
    record()
    assert postings_of(made) == [("outside", "bank", "receivables", 119_00)]


def test_parts_add_up_and_the_rest_stays_due(issue: Issue, customer: Customer) -> None:
    made = issue()
    record_outside(made.id, amount=eur(50_00))
    partly = stored(made)
    assert (partly.status, partly.is_partly_paid, partly.amount_due) == ("open", True, eur(69_00))
    with db.reading() as session:
        (owed,) = queries.owed(session, customer.id).sums
    assert owed.total == eur(69_00)
    with pytest.raises(Invalid) as refused:
        record_outside(made.id, amount=eur(69_01))
    assert refused.value.field == "amount"
    record_outside(made.id, amount=eur(69_00), paid_on=days_ago(2))
    paid = stored(made)
    assert (paid.status, paid.amount_due) == ("paid", eur(0))
    # With the part that came last, in whatever order they were recorded.
    assert paid.paid_at is not None and company_days.day_of(paid.paid_at) == company_days.today()
    assert sum(amount for _kind, _debit, _credit, amount in postings_of(made)) == 119_00


@pytest.mark.parametrize("amount", [eur(0), eur(-1), Money(10_00, "usd")])
def test_an_amount_that_is_none_is_refused(issue: Issue, amount: Money) -> None:
    made = issue()
    with pytest.raises(Invalid):
        record_outside(made.id, amount=amount)
    assert postings_of(made) == []


def test_what_is_partly_paid_is_not_voided(issue: Issue) -> None:
    made = issue()
    record = record_outside(made.id, amount=eur(1_00))
    with pytest.raises(Conflict) as refused:
        void(made)
    assert refused.value.code == "partly_paid"
    outside.reverse(record.id, factories.reviewer(), "another customer's")
    void(made)
    assert stored(made).status == "void"


def test_a_reversal_is_booked_the_other_way_round_and_the_invoice_is_open_again(issue: Issue) -> None:
    made, by = issue(), factories.reviewer()
    record = record_outside(made.id, by)
    with pytest.raises(Invalid):
        outside.reverse(record.id, by, " ")
    for _ in range(2):
        outside.reverse(record.id, by, "another customer's")
    again = stored(made)
    assert (again.status, again.paid_at, again.amount_due) == ("open", None, eur(119_00))
    assert postings_of(made) == [
        ("outside", "bank", "receivables", 119_00),
        ("outside_reversed", "receivables", "bank", 119_00),
    ]
    kept = record_of(record)
    assert (kept.status, kept.reversal_reason, kept.reversed_by) == ("reversed", "another customer's", by.id)
    assert events_of(made)[-1] == "invoice.outside_payment_reversed"
    record_outside(made.id, by)
    assert stored(made).status == "paid"


# Two people


def test_from_the_threshold_on_a_second_person_must_approve(issue: Issue) -> None:
    made, first, second = large(issue), factories.reviewer(), factories.reviewer("admin")
    record = record_outside(made.id, first)
    assert (record.status, stored(made).amount_due, postings_of(made)) == ("proposed", eur(1190_00), [])
    with pytest.raises(outside.OwnRecord):
        outside.approve(record.id, first)
    for _ in range(2):
        outside.approve(record.id, second)
    assert (stored(made).status, len(postings_of(made)), record_of(record).decided_by) == ("paid", 1, second.id)
    with pytest.raises(outside.DecidedAlready):
        outside.approve(record.id, factories.reviewer())


def test_parts_of_one_invoice_count_together(issue: Issue) -> None:
    made = large(issue)
    assert record_outside(made.id, amount=eur(499_99)).status == "recorded"
    assert record_outside(made.id, amount=eur(1)).status == "proposed"


def test_a_large_reversal_needs_two_and_who_asked_for_it_does_not_approve_it(issue: Issue) -> None:
    made, first, second = large(issue), factories.reviewer(), factories.reviewer("admin")
    record = record_outside(made.id, first)
    outside.approve(record.id, second)
    assert outside.reverse(record.id, second, "another customer's").status == "reversal_proposed"
    assert stored(made).status == "paid"
    with pytest.raises(outside.OwnReversal):
        outside.approve(record.id, second)
    outside.approve(record.id, first)
    assert (stored(made).amount_due, record_of(record).status) == (eur(1190_00), "reversed")


def test_a_rejected_proposal_changes_nothing(issue: Issue) -> None:
    made, first, second = large(issue), factories.reviewer(), factories.reviewer("admin")
    record = record_outside(made.id, first)
    outside.reject(record.id, second, "not on the statement")
    assert (record_of(record).status, stored(made).amount_due, postings_of(made)) == ("rejected", eur(1190_00), [])
    with pytest.raises(outside.DecidedAlready):
        outside.reject(record.id, second, "again")
    kept = record_outside(made.id, first)
    outside.approve(kept.id, second)
    outside.reverse(kept.id, first, "a mistake")
    outside.reject(kept.id, first, "it was right after all")
    assert (record_of(kept).status, stored(made).status) == ("recorded", "paid")
    assert record_of(kept).reversal_by is None


def test_while_a_record_waits_nobody_is_asked_for_the_money(issue: Issue, customer: Customer) -> None:
    made = large(issue)
    record = record_outside(made.id)
    assert standing_of(made) == InvoiceStanding.UNDER_REVIEW
    with db.transaction() as session, pytest.raises(Conflict) as refused:
        service.lock_payable(session, made.id, customer.id)
    assert refused.value.code == service.BEING_RECORDED
    for change in (lambda: void(made), lambda: record_outside(made.id, amount=eur(1))):
        with pytest.raises(Conflict):
            change()
    outside.reject(record.id, factories.reviewer(), "not ours")
    assert standing_of(made) == InvoiceStanding.OPEN


def test_what_waits_is_shown_to_those_who_may_approve_it(issue: Issue) -> None:
    first, second, clerk = factories.reviewer(), factories.reviewer("admin"), factories.reviewer("support")
    record_outside(large(issue).id, first)

    def number(who: Any) -> list[int]:
        with db.reading() as session:
            return [one.number for one in waiting_for_second_person(session, Staff(who.id, who.role))]

    assert (number(first), number(second), number(clerk)) == ([0], [1], [])


@pytest.mark.parametrize("role", ["support", "finance"])
def test_who_may_not_close_invoices_records_and_decides_nothing(issue: Issue, role: str) -> None:
    made, clerk = issue(), factories.reviewer(role)
    kept = record_outside(made.id)
    acts: list[Callable[[], object]] = [
        lambda: record_outside(made.id, clerk),
        lambda: outside.approve(kept.id, clerk),
        lambda: outside.reject(kept.id, clerk, "no"),
        lambda: outside.reverse(kept.id, clerk, "no"),
    ]
    for act in acts:
        with pytest.raises(Forbidden):
            act()


# With payments through Stripe


def test_what_is_paid_void_or_being_paid_is_not_recorded(issue: Issue, customer: Customer) -> None:
    paid, withdrawn, busy = issue(), issue(), issue()
    pay(paid)
    void(withdrawn)
    with db.transaction() as session:
        factories.payment(
            session, customer, busy, status="requires_action", review_reason="another amount", succeeded_at=None
        )
    for invoice in (paid, withdrawn, busy):
        with pytest.raises(Conflict):
            record_outside(invoice.id)
        assert postings_of(invoice) == []
    assert stored(busy).status == "open"
    with pytest.raises(NotFound):
        record_outside("inv_nothing")


def test_a_rest_that_stripe_would_not_charge_is_said_so(issue: Issue, customer: Customer) -> None:
    made = issue()
    record_outside(made.id, amount=eur(118_80))
    with db.transaction() as session, pytest.raises(Conflict) as refused:
        service.lock_payable(session, made.id, customer.id)
    assert refused.value.code == service.REST_NOT_CHARGEABLE


def test_nobody_is_charged_more_than_they_were_shown(issue: Issue, customer: Customer) -> None:
    made = issue()
    record = record_outside(made.id, amount=eur(50_00))
    outside.reverse(record.id, factories.reviewer(), "another customer's")
    with db.transaction() as session:
        with pytest.raises(Conflict) as refused:
            service.lock_payable(session, made.id, customer.id, at_most=eur(69_00))
        assert refused.value.code == service.AMOUNT_CHANGED
        assert service.lock_payable(session, made.id, customer.id, at_most=eur(119_00)).amount_due == eur(119_00)


# Days, and races


@pytest.mark.parametrize(
    ("zone", "now"),
    [
        pytest.param(zone, now, marks=pytest.mark.settings(PORTAL_TIMEZONE=zone), id=zone)
        for zone, now in (
            ("Australia/Sydney", datetime(2028, 2, 28, 14, tzinfo=UTC)),
            ("Pacific/Kiritimati", datetime(2028, 2, 28, 20, tzinfo=UTC)),
            ("Etc/GMT+12", datetime(2028, 3, 1, 11, tzinfo=UTC)),
        )
    ],
)
def test_money_that_came_today_came_on_the_companys_day(issue: Issue, zone: str, now: datetime) -> None:
    """All three have 29 February, which in UTC begins later or is over."""
    with time_machine.travel(now, tick=False):
        made, other = (issue(issued_on=date(2028, 2, 28), due_on=date(2028, 3, 14)) for _ in range(2))
        with pytest.raises(Invalid):
            record_outside(made.id, paid_on=date(2028, 3, 1))
        record_outside(made.id, paid_on=date(2028, 2, 29))
        record_outside(other.id, paid_on=date(2028, 2, 28))
        paid, earlier = stored(made), stored(other)
        assert paid.paid_at is not None and paid.paid_at <= now
        assert company_days.day_of(paid.paid_at) == date(2028, 2, 29)
    assert earlier.paid_at is not None and earlier.paid_at.astimezone(ZoneInfo(zone)).date() == date(2028, 2, 28)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"paid_on": days_ago(-1)}, "paid_on"),
        ({"paid_on": days_ago(5000)}, "paid_on"),
        ({"how": "barter"}, "how"),
        ({"reference": "x" * 121}, "reference"),
        ({"reason": ""}, "reason"),
    ],
)
def test_a_record_that_cannot_be_is_refused(issue: Issue, wrong: dict[str, Any], field: str) -> None:
    made = issue()
    with pytest.raises(Invalid) as refused:
        record_outside(made.id, **wrong)
    assert refused.value.field == field
    assert stored(made).status == "open"


def at_once(*acts: Callable[[], object]) -> list[str]:
    """What came of each: "done", or the code of the refusal."""
    found: list[str] = []

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        except PortalError as error:
            found.append(error.code)
        else:
            found.append("done")

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found)


def test_parts_that_are_recorded_at_once_never_come_to_more_than_is_due(issue: Issue) -> None:
    made = issue()
    clerks = [factories.reviewer() for _ in range(4)]
    found = at_once(*(lambda by=by: record_outside(made.id, by, amount=eur(50_00)) for by in clerks))
    assert found.count("done") == 2
    assert (stored(made).amount_due, len(postings_of(made))) == (eur(19_00), 2)


def test_two_who_reverse_at_once_reverse_once(issue: Issue) -> None:
    made = issue()
    record = record_outside(made.id)
    clerks = [factories.reviewer() for _ in range(3)]
    at_once(*(lambda by=by: outside.reverse(record.id, by, "wrong") for by in clerks))
    assert (stored(made).amount_due, len(postings_of(made))) == (eur(119_00), 2)


def test_approved_and_rejected_at_once_is_one_of_the_two(issue: Issue) -> None:
    made = large(issue)
    record = record_outside(made.id)
    one, other = factories.reviewer(), factories.reviewer("admin")
    found = at_once(lambda: outside.approve(record.id, one), lambda: outside.reject(record.id, other, "no"))
    assert found == ["done", "payment_record_decided"]
    is_booked = record_of(record).status == "recorded"
    assert (stored(made).status == "paid") == is_booked == bool(postings_of(made))
