"""What staff type about a customer, and choose for themselves."""

from __future__ import annotations

from flask_babel import lazy_gettext
from wtforms import RadioField, TextAreaField
from wtforms.validators import InputRequired, Length

from portal.support import service
from portal.support.models import HowOften
from portal.web.resuming import ResumableForm
from portal.web.waiting import MailKind


class NoteForm(ResumableForm):
    words = TextAreaField(
        lazy_gettext("New note"),
        [InputRequired(lazy_gettext("Please enter some text first.")), Length(max=service.LONGEST_NOTE)],
    )


_OFTEN = [
    (HowOften.AT_ONCE.value, lazy_gettext("Within minutes")),
    (HowOften.DAILY.value, lazy_gettext("Once a day, all together")),
    ("", lazy_gettext("No mails")),
]


class MailsForm(ResumableForm):
    """Each field is named as its MailKind."""

    refund_requests = RadioField(lazy_gettext("Refunds that I can decide"), choices=_OFTEN, default="")
    second_approvals = RadioField(lazy_gettext("Refunds for a second approval"), choices=_OFTEN, default="")
    disputes = RadioField(lazy_gettext("Disputes"), choices=_OFTEN, default="")
    outages = RadioField(lazy_gettext("Outages"), choices=_OFTEN, default="")

    def wanted(self) -> dict[MailKind, HowOften | None]:
        return {kind: HowOften(self[kind].data) if self[kind].data else None for kind in MailKind}
