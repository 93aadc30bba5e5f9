"""Files of invoices that staff upload: kept until their uploader has seen what they would issue."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Final, Literal, cast

from portal.content import sheets
from portal.content.uploads import Uploads
from portal.core import db
from portal.core.errors import NotFound, PortalError
from portal.invoices import corrected, importing
from portal.invoices.models import InvoiceFile

UPLOADS: Final = Uploads(InvoiceFile, "invoice_file")


def look_into(file_id: str, user_id: str) -> tuple[InvoiceFile, importing.ImportReport]:
    """A file that this member of staff has uploaded, and what it would issue, or all that is wrong with it. Raises NotFound."""
    with db.reading() as session:
        file = UPLOADS.found(session, file_id, user_id)
    return file, _import(file, dry_run=True)


def corrected_file(file_id: str, user_id: str, words: Callable[[PortalError], str]) -> Iterator[str]:
    """The lines of the file with what is wrong in each, and what was corrected (portal.invoices.corrected). Raises NotFound, also where
    nothing of it can be read.
    """
    file, report = look_into(file_id, user_id)
    mark = cast('Literal[".", ","] | None', file.decimal_mark or None)
    try:
        return corrected.lines(file.content, report.problems, mark, words)
    except sheets.Unreadable as error:
        raise NotFound from error


def import_file(file_id: str, user_id: str, *, mailed: bool = True) -> importing.ImportReport:
    """Issue what the file holds, all or nothing, and forget it once that is done; where it is not `mailed`, its customers get no mail of
    that. Raises NotFound; a second call does.

    Whoever dies in between comes back to the file, which then brings nothing new.
    """
    with db.reading() as session:
        file = UPLOADS.found(session, file_id, user_id)
    report = _import(file, dry_run=False, mailed=mailed)
    if not report.problems:
        UPLOADS.done(file_id, {"issued": len(report.issued), "already": len(report.already), "mailed": mailed})
    return report


def _import(file: InvoiceFile, *, dry_run: bool, mailed: bool = True) -> importing.ImportReport:
    mark = cast('Literal[".", ","] | None', file.decimal_mark or None)
    return importing.import_csv(io.BytesIO(file.content), decimal_mark=mark, dry_run=dry_run, mailed=mailed)
