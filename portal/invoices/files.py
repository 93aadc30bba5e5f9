"""Files of invoices that staff upload: kept until their uploader has seen what they would issue."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, Literal, cast

from sqlalchemy import delete

from portal.core import audit, clock, db, texts
from portal.core.errors import N_, Invalid, NotFound, PortalError
from portal.invoices import corrected, importing, queries, spreadsheet
from portal.invoices.models import InvoiceFile

LONGEST_FILENAME: Final = 200
# Nobody comes back to a file that they uploaded longer ago.
KEEP_FILES: Final = timedelta(days=2)


def keep_file(user_id: str, filename: str, content: bytes, decimal_mark: str) -> str:
    """Keep a CSV file of invoices until its uploader has looked at what it would issue; returns its id.

    Raises Invalid (field "file") for one that is empty or too large, and CardNumber, which names the lines.
    """
    filename = texts.one_line(filename[-LONGEST_FILENAME:], field="file", longest=LONGEST_FILENAME)
    if not content:
        raise Invalid(N_("The file is empty."), field="file")
    if len(content) > spreadsheet.MOST_BYTES:
        raise Invalid(
            N_("The file is larger than %(most)s MB. Please split it."),
            field="file",
            most=spreadsheet.MOST_BYTES // 1_000_000,
        )
    importing.refuse_card_numbers(content)
    with db.transaction() as session:
        file = InvoiceFile(
            id=db.new_id("fil"),
            uploaded_by=user_id,
            uploaded_at=clock.now(),
            filename=filename,
            content=content,
            decimal_mark=decimal_mark,
        )
        session.add(file)
        session.flush()
        audit.record(session, "invoice_file.uploaded", file.id, {"filename": file.filename, "bytes": len(content)})
    return file.id


def look_into(file_id: str, user_id: str) -> tuple[InvoiceFile, importing.ImportReport]:
    """A file that this member of staff has uploaded, and what it would issue, or all that is wrong with it. Raises NotFound."""
    with db.reading() as session:
        file = queries.file_of(session, file_id, user_id)
    return file, _import(file, dry_run=True)


def corrected_file(file_id: str, user_id: str, words: Callable[[PortalError], str]) -> Iterator[str]:
    """The lines of the file with what is wrong in each, and what was corrected (portal.invoices.corrected). Raises NotFound, also where
    nothing of it can be read.
    """
    file, report = look_into(file_id, user_id)
    mark = cast('Literal[".", ","] | None', file.decimal_mark or None)
    try:
        return corrected.lines(file.content, report.problems, mark, words)
    except spreadsheet.Unreadable as error:
        raise NotFound from error


def import_file(file_id: str, user_id: str, *, mailed: bool = True) -> importing.ImportReport:
    """Issue what the file holds, all or nothing, and forget it once that is done; where it is not `mailed`, its customers get no mail of
    that. Raises NotFound; a second call does.

    Whoever dies in between comes back to the file, which then brings nothing new.
    """
    with db.reading() as session:
        file = queries.file_of(session, file_id, user_id)
    report = _import(file, dry_run=False, mailed=mailed)
    if not report.problems:
        with db.transaction() as session:
            session.execute(delete(InvoiceFile).where(InvoiceFile.id == file_id))
            facts = {"issued": len(report.issued), "already": len(report.already), "mailed": mailed}
            audit.record(session, "invoice_file.imported", file_id, facts)
    return report


def _import(file: InvoiceFile, *, dry_run: bool, mailed: bool = True) -> importing.ImportReport:
    mark = cast('Literal[".", ","] | None', file.decimal_mark or None)
    return importing.import_csv(io.BytesIO(file.content), decimal_mark=mark, dry_run=dry_run, mailed=mailed)


def forget_files() -> None:
    """Remove the files that nobody came back to."""
    with db.transaction() as session:
        session.execute(delete(InvoiceFile).where(InvoiceFile.uploaded_at < clock.now() - KEEP_FILES))
