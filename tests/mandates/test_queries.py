"""Whose time has come, told by rows alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from portal.core import db
from portal.core.db import new_id
from portal.mandates import queries
from portal.mandates.models import Collection, Mandate
from tests import factories

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def test_what_is_due_is_read_page_by_page(database: str) -> None:
    """Also those that are due at one moment are read once each."""
    with db.transaction() as session:

        def plan(at: datetime, **values: object) -> tuple[datetime, str]:
            customer = factories.customer(session)
            user, invoice = factories.user(session, customer), factories.invoice(session, customer)
            mandate = Mandate(
                id=new_id("mnd"),
                customer_id=customer.id,
                given_by=user.id,
                given_at=NOON,
                ip="::1",
                language="en",
                terms="",
            )
            session.add(mandate)
            session.flush()
            row = Collection(
                **{
                    "id": new_id("col"),
                    "mandate_id": mandate.id,
                    "customer_id": customer.id,
                    "invoice_id": invoice.id,
                    "charge_on": NOON.date(),
                    "noticed_at": NOON - timedelta(days=3),
                    "next_attempt_at": at,
                    "created_at": NOON,
                    "updated_at": NOON,
                    **values,
                }
            )
            session.add(row)
            session.flush()
            return at, row.id

        wanted = [plan(NOON - INSTANT), *sorted(plan(NOON) for _ in range(4))]
        plan(NOON + INSTANT)
        plan(NOON, noticed_at=None)
        plan(NOON, status="paid")
    with db.reading() as session:
        pages, after = [], None
        while page := queries.due(session, NOON, after, 2):
            pages.append(page)
            after = page[-1]
    assert pages == [wanted[:2], wanted[2:4], wanted[4:]]
