"""What staff change in the evidence for a dispute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from flask_babel import lazy_gettext
from wtforms import HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import Length

from portal.content import language
from portal.core.errors import Conflict, Forbidden, Invalid
from portal.documents.models import Document
from portal.evidence import fields
from portal.evidence.models import Evidence
from portal.web.pages import reader_language
from portal.web.resuming import ResumableForm


class EvidenceForm(ResumableForm):
    """`version` is that which was shown, by which a change of somebody else is noticed. The texts are those of `texts_of_reason`."""

    version = HiddenField()
    document = SelectField(lazy_gettext("Document that goes along"), validate_choice=False)
    texts: tuple[fields.EvidenceField, ...] = ()

    def fill(self, row: Evidence) -> None:
        """With what is kept, where nothing was typed."""
        self.version.data = str(row.version)
        self.document.data = row.documents.get(fields.RECEIPT, "")
        for field in self.texts:
            self[field.name].data = row.texts.get(field.name, "")

    def offer(self, documents: Sequence[Document]) -> None:
        none = [("", lazy_gettext("None"))]
        self.document.choices = none + [(one.id, one.number) for one in documents]

    @property
    def typed(self) -> Mapping[str, str]:
        return {field.name: self[field.name].data or "" for field in self.texts}

    @property
    def shown_version(self) -> int:
        text = self.version.data or ""
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0

    def tell(self, error: Invalid | Conflict | Forbidden) -> None:
        """Put a refusal where the reader looks for it: at its field, or above the form."""
        text = language.error_text(error, reader_language())
        place = getattr(error, "field", None)
        if place in self:
            self[place].errors = [*self[place].errors, text]
        else:
            self.form_errors.append(text)


def form_for(reason: str) -> EvidenceForm:
    """The form for a dispute with this reason of Stripe's."""
    return _form_of(tuple(field.name for field in fields.for_reason(reason)))()


@cache
def _form_of(names: tuple[str, ...]) -> type[EvidenceForm]:
    texts = tuple(field for field in fields.FIELDS if field.name in names)
    controls: dict[str, Any] = {
        field.name: (TextAreaField if field.is_long else StringField)(
            lazy_gettext(field.label), [Length(max=field.longest)]
        )
        for field in texts
    }
    return type("EvidenceForm", (EvidenceForm,), {**controls, "texts": texts})
