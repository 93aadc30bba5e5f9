"""What admins type to write a block that staff answer with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from wtforms import HiddenField, RadioField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length

from portal.content import language
from portal.core import config
from portal.core.errors import Conflict, Invalid
from portal.refunds import answer_blocks
from portal.refunds.models import AnswerBlock, Decision
from portal.web.pages import reader_language
from portal.web.resuming import ResumableForm

DECISIONS: Final = {
    Decision.REJECTION: lazy_gettext("Rejecting a refund"),
    Decision.QUESTION: lazy_gettext("Asking the customer"),
}


class AnswerBlockForm(ResumableForm):
    """`key` makes the same form, sent twice, one block; `version` is that which was shown. A text for each of the `languages`."""

    languages: tuple[str, ...] = ()
    title = StringField(
        lazy_gettext("Title"),
        [InputRequired(lazy_gettext("Please write a title.")), Length(max=answer_blocks.LONGEST_TITLE)],
        description=lazy_gettext("Staff choose the block by it. Customers do not see it."),
    )
    decision = RadioField(
        lazy_gettext("For"),
        [DataRequired(lazy_gettext("Please choose what the block is for."))],
        choices=[SelectChoice(str(decision), name) for decision, name in DECISIONS.items()],
    )
    key = HiddenField()
    version = HiddenField()

    def fill(self, block: AnswerBlock) -> None:
        """With what is kept, where nothing was typed."""
        self.title.data, self.decision.data, self.version.data = block.title, str(block.decision), str(block.version)
        for code in self.languages:
            self[f"text_{code}"].data = block.texts.get(code, "")

    @property
    def texts(self) -> Mapping[str, str]:
        return {code: self[f"text_{code}"].data or "" for code in self.languages}

    @property
    def shown_version(self) -> int:
        text = self.version.data or ""
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0

    def tell(self, error: Invalid | Conflict) -> None:
        """Put a refusal where the reader looks for it: at its field, or above the form."""
        text = language.error_text(error, reader_language())
        place = getattr(error, "field", None)
        if place in self:
            self[place].errors = [*self[place].errors, text]
        else:
            self.form_errors.append(text)


def form() -> AnswerBlockForm:
    """The form with a text for each language of the settings."""
    made = _form_of(config.current().languages)()
    for code in made.languages:
        name = language.name_of(code, reader_language())
        made[f"text_{code}"].label.text = gettext("Text in %(language)s", language=name)
    return made


@cache
def _form_of(codes: tuple[str, ...]) -> type[AnswerBlockForm]:
    controls: dict[str, Any] = {
        f"text_{code}": TextAreaField(code, [Length(max=answer_blocks.LONGEST_TEXT)]) for code in codes
    }
    return type("AnswerBlockForm", (AnswerBlockForm,), {**controls, "languages": codes})
