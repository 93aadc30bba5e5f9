"""What people type into the account pages. What a text must be like is checked by the service, in one place."""

from __future__ import annotations

from functools import cache

from babel import Locale
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_login import current_user
from wtforms import BooleanField, EmailField, PasswordField, RadioField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired

from portal.content import language
from portal.core import time_zones
from portal.identity.forms import NewPasswordForm
from portal.identity.models import CustomerRole
from portal.web import pages
from portal.web.resuming import ResumableForm


@cache
def _countries(locale: str) -> list[tuple[str, str]]:
    names = Locale.parse(locale).territories
    known = [(code, name) for code, name in names.items() if language.is_country(code)]
    return [("", "–"), *sorted(known, key=lambda country: language.sort_key(country[1]))]


def countries() -> list[tuple[str, str]]:
    """All countries in the reader's language, and none of them first."""
    return _countries(pages.reader_language())


def country_name(code: str) -> str:
    """A country in the reader's language: "Germany"; the code itself when nobody knows it, and nothing for none."""
    return dict(countries()).get(code, code) if code else ""


class SignUpForm(ResumableForm):
    name = StringField(
        _("Name"), [InputRequired(_("Please enter your name."))], description=_("Your name or your company’s.")
    )
    email = EmailField(_("E-mail address"), [InputRequired(_("Please enter your e-mail address."))])


class ChangePasswordForm(NewPasswordForm):
    current = PasswordField(_("Current password"), [InputRequired(_("Please enter your current password."))])


def _zones() -> list[tuple[str, str]]:
    """Those that are offered, and the one that was chosen when it was."""
    chosen = getattr(current_user, "time_zone", "")
    names = time_zones.offered()
    return [
        ("", gettext("Same as this browser")),
        *((name, name.replace("_", " ")) for name in (names if chosen in {"", *names} else (chosen, *names))),
    ]


class ProfileForm(ResumableForm):
    name = StringField(_("Your name"), [InputRequired(_("Please enter your name."))])
    language = SelectField(
        _("Language"), choices=language.choices, description=_("Used for these pages and our e-mails.")
    )
    time_zone = SelectField(_("Time zone"), choices=_zones, default="")


class ShortcutsForm(ResumableForm):
    shortcuts = BooleanField(
        _("Use single keys as shortcuts"),
        description=_("J and K move through a list, ? shows all keys. Off, no single key does anything."),
    )


class BillingForm(ResumableForm):
    name = StringField(
        _("Name or company"), [InputRequired(_("Please enter the name for your invoices and other documents."))]
    )
    address = TextAreaField(_("Address"), description=_("Street, postal code and town, as on an envelope."))
    postal_code = StringField(_("Postal code"), description=_("As in the address, for e-invoices."))
    city = StringField(_("City"), description=_("As in the address, for e-invoices."))
    country = SelectField(_("Country"), choices=countries)
    tax_id = StringField(_("VAT ID"), description=_("Your VAT ID, if you have one."))
    buyer_reference = StringField(
        _("Buyer reference"), description=_("For XRechnung, such as the Leitweg-ID of a German authority.")
    )
    electronic_address = StringField(
        _("Electronic address"),
        description=_("For e-invoices by a network such as Peppol: scheme and ID, such as 0204:991-1234512345-06."),
    )


class NotificationsForm(ResumableForm):
    """Each box is one of OptionalMail."""

    card_expiry = BooleanField(
        _("Before a saved card expires"), description=_("A month and a week before, so that payments do not fail.")
    )
    refund_progress = BooleanField(
        _("Steps of a refund"),
        description=_("That a request has arrived, is approved, and that the money is on its way."),
    )


# The least first: who invites in a hurry gives away no more than a look.
_ROLES = (
    SelectChoice(CustomerRole.VIEWER, _("Viewer: sees invoices, payments, cards and documents")),
    SelectChoice(CustomerRole.PAYER, _("Payer: also pays, and adds and removes cards")),
    SelectChoice(CustomerRole.OWNER, _("Owner: also changes the billing details and decides who can sign in")),
)


class RoleForm(ResumableForm):
    role = RadioField(_("Role"), choices=_ROLES)


class ColleagueForm(RoleForm):
    name = StringField(_("Name"), [InputRequired(_("Please enter the name."))])
    email = EmailField(_("E-mail address"), [InputRequired(_("Please enter the e-mail address."))])
    language = SelectField(
        _("Language"), choices=language.choices, description=_("Used for pages and e-mails for this person.")
    )
