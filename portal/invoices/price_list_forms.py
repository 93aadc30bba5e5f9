"""What staff type about an item of the price list."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext
from wtforms import SelectField, StringField
from wtforms.validators import InputRequired, Length

from portal.content import language
from portal.core import config, money
from portal.core.errors import Invalid
from portal.invoices import drafts
from portal.invoices.models import PriceItem
from portal.invoices.price_list import LONGEST_NAME, ItemDraft
from portal.invoices.staff_forms import (
    HUNDREDTHS,
    currency_choices,
    money_typed,
    scaled,
    supplies_choices,
    unit_choices,
)
from portal.web.pages import reader_language
from portal.web.resuming import ResumableForm


class PriceItemForm(ResumableForm):
    """An item; the price needs the currency, and is read after the fields."""

    name = StringField(
        lazy_gettext("Name"), [InputRequired(lazy_gettext("Please enter a name.")), Length(max=LONGEST_NAME)]
    )
    description = StringField(lazy_gettext("Description"), [Length(max=drafts.LONGEST_DESCRIPTION)])
    unit = SelectField(lazy_gettext("Unit"))
    unit_price = StringField(
        lazy_gettext("Unit price, net"), [InputRequired(lazy_gettext("Enter a unit price.")), Length(max=20)]
    )
    currency = SelectField(lazy_gettext("Currency"))
    tax_rate = StringField(
        lazy_gettext("Tax rate"), [InputRequired(lazy_gettext("Enter a tax rate; 0 for none.")), Length(max=10)]
    )
    supplies = SelectField(lazy_gettext("Goods or services"), default=lambda: config.current().company.supplies)
    unit_price_minor = tax_rate_basis_points = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unit.choices = unit_choices()
        self.currency.choices = currency_choices()
        self.supplies.choices = supplies_choices()

    def validate_unit_price(self, field: StringField) -> None:
        if self.currency.data in money.CHARGEABLE:
            self.unit_price_minor = money_typed(field.data or "", self.currency.data)

    def validate_tax_rate(self, field: StringField) -> None:
        self.tax_rate_basis_points = scaled(field.data or "", HUNDREDTHS)

    def fill(self, item: PriceItem) -> None:
        """Let the form say what the item says."""
        locale = reader_language()
        self.name.data, self.description.data, self.unit.data = item.name, item.description, item.unit
        self.currency.data, self.supplies.data = item.currency, item.supplies
        self.unit_price.data = language.typed_amount(item.unit_price, locale)
        self.tax_rate.data = language.decimal_text(item.tax_rate, locale)

    def draft(self) -> ItemDraft:
        """After a successful validate()."""
        return ItemDraft(
            self.name.data or "",
            self.description.data or "",
            self.unit.data,
            self.unit_price_minor,
            self.currency.data,
            self.tax_rate_basis_points,
            self.supplies.data,
        )

    def tell(self, error: Invalid) -> None:
        """Put what was refused at the fields it is about."""
        for problem in getattr(error, "problems", [error]):
            text = language.error_text(problem, reader_language())
            if problem.field in self:
                self[problem.field].errors = [*self[problem.field].errors, text]
            else:
                self.form_errors.append(text)
