"""One receipt a payment, with numbers that leave no gap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from portal.accounts.models import Customer
from portal.core import audit, company_days, config, db, numbering
from portal.core.errors import Conflict, NotFound
from portal.documents import facts, freezing, service
from portal.documents.models import PaymentDocument
from portal.invoices.models import InvoiceLine
from portal.jobs.models import JobRow
from portal.payments.statuses import Duplicate
from tests.documents.conftest import Pay

ISSUERS = 20


def receipts() -> list[PaymentDocument]:
    with db.reading() as session:
        return list(
            session.execute(
                select(PaymentDocument).order_by(PaymentDocument.issued_at, PaymentDocument.number)
            ).scalars()
        )


def numbers() -> list[int]:
    """The running part of every number, in order."""
    return sorted(int(receipt.number.rpartition("-")[2]) for receipt in receipts())


def test_a_payment_of_an_invoice_is_confirmed_without_stating_its_tax_again(pay: Pay) -> None:
    payment_id = pay(("Green electricity", 1_500, 100_00, 1900), ("Grid fee", 1_000, 10_00, 700))
    service.issue(payment_id)
    [receipt] = receipts()
    frozen = facts.from_json(receipt.facts)
    assert isinstance(frozen, facts.PaymentConfirmationFacts)
    assert receipt.number == frozen.number == f"PC-{company_days.today().year}-000001"
    assert (frozen.taxes, frozen.tax_minor, frozen.total_minor) == ((), 0, 189_20)
    assert (frozen.reference.invoice_issued_on, receipt.total.minor) == (company_days.today(), 189_20)
    assert (frozen.seller.name, frozen.seller.tax_id) == ("Nordlicht Energie GmbH", "DE123456789")
    assert (frozen.buyer.address, frozen.buyer.tax_id) == (("Oberbaumstraße 5", "10997 Berlin"), "DE987654321")
    assert (frozen.method.brand, frozen.method.last4) == ("visa", "4242")
    assert frozen.reference.payment_id == payment_id
    assert frozen.reference.invoice_number.startswith("INV-")
    assert frozen.reference.charge_id.startswith("ch_")


def test_a_payment_without_an_invoice_is_one_line_without_a_tax(pay: Pay) -> None:
    service.issue(pay(description="Deposit for a wallbox", amount_minor=5_000, currency="jpy"))
    frozen = facts.from_json(receipts()[0].facts)
    assert isinstance(frozen, facts.ReceiptFacts)
    [line] = frozen.lines
    assert (line.description, line.net_minor, line.tax_rate_basis_points) == ("Deposit for a wallbox", 5_000, None)
    assert (frozen.total_minor, frozen.currency, frozen.taxes, frozen.reference.invoice_number) == (
        5_000,
        "jpy",
        (),
        "",
    )


@pytest.mark.parametrize("duplicate", list(Duplicate))
def test_money_too_much_is_confirmed_and_is_no_invoice(pay: Pay, duplicate: Duplicate) -> None:
    service.issue(pay(duplicate=duplicate))
    assert [receipt.kind for receipt in receipts()] == ["payment_confirmation"]


def test_a_receipt_is_the_invoice_and_states_the_day_of_supply(pay: Pay) -> None:
    service.issue(pay())
    frozen = facts.receipt_from_json(receipts()[0].facts)
    assert (frozen.is_invoice, frozen.supplied_on) == (True, frozen.paid_on)


def test_a_second_run_finds_the_receipt_and_changes_nothing(pay: Pay) -> None:
    payment_id = pay()
    first = service.issue(payment_id)
    assert service.issue(payment_id) == first
    assert numbers() == [1]
    with db.reading() as session:
        assert sorted(session.execute(select(JobRow.name)).scalars()) == ["documents.keep", "documents.render"]
        assert audit.verify(session) is None
        told = session.execute(select(audit.AuditEvent)).scalars().all()
    assert [(event.action, event.subject) for event in told] == [("receipt.issued", first)]


def test_what_changes_later_changes_no_receipt(pay: Pay) -> None:
    service.issue(pay(("Green electricity", 1_000, 100_00, 1900)))
    before = receipts()[0].facts
    with db.transaction() as session:
        session.execute(select(Customer)).scalars().one().name = "Someone Else AG"
        session.execute(select(InvoiceLine)).scalars().one().description = "Brown coal"
    assert receipts()[0].facts == before


@pytest.mark.parametrize("same_payment", [True, False], ids=["one payment", "twenty payments"])
def test_concurrent_issuers_leave_no_gap_and_no_double(pay: Pay, same_payment: bool) -> None:
    payments = [pay()] * ISSUERS if same_payment else [pay() for _ in range(ISSUERS)]
    with ThreadPoolExecutor(ISSUERS) as pool:
        issued = set(pool.map(service.issue, payments))
    assert len(issued) == len(set(payments))
    assert numbers() == list(range(1, len(set(payments)) + 1))


def test_a_higher_number_never_has_an_earlier_moment(pay: Pay) -> None:
    with ThreadPoolExecutor(ISSUERS) as pool:
        list(pool.map(service.issue, [pay() for _ in range(ISSUERS)]))
    in_order = sorted(receipts(), key=lambda receipt: receipt.number)
    assert in_order == sorted(in_order, key=lambda receipt: receipt.issued_at)


def test_roll_backs_give_their_numbers_back(pay: Pay) -> None:
    for turn in range(10):
        if turn % 3 == 0:
            with pytest.raises(ZeroDivisionError), db.transaction() as session:
                assert numbering.take(session, numbering.RECEIPTS) // 0
        service.issue(pay())
    assert numbers() == list(range(1, 11))


def test_a_false_receipt_is_not_issued_and_uses_up_no_number(pay: Pay) -> None:
    false = pay(("Green electricity", 1_000, 100_00, 1900), currency="usd")
    with pytest.raises(freezing.NotAddingUp):
        service.issue(false)
    service.issue(pay())
    assert numbers() == [1]


def test_only_money_that_came_in_has_a_receipt(pay: Pay) -> None:
    with pytest.raises(Conflict):
        service.issue(pay(status="processing", succeeded_at=None))
    with pytest.raises(NotFound):
        service.issue("pay_unknown")
    assert numbers() == []


@pytest.mark.database("sqlite")  # its clock is ours, so the year can be made to change
@pytest.mark.settings(PORTAL_TIMEZONE="Europe/Berlin")
def test_new_year_begins_when_it_does_for_the_company_and_leaves_no_gap(pay: Pay) -> None:
    new_year_in_berlin = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
    for minutes in (-2, -1, 0, 1):
        moment = new_year_in_berlin + timedelta(minutes=minutes)
        with time_machine.travel(moment, tick=False):
            service.issue(pay())
    assert [receipt.number for receipt in receipts()] == [
        "R-2026-000001",
        "R-2026-000002",
        "R-2027-000003",
        "R-2027-000004",
    ]


def test_the_language_of_the_document_is_the_customers(pay: Pay, settings: config.Settings) -> None:
    for language in ("de", "tlh"):
        service.issue(pay(customer={"language": language}))
    assert {receipt.facts["language"] for receipt in receipts()} == {"de", settings.languages[0]}


def test_a_second_receipt_of_a_payment_is_refused_by_the_database_itself(pay: Pay) -> None:
    service.issue(pay())
    [first] = receipts()
    kept = {
        column.name: getattr(first, column.name) for column in PaymentDocument.__table__.columns if column.name != "pdf"
    }
    with pytest.raises(IntegrityError), db.transaction() as session:
        session.execute(insert(PaymentDocument).values(kept | {"id": "rct_second", "number": "R-2026-999999"}))
