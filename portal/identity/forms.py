"""What people type to sign in and to choose a password. What a text must be like is checked by the service, in one place."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import EmailField, Field, PasswordField
from wtforms.validators import EqualTo, InputRequired

from portal.content import language
from portal.core.errors import PortalError
from portal.web import pages
from portal.web.resuming import ResumableForm


def typed(field: Field) -> str:
    """What stands in the field, "" when it was not sent."""
    return field.data or ""


def tell(form: Any, error: PortalError) -> None:
    """Put a refusal where the reader looks for it: at its field, or above the form."""
    text = language.error_text(error, pages.reader_language())
    field = getattr(error, "field", None)
    if field in form:
        form[field].errors = [*form[field].errors, text]
    else:
        form.form_errors.append(text)


class SignInForm(ResumableForm):
    email = EmailField(_("E-mail address"), [InputRequired(_("Please enter your e-mail address."))])
    password = PasswordField(_("Password"), [InputRequired(_("Please enter your password."))])


class ForgottenForm(ResumableForm):
    email = EmailField(_("E-mail address"), [InputRequired(_("Please enter your e-mail address."))])


class NewPasswordForm(ResumableForm):
    password = PasswordField(
        _("New password"),
        [InputRequired(_("Please choose a password."))],
        description=_("12 characters or more. A few words in a row are easy to remember."),
    )
    repeated = PasswordField(
        _("Repeat password"), [EqualTo("password", _("The two passwords are not the same. Please type them again."))]
    )
