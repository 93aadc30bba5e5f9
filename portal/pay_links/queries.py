"""Reading pay links; nothing here commits."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.identity import tokens
from portal.pay_links.models import PayLink


def of_invoice(session: Session, invoice_id: str) -> PayLink | None:
    """The link of an invoice, whether or not it still opens anything."""
    return session.scalar(select(PayLink).where(PayLink.invoice_id == invoice_id))


def by_token(session: Session, token: str) -> PayLink | None:
    """The link with this secret, whether or not it still opens anything; None for any other text."""
    return session.scalar(select(PayLink).where(PayLink.token_hash == tokens.digest(token)))
