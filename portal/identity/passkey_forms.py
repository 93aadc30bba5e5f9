"""What a browser sends about a passkey. `credential` is filled in by static/js/passkeys.js."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import HiddenField, StringField
from wtforms.validators import InputRequired

from portal.web.resuming import ResumableForm


class AnswerForm(ResumableForm):
    credential = HiddenField()


class NewPasskeyForm(AnswerForm):
    name = StringField(
        _("Name"),
        [InputRequired(_("Please name the passkey."))],
        description=_("So that you recognize it later, such as “Work laptop”."),
    )
