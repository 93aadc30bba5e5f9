"""The jobs of packs; each may run twice."""

from portal.books import service
from portal.jobs import outbox


@outbox.handles(service.MAKE)
def make_pack(pack_id: str) -> None:
    """Left by the transaction in which the pack was asked for."""
    service.make(pack_id)


@outbox.handles("books.sweep", every_seconds=3600)
def sweep() -> None:
    service.sweep()
