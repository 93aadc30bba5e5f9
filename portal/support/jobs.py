"""Jobs of the staff's desk."""

from portal.jobs import outbox
from portal.support import service


@outbox.handles("support.forget_files", every_seconds=3600)
def forget_files() -> None:
    service.forget_files()
