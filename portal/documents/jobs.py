"""The jobs of documents: each does one phase, and each may run twice."""

from portal.core import metrics
from portal.documents import email, service
from portal.jobs.outbox import handles


@handles(service.ISSUE)
def issue(payment_id: str) -> None:
    """Left by the transaction that settled the payment."""
    service.issue(payment_id)


@handles(service.ISSUE_CREDIT_NOTE)
def issue_credit_note(refund_id: str) -> None:
    """Left by the transaction in which the refund succeeded."""
    service.issue_credit_note(refund_id)


@handles(service.REVOKE_CREDIT_NOTE)
def revoke_credit_note(refund_id: str) -> None:
    """Left by the transaction in which a refund failed after it had succeeded."""
    service.revoke_credit_note(refund_id)


@handles(service.KEEP)
def keep(document_id: str) -> None:
    """Left by the transaction that issued the document."""
    service.keep(document_id)


@handles(service.RENDER)
def render(document_id: str) -> None:
    service.render(document_id)


@handles(service.MAIL_AGAIN)
def send_again(document_id: str, occasion: str) -> None:
    """Left by a member of staff."""
    email.send_again(document_id, occasion)


@handles(service.MAIL)
def send(document_id: str) -> None:
    email.send(document_id)


@handles(service.MAIL_HELD)
def tell_of_held(document_id: str) -> None:
    """Left by a rendering that lacked characters."""
    email.tell_of_held(document_id)


@handles(service.MAIL_PAYER)
def send_to_payer(document_id: str) -> None:
    """Left by the transaction that recorded the mail to the customer."""
    email.send_to_payer(document_id)


@handles(service.MAIL_REVOCATION)
def send_revocation(credit_note_id: str) -> None:
    email.send_revocation(credit_note_id)


@handles("receipts.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    metrics.STARTED_OVER.labels("documents").inc(service.requeue_lost_jobs())
