"""What does the jobs of personal data; each may run twice."""

from portal.privacy import erasing, jobs, service, sweeping

jobs.make_file.handler(service.make)
jobs.erase.handler(erasing.erase)
jobs.mail_rejection.handler(erasing.mail_rejection)
jobs.sweep.handler(service.sweep)


@jobs.sweep_by_schedule.handler
def sweep_by_schedule() -> None:
    sweeping.sweep()
