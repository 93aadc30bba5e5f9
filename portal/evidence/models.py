"""The evidence for a dispute, as staff have it before it is the bank's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime, one_of
from portal.core.enums import EnumText
from portal.evidence.statuses import EvidenceStatus


class Evidence(Base):
    """One a dispute. `texts` are by the names of portal.evidence.fields, which are Stripe's; `version` grows with each change of them.

    `documents` are the ids of the documents that go along, by Stripe's names for them, and `uploaded` Stripe's ids of what was uploaded
    already, by our document's id. `staged_version` is the newest that lies ready at Stripe, 0 for none. `visa_ce3` is what this version
    gives in the form of portal.evidence.compelling: none where it never did, empty where an earlier version did.
    """

    __tablename__ = "dispute_evidence"

    dispute_id: Mapped[str] = mapped_column(ForeignKey("disputes.id"), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    status: Mapped[EvidenceStatus] = mapped_column(EnumText(EvidenceStatus, 10), default=EvidenceStatus.DRAFT)
    texts: Mapped[dict[str, str]] = mapped_column(JSON)
    documents: Mapped[dict[str, str]] = mapped_column(JSON)
    uploaded: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    visa_ce3: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    version: Mapped[int] = mapped_column(Integer, default=1)
    staged_version: Mapped[int] = mapped_column(Integer, default=0)
    refusal: Mapped[str] = mapped_column(String(500), default="")  # Stripe's word, of evidence that was refused
    gathered_at: Mapped[datetime] = mapped_column(UTCDateTime)
    edited_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    edited_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    proposed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    proposed_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    approved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    approved_by: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    __table_args__ = (
        one_of("status", EvidenceStatus),
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_people"),
    )
