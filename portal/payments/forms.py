"""What a customer types about payments: the filters of the history, and another amount to pay."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, DateField, HiddenField, SelectField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from portal.content import language
from portal.core import config, money
from portal.core.money import Money
from portal.payments import queries
from portal.payments.order_rules import LONGEST_DESCRIPTION
from portal.web.forms import PortalForm
from portal.web.pages import reader_language
from portal.web.resuming import ResumableForm

LONGEST_SEARCH: Final = 100


def _amount(text: str, currency: str) -> Money:
    """Raises ValidationError in the reader's words."""
    try:
        return money.parse(text, currency, reader_language())
    except ValueError as error:
        example = Money(money.from_decimal(Decimal(1234), currency).minor, currency)
        raise ValidationError(
            gettext(
                "Please enter an amount such as %(example)s.", example=language.money_text(example, reader_language())
            )
        ) from error


class OtherAmountForm(ResumableForm):
    """A payment without an invoice. `key` makes the same form, sent twice, one payment."""

    amount_text = StringField(
        lazy_gettext("Amount"), [InputRequired(lazy_gettext("Please enter an amount.")), Length(max=20)]
    )
    currency = SelectField(lazy_gettext("Currency"))
    description = StringField(
        lazy_gettext("What is it for?"),
        [
            DataRequired(lazy_gettext("Please enter what you are paying for. It appears on your receipt.")),
            Length(max=LONGEST_DESCRIPTION),
        ],
    )
    # Offered to who pays what may still be charged: see starting.Unresolved.
    again = BooleanField(lazy_gettext("I want to pay this a second time"))
    key = HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency.choices = [SelectChoice(code, code.upper()) for code in config.current().pay_any_amount_limits]

    amount: Money | None = None

    def validate_amount_text(self, field: StringField) -> None:
        if self.currency.data in config.current().pay_any_amount_limits:
            self.amount = _amount(field.data or "", self.currency.data)


class SpanFilterForm(PortalForm):
    """The filters of a list that has days and amounts, read from the address."""

    class Meta:
        csrf = False  # it changes nothing

    since = DateField(lazy_gettext("From"), [Optional()])
    until = DateField(lazy_gettext("To"), [Optional()])
    currency = StringField(lazy_gettext("Currency"), [Optional(), Length(max=3)])
    least = StringField(lazy_gettext("Amount from"), [Optional(), Length(max=20)])
    most = StringField(lazy_gettext("Amount to"), [Optional(), Length(max=20)])

    @property
    def currency_code(self) -> str:
        """In small letters; "" where none was typed."""
        code = (self.currency.data or "").strip().lower()
        return code if money.is_currency(code) else ""

    def validate_currency(self, field: StringField) -> None:
        if field.data and not self.currency_code:
            raise ValidationError(gettext("Please use the three letters of a currency, such as EUR."))

    def _validate_bound(self, field: StringField) -> None:
        if not field.data:
            return
        if not self.currency_code:
            raise ValidationError(gettext("Please also choose the currency of this amount."))
        _amount(field.data, self.currency_code)

    validate_least = validate_most = _validate_bound

    @property
    def least_minor(self) -> int | None:
        """In minor units of the currency, after a successful validate()."""
        return _amount(self.least.data, self.currency_code).minor if self.least.data else None

    @property
    def most_minor(self) -> int | None:
        """Likewise."""
        return _amount(self.most.data, self.currency_code).minor if self.most.data else None


class HistoryFilterForm(SpanFilterForm):
    """The filters of the history."""

    q = StringField(lazy_gettext("Search"), [Optional(), Length(max=LONGEST_SEARCH)])
    status = SelectField(
        lazy_gettext("Status"),
        [Optional()],
        choices=[SelectChoice(name) for name in ("", *queries.STATUS_GROUPS)],
        default="",
    )

    def filter(self) -> queries.Filter:
        """The filter, after a successful validate()."""
        return queries.Filter(
            status=self.status.data or "",
            since=self.since.data,
            until=self.until.data,
            currency=self.currency_code,
            least_minor=self.least_minor,
            most_minor=self.most_minor,
            text=(self.q.data or "").strip(),
        )
