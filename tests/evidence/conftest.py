"""A disputed payment, the evidence that was gathered for it, and the people who decide about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace

import pytest
import stripe

from portal.core import db
from portal.documents import service as documents
from portal.evidence import queries, sending, service
from portal.evidence.models import Evidence
from tests import factories
from tests.disputes.conftest import Case, case
from tests.payments.conftest import checkout

__all__ = ["case", "checkout"]


def evidence_of(dispute_id: str) -> Evidence:
    with db.reading() as session:
        return queries.of_dispute(session, dispute_id)


@dataclass
class Answer:
    """The evidence for the only dispute, as service and jobs treat it."""

    case: Case
    dispute_id: str
    first: str
    second: str

    @property
    def row(self) -> Evidence:
        return evidence_of(self.dispute_id)

    @property
    def at_stripe(self) -> stripe.Dispute:
        return self.case.at_stripe

    @property
    def submissions(self) -> int:
        return self.at_stripe.evidence_details.submission_count

    def save(
        self, texts: Mapping[str, str] = MappingProxyType({}), version: int = 0, document: str | None = None
    ) -> Evidence:
        """Change these texts by the first person's hand."""
        row = self.row
        chosen = row.documents.get("receipt") if document is None else document
        return service.save(self.dispute_id, self.first, version or row.version, {**row.texts, **texts}, chosen)

    def propose(self) -> None:
        service.propose(self.dispute_id, self.first, self.row.version)

    def approve(self, by: str | None = None) -> None:
        service.approve(self.dispute_id, by or self.second, self.row.version)

    def send(self) -> None:
        """The job."""
        sending.send(self.dispute_id, self.row.version)

    def stage(self) -> None:
        """The job."""
        sending.stage(self.dispute_id, self.row.version)


@pytest.fixture
def people() -> SimpleNamespace:
    with db.transaction() as session:
        return SimpleNamespace(
            first=factories.staff(session, "support").id, second=factories.staff(session, "approver").id
        )


@pytest.fixture
def answer(case: Case, people: SimpleNamespace) -> Answer:
    """A payment by a card, disputed as unknown to its holder, with a receipt and a first draft."""
    case.pay()
    receipt_id = documents.issue(case.payment.id)
    documents.render(receipt_id)
    case.dispute(reason="fraudulent").heard()
    dispute_id = case.ours.id
    service.gather(dispute_id)
    return Answer(case, dispute_id, people.first, people.second)
