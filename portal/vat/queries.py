"""What is known of the VAT IDs of customers. Nothing here changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.orm import Session

from portal.accounts import tax_ids
from portal.accounts.models import Customer
from portal.core import clock, config, keyset
from portal.vat.models import VatCheck, VatCheckResult

_ANSWERED = VatCheck.result != literal_column(f"'{VatCheckResult.NOT_CHECKED}'")


@dataclass(frozen=True, slots=True)
class VatIdStanding:
    """What is known of a VAT ID: `check` is the last question that was answered, `tried` a later one that was not."""

    tax_id: str
    check: VatCheck | None
    tried: VatCheck | None
    is_stale: bool

    @property
    def result(self) -> VatCheckResult:
        return self.check.result if self.check is not None else VatCheckResult.NOT_CHECKED

    @property
    def is_valid(self) -> bool:
        return self.result == VatCheckResult.VALID

    @property
    def is_invalid(self) -> bool:
        return self.result == VatCheckResult.INVALID


def standing(session: Session, customer: Customer) -> VatIdStanding | None:
    """Of the VAT ID that the customer has now; None where it has none that VIES knows. Stale is what is older than
    PORTAL_VIES_RECHECK_DAYS, and what nobody has answered yet.
    """
    if not tax_ids.is_of_the_union(customer.tax_id):
        return None
    check, last = latest_answer(session, customer.id, customer.tax_id), _latest(session, customer.id, customer.tax_id)
    oldest = clock.now() - timedelta(days=config.current().vies_recheck_days)
    tried = last if last is not None and last.result == VatCheckResult.NOT_CHECKED else None
    return VatIdStanding(customer.tax_id, check, tried, is_stale=check is None or check.asked_at < oldest)


def latest_answer(session: Session, customer_id: str, tax_id: str) -> VatCheck | None:
    """The last yes or no; None before the first."""
    return session.scalars(_newest(customer_id, tax_id).where(_ANSWERED)).one_or_none()


def _latest(session: Session, customer_id: str, tax_id: str) -> VatCheck | None:
    return session.scalars(_newest(customer_id, tax_id)).one_or_none()


def unanswered_since(session: Session, customer_id: str, tax_id: str, since: datetime | None) -> int:
    """How many questions were not answered after the last one that was, which was at `since`."""
    asked = select(func.count()).where(VatCheck.customer_id == customer_id, VatCheck.tax_id == tax_id, ~_ANSWERED)
    return session.scalar(asked if since is None else asked.where(VatCheck.asked_at > since)) or 0


def _newest(customer_id: str, tax_id: str) -> Select[VatCheck]:
    checks = select(VatCheck).where(VatCheck.customer_id == customer_id, VatCheck.tax_id == tax_id)
    return checks.order_by(VatCheck.asked_at.desc(), VatCheck.id.desc()).limit(1)


def checks(session: Session, customer_id: str, cursor: str | None) -> keyset.Page[VatCheck]:
    """All questions about VAT IDs that the customer has or had, newest first."""
    own = select(VatCheck).where(VatCheck.customer_id == customer_id)
    return keyset.page(session, own, VatCheck.asked_at, VatCheck.id, cursor)
