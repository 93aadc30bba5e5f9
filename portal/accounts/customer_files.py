"""Files of customers that staff upload: kept until their uploader has seen whom they would add."""

from __future__ import annotations

import io
from typing import Final

from portal.accounts import importing
from portal.accounts.importing import CustomerReport
from portal.accounts.models import CustomerFile
from portal.content.uploads import Uploads
from portal.core import db

UPLOADS: Final = Uploads(CustomerFile, "customer_file")


def look_into(file_id: str, user_id: str) -> tuple[CustomerFile, CustomerReport]:
    """A file that this member of staff has uploaded, and whom it would add, or all that is wrong with it. Raises NotFound."""
    with db.reading() as session:
        file = UPLOADS.found(session, file_id, user_id)
    return file, importing.import_csv(io.BytesIO(file.content), dry_run=True)


def import_file(file_id: str, user_id: str, *, is_invited: bool) -> tuple[CustomerFile, CustomerReport]:
    """Make the customers of the file, all or nothing, and forget it once that is done. Raises NotFound; a second call does.

    Whoever dies in between comes back to the file, which then brings nobody new.
    """
    with db.reading() as session:
        file = UPLOADS.found(session, file_id, user_id)
    report = importing.import_csv(io.BytesIO(file.content), is_invited=is_invited)
    if not report.problems:
        UPLOADS.done(file_id, {"made": len(report.made), "already": len(report.already), "invited": is_invited})
    return file, report
