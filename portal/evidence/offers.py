"""What the pages of a dispute and of its evidence offer: by action, for whoever reads them."""

from __future__ import annotations

from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.disputes.models import Dispute
from portal.evidence.models import Evidence
from portal.evidence.statuses import EvidenceStatus
from portal.web.offers import Offer, offer


def of_dispute(dispute: Dispute, row: Evidence | None, reader_id: str) -> dict[str, Offer]:
    """What portal.evidence.service would refuse is not offered; `row` is the evidence, none while it is not gathered."""
    late = _too_late(dispute, row)
    missing = row is None and N_("Nothing is gathered yet.")
    return {
        "gather": offer(
            N_("Gather the evidence"),
            Permission.PREPARE_EVIDENCE,
            row is not None and N_("The evidence is gathered already."),
            late,
        ),
        "change": offer(N_("Change and propose the evidence"), Permission.PREPARE_EVIDENCE, late or missing),
        "take_back": offer(
            N_("Take back"),
            Permission.PREPARE_EVIDENCE,
            late or missing or (row is not None and _not_proposed(row)),
        ),
        "send": offer(
            N_("Send to the bank"),
            Permission.SEND_EVIDENCE,
            late or missing or (row is not None and (_not_proposed(row) or _own(row, reader_id))),
        ),
    }


def _too_late(dispute: Dispute, row: Evidence | None) -> str:
    if row is not None and row.status == EvidenceStatus.SENDING:
        return N_("The evidence is being sent to the bank.")
    if row is not None and row.status == EvidenceStatus.SENT:
        return N_("The evidence was sent, and the bank takes it once.")
    if dispute.waits_for_evidence:
        return ""
    return N_("The bank does not wait for evidence.") if dispute.is_open else N_("The dispute is over.")


def _not_proposed(row: Evidence) -> str:
    if row.status == EvidenceStatus.REFUSED:
        return N_("Stripe did not take it: it must be changed and proposed again.")
    return "" if row.status == EvidenceStatus.PROPOSED else N_("Nobody has proposed it yet.")


def _own(row: Evidence, reader_id: str) -> str:
    return N_("You proposed this evidence, so a colleague must send it.") if row.proposed_by == reader_id else ""
