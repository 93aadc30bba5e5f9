"""What people type about the second factor."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired

from portal.web.resuming import ResumableForm


class CodeForm(ResumableForm):
    code = StringField(_("Code"), [InputRequired(_("Please enter the code."))])


class PasswordForm(ResumableForm):
    password = PasswordField(_("Your password"), [InputRequired(_("Please enter your password."))])


class PasswordAndCodeForm(PasswordForm, CodeForm):
    """Both: an open page that someone else sits down at changes nothing."""
