"""What does the jobs of automatic payment; each may run twice."""

from portal.mandates import collecting, email, jobs, service

jobs.sweep.handler(service.sweep)
jobs.mail_notice.handler(email.send_notice)
jobs.mail_failure.handler(email.send_failure)
jobs.mail_staff.handler(email.send_to_staff)


@jobs.collect.handler
def collect(collection_id: str, hour: str) -> None:
    collecting.collect(collection_id)


@jobs.mail_switched.handler
def mail_switched(mandate_id: str, on: int) -> None:
    email.send_switched(mandate_id, on=bool(on))
