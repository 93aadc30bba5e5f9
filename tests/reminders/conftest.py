"""Invoices around their due dates, and what is sent of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.accounts.models import Customer
from portal.core import company_days, db
from portal.invoices.models import Invoice
from portal.jobs import outbox
from portal.reminders.models import InvoiceReminder
from tests import factories

# A Wednesday, in the morning in Hamburg, and in the working hours of UTC.
WEDNESDAY = datetime(2026, 12, 2, 10, 0, tzinfo=UTC)
Owe = Callable[..., str]


@pytest.fixture
def customer(database: object, settings: object) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


@pytest.fixture
def owe(customer: Customer) -> Owe:
    """Make an open invoice that was due so many days ago (before today where negative), issued a month before; returns its id."""

    def owe(days_ago: int, of: Customer = customer, **values: Any) -> str:
        due_on = company_days.today() - timedelta(days=days_ago)
        created_at = company_days.begins(due_on - timedelta(days=30))
        given = {"due_on": due_on, "issued_on": due_on - timedelta(days=30), "created_at": created_at, **values}
        with db.transaction() as session:
            return factories.invoice(session, session.get_one(Customer, of.id), **given).id

    return owe


def steps_of(invoice_id: str) -> list[int | None]:
    """The steps that were written down, the oldest first."""
    with db.reading() as session:
        query = select(InvoiceReminder.step).where(InvoiceReminder.invoice_id == invoice_id)
        return list(session.scalars(query.order_by(InvoiceReminder.created_at, InvoiceReminder.id)))


def the_reminder(invoice_id: str) -> InvoiceReminder:
    with db.reading() as session:
        return session.scalars(select(InvoiceReminder).where(InvoiceReminder.invoice_id == invoice_id)).one()


def run_jobs(app: Flask) -> None:
    with app.app_context():
        while outbox.run_due():
            pass


def change(invoice_id: str, **values: Any) -> None:
    with db.transaction() as session:
        row = session.get_one(Invoice, invoice_id)
        for name, value in values.items():
            setattr(row, name, value)
