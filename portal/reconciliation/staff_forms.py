"""What staff type to resolve a discrepancy."""

from __future__ import annotations

from flask_babel import lazy_gettext
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from portal.reconciliation.service import LONGEST_NOTE
from portal.web.resuming import ResumableForm


class ResolutionForm(ResumableForm):
    note = TextAreaField(
        lazy_gettext("Why it is right as it is"),
        [DataRequired(lazy_gettext("Please explain why it is right.")), Length(max=LONGEST_NOTE)],
        filters=[lambda typed: (typed or "").strip()],
    )
