"""What does the jobs of disputes; each may run twice."""

from portal.disputes import email, jobs, service

jobs.mail_opened.handler(email.send_opened)
jobs.remind.handler(email.send_reminder)
jobs.mail_warning.handler(email.send_warning)


@jobs.follow_up.handler
def follow_up(dispute_id: str, version: int) -> None:
    service.follow_up(dispute_id)
