"""The filters of a customer's documents."""

from __future__ import annotations

from flask_babel import lazy_gettext
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import Length, Optional

from portal.documents.models import DocumentKind, DocumentStatus
from portal.documents.queries import Wanted
from portal.web.filter_forms import SpanFilterForm


class DocumentFilterForm(SpanFilterForm):
    """Read from the address, or sent along with what is done to all that it finds."""

    q = StringField(lazy_gettext("Number"), [Optional(), Length(max=40)])
    kind = SelectField(
        lazy_gettext("Kind"),
        [Optional()],
        choices=[SelectChoice(name) for name in ("", *DocumentKind)],
        default="",
    )
    status = SelectField(
        lazy_gettext("Status"),
        [Optional()],
        choices=[SelectChoice(name) for name in ("", *DocumentStatus)],
        default="",
    )

    def filter(self) -> Wanted:
        """The filter, after a successful validate()."""
        return Wanted(
            kind=DocumentKind(self.kind.data) if self.kind.data else None,
            status=DocumentStatus(self.status.data) if self.status.data else None,
            number=(self.q.data or "").strip(),
            since=self.since.data,
            until=self.until.data,
            currency=self.currency_code,
            least_minor=self.least_minor,
            most_minor=self.most_minor,
        )
