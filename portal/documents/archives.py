"""A customer's documents as one ZIP with an index: asked for, made by the worker part by part, taken home, and removed after some days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.dialects import postgresql, sqlite

from portal.content import archives
from portal.content.csv_lines import FOR_PROGRAMS
from portal.content.made_files import MadeFileStatus, Store, Superseded
from portal.core import audit, clock, company_days, db
from portal.core.errors import N_, Conflict, Invalid, NotFound
from portal.documents import jobs, packing, queries
from portal.documents.models import Document, DocumentArchive, DocumentArchivePart
from portal.documents.queries import Wanted

log = structlog.get_logger(__name__)

STORE: Final = Store(DocumentArchive, DocumentArchivePart, "archive_id")
# More would be a file that nobody opens; a period has fewer.
MOST_DOCUMENTS: Final = 5_000
BATCH: Final = 200
KEEP_FOR: Final = timedelta(days=3)
GIVE_UP_AFTER: Final = timedelta(hours=12)
INDEX: Final = "index.csv"

COLUMNS: Final = {
    name: name
    for name in (
        *("number", "kind", "issued_on", "invoice", "net", "tax", "total", "currency", "canceled_on", "code"),
        *("file", "missing"),
    )
}


def request(customer_id: str, user_id: str, wanted: Wanted) -> str:
    """Have the ZIP of these documents made; returns its id.

    Raises Invalid where there are none or too many, and Conflict while another one of this customer is being made.
    """
    with db.transaction() as session:
        number = queries.number_wanted(session, customer_id, wanted)
        if not number:
            raise Invalid(N_("There are no documents to download."))
        if number > MOST_DOCUMENTS:
            raise Invalid(N_("These are too many documents for one file. Please choose a shorter period."))
        insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        row = {
            "id": db.new_id("zip"),
            "customer_id": customer_id,
            "requested_by": user_id,
            "requested_at": clock.now(),
            "wanted": wanted.to_json(),
            "files_all": number + 1,
        }
        # One that is being made stands in the way: see the index of the table.
        made = insert(DocumentArchive).values(row).on_conflict_do_nothing().returning(DocumentArchive.id)
        archive_id: str | None = session.scalar(made)
        if archive_id is None:
            raise Conflict(N_("Another ZIP file is still being created. Please wait until it is ready."))
        audit.record(session, "document_archive.requested", archive_id, {"documents": number}, customer_id=customer_id)
        jobs.make_archive.enqueue(session, archive_id=archive_id)
        return archive_id


def make(archive_id: str) -> None:
    """Make the ZIP from its beginning, whatever was made of it before; one that is ready or removed stays as it is."""
    with db.reading() as session:
        row = session.get(DocumentArchive, archive_id)
    if row is None or row.status != MadeFileStatus.MAKING:
        return
    try:
        keeper = STORE.begin(archive_id, row.files_all)
        missing = 0
        lines = [FOR_PROGRAMS.header(COLUMNS)]
        with archives.writing(keeper.keep) as archive:
            for document in _documents(row.customer_id, Wanted.from_json(row.wanted)):
                why = packing.pack(archive, document)
                missing += bool(why)
                lines.append(_line(document, why))
            archive.add(INDEX, [line.encode() for line in lines])
        with db.transaction() as session:
            made = keeper.finish(session, clock.now(), size=archive.size, files=len(archive.entries), missing=missing)
            facts = {"files": made.files_all, "missing": missing}
            audit.record(session, "document_archive.made", archive_id, facts, customer_id=made.customer_id)
    except Superseded:
        log.info("archive_superseded", archive=archive_id)


def _documents(customer_id: str, wanted: Wanted) -> Iterator[Document]:
    last: Document | None = None
    while True:
        with db.reading() as session:
            batch = queries.wanted_of(session, customer_id, wanted, last, BATCH)
        yield from batch
        if len(batch) < BATCH:
            return
        last = batch[-1]


def _line(document: Document, why_missing: str) -> str:
    said = queries.facts_of(document)
    canceled = document.revoked_at
    return FOR_PROGRAMS.line(
        (
            document.number,
            document.kind,
            said.issued_on,
            said.reference.invoice_number,
            said.money(said.net_minor).decimal if said.taxes else "",
            said.money(said.tax_minor).decimal if said.taxes else "",
            said.total.decimal,
            said.currency.upper(),
            company_days.day_of(canceled) if canceled else "",
            document.code_text,
            "" if why_missing else packing.place(document),
            why_missing,
        )
    )


def download(archive_id: str, customer_id: str) -> tuple[DocumentArchive, Iterator[bytes]]:
    """A ZIP that is ready, and its bytes, a part at a time; that it was taken is recorded before the first. Raises NotFound."""
    with db.transaction() as session:
        row = queries.archive(session, archive_id, customer_id)
        if row.status != MadeFileStatus.READY:
            raise NotFound
        audit.record(session, "document_archive.downloaded", archive_id, {}, customer_id=customer_id)
    return row, STORE.content(row)


def sweep() -> None:
    """Remove ZIPs after their time, and give those up whose job has died, so that a new one can be asked for."""
    now = clock.now()
    STORE.remove(now - KEEP_FOR)
    STORE.give_up(now - GIVE_UP_AFTER)
