"""What an admin types about the people who work here."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from wtforms import EmailField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired

from portal.content import language
from portal.core.errors import PortalError
from portal.core.permissions import Role
from portal.web import pages
from portal.web.resuming import ResumableForm

# The least first: who invites in a hurry gives away no more than a look.
_ROLES = (
    SelectChoice(Role.SUPPORT, _("Support: sees all customers, issues invoices, proposes refunds")),
    SelectChoice(Role.FINANCE, _("Finance: sees customers, invoices, payments and the books, and changes nothing")),
    SelectChoice(Role.APPROVER, _("Approver: also decides on refunds, voids invoices, sees the books")),
    SelectChoice(Role.ADMIN, _("Admin: also sees the audit log and API keys, and decides who works here")),
)


class StaffRoleForm(ResumableForm):
    role = RadioField(_("Role"), choices=_ROLES)


class NewStaffForm(StaffRoleForm):
    name = StringField(_("Name"), [InputRequired(_("Please enter the name."))])
    email = EmailField(_("E-mail address"), [InputRequired(_("Please enter the e-mail address."))])
    language = SelectField(
        _("Language"), choices=language.choices, description=_("Used for pages and e-mails for this person.")
    )

    def tell(self, error: PortalError) -> None:
        """Put a refusal at the field it is about, or above the form."""
        text = language.error_text(error, pages.reader_language())
        field = getattr(error, "field", None)
        if field in self:
            self[field].errors = [*self[field].errors, text]
        else:
            self.form_errors.append(text)
