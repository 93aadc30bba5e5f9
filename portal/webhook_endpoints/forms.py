"""What an owner types about a system of theirs."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import HiddenField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired

from portal.identity.api_client_forms import ChecksField
from portal.web.resuming import ResumableForm
from portal.webhook_endpoints.models import EventType

EVENTS = (
    SelectChoice(EventType.PAYMENT_SUCCEEDED.value, _("Payment succeeded (payment.succeeded)")),
    SelectChoice(EventType.PAYMENT_FAILED.value, _("Payment failed (payment.failed)")),
    SelectChoice(EventType.INVOICE_PAID.value, _("Invoice paid (invoice.paid)")),
    SelectChoice(EventType.PAYMENT_RETURNED.value, _("Direct debit taken back (payment.returned)")),
    SelectChoice(EventType.INVOICE_CREDITED.value, _("Invoice credited (invoice.credited)")),
    SelectChoice(EventType.REFUND_UPDATED.value, _("Refund changed (refund.updated)")),
)


class EndpointForm(ResumableForm):
    """`key` makes the same form, sent twice, one endpoint."""

    url = StringField(
        _("Address"),
        [InputRequired(_("Please enter the address of your system."))],
        description=_("It begins with https:// and can be reached from the internet."),
    )
    description = StringField(_("Description"), description=_("So that you recognize it later."))
    events = ChecksField(_("Events"), choices=EVENTS)
    key = HiddenField()
