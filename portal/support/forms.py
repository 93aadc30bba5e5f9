"""What staff type about a customer, and choose for themselves."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from wtforms import RadioField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired, Length

from portal.core.errors import N_
from portal.support import service
from portal.support.models import HowOften
from portal.web.resuming import ResumableForm
from portal.web.waiting import MailKind


class NoteForm(ResumableForm):
    words = TextAreaField(
        lazy_gettext("New note"),
        [InputRequired(lazy_gettext("Please enter some text first.")), Length(max=service.LONGEST_NOTE)],
    )


_OFTEN: Final = {
    HowOften.AT_ONCE.value: N_("Within minutes"),
    HowOften.DAILY.value: N_("Once a day, all together"),
    "": N_("No e-mails"),
}


class MailsForm(ResumableForm):
    """Each field is named as its MailKind."""

    refund_requests = RadioField(lazy_gettext("Refunds that I can decide"))
    second_approvals = RadioField(lazy_gettext("Refunds for a second approval"))
    disputes = RadioField(lazy_gettext("Disputes"))
    outages = RadioField(lazy_gettext("Outages"))

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for kind in MailKind:
            self[kind].choices = [SelectChoice(value, gettext(words)) for value, words in _OFTEN.items()]

    def wanted(self) -> dict[MailKind, HowOften | None]:
        return {kind: HowOften(self[kind].data) if self[kind].data else None for kind in MailKind}


class ReasonForm(ResumableForm):
    reason = StringField(
        lazy_gettext("Reason"),
        [InputRequired(lazy_gettext("Please enter a reason."))],
        description=lazy_gettext("For the audit log."),
    )
