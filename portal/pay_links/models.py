"""The link of an invoice. Its secret is nowhere: it is derived anew from the row and the secret key where a mail or a page needs it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime


class PayLink(Base):
    """One an invoice. Made anew it has another `nonce`, and what went out before opens nothing any more.

    `nonce` is 128 random bits in hex; the secret is an HMAC of it and the id under the secret key, so neither a copy of the database nor
    the key alone makes a link. `token_hash` is its SHA-256, by which it is found.
    """

    __tablename__ = "pay_links"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    invoice_id: Mapped[str] = mapped_column(ForeignKey("invoices.id"), unique=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    nonce: Mapped[str] = mapped_column(String(32))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
