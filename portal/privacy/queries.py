"""Reading erasures, and what stands in the way of one."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Select, TextClause, exists, or_, select
from sqlalchemy.orm import Session

from portal.core.db import inline_literals
from portal.core.errors import N_
from portal.disputes.models import Dispute
from portal.disputes.statuses import FINAL as DISPUTES_OVER
from portal.documents.models import UNMAILED, Document
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.payments.models import Payment
from portal.payments.statuses import FINAL as PAYMENTS_OVER
from portal.privacy.models import Erasure
from portal.privacy.statuses import OPEN, ErasureStatus
from portal.refunds.models import Refund
from portal.refunds.statuses import FOLLOWED, GONE_WRONG, UNDECIDED


def latest(session: Session, customer_id: str) -> Erasure | None:
    """The one that is open, or the last one that was."""
    mine = select(Erasure).where(Erasure.customer_id == customer_id)
    return session.scalar(mine.order_by(Erasure.requested_at.desc(), Erasure.id.desc()).limit(1))


def waiting() -> Select[Erasure]:
    """Those that wait for a decision, the oldest first."""
    return (
        select(Erasure)
        .where(inline_literals(Erasure.status, OPEN), Erasure.status == ErasureStatus.REQUESTED)
        .order_by(Erasure.requested_at, Erasure.id)
    )


def hindrances(session: Session, customer_id: str) -> list[str]:
    """Why a customer cannot be erased now, a text of the catalogue each; none where no money is open or under way."""
    return [
        words for condition, words in _conditions(customer_id) if session.scalar(select(exists().where(*condition)))
    ]


def _conditions(customer_id: str) -> Iterator[tuple[tuple[ColumnElement[bool] | TextClause, ...], str]]:
    yield (
        (Invoice.customer_id == customer_id, Invoice.status == InvoiceStatus.OPEN),
        N_("Invoices are open."),
    )
    yield (
        (Payment.customer_id == customer_id, or_(Payment.status.not_in(PAYMENTS_OVER), Payment.is_unanswered)),
        N_("Payments are in progress."),
    )
    yield (
        (
            Refund.customer_id == customer_id,
            or_(Refund.status.in_(UNDECIDED | FOLLOWED), Refund.status.in_(GONE_WRONG) & (Refund.resolution == "")),
        ),
        N_("Refunds are in progress."),
    )
    yield (
        (Dispute.customer_id == customer_id, Dispute.status.not_in(DISPUTES_OVER)),
        N_("Disputes are open."),
    )
    yield (
        (Document.customer_id == customer_id, UNMAILED),
        N_("Documents are still being created or sent."),
    )
