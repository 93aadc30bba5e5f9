"""What people type about refunds."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from wtforms import HiddenField, RadioField, StringField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length

from portal.content import language
from portal.core import money
from portal.core.errors import Conflict, Invalid
from portal.core.money import Money
from portal.invoices.models import Invoice
from portal.refunds import service
from portal.refunds.policy import RefundReason
from portal.web.pages import reader_language
from portal.web.resuming import ResumableForm

REASONS: Final = {
    RefundReason.DUPLICATE: lazy_gettext("Paid twice"),
    RefundReason.PRODUCT_NOT_RECEIVED: lazy_gettext("Not received"),
    RefundReason.PRODUCT_UNACCEPTABLE: lazy_gettext("Not as agreed"),
    RefundReason.NO_LONGER_WANTED: lazy_gettext("No longer wanted"),
    RefundReason.OTHER: lazy_gettext("Another reason"),
    RefundReason.GOODWILL: lazy_gettext("Goodwill"),
    RefundReason.BILLING_ERROR: lazy_gettext("Error on the invoice"),
    RefundReason.FRAUDULENT: lazy_gettext("Suspected fraud"),
}


def amount_of(text: str, currency: str) -> Money:
    """An amount as people write it in their language. Raises ValidationError in the reader's words."""
    try:
        return money.parse(text, currency, reader_language())
    except ValueError as error:
        example = language.typed_amount(money.from_decimal(Decimal(12), currency), reader_language())
        raise ValidationError(gettext("Please enter an amount such as %(example)s.", example=example)) from error


class AnswerForm(ResumableForm):
    """What a customer answers to a question of staff."""

    answer = TextAreaField(
        lazy_gettext("Your answer"),
        [InputRequired(lazy_gettext("Please write an answer.")), Length(max=service.LONGEST_TEXT)],
    )


class RefundForm(ResumableForm):
    """How much, why, and of which invoice where the payment is for several. `key` makes the same form, sent twice, one refund."""

    invoice_id = RadioField(lazy_gettext("Invoice"), [DataRequired(lazy_gettext("Please choose the invoice."))])
    amount_text = StringField(
        lazy_gettext("Amount"), [InputRequired(lazy_gettext("Please enter an amount.")), Length(max=20)]
    )
    reason = RadioField(lazy_gettext("Reason"), [DataRequired(lazy_gettext("Please choose a reason."))])
    explanation = TextAreaField(lazy_gettext("What happened?"), [Length(max=service.LONGEST_TEXT)])
    key = HiddenField()

    def __init__(
        self,
        currency: str,
        reasons: tuple[RefundReason, ...],
        left: Mapping[Invoice, Money],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """`left` is what can be given back of each invoice of the payment."""
        super().__init__(*args, **kwargs)
        self.is_of_several = len(left) > 1
        if self.is_of_several:
            locale = reader_language()
            self.invoice_id.choices = [
                (one.id, f"{one.number} · {money.format(locale)}") for one, money in left.items()
            ]
        else:
            del self.invoice_id
        self.currency = currency
        self.amount: Money | None = None
        self.reason.choices = [(reason, REASONS[reason]) for reason in reasons]

    @property
    def chosen_invoice(self) -> str | None:
        """The id of the invoice that was chosen, where there is a choice."""
        return self.invoice_id.data if self.is_of_several else None

    def validate_amount_text(self, field: StringField) -> None:
        self.amount = amount_of(field.data or "", self.currency)

    def tell(self, error: Invalid | Conflict) -> None:
        """Put a refusal where the reader looks for it: at its field, or above the form."""
        text = language.error_text(error, reader_language())
        field = getattr(error, "field", None)
        place = "amount_text" if field == "amount" else field
        if place in self:
            self[place].errors = [*self[place].errors, text]
        else:
            self.form_errors.append(text)
