"""Numbers that were given out after the backup and whose documents did not come back: used, and named in the audit trail."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from portal.core import config, db, numbering, recovery
from portal.core.audit import AuditEvent
from portal.reconciliation import recovering
from tests import factories


@pytest.mark.parametrize(
    ("series", "last", "there", "told"),
    [
        (numbering.INVOICES, 9, [5, 8], ["3-4, 6-7, 9"]),
        (numbering.INVOICES, 4, [4], ["3"]),
        (numbering.INVOICES, 3, [3], []),
        (numbering.INVOICES, 2, [], []),
        (numbering.RECEIPTS, 9, [5, 8], ["3-4, 6-7, 9"]),
        (numbering.RECEIPTS, 3, [], ["3"]),
    ],
)
def test_what_lacks_of_each_series_is_told(
    settings: config.Settings, series: str, last: int, there: list[int], told: list[str]
) -> None:
    """Two numbers were in the backup, of which the first one's document lacks as well: that is another story."""
    _give(series, 2, [2])
    with db.transaction() as session:
        recovery.begin(session, recovery.OPERATOR, {})
    recovering.compare_again()
    _give(series, last, there)

    recovering.finish("The paper was found.")

    with db.reading() as session:
        facts = session.scalars(select(AuditEvent.facts).where(AuditEvent.action == "numbering.gap")).all()
    assert [(fact["series"], fact["numbers"]) for fact in facts] == [(series, numbers) for numbers in told]


def _give(series: str, last: int, there: list[int]) -> None:
    """So many numbers were given out; there are documents of these."""
    with db.transaction() as session:
        numbering.keep(session, series, last)
        customer = factories.customer(session)
        for number in there:
            text = f"2026-{number:06d}"
            if series == numbering.INVOICES:
                factories.invoice(session, customer, number=text)
            else:
                factories.receipt(session, factories.payment(session, customer), number=text)
