"""Issuing, voiding and paying: every step there is, and none that there is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import audit, company_days, db
from portal.core.errors import Conflict, Invalid, NotFound
from portal.core.money import Money
from portal.invoices import drafts, queries, service, waiting
from portal.invoices.drafts import InvoiceDraft
from portal.invoices.models import Invoice, InvoiceLine
from portal.payments import service as _payments  # noqa: F401  # its guard speaks against an invoice that is being paid
from portal.web.waiting import Staff
from tests import factories
from tests.invoices.conftest import Issue, days_ago, line, overdue

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def stored(invoice: Invoice) -> Invoice:
    with db.reading() as session:
        return queries.for_customer(session, invoice.id, invoice.customer_id, with_lines=True)


def pay(invoice: Invoice, at: datetime = NOON) -> None:
    with db.transaction() as session:
        service.mark_paid(session, invoice.id, at)


def void(invoice: Invoice) -> None:
    service.void(invoice.id, "billed twice")


def events_of(invoice: Invoice) -> list[str]:
    with db.reading() as session:
        events = select(audit.AuditEvent.action).where(audit.AuditEvent.subject == invoice.id)
        return list(session.scalars(events.order_by(audit.AuditEvent.number)))


# Issuing


def test_an_invoice_is_numbered_open_and_frozen(issue: Issue, customer: Customer) -> None:
    made = issue(
        line("Bread", quantity=2_500, price=3_20, rate=700), line("Oven", price=99_99), reference="PO 7", note="Thanks"
    )
    again = stored(made)
    assert again.number == f"INV-{company_days.today().year}-000001"
    assert (again.status, again.customer_id) == ("open", customer.id)
    assert (again.net_minor, again.tax_minor, again.total_minor) == (107_99, 19_56, 127_55)
    assert [(one.position, one.description, one.net.minor, one.tax_minor) for one in again.lines] == [
        (1, "Bread", 8_00, 56),
        (2, "Oven", 99_99, 19_00),
    ]
    assert [(tax.rate_basis_points, tax.net_minor, tax.tax_minor) for tax in again.taxes] == [
        (1900, 99_99, 19_00),
        (700, 8_00, 56),
    ]
    assert (again.reference, again.note) == ("PO 7", "Thanks")
    assert again.due_on - again.issued_on == timedelta(days=drafts.USUAL_DAYS_TO_PAY)
    assert events_of(made) == ["invoice.issued"]


def test_numbers_follow_each_other_and_a_refused_invoice_takes_none(issue: Issue, customer: Customer) -> None:
    first = issue(external_reference="A")
    with pytest.raises(Invalid):
        issue(line(price=0))
    with pytest.raises(Conflict):
        issue(external_reference="A")
    with pytest.raises(NotFound):
        issue(customer_id="cus_nobody")
    assert int(issue().number[-6:]) == int(first.number[-6:]) + 1


def test_the_year_of_the_number_is_that_of_the_invoice(issue: Issue) -> None:
    last_year = date(company_days.today().year - 1, 12, 31)
    assert issue(issued_on=last_year, due_on=company_days.today()).number.startswith(f"INV-{last_year.year}-")


NEW_YEARS_EVE_IN_LOS_ANGELES = datetime(2027, 1, 1, 7, 59, tzinfo=UTC)


@pytest.mark.settings(PORTAL_TIMEZONE="America/Los_Angeles")
def test_an_invoice_has_the_companys_day_and_year_and_is_due_until_that_day_is_over(issue: Issue) -> None:
    with time_machine.travel(NEW_YEARS_EVE_IN_LOS_ANGELES, tick=False) as time:
        made = issue(due_on=date(2026, 12, 31))
        assert (made.issued_on, made.number[:9]) == (date(2026, 12, 31), "INV-2026-")
        with pytest.raises(Invalid):
            issue(issued_on=date(2027, 1, 1))
        for seconds, status in ((0, "open"), (59, "open"), (60, "overdue")):
            time.move_to(NEW_YEARS_EVE_IN_LOS_ANGELES + timedelta(seconds=seconds))
            assert stored(made).shown_status == status
            with db.reading() as session:
                owed = queries.owed(session, made.customer_id)
            assert [one.overdue.minor for one in owed.sums] == [made.total_minor if status == "overdue" else 0]
        assert issue().number.startswith("INV-2027-")


def test_the_same_reference_is_another_invoice_for_another_customer(issue: Issue, stranger: Customer) -> None:
    assert issue(external_reference="A").id != issue(external_reference="A", customer_id=stranger.id).id


def test_at_the_same_moment_no_number_is_given_twice(issue: Issue) -> None:
    numbers: list[str] = []
    clerks = [threading.Thread(target=lambda: numbers.append(issue().number)) for _ in range(8)]
    for reviewer in clerks:
        reviewer.start()
    for reviewer in clerks:
        reviewer.join(timeout=30)
    assert sorted(int(number[-6:]) for number in numbers) == list(range(1, 9))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"currency": "EUR"}, "currency"),
        ({"currency": "xxx"}, "currency"),
        ({"lines": ()}, "lines"),
        ({"lines": (line(),) * (drafts.MOST_LINES + 1)}, "lines"),
        ({"lines": (line(), line(" "))}, "lines-1-description"),
        ({"lines": (line("a\nb"),)}, "lines-0-description"),
        ({"lines": (line("x" * 301),)}, "lines-0-description"),
        ({"lines": (line(quantity=0),)}, "lines-0-quantity"),
        ({"lines": (line(quantity=-1_000),)}, "lines-0-quantity"),
        ({"lines": (line(quantity=drafts.MOST_THOUSANDTHS + 1),)}, "lines-0-quantity"),
        ({"lines": (line(price=-1),)}, "lines-0-unit_price"),
        ({"lines": (line(price=100_000_000),)}, "lines-0-unit_price"),
        ({"lines": (line(rate=-1),)}, "lines-0-tax_rate"),
        ({"lines": (line(rate=10_001),)}, "lines-0-tax_rate"),
        ({"lines": (line(price=10),)}, "total"),
        ({"lines": (line(price=90_000_000),)}, "total"),
        ({"reference": "a\r\nBcc: someone"}, "reference"),
        ({"external_reference": "x" * 121}, "external_reference"),
        ({"note": "x" * 2_001}, "note"),
        ({"issued_on": days_ago(-1)}, "issued_on"),
        ({"issued_on": days_ago(4_000)}, "issued_on"),
        ({"due_on": days_ago(1)}, "due_on"),
        ({"due_on": days_ago(-4_000)}, "due_on"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(fields: dict[str, object], field: str) -> None:
    draft = InvoiceDraft(**({"customer_id": "cus_1", "currency": "eur", "lines": (line(),)} | fields))  # type: ignore[arg-type]
    with pytest.raises(Invalid) as refused:
        drafts.check(draft)
    assert refused.value.field == field


def test_a_supply_lies_no_farther_from_today_than_so_many_years() -> None:
    back, ahead = drafts.YEARS_BACK * drafts.DAYS_A_YEAR, -drafts.YEARS_AHEAD * drafts.DAYS_A_YEAR
    draft = InvoiceDraft("cus_1", "eur", (line(),), supplied_from=days_ago(back), supplied_to=days_ago(ahead))
    drafts.check(draft)
    for one, field in (
        (replace(draft, supplied_from=days_ago(back + 1)), "supplied_from"),
        (replace(draft, supplied_to=days_ago(ahead - 1)), "supplied_to"),
    ):
        with pytest.raises(Invalid) as refused:
            drafts.check(one)
        assert refused.value.field == field


# From one state to the next: every pair


STEPS: dict[str, Callable[[Invoice], None]] = {"paid": pay, "void": void}


@pytest.mark.parametrize(
    ("before", "step", "after"),
    [
        ("open", "paid", "paid"),
        ("open", "void", "void"),
        ("paid", "paid", "paid"),
        ("void", "void", "void"),
        ("paid", "void", None),
        ("void", "paid", None),
    ],
)
def test_every_step_from_every_state(issue: Issue, before: str, step: str, after: str | None) -> None:
    invoice = issue()
    if before != "open":
        STEPS[before](invoice)
    if after is None:
        with pytest.raises(Conflict):
            STEPS[step](invoice)
    else:
        STEPS[step](invoice)
    assert stored(invoice).status == (after or before)
    assert len(events_of(invoice)) == (1 if before == "open" else 2) + (1 if before == "open" else 0)


def test_the_first_payment_and_the_first_reason_stay(issue: Issue) -> None:
    paid, withdrawn = issue(), issue()
    pay(paid)
    pay(paid, NOON + timedelta(hours=1))
    assert stored(paid).paid_at == NOON
    service.void(withdrawn.id, "billed twice")
    assert service.void(withdrawn.id, "another reason").void_reason == "billed twice"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301])
def test_voiding_needs_a_reason(issue: Issue, reason: str) -> None:
    invoice = issue()
    with pytest.raises(Invalid):
        service.void(invoice.id, reason)
    assert stored(invoice).status == "open"


def test_nothing_is_void_or_paid_that_is_not_there(database: str, settings: object) -> None:
    with pytest.raises(NotFound):
        service.void("inv_nothing", "because")
    with db.transaction() as session, pytest.raises(NotFound):
        service.mark_paid(session, "inv_nothing", NOON)


@pytest.fixture
def refusing_guard() -> Iterator[list[str]]:
    """Someone who objects to every voiding, and writes down what they were asked about."""
    asked: list[str] = []

    @service.guards_void
    def refuse(_session: Session, invoice: Invoice) -> None:
        asked.append(invoice.id)
        raise Conflict

    try:
        yield asked
    finally:
        service._void_guards.remove(refuse)


def test_whoever_has_a_say_can_refuse_a_voiding(issue: Issue, refusing_guard: list[str]) -> None:
    invoice = issue()
    with pytest.raises(Conflict):
        service.void(invoice.id, "billed twice")
    assert refusing_guard == [invoice.id]
    assert stored(invoice).status == "open"


def test_an_invoice_is_locked_for_paying_only_by_its_customer_and_only_while_open(
    issue: Issue, customer: Customer, stranger: Customer
) -> None:
    invoice = issue()
    with db.transaction() as session:
        assert service.lock_open(session, invoice.id, customer.id).total.minor == 119_00
        with pytest.raises(NotFound):
            service.lock_open(session, invoice.id, stranger.id)
        with pytest.raises(NotFound):
            service.lock_open(session, "inv_nothing", customer.id)
    for step in STEPS.values():
        closed = issue()
        step(closed)
        with db.transaction() as session, pytest.raises(Conflict):
            service.lock_open(session, closed.id, customer.id)


@pytest.mark.database("postgresql")
def test_a_lock_shows_the_row_as_it_is_now(issue: Issue, customer: Customer) -> None:
    """Between the first look and the lock another session has paid it: what the session remembers must not count."""
    invoice = issue()
    with db.transaction() as session:
        assert session.get_one(Invoice, invoice.id).status == "open"
        elsewhere = threading.Thread(target=lambda: pay(invoice))
        elsewhere.start()
        elsewhere.join(timeout=30)
        with pytest.raises(Conflict):
            service.lock_open(session, invoice.id, customer.id)


def test_voiding_and_paying_at_the_same_moment_do_only_one(issue: Issue) -> None:
    for _ in range(5):
        invoice = issue()
        outcomes: list[str] = []

        def tried(name: str, invoice: Invoice = invoice, outcomes: list[str] = outcomes) -> None:
            try:
                STEPS[name](invoice)
                outcomes.append(name)
            except Conflict:
                pass

        both = [threading.Thread(target=tried, args=[name]) for name in STEPS]
        for one in both:
            one.start()
        for one in both:
            one.join(timeout=30)
        assert outcomes == [stored(invoice).status]


# What is owed


def test_what_is_owed_is_summed_by_currency_with_its_overdue_part(
    issue: Issue, customer: Customer, stranger: Customer
) -> None:
    issue(), issue(**overdue()), issue(line(price=5_000, rate=0), currency="jpy")
    issue(customer_id=stranger.id)
    pay(issue())
    void(issue())
    with db.reading() as session:
        owed = queries.owed(session, customer.id)
        nothing = queries.owed(session, "cus_nobody")
    assert [(one.count, one.total.plain(), one.overdue.plain()) for one in owed.sums] == [
        (2, "238.00", "119.00"),
        (1, "5000", "0"),
    ]
    assert [invoice.shown_status for invoice in owed.next_due] == ["overdue", "open", "open"]
    assert owed.count == 3 and not owed.nothing and nothing.nothing


def test_what_comes_next_is_bounded(issue: Issue, customer: Customer) -> None:
    for days in range(8):
        issue(due_on=days_ago(-days))
    with db.reading() as session:
        owed = queries.owed(session, customer.id)
    assert [invoice.due_on for invoice in owed.next_due] == [days_ago(-days) for days in range(queries.NEXT_DUE)]
    assert owed.sums[0].count == 8


def test_someone_elses_invoice_is_not_there(issue: Issue, stranger: Customer) -> None:
    invoice = issue()
    with db.reading() as session:
        for reader in (stranger.id, "cus_nobody"):
            with pytest.raises(NotFound):
                queries.for_customer(session, invoice.id, reader)


def test_the_database_itself_refuses_a_total_that_does_not_add_up(issue: Issue) -> None:
    invoice = issue()
    with db.transaction() as session:
        session.get_one(Invoice, invoice.id).total_minor += 1
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()
    with db.reading() as session:
        assert session.scalar(select(func.sum(InvoiceLine.net_minor + InvoiceLine.tax_minor))) == invoice.total_minor


# The same form, sent twice


def test_a_form_sent_twice_issues_one_invoice_and_takes_one_number(issue: Issue, customer: Customer) -> None:
    draft = InvoiceDraft(customer.id, "eur", (line(),))
    found: list[str] = []

    def click() -> None:
        found.append(service.issue(draft, client_key="a-form-of-tom").number)

    clicks = [threading.Thread(target=click) for _ in range(3)]
    for one in clicks:
        one.start()
    for one in clicks:
        one.join()
    assert len(found) == 3 and len(set(found)) == 1
    assert int(issue().number[-6:]) == int(found[0][-6:]) + 1
    with pytest.raises(Invalid):
        service.issue(draft, client_key="")


# For staff


def test_staff_see_everyones_invoices_filtered(issue: Issue, stranger: Customer) -> None:
    first, theirs = issue(), issue(customer_id=stranger.id)
    late, paid = issue(**overdue()), issue()
    pay(paid)

    def listed(**wanted: Any) -> list[str]:
        with db.reading() as session:
            return [one.id for one in queries.page_for_staff(session, **wanted).rows]

    assert listed() == [paid.id, late.id, theirs.id, first.id]
    assert listed(status="open") == [late.id, theirs.id, first.id]
    assert listed(status="overdue") == [late.id]
    with pytest.raises(NotFound):
        listed(status="lost")


def test_what_is_overdue_is_summed_by_its_age(customer: Customer) -> None:
    with db.transaction() as session:
        staff = Staff(factories.staff(session).id, "support")
        for days in (0, 1, 30, 31, 60, 61, 90, 91):
            late: dict[str, Any] = {"due_on": days_ago(days), "issued_on": days_ago(days + 14)}
            factories.invoice(session, session.get_one(Customer, customer.id), **late)
    with db.reading() as session:
        (backlog,) = waiting.waiting(session, staff)
    assert [(str(age), total) for age, total in backlog.parts] == [
        ("up to 30 days", Money(2 * 119_00, "eur")),
        ("31 to 60 days", Money(2 * 119_00, "eur")),
        ("61 to 90 days", Money(2 * 119_00, "eur")),
        ("more than 90 days", Money(119_00, "eur")),
    ]
    assert backlog.number == 7
