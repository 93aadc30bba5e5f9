"""What is chosen about a further recipient of documents, by the customer and by staff alike."""

from __future__ import annotations

from typing import Final

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, EmailField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired

from portal.accounts.models import DocumentRecipient, RecipientMail
from portal.accounts.recipients import Wish
from portal.content import language
from portal.identity.api_client_forms import ChecksField
from portal.identity.forms import typed
from portal.web.resuming import ResumableForm

_MAILS: Final = (
    SelectChoice(RecipientMail.INVOICES, _("Invoices")),
    SelectChoice(RecipientMail.PAYMENT_CONFIRMATIONS, _("Payment confirmations and receipts")),
    SelectChoice(RecipientMail.CREDIT_NOTES, _("Credit notes and refund confirmations")),
    SelectChoice(RecipientMail.REMINDERS, _("Reminders")),
)


class RecipientForm(ResumableForm):
    mails = ChecksField(_("What goes there"), choices=_MAILS)
    language = SelectField(
        _("Language"),
        choices=language.choices,
        description=_("Used for the e-mails. Documents keep the language they were issued in."),
    )
    with_xml = BooleanField(
        _("Attach the e-invoice as a file of its own, too"),
        description=_("It is inside the PDF in any case. Some accounting programs want the XML file itself."),
    )

    @classmethod
    def of(cls, recipient: DocumentRecipient) -> RecipientForm:
        """As it is kept."""
        kept = {"mails": recipient.mails.split(), "language": recipient.language, "with_xml": recipient.with_xml}
        return cls(data=kept)

    def wish(self) -> Wish:
        return Wish(typed(self.language), self.mails.data or (), bool(self.with_xml.data))


class NewRecipientForm(RecipientForm):
    email = EmailField(_("E-mail address"), [InputRequired(_("Please enter the e-mail address."))])
