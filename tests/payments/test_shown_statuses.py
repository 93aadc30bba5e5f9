"""What a person is told of a payment that has succeeded follows from its postings, to the smallest unit."""

from __future__ import annotations

import pytest

from portal.core import db
from portal.core.money import Money
from portal.ledger import LedgerAccount, post
from portal.payments import queries
from tests import factories

pytestmark = pytest.mark.database("sqlite")


@pytest.mark.parametrize(
    ("posted", "shown"),
    [
        ({}, "succeeded"),
        ({"refund": 1}, "partially_refunded"),
        ({"refund": 2}, "refunded"),
        ({"refund": 2, "refund_failed": 1}, "partially_refunded"),
        ({"refund": 2, "refund_failed": 2}, "succeeded"),
        ({"refund_outside": 1}, "partially_refunded"),
        ({"refund_outside": 2}, "refunded"),
        ({"refund": 1, "refund_outside": 1}, "refunded"),
        ({"dispute": 1}, "disputed"),
        ({"dispute": 2, "dispute_reinstated": 1}, "disputed"),
        ({"dispute": 2, "dispute_reinstated": 2}, "succeeded"),
        ({"refund": 2, "dispute": 1}, "disputed"),
        ({"refund": 1, "dispute": 1, "dispute_reinstated": 1}, "partially_refunded"),
    ],
)
def test_of_a_payment_of_two_yen(database: str, posted: dict[str, int], shown: str) -> None:
    with db.transaction() as session:
        payment = factories.payment(session, factories.customer(session), amount_minor=2, currency="jpy")
        for kind, minor in posted.items():
            post(
                session,
                kind,
                debit=LedgerAccount.RECEIVABLES,
                credit=LedgerAccount.STRIPE,
                amount=Money(minor, "jpy"),
                subject=payment.id,
                reference=f"{kind}:1",
            )
        assert queries.shown_statuses(session, [payment]) == {payment.id: shown}
