"""The code as a person types it."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import StringField
from wtforms.validators import DataRequired

from portal.web.resuming import ResumableForm


class CodeForm(ResumableForm):
    code = StringField(
        _("Code"),
        [DataRequired(_("Please enter the code."))],
        description=_("Twenty letters and digits at the end of the document. Spaces and capitals do not matter."),
    )
