"""What staff type about a customer."""

from __future__ import annotations

from flask_babel import lazy_gettext
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from portal.support import service
from portal.web.resuming import ResumableForm


class NoteForm(ResumableForm):
    words = TextAreaField(
        lazy_gettext("New note"),
        [InputRequired(lazy_gettext("Please enter some text first.")), Length(max=service.LONGEST_NOTE)],
    )
