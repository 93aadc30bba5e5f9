"""Evidence from the first draft to the bank: gathered, changed, proposed by one person, and sent by another.

Nothing here speaks to Stripe but `gather`, which asks for the charge; what is sent is portal.evidence.sending's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy.orm import Session

from portal import gateway
from portal.core import audit, clock, crash, db, texts
from portal.core.errors import N_, Conflict, Forbidden, Invalid
from portal.disputes import jobs as dispute_jobs
from portal.disputes import queries as disputes
from portal.disputes.models import Dispute
from portal.evidence import compelling, fields, gathering, jobs, queries
from portal.evidence.models import Evidence
from portal.evidence.statuses import EDITABLE, EvidenceStatus

TOO_LATE: Final = N_("The bank does not wait for evidence any more, so nothing was changed.")
CHANGED: Final = N_(
    "Somebody else has changed the evidence meanwhile, so yours was not saved. What you typed is still here."
)
NOTHING: Final = N_("There is no statement yet. Please write to the bank why the payment was rightful.")
TOO_MUCH: Final = N_("Together the texts are too long: at most %(longest)s characters.")
TWO_PEOPLE: Final = N_("You proposed this evidence, so a colleague must send it.")
NOT_PROPOSED: Final = N_("This evidence is not proposed any more. Please look at it again.")


def gather(dispute_id: str) -> None:
    """Write the first draft. A second call changes nothing, nor does one for a dispute that asks for no evidence.

    Raises NotFound, and the gateway's errors where Stripe does not answer.
    """
    with db.reading() as session:
        dispute = disputes.dispute(session, dispute_id)
        if not dispute.waits_for_evidence or queries.if_gathered(session, dispute_id) is not None:
            return
    checks = gateway.current().retrieve_charge(dispute.stripe_charge_id).checks
    with db.transaction() as session:
        locked = _locked(session, dispute_id)
        if queries.if_gathered(session, dispute_id) is not None:
            return
        receipts = [one for one in gathering.documents_of(session, locked) if one.refund_id is None]
        texts_of_draft = gathering.texts_of(session, locked, checks)
        row = Evidence(
            dispute_id=dispute_id,
            customer_id=locked.customer_id,
            texts=texts_of_draft,
            documents={fields.RECEIPT: receipts[0].id} if receipts else {},
            visa_ce3=compelling.of_dispute(session, locked, texts_of_draft),
            gathered_at=clock.now(),
        )
        session.add(row)
        session.flush()
        audit.record(session, "evidence.gathered", dispute_id, customer_id=locked.customer_id)
        if row.visa_ce3:
            # Stripe says whether it qualifies once it lies there.
            jobs.stage.enqueue(session, dispute_id=dispute_id, version=row.version)
        crash.point("evidence gathered")


def _locked(session: Session, dispute_id: str) -> Dispute:
    """The dispute with its payment and customer, locked: two workers write one draft."""
    session.get(Dispute, dispute_id, with_for_update=True)
    return disputes.dispute(session, dispute_id)


def ask_to_gather(dispute_id: str) -> None:
    """Leave the job that writes the first draft. A second call leaves no second one. Raises NotFound, and Conflict when it is too late."""
    with db.transaction() as session:
        if not disputes.dispute(session, dispute_id).waits_for_evidence:
            raise Conflict(TOO_LATE)
        dispute_jobs.gather_evidence.requeue(session, dispute_id=dispute_id)


def save(dispute_id: str, user_id: str, version: int, typed: Mapping[str, str], document_id: str | None) -> Evidence:
    """Keep what somebody has changed; what was proposed before is a draft again. Nothing changes when nothing differs.

    `version` is that which was shown, `document_id` the receipt that goes along. Raises NotFound; Conflict when somebody was quicker, or
    the bank does not wait any more; Invalid for what Stripe would not take.
    """
    with db.transaction() as session:
        dispute, row = _changeable(session, dispute_id)
        kept = _texts(dispute, typed)
        sent_along = _documents(session, dispute, document_id)
        if (kept, sent_along) == (row.texts, row.documents):
            return row
        if row.version != version:
            raise Conflict(CHANGED)
        changed = sorted(name for name in {*kept, *row.texts} if kept.get(name, "") != row.texts.get(name, ""))
        row.texts, row.documents = kept, sent_along
        given = compelling.of_dispute(session, dispute, kept)
        row.visa_ce3 = given if given or row.visa_ce3 is None else {}
        row.version += 1
        row.status, row.proposed_by, row.proposed_at, row.refusal = EvidenceStatus.DRAFT, None, None, ""
        row.edited_at, row.edited_by = clock.now(), user_id
        facts = {"version": row.version, "changed": changed, "documents": list(sent_along.values())}
        facts |= {"visa_ce3": [one["charge"] for one in given["prior_undisputed_transactions"]]} if given else {}
        audit.record(session, "evidence.changed", dispute_id, facts, customer_id=row.customer_id)
        jobs.stage.enqueue(session, dispute_id=dispute_id, version=row.version)
        return row


def propose(dispute_id: str, user_id: str, version: int) -> None:
    """Say that this version is ready for the bank; a second call by the same person changes nothing.

    Raises Conflict as `save` does, and Invalid for evidence without a statement.
    """
    with db.transaction() as session:
        _dispute, row = _changeable(session, dispute_id)
        if row.version != version:
            raise Conflict(CHANGED)
        if not row.texts.get(fields.STATEMENT):
            raise Invalid(NOTHING, field=fields.STATEMENT)
        if row.status == EvidenceStatus.PROPOSED:
            return
        row.status, row.proposed_by, row.proposed_at, row.refusal = EvidenceStatus.PROPOSED, user_id, clock.now(), ""
        audit.record(session, "evidence.proposed", dispute_id, {"version": version}, customer_id=row.customer_id)


def take_back(dispute_id: str) -> None:
    """What was proposed is a draft again; a second call changes nothing. Raises Conflict once it is on its way."""
    with db.transaction() as session:
        _dispute, row = _changeable(session, dispute_id)
        if row.status == EvidenceStatus.PROPOSED:
            row.status, row.proposed_by, row.proposed_at = EvidenceStatus.DRAFT, None, None
            audit.record(session, "evidence.taken_back", dispute_id, customer_id=row.customer_id)


def approve(dispute_id: str, user_id: str, version: int) -> None:
    """Another person than the one who proposed it lets this version go to the bank, by a job; a second call changes nothing.

    Raises Forbidden for the one who proposed it, Conflict when it is not proposed, has changed, or is too late.
    """
    with db.transaction() as session:
        dispute = disputes.dispute(session, dispute_id)
        row = queries.of_dispute(session, dispute_id, lock=True)
        if row.status in {EvidenceStatus.SENDING, EvidenceStatus.SENT} and row.version == version:
            return
        if not dispute.waits_for_evidence:
            raise Conflict(TOO_LATE)
        if row.status != EvidenceStatus.PROPOSED or row.version != version:
            raise Conflict(NOT_PROPOSED)
        if row.proposed_by == user_id:
            raise Forbidden(TWO_PEOPLE)
        row.status, row.approved_by, row.approved_at = EvidenceStatus.SENDING, user_id, clock.now()
        audit.record(session, "evidence.approved", dispute_id, {"version": version}, customer_id=row.customer_id)
        jobs.send.requeue(session, dispute_id=dispute_id, version=version)


def _changeable(session: Session, dispute_id: str) -> tuple[Dispute, Evidence]:
    dispute = disputes.dispute(session, dispute_id)
    row = queries.of_dispute(session, dispute_id, lock=True)
    if not dispute.waits_for_evidence or row.status not in EDITABLE:
        raise Conflict(TOO_LATE)
    return dispute, row


def _texts(dispute: Dispute, typed: Mapping[str, str]) -> dict[str, str]:
    """What was typed, tidied, without what is empty. Raises Invalid."""
    kept = {}
    for field in fields.for_reason(dispute.reason):
        tidy = texts.several_lines if field.is_long else texts.one_line
        text = tidy(typed.get(field.name, ""), field=field.name, longest=field.longest)
        if text:
            kept[field.name] = text
    if sum(map(len, kept.values())) > fields.MOST_CHARACTERS:
        raise Invalid(TOO_MUCH, field=fields.STATEMENT, longest=fields.MOST_CHARACTERS)
    return kept


def _documents(session: Session, dispute: Dispute, document_id: str | None) -> dict[str, str]:
    """Raises Invalid for a document that is not one of the disputed payment's."""
    if not document_id:
        return {}
    if document_id not in {one.id for one in gathering.documents_of(session, dispute)}:
        raise Invalid(N_("Please choose one of the documents of this payment."), field="document")
    return {fields.RECEIPT: document_id}
