"""The filters of lists, as they are typed: days, amounts, and for staff whose rows, in which state and order."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from flask_babel import gettext, lazy_gettext
from wtforms import DateField, SelectField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import Length, Optional

from portal.content import language
from portal.core import money
from portal.core.listing import Sort, Wanted
from portal.core.money import Money
from portal.web.forms import PortalForm
from portal.web.pages import reader_language

LONGEST_TYPED: Final = 200


def typed_amount(text: str, currency: str) -> Money:
    """An amount as it was typed. Raises ValidationError in the reader's words."""
    try:
        return money.parse(text, currency, reader_language())
    except ValueError as error:
        example = Money(money.from_decimal(Decimal(1234), currency).minor, currency)
        raise ValidationError(
            gettext(
                "Please enter an amount such as %(example)s.", example=language.money_text(example, reader_language())
            )
        ) from error


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
        typed_amount(field.data, self.currency_code)

    validate_least = validate_most = _validate_bound

    @property
    def least_minor(self) -> int | None:
        """In minor units of the currency, after a successful validate()."""
        return typed_amount(self.least.data, self.currency_code).minor if self.least.data else None

    @property
    def most_minor(self) -> int | None:
        """Likewise."""
        return typed_amount(self.most.data, self.currency_code).minor if self.most.data else None


class ListFilterForm(SpanFilterForm):
    """The filters of a list of the staff's; its choices, such as of a status, are read beside it."""

    q = StringField(lazy_gettext("Search"), [Optional(), Length(max=LONGEST_TYPED)])
    customer = StringField(lazy_gettext("Customer"), [Optional(), Length(max=LONGEST_TYPED)])
    sort = SelectField(
        lazy_gettext("Order"), [Optional()], choices=[SelectChoice(name) for name in ("", *Sort)], default=""
    )

    def wanted(self, customer_id: str, choices: tuple[tuple[str, str], ...]) -> Wanted:
        """The filter, after a successful validate()."""
        return Wanted(
            text=(self.q.data or "").strip(),
            customer=customer_id,
            choices=choices,
            currency=self.currency_code,
            least_minor=self.least_minor,
            most_minor=self.most_minor,
            since=self.since.data,
            until=self.until.data,
            sort=Sort(self.sort.data) if self.sort.data else None,
        )
