"""Documents of a span of time, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from portal.core import db
from portal.documents import queries
from tests import factories

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def issue(at: datetime, **values: object) -> str:
    with db.transaction() as session:
        return factories.receipt(
            session, factories.payment(session, factories.customer(session)), issued_at=at, **values
        ).id


def test_each_document_of_a_span_is_on_one_page_in_the_order_of_issue(database: str) -> None:
    """From its first moment on, and before its last; of those of one moment, each once."""
    issue(NOON - SECOND)
    wanted = [*sorted(issue(NOON) for _ in range(3)), issue(NOON + SECOND), issue(NOON + 2 * SECOND)]
    issue(NOON + 3 * SECOND)
    span = (NOON, NOON + 3 * SECOND)
    with db.reading() as session:
        pages, after = [], None
        while page := queries.issued(session, *span, after, 2):
            pages.append([document.id for document in page])
            after = page[-1]
        assert pages == [wanted[:2], wanted[2:4], wanted[4:]]
        assert queries.number_issued(session, *span) == 5
        assert queries.number_issued(session, NOON, NOON) == 0


def test_documents_without_a_pdf_are_counted_alone(database: str) -> None:
    issue(NOON, pdf=b"%PDF", pdf_sha256="0" * 64)
    issue(NOON)
    with db.reading() as session:
        assert queries.number_issued(session, NOON, NOON + SECOND, unrendered_only=True) == 1
        assert queries.number_issued(session, NOON, NOON + SECOND) == 2


def test_what_lacks_its_document_is_looked_for_among_what_changed_since(database: str) -> None:
    instant = timedelta(microseconds=1)
    with db.transaction() as session:
        customer = factories.customer(session)
        paid = [factories.payment(session, customer, updated_at=NOON + step * instant) for step in (-1, 0, 1)]
        factories.receipt(session, factories.payment(session, customer, updated_at=NOON))
        given = [
            factories.refund(session, paid[0], amount_minor=1_00, succeeded_at=NOON + step * instant)
            for step in (-1, 0, 1)
        ]
    with db.reading() as session:
        assert sorted(queries.payments_without_receipt(session, NOON, 9)) == sorted(row.id for row in paid[1:])
        assert sorted(queries.refunds_without_credit_note(session, NOON, 9)) == sorted(row.id for row in given[1:])
