"""What staff type about personal data."""

from __future__ import annotations

from flask_babel import lazy_gettext
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from portal.privacy.models import LONGEST_REASON
from portal.web.resuming import ResumableForm


class ReasonForm(ResumableForm):
    reason = StringField(
        lazy_gettext("Reason"), [InputRequired(lazy_gettext("Please enter a reason.")), Length(max=LONGEST_REASON)]
    )
