"""Which postings a movement of the balance must have, told by the movement alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.core import db
from portal.core.money import Money
from portal.gateway import BalanceTransaction
from portal.reconciliation import movements
from tests import factories

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("minor", "fee", "expected"),
    [
        (-30_00, 15_00, [("dispute", 30_00), ("dispute_fee", 15_00)]),
        (30_00, -15_00, [("dispute_reinstated", 30_00), ("dispute_fee_returned", 15_00)]),
        (-30_00, 0, [("dispute", 30_00)]),
        (0, 15_00, [("dispute_fee", 15_00)]),
        (-1, 1, [("dispute", 1), ("dispute_fee", 1)]),
        (1, -1, [("dispute_reinstated", 1), ("dispute_fee_returned", 1)]),
        (0, 0, []),
    ],
)
def test_a_movement_of_a_dispute_is_expected_to_the_cent_and_nothing_where_nothing_moved(
    database: str, minor: int, fee: int, expected: list[tuple[str, int]]
) -> None:
    with db.transaction() as session:
        paid = factories.payment(session, factories.customer(session))
        dispute = factories.dispute(session, paid).stripe_dispute_id
        movement = BalanceTransaction(
            "txn_1", Money(minor, "eur"), Money(fee, "eur"), NOON, "adjustment", "dispute", dispute, NOON
        )
        (told,) = movements.accounts_of(session, [movement])
    assert [(one.kind, one.amount.minor) for one in told.expected] == expected
    assert {one.reference for one in told.expected} == {f"{kind}:txn_1" for kind, _minor in expected}
    assert (told.subject, told.is_known, told.missing) == (paid.id, True, told.expected)
