"""What someone types who is to sign in with another address."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import EmailField
from wtforms.validators import InputRequired

from portal.web.resuming import ResumableForm


class NewEmailForm(ResumableForm):
    email = EmailField(_("New e-mail address"), [InputRequired(_("Please enter the new e-mail address."))])


class LinkForm(ResumableForm):
    """A press of a button, behind a link from a mail: opening a link alone, as programs that look through mails do, changes nothing."""
