"""Jobs about disputes; each may run twice."""

from portal.disputes import email, service
from portal.jobs import outbox


@outbox.handles("disputes.follow_up")
def follow_up(dispute_id: str) -> None:
    service.follow_up(dispute_id)


@outbox.handles("disputes.mail_opened")
def mail_opened(dispute_id: str, occasion: str) -> None:
    email.send_opened(dispute_id, occasion)


@outbox.handles("disputes.remind")
def remind(dispute_id: str, due_by: str) -> None:
    email.send_reminder(dispute_id, due_by)


@outbox.handles("disputes.mail_warning")
def mail_warning(warning_id: str) -> None:
    email.send_warning(warning_id)
