"""A desk to look from: customers with something of everything, and staff with a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.core import audit, clock, db
from portal.documents import service as receipts
from portal.identity.models import User
from portal.payment_methods.models import PaymentMethod
from portal.payments.models import Payment
from portal.refunds.models import Refund
from tests import factories

As = Callable[[str], FlaskClient]


@dataclass
class Desk:
    """Spree Bikes, with a paid invoice, its payment and receipt, an open invoice, a card and a refund; and Elbe Boats."""

    customer: Customer
    user: User
    stranger: Customer
    paid_id: str
    open_id: str
    payment: Payment
    receipt_id: str
    refund_id: str


def saved_card(session: Session, customer: Customer, **values: Any) -> PaymentMethod:
    card = PaymentMethod(
        **{
            "id": db.new_id("method"), "customer_id": customer.id, "stripe_payment_method_id": f"pm_{db.new_id('test')}",
            "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2099, "is_default": True,
            "created_at": clock.now(), **values,
        }
    )  # fmt: skip
    session.add(card)
    session.flush()
    return card


def refund(session: Session, payment: Payment, **values: Any) -> Refund:
    """Twenty of a payment, asked back by its customer."""
    now = clock.now()
    row = Refund(
        **{
            "id": db.new_id("ref"), "payment_id": payment.id, "customer_id": payment.customer_id,
            "client_key": db.new_id("key"), "origin": "customer", "asked_at": now, "asked_minor": 20_00,
            "amount_minor": 20_00, "currency": payment.currency, "reason": "duplicate", "updated_at": now, **values,
        }
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


@pytest.fixture
def desk(settings: object) -> Desk:
    with db.transaction() as session:
        customer = factories.customer(session)
        user = factories.user(session, customer)
        stranger = factories.customer(session, name="Elbe Boats AG", email="office@elbe-boats.test")
        paid = factories.invoice(session, customer, status="paid", paid_at=clock.now(), number="INV-2026-000041")
        payment = factories.payment(
            session, customer, paid, stripe_intent_id="pi_3Spree", stripe_charge_id="ch_3Spree",
            stripe_payment_method_id="pm_1Spree",
        )  # fmt: skip
        due = factories.invoice(session, customer, number="INV-2026-000042", reference="PO 7781")
        saved_card(session, customer, last4="0005", brand="amex")
        asked = refund(session, payment, stripe_refund_id="re_3Spree")
    with audit.acting(audit.SYSTEM):  # as the worker does, whoever has acted in this process before
        receipt_id = receipts.issue(payment.id)
    return Desk(customer, user, stranger, paid.id, due.id, payment, receipt_id, asked.id)


@pytest.fixture
def browse(app: Flask) -> As:
    """A browser for staff of a role."""

    def browse(role: str) -> FlaskClient:
        with db.transaction() as session:
            person = factories.staff(session, role)
        client = app.test_client()
        factories.sign_in(client, person)
        return client

    return browse


@pytest.fixture
def browser_of(browse: As) -> As:
    """A browser in which a member of staff with this role has signed in: browser_of("approver")."""
    return browse
