"""Customers to bill, and drafts to bill them with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from portal.accounts import service as accounts
from portal.accounts.models import Customer
from portal.core import company_days, db
from portal.invoices import service
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice

Issue = Callable[..., Invoice]


def line(description: str = "Delivery", *, quantity: int = 1_000, price: int = 100_00, rate: int = 1900) -> LineDraft:
    """One piece at 100.00 and 19 % unless told otherwise."""
    return LineDraft(description, quantity, price, rate)


@pytest.fixture
def customer(settings: object) -> Customer:
    return add_customer("Demo Bakery", "billing@bakery.example")


@pytest.fixture
def stranger(settings: object) -> Customer:
    """Another customer, whose invoices are nobody else's business."""
    return add_customer("Demo Studio", "billing@studio.example")


def add_customer(name: str, email: str) -> Customer:
    with db.transaction() as session:
        return accounts.add_customer(session, name=name, email=email)


@pytest.fixture
def issue(customer: Customer) -> Issue:
    """Issue an invoice of 119.00 EUR to `customer`; fields of the draft can be given."""

    def issue(*lines: LineDraft, **fields: object) -> Invoice:
        values: dict[str, object] = {"customer_id": customer.id, "currency": "eur", "lines": lines or (line(),)}
        return service.issue(InvoiceDraft(**(values | fields)))  # type: ignore[arg-type]

    return issue


def days_ago(days: int) -> date:
    return company_days.today() - timedelta(days=days)


def overdue() -> dict[str, date]:
    """Dates of an invoice that should have been paid yesterday."""
    return {"issued_on": days_ago(30), "due_on": days_ago(1)}
