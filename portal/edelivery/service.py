"""An e-invoice is handed over by a job: tried with growing waits, refused or given up visibly, and begun anew by staff."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.core import audit, clock, config, db
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, NotFound
from portal.documents import service as documents
from portal.documents import syntaxes
from portal.documents.models import Document
from portal.edelivery import jobs, queries
from portal.edelivery.folder import Folder
from portal.edelivery.http import HttpEndpoint
from portal.edelivery.models import LONGEST_ANSWER, Handover, HandoverStatus
from portal.edelivery.port import Network, NotTaken, Package, Refused
from portal.jobs import outbox

log = structlog.get_logger(__name__)


class NoNetwork(Conflict):
    code = "no_network"
    message = N_("No network is set up: neither PORTAL_EDELIVERY_FOLDER nor PORTAL_EDELIVERY_URL is set.")


def network() -> Network | None:
    """Whom the settings name; None for nobody."""
    settings = config.current()
    if settings.edelivery_folder is not None:
        return Folder(settings.edelivery_folder)
    if settings.edelivery_url:
        return HttpEndpoint(settings.edelivery_url, settings.edelivery_secret.get_secret_value())
    return None


@documents.on_add
def begin(session: Session, document: Document) -> None:
    """Leave the job of an e-invoice whose buyer has an electronic address, in the transaction that issues it; not of one that was sent
    elsewhere.
    """
    if document.mail_waived_at is not None or network() is None:
        return
    address = syntaxes.address(document)
    if not address:
        return
    made = Handover(
        id=new_id("hov"),
        document_id=document.id,
        customer_id=document.customer_id,
        address=address,
        created_at=clock.now(),
    )
    session.add(made)
    session.flush()
    jobs.hand_over.enqueue(session, document_id=document.id, round=made.round)


def hand_over(document_id: str, round: int) -> None:  # noqa: A002  # the column's name
    """Make one try. A second call, or one of an earlier round, does nothing once it is over. The network may get the same e-invoice twice,
    under the same key, when we die before its answer is recorded.

    Raises outbox.Reschedule when nobody took it and it is to be tried again.
    """
    with db.reading() as session:
        found = queries.of_document(session, document_id)
        if found is None or found.status != HandoverStatus.PENDING or found.round != round:
            return
        document = session.get_one(Document, document_id)
    takes = network()
    status, answer, digest = HandoverStatus.FAILED, "", ""
    if document.revoked_at is not None:
        status, answer = HandoverStatus.REFUSED, "the document was taken back before"
    elif takes is None:
        answer = "no network is set up"
    else:
        package = Package(
            document.id, document.number, found.address, syntaxes.xml(document, config.current().edelivery_format)
        )
        digest = package.sha256
        try:
            status, answer = HandoverStatus.HANDED_OVER, takes.hand_over(package)
        except Refused as error:
            status, answer = HandoverStatus.REFUSED, str(error)
        except NotTaken as error:
            answer = str(error)
    wait = _conclude(document_id, round, status, answer, digest)
    if wait is not None:
        raise outbox.Reschedule(wait)


def _conclude(document_id: str, round: int, status: HandoverStatus, answer: str, digest: str) -> float | None:  # noqa: A002
    """Write down what came of a try, unless it was begun anew meanwhile; returns the seconds until the next one."""
    with db.transaction() as session:
        row = _locked(session, document_id)
        if row.status != HandoverStatus.PENDING or row.round != round:
            return None
        now = clock.now()
        row.attempts += 1
        row.last_attempt_at, row.next_attempt_at = now, None
        row.answer, row.sha256 = answer[:LONGEST_ANSWER], digest
        if status == HandoverStatus.FAILED and row.attempts < outbox.MOST_ATTEMPTS:
            wait = outbox.wait_after(row.attempts)
            row.next_attempt_at = now + timedelta(seconds=wait)
            return wait
        row.status = status
        if status == HandoverStatus.HANDED_OVER:
            row.handed_over_at = now
        else:
            log.warning("handover_not_taken", document_id=document_id, status=status, attempts=row.attempts)
        facts = {"number": row.document.number, "address": row.address, "attempts": row.attempts}
        audit.record(session, f"handover.{row.status}", row.document.subject, facts, customer_id=row.customer_id)
        return None


def send_again(document_id: str) -> None:
    """Begin anew, whatever came of it. Every call does so, but while one is under way. Raises NotFound and NoNetwork."""
    with db.transaction() as session:
        row = _locked(session, document_id)
        if network() is None:
            raise NoNetwork
        if row.status == HandoverStatus.PENDING:
            return
        row.status, row.round, row.attempts = HandoverStatus.PENDING, row.round + 1, 0
        row.answer, row.handed_over_at = "", None
        session.flush()
        told = {"number": row.document.number, "address": row.address}
        audit.record(session, "handover.begun_again", row.document.subject, told, customer_id=row.customer_id)
        jobs.hand_over.enqueue(session, document_id=document_id, round=row.round)


def _locked(session: Session, document_id: str) -> Handover:
    found = session.scalars(select(Handover).where(Handover.document_id == document_id).with_for_update()).one_or_none()
    if found is None:
        raise NotFound
    return found
