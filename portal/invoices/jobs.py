"""Jobs about invoices."""

from portal.invoices import files
from portal.jobs import outbox


@outbox.handles("invoices.forget_files", every_seconds=3600)
def forget_files() -> None:
    files.forget_files()
