"""The jobs of documents that documents leave themselves; those that issue one are left by `payments` and `refunds`."""

from __future__ import annotations

from portal.jobs.job import job
from portal.jobs.lanes import Lane


@job("documents.render", once_per=("document_id",), lane=Lane.DOCUMENTS)
def render(document_id: str) -> None:
    """Make the PDF of a document."""


@job("documents.keep", once_per=("document_id",), lane=Lane.DOCUMENTS)
def keep(document_id: str) -> None:
    """Write at Stripe what a document was issued with."""


@job("documents.mail", once_per=("document_id",), lane=Lane.MESSAGES)
def mail(document_id: str) -> None:
    """Send a document to its customer."""


@job("documents.mail_payer", once_per=("document_id",), lane=Lane.MESSAGES)
def mail_payer(document_id: str) -> None:
    """Send a receipt to the user who paid, where that is another address."""


@job("documents.mail_again", lane=Lane.MESSAGES)
def mail_again(document_id: str, occasion: str) -> None:
    """Send a document once more, as a member of staff has asked."""


@job("documents.mail_copy", once_per=("document_id", "recipient_id", "occasion"), lane=Lane.MESSAGES)
def mail_copy(document_id: str, recipient_id: str, occasion: str) -> None:
    """Send a further recipient what the customer was sent of a document: for its issue (""), its revocation, or once more."""


@job("documents.mail_held", lane=Lane.MESSAGES)
def mail_held(document_id: str) -> None:
    """Tell staff of a document that lacks characters."""


@job("documents.mail_revocation", once_per=("credit_note_id",), lane=Lane.MESSAGES)
def mail_revocation(credit_note_id: str) -> None:
    """Tell the customer that a credit note is void."""


@job("documents.make_archive", once_per=("archive_id",), lane=Lane.DOCUMENTS)
def make_archive(archive_id: str) -> None:
    """Write a ZIP of a customer's documents."""


@job("documents.sweep_archives", every_seconds=3600)
def sweep_archives() -> None:
    """Remove ZIPs of customers after their time, and give up those whose job has died."""


@job("documents.requeue_lost_jobs", every_seconds=60)
def requeue_lost_jobs() -> None:
    """Leave the next job for documents that have none, and for payments and refunds that lack one."""
