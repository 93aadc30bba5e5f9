"""What staff type to set an invoice aside."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import DateField, StringField
from wtforms.validators import InputRequired

from portal.web.resuming import ResumableForm


class HoldForm(ResumableForm):
    reason = StringField(_("Reason"), [InputRequired(_("Please enter a reason."))])
    until = DateField(
        _("Until"),
        [InputRequired(_("Please enter a day."))],
        description=_(
            "On the day after it reminders go on. Those of the days before are left out if they are more than a week late."
        ),
    )
