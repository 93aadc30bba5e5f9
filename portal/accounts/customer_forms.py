"""What staff type about a customer and its people. What a text must be like is checked by the service, in one place."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, EmailField, HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired

from portal.accounts.forms import countries
from portal.content import language
from portal.web.resuming import ResumableForm


class DetailsForm(ResumableForm):
    """Who is billed. `version` is that of the customer which the form was drawn from."""

    version = HiddenField()
    name = StringField(_("Name or company"), [InputRequired(_("Please enter the name."))])
    email = EmailField(
        _("E-mail address for documents"),
        [InputRequired(_("Please enter the e-mail address."))],
        description=_("Invoices, payment confirmations, credit notes and reminders go there."),
    )
    address = TextAreaField(_("Address"), description=_("Street, postal code and town, as on an envelope."))
    postal_code = StringField(_("Postal code"), description=_("As in the address, for e-invoices."))
    city = StringField(_("City"), description=_("As in the address, for e-invoices."))
    country = SelectField(_("Country"), choices=countries)
    tax_id = StringField(_("VAT ID"), description=_("We check its digits. Leave it empty if there is none."))
    buyer_reference = StringField(
        _("Buyer reference"), description=_("For XRechnung, such as the Leitweg-ID of a German authority.")
    )
    electronic_address = StringField(
        _("Electronic address"),
        description=_("For e-invoices by a network such as Peppol: scheme and ID, such as 0204:991-1234512345-06."),
    )
    external_id = StringField(_("ID in your systems"), description=_("Such as the customer number of your accounting."))
    language = SelectField(_("Language"), choices=language.choices, description=_("Used for documents and reminders."))
    reminders_off = BooleanField(
        _("No reminders of invoices"),
        description=_("Nobody is reminded by plan. Staff can still send a reminder by hand."),
    )


class PersonForm(ResumableForm):
    """An owner whom staff invite."""

    name = StringField(_("Name"), [InputRequired(_("Please enter the name."))])
    email = EmailField(_("E-mail address"), [InputRequired(_("Please enter the e-mail address."))])
    language = SelectField(
        _("Language"), choices=language.choices, description=_("Used for pages and e-mails for this person.")
    )


class NewCustomerForm(ResumableForm):
    name = StringField(_("Name or company"), [InputRequired(_("Please enter the name."))])
    email = EmailField(
        _("E-mail address"),
        [InputRequired(_("Please enter the e-mail address."))],
        description=_("The owner signs in with it, and documents go there."),
    )
    contact = StringField(_("Who signs in"), description=_("The name of the owner, if it differs from the name above."))
    language = SelectField(
        _("Language"), choices=language.choices, description=_("Used for pages, e-mails and documents.")
    )
    address = TextAreaField(_("Address"), description=_("Street, postal code and town, as on an envelope."))
    postal_code = StringField(_("Postal code"), description=_("As in the address, for e-invoices."))
    city = StringField(_("City"), description=_("As in the address, for e-invoices."))
    country = SelectField(_("Country"), choices=countries)
    tax_id = StringField(_("VAT ID"), description=_("We check its digits. Leave it empty if there is none."))
    buyer_reference = StringField(
        _("Buyer reference"), description=_("For XRechnung, such as the Leitweg-ID of a German authority.")
    )
    electronic_address = StringField(
        _("Electronic address"),
        description=_("For e-invoices by a network such as Peppol: scheme and ID, such as 0204:991-1234512345-06."),
    )
    external_id = StringField(_("ID in your systems"), description=_("Such as the customer number of your accounting."))


class CustomerFileForm(ResumableForm):
    file = FileField(_("CSV file"), [FileRequired(_("Please choose a file."))])


class AddFileForm(ResumableForm):
    """Adds the customers of a file."""

    invite = BooleanField(
        _("Invite them by e-mail"), description=_("An owner of each customer gets a link to choose a password.")
    )


class PersonEmailForm(ResumableForm):
    email = EmailField(_("New e-mail address"), [InputRequired(_("Please enter the new e-mail address."))])
