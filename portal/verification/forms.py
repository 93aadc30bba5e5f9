"""The code as a person types it, and a file, or what the browser has reckoned of one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from flask_wtf.file import FileField
from werkzeug.datastructures import FileStorage
from wtforms import Field, StringField
from wtforms.validators import DataRequired
from wtforms.widgets import HiddenInput

from portal.web.resuming import ResumableForm

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
CHUNK_BYTES: Final = 65_536


class CodeForm(ResumableForm):
    code = StringField(
        lazy_gettext("Code"),
        [DataRequired(lazy_gettext("Please enter the code."))],
        description=lazy_gettext(
            "Twenty letters and digits at the end of the document. Spaces and capitals do not matter."
        ),
    )


class DigestField(Field):
    """64 hexadecimal digits that a script has filled in; None where they are none. No text, so it is not searched for card numbers."""

    widget = HiddenInput()
    data: str | None

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        typed = str(valuelist[0]).lower() if valuelist else ""
        self.data = typed if _SHA256.fullmatch(typed) else None

    def _value(self) -> str:
        return ""


class FileForm(ResumableForm):
    """With scripts the file stays in the browser and its SHA-256 is sent; without, the file itself, of which nothing is kept."""

    file = FileField(
        lazy_gettext("PDF file"),
        description=lazy_gettext("Choose the file, or drop it here."),
    )
    sha256 = DigestField()
    code = StringField(
        lazy_gettext("Code"),
        description=lazy_gettext("If the file is not the one that was issued, this shows what was."),
    )

    def validate_file(self, field: FileField) -> None:
        if self.sha256.data is None and not isinstance(field.data, FileStorage):
            field.errors = [*field.errors, gettext("Please choose a file.")]

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        return super().validate(*args, **kwargs) and not self.file.errors

    def digest(self) -> str:
        """The SHA-256 of the file, after a successful validate()."""
        if self.sha256.data is not None:
            return self.sha256.data
        found = hashlib.sha256()
        while chunk := self.file.data.stream.read(CHUNK_BYTES):
            found.update(chunk)
        return found.hexdigest()

    def content(self) -> bytes | None:
        """The file itself, where it was sent, after a successful validate(); None where only its SHA-256 was."""
        if self.sha256.data is not None or not isinstance(self.file.data, FileStorage):
            return None
        self.file.data.stream.seek(0)
        content: bytes = self.file.data.stream.read()
        return content
