"""What an admin types to make a key for another system."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from flask_login import current_user
from wtforms import (
    BooleanField,
    HiddenField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from portal.content import language
from portal.core.errors import PortalError
from portal.identity import api_clients
from portal.identity.messages import SCOPES
from portal.web.pages import reader_language
from portal.web.resuming import ResumableForm

LONGEST_PASSWORD: Final = 1_000


class ChecksField(SelectMultipleField):
    """A list of check boxes, of which one or more are ticked."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class ApiClientForm(ResumableForm):
    """`key` makes the same form, sent twice, one key."""

    name = StringField(
        lazy_gettext("Name of the system"),
        [InputRequired(lazy_gettext("Please name the system.")), Length(max=api_clients.LONGEST_NAME)],
        description=lazy_gettext("You find it again by this name, here and in the audit log."),
    )
    scopes = ChecksField(lazy_gettext("What it may do"))
    names_end_users = BooleanField(
        lazy_gettext("This system acts for customers and sends their IP addresses"),
        description=lazy_gettext(
            "For a server through which your customers pay: declined cards and wrong passwords are then counted for the person "
            "behind each request instead of for this server. Only for a system that you trust to tell the truth."
        ),
    )
    days = SelectField(
        lazy_gettext("Expires"),
        choices=[
            SelectChoice("30", lazy_gettext("After 30 days")),
            SelectChoice("90", lazy_gettext("After 90 days")),
            SelectChoice("365", lazy_gettext("After one year")),
            SelectChoice("", lazy_gettext("Never")),
        ],
        default="365",
        description=lazy_gettext("From then on the system is locked out. A new secret does not extend it."),
    )
    password = PasswordField(
        lazy_gettext("Your password"),
        [InputRequired(lazy_gettext("Please enter your password.")), Length(max=LONGEST_PASSWORD)],
        description=lazy_gettext("Please confirm your password to continue."),
    )
    key = HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if current_user.by_provider:  # they have no password that counts, and prove themselves there
            del self.password
        self.scopes.choices = [SelectChoice(scope, gettext(text)) for scope, text in SCOPES.items()]

    def validate_scopes(self, field: ChecksField) -> None:
        # Not InputRequired: a browser would want every single box ticked.
        if not field.data and not self.names_end_users.data:
            raise ValidationError(gettext("Please choose what this system may do."))

    def tell(self, error: PortalError) -> None:
        """Put a refusal at the field it is about, or above the form."""
        text = language.error_text(error, reader_language())
        field = getattr(error, "field", None)
        if field in ("name", "scopes", "days", "password") and field in self:
            self[field].errors = [*self[field].errors, text]
        else:
            self.form_errors.append(text)
