"""Evidence on its way to Stripe: laid ready there after each change, and sent to the bank once two people have said so.

The bank takes evidence once. So before anything is sent Stripe is asked how the dispute stands: what lies with the bank already, by a job
whose answer was lost or by a hand at the dashboard, is sent.
"""

from __future__ import annotations

import structlog

from portal import gateway
from portal.core import audit, clock, crash, db, recovery
from portal.disputes import queries as disputes
from portal.disputes import service as dispute_service
from portal.disputes.statuses import ANSWERABLE
from portal.documents import queries as documents
from portal.evidence import fields, queries
from portal.evidence.models import Evidence
from portal.evidence.statuses import EDITABLE, EvidenceStatus

log = structlog.get_logger(__name__)


def stage(dispute_id: str, version: int) -> None:
    """Lay this version ready at Stripe. Nothing is done for one that is not the newest any more, nor for what cannot be changed.

    A second call writes the same. Raises the gateway's errors but a refusal, which stands on the page.
    """
    recovery.refuse_now()
    row = _if_current(dispute_id, version)
    if row is None or row.status not in EDITABLE:
        return
    try:
        found = _give(row, submit=False)
    except gateway.EvidenceRefused as refusal:
        _note_refusal(dispute_id, version, refusal.said)
        return
    with db.transaction() as session:
        locked = queries.of_dispute(session, dispute_id, lock=True)
        if locked.version == version:
            locked.staged_version = version
            audit.record(session, "evidence.staged", dispute_id, {"version": version}, customer_id=row.customer_id)
    if row.visa_ce3 is not None:  # whether it qualifies
        dispute_service.sync_dispute(found.id)


def send(dispute_id: str, version: int) -> None:
    """Send what was approved, and learn what has become of the dispute. A second call sends nothing twice.

    Raises the gateway's errors while nothing is known: the job comes again.
    """
    recovery.refuse_now()
    row = _if_current(dispute_id, version)
    if row is None or row.status != EvidenceStatus.SENDING:
        return
    with db.reading() as session:
        stripe_dispute_id = disputes.dispute(session, dispute_id).stripe_dispute_id
    crash.point("evidence begun")
    found = gateway.current().retrieve_dispute(stripe_dispute_id)
    if not found.submissions and found.status in ANSWERABLE:
        crash.point("evidence to give")
        try:
            found = _give(row, submit=True)
        except gateway.EvidenceRefused as refusal:
            _note_refusal(dispute_id, version, refusal.said)
            dispute_service.sync_dispute(stripe_dispute_id)
            return
        crash.point("evidence given")
    if found.submissions:
        _note_sent(dispute_id, version)
    else:
        _note_refusal(dispute_id, version, "")
    dispute_service.sync_dispute(stripe_dispute_id)


def _if_current(dispute_id: str, version: int) -> Evidence | None:
    with db.reading() as session:
        row = queries.of_dispute(session, dispute_id)
    return row if row.version == version else None


def _give(row: Evidence, *, submit: bool) -> gateway.Dispute:
    """All parts of this version: those that are empty take away what an earlier one had at Stripe."""
    with db.reading() as session:
        dispute = disputes.dispute(session, row.dispute_id)
    parts = {field.name: row.texts.get(field.name, "") for field in fields.for_reason(dispute.reason)}
    files = {name: _uploaded(row, document_id) for name, document_id in row.documents.items()}
    key = f"evidence-{row.dispute_id}-{row.version}-{'send' if submit else 'stage'}"
    given = parts | {fields.RECEIPT: ""} | files
    stripe, dispute_id = gateway.current(), dispute.stripe_dispute_id
    if row.visa_ce3 is not None:
        try:
            return stripe.give_evidence(dispute_id, key, given, submit=submit, visa_ce3=row.visa_ce3)
        except gateway.EvidenceRefused as refusal:
            # It may be refused for the form alone: the texts say the same, and go without it.
            log.warning("visa_ce3_refused", dispute_id=row.dispute_id, said=refusal.said)
            key = f"{key}-texts"
    return stripe.give_evidence(dispute_id, key, given, submit=submit)


def _uploaded(row: Evidence, document_id: str) -> str:
    """Stripe's id of a document of ours, which is uploaded once."""
    if document_id in row.uploaded:
        return str(row.uploaded[document_id])
    with db.reading() as session:
        document = documents.with_pdf(session, document_id)
    key = f"evidence-{row.dispute_id}-{document_id}"
    file_id = gateway.current().upload_evidence(key, f"{document.number}.pdf", document.pdf or b"")
    with db.transaction() as session:
        locked = queries.of_dispute(session, row.dispute_id, lock=True)
        locked.uploaded = locked.uploaded | {document_id: file_id}
    return file_id


def _note_sent(dispute_id: str, version: int) -> None:
    with db.transaction() as session:
        row = queries.of_dispute(session, dispute_id, lock=True)
        if row.status != EvidenceStatus.SENDING:
            return
        row.status, row.sent_at, row.staged_version = EvidenceStatus.SENT, clock.now(), version
        audit.record(session, "evidence.sent", dispute_id, {"version": version}, customer_id=row.customer_id)


def _note_refusal(dispute_id: str, version: int, said: str) -> None:
    """Stripe does not take it: it can be changed, and proposed anew, as long as the bank waits."""
    log.warning("evidence_refused", dispute_id=dispute_id, said=said)
    with db.transaction() as session:
        row = queries.of_dispute(session, dispute_id, lock=True)
        if row.version != version or row.status == EvidenceStatus.SENT:
            return
        row.status, row.refusal = EvidenceStatus.REFUSED, said[:500]
        row.proposed_by = row.proposed_at = row.approved_by = row.approved_at = None
        facts = {"version": version, "said": said}
        audit.record(session, "evidence.refused", dispute_id, facts, customer_id=row.customer_id)
