"""That the invariants see: a calm world breaks none, and each kind of lie in the books is named."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from portal import gateway, ledger
from portal.core import clock, db
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.documents.models import Document
from portal.invoices.models import Invoice
from portal.jobs import outbox
from portal.jobs.models import JobRow
from portal.ledger import LedgerAccount
from portal.payments import service
from portal.payments.models import Allocation, Payment
from portal.refunds import service as refunds
from portal.refunds.models import Refund
from tests import factories
from tests.live import SandboxServer
from tests.payments.conftest import Checkout
from tests.simulation import told
from tests.simulation.invariants import violations
from tests.simulation.told import Told
from tests.smtp import Mailbox
from tests.waiting import eventually

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def paid(app: Flask, sandbox: SandboxServer, smtp: Mailbox) -> Iterator[Checkout]:
    """An invoice that was paid, its receipt mailed, and 20 euros of it given back."""
    gateway.forget()
    with db.transaction() as session:
        customer = factories.customer(session)
        invoice = factories.invoice(session, customer)
        staff = factories.staff(session, "approver")
    checkout = Checkout(sandbox, customer.id, invoice.id)
    checkout.confirm(checkout.start().intent_id)
    eventually(lambda: settled(checkout), what="the fee")
    asked = refunds.ask(
        customer.id, None, checkout.payment.id, Money(20_00, "eur"), "product_not_received", "", client_key="first-wish"
    )
    refunds.approve(asked, Reviewer(staff.id, "approver"))
    with app.app_context():
        outbox.run_due()
    yield checkout
    gateway.forget()


def settled(checkout: Checkout) -> bool:
    service.refresh(checkout.payment.id)
    return checkout.payment.fee_minor is not None


def letters(checkout: Checkout, *notes: Told) -> set[str]:
    return {sentence.partition(":")[0] for sentence in violations(checkout.sandbox.client, notes)}


def write(statement: object) -> None:
    with db.transaction() as session:
        session.execute(statement)  # type: ignore[call-overload]


def test_a_calm_world_breaks_none(paid: Checkout, smtp: Mailbox) -> None:
    notes = [Told("app", told.PAID, paid.payment.id, 119_00, "eur"), Told("app", told.REFUSED, "order-1")]
    assert violations(paid.sandbox.client, notes, smtp.messages) == []


def test_money_that_is_here_or_there_alone_is_seen(paid: Checkout) -> None:
    write(update(Payment).values(amount_minor=118_00))
    assert {"A", "E"} <= letters(paid)
    write(update(Payment).values(status="requires_payment_method", amount_minor=119_00))
    assert {"A", "B"} <= letters(paid)
    write(update(Payment).values(status="succeeded", stripe_intent_id="pi_nobodys"))
    assert {"A", "B", "C"} <= letters(paid)


def test_an_invoice_that_was_charged_twice_is_seen(paid: Checkout) -> None:
    with db.transaction() as session:
        customer = session.get_one(Invoice, paid.invoice_id).customer_id
    again = paid.sandbox.client.v1.payment_intents.create(
        {"amount": 119_00, "currency": "eur", "payment_method": "pm_card_visa", "confirm": True,
         "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
    )  # fmt: skip
    write(update(Invoice).values(status="open", paid_at=None, paid_minor=0))
    write(update(Payment).values(status="canceled"))
    write(update(Allocation).values(released_at=clock.now()))
    second = service.start_for_invoice(customer, paid.invoice_id, client_key="second-click", save_card=False)
    write(update(Payment).where(Payment.id == second.payment_id).values(stripe_intent_id=again.id))
    assert "P1" in letters(paid)


def test_a_cent_too_many_in_the_ledger_is_seen(paid: Checkout) -> None:
    fee: dict[str, Any] = {
        "debit": LedgerAccount.FEES,
        "credit": LedgerAccount.STRIPE,
        "subject": paid.payment.id,
        "reference": "fee:txn_nobodys",
    }
    with db.transaction() as session:
        ledger.post(session, "fee", amount=Money(1, "eur"), **fee)
    assert letters(paid) == {"C"}


def test_an_open_item_that_is_not_what_the_invoice_says_is_seen(paid: Checkout) -> None:
    invoice = paid.invoice.item
    sides: dict[str, Any] = {"debit": LedgerAccount.RECEIVABLES, "credit": LedgerAccount.REVENUE}
    with db.transaction() as session:
        ledger.post(
            session, "invoice", amount=Money(1, "eur"), subject=invoice.id, reference="nobody", item=invoice, **sides
        )
    assert letters(paid) == {"J"}


def test_a_refund_that_went_out_twice_is_seen(paid: Checkout) -> None:
    (made,) = paid.sandbox.client.v1.refunds.list().data
    assert made.metadata
    paid.sandbox.client.v1.refunds.create(
        {"payment_intent": paid.intents[0].id, "amount": 20_00, "metadata": made.metadata.to_dict()}
    )
    found = violations(paid.sandbox.client)
    assert any("was made 2 times" in sentence for sentence in found), found
    assert any("stands in 0 rows" in sentence for sentence in found), found


def test_a_lost_mail_is_seen(paid: Checkout, smtp: Mailbox) -> None:
    assert violations(paid.sandbox.client, (), [*smtp.messages, *smtp.messages]) == []
    assert any("no mail server took it" in one for one in violations(paid.sandbox.client, (), []))


def test_a_repeat_under_another_message_id_is_seen(paid: Checkout, smtp: Mailbox) -> None:
    receipt = next(mail for mail in smtp.messages if "payment confirmation" in mail["Subject"])
    repeat = deepcopy(receipt)
    del repeat["Message-ID"]
    repeat["Message-ID"] = "<another@portal.test>"
    found = violations(paid.sandbox.client, (), [*smtp.messages, repeat])
    assert len(found) == 1 and "under 2 Message-IDs" in found[0]


@pytest.mark.parametrize(
    ("statement", "letter"),
    [
        (update(Document).values(mailed_at=None), "E"),
        (update(Refund).values(status="executing"), "F"),
        (update(Refund).values(review_reason="look"), "F"),
        (update(JobRow).values(status="dead", last_error="it broke"), "F"),
        (update(Refund).values(stripe_refund_id="re_nobodys"), "D"),
    ],
)
def test_what_is_left_undone_is_seen(paid: Checkout, statement: object, letter: str) -> None:
    with db.engine().connect() as connection:
        for trigger in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type='trigger'").all():
            connection.exec_driver_sql(f"DROP TRIGGER {trigger[0]}")
        connection.execute(statement)  # type: ignore[call-overload]
        connection.commit()
    assert letter in letters(paid)


@pytest.mark.parametrize(
    "note",
    [
        Told("app", told.PAID, "pay_nowhere", 119_00, "eur"),
        Told("app", told.BEGUN, "pay_nowhere"),
        Told("app", told.APPROVED, "rfd_nowhere"),
        Told("app", told.RECEIPT, "pay_nowhere", detail="RCT-1"),
    ],
)
def test_what_clients_were_told_and_is_not_so_is_seen(paid: Checkout, note: Told) -> None:
    assert letters(paid, note) == {"P6"}
