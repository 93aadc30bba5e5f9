"""What staff type about invoices: one with its lines, why it is void, how it was paid, a file of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from flask_wtf.file import FileField, FileRequired
from wtforms import (
    DateField,
    Field,
    FieldList,
    Form,
    FormField,
    HiddenField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired, Length, Optional

from portal.core import money
from portal.invoices import drafts
from portal.invoices.details import DETAILS, LONGEST
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.statuses import OutsideWay
from portal.web.pages import reader_language
from portal.web.resuming import ResumableForm

# Longer invoices come as a file.
MOST_LINES: Final = 50
LINES_AT_FIRST: Final = 1
THOUSANDTHS: Final = 3
HUNDREDTHS: Final = 2
# Stripe's currencies that most companies bill in come first.
USUAL_CURRENCIES: Final = ("eur", "usd", "gbp", "chf")


def _scaled(text: str, decimals: int) -> int:
    """ "1.5" with 3 decimals is 1500. Raises ValidationError in the reader's words."""
    try:
        number = money.parse_number(text.removesuffix("%"), reader_language()).scaleb(decimals)
    except ValueError as error:
        raise ValidationError(gettext("Please enter a number.")) from error
    if number != number.to_integral_value() or abs(number) > Decimal(10) ** 15:
        raise ValidationError(gettext("Please enter a number with at most %(decimals)s decimals.", decimals=decimals))
    return int(number)


class LineForm(Form):
    """One line; `price` needs the currency of the invoice around it, and is read by InvoiceForm."""

    description = StringField(
        lazy_gettext("Description"),
        [InputRequired(lazy_gettext("Every line needs a description.")), Length(max=drafts.LONGEST_DESCRIPTION)],
    )
    quantity = StringField(
        lazy_gettext("Quantity"), [InputRequired(lazy_gettext("Enter a quantity.")), Length(max=20)], default="1"
    )
    unit_price = StringField(
        lazy_gettext("Unit price, net"), [InputRequired(lazy_gettext("Enter a unit price.")), Length(max=20)]
    )
    tax_rate = StringField(
        lazy_gettext("Tax rate"), [InputRequired(lazy_gettext("Enter a tax rate; 0 for none.")), Length(max=10)]
    )

    quantity_thousandths = unit_price_minor = tax_rate_basis_points = 0

    def validate_quantity(self, field: StringField) -> None:
        self.quantity_thousandths = _scaled(field.data or "", THOUSANDTHS)

    def validate_tax_rate(self, field: StringField) -> None:
        self.tax_rate_basis_points = _scaled(field.data or "", HUNDREDTHS)


class InvoiceForm(ResumableForm):
    """A new invoice. `key` makes the same form, sent twice, one invoice."""

    customer = StringField(
        lazy_gettext("Customer"),
        [InputRequired(lazy_gettext("Enter a customer.")), Length(max=254)],
        description=lazy_gettext("The customer’s e-mail address, or the customer number."),
    )
    currency = SelectField(lazy_gettext("Currency"))
    lines = FieldList(FormField(LineForm), min_entries=LINES_AT_FIRST, max_entries=MOST_LINES)
    due_on = DateField(lazy_gettext("Due on"), [Optional()])
    supplied_from = DateField(lazy_gettext("Supplied on or from"), [Optional()])
    supplied_to = DateField(lazy_gettext("Supplied until"), [Optional()])
    note = TextAreaField(lazy_gettext("Note"), [Length(max=drafts.LONGEST_NOTE)])
    key = HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = sorted(money.CHARGEABLE - set(USUAL_CURRENCIES))
        self.currency.choices = [SelectChoice(code, code.upper()) for code in (*USUAL_CURRENCIES, *others)]

    def validate(self, extra_validators: Any = None) -> bool:
        """Besides each field by itself: the prices, which need the currency."""
        right = bool(super().validate(extra_validators))
        for entry in self.lines if self.currency.data in money.CHARGEABLE else ():
            line = entry.form
            if line.unit_price.errors:
                continue
            try:
                line.unit_price_minor = _scaled(line.unit_price.data or "", money.exponent(self.currency.data))
            except ValidationError as error:
                line.unit_price.errors = [str(error)]
                right = False
        return right

    def add_line(self) -> None:
        if len(self.lines) < MOST_LINES:
            last = self.lines[-1].form if len(self.lines) else None
            self.lines.append_entry({"quantity": "1", "tax_rate": last.tax_rate.data if last else ""})

    def remove_line(self, place: int) -> None:
        """Leave out the line at this place, from 0; one line always stays."""
        kept = [entry.form.data for at, entry in enumerate(self.lines) if at != place] or [{}]
        while len(self.lines):
            self.lines.pop_entry()
        for line in kept:
            self.lines.append_entry(line)

    def draft(self, customer_id: str) -> InvoiceDraft:
        """After a successful validate()."""
        return InvoiceDraft(
            customer_id,
            self.currency.data,
            tuple(
                LineDraft(
                    (line.form.description.data or "").strip(),
                    line.form.quantity_thousandths,
                    line.form.unit_price_minor,
                    line.form.tax_rate_basis_points,
                )
                for line in self.lines
            ),
            due_on=self.due_on.data,
            supplied_from=self.supplied_from.data,
            supplied_to=self.supplied_to.data,
            **self._texts(),
            note=(self.note.data or "").strip().replace("\r\n", "\n"),
        )

    def tell(self, name: str | None, text: str) -> None:
        """Put a refusal at the field it is about ("lines-0-quantity"), or above the form."""
        field: Any = self
        try:
            if name and name.startswith("lines-"):
                _lines, place, part = name.split("-", 2)
                field = self.lines[int(place)].form[part]
            else:
                field = self[{"customer_id": "customer"}.get(name or "", name or "")]
        except (KeyError, IndexError):
            self.form_errors.append(text)
        else:
            field.errors = [*field.errors, text]

    def _texts(self) -> dict[str, Any]:
        return {field.name: (field.data or "").strip() for field in self.details}

    @property
    def details(self) -> list[Field]:
        """The fields of portal.invoices.details, in their order."""
        return [self[detail.name] for detail in DETAILS]

    @property
    def is_wrong(self) -> bool:
        return bool(self.errors or self.line_errors)

    @property
    def line_errors(self) -> list[tuple[str, str]]:
        """The mistakes in lines, as (id of the field, text), for the summary above the form."""
        return [(field.id, text) for line in self.lines for field in line.form for text in field.errors]


for _detail in DETAILS:
    _field = StringField(lazy_gettext(_detail.label), [Length(max=LONGEST)], description=lazy_gettext(_detail.hint))
    setattr(InvoiceForm, _detail.name, _field)


class VoidForm(ResumableForm):
    reason = StringField(
        lazy_gettext("Reason"), [InputRequired(lazy_gettext("Please give a reason.")), Length(max=300)]
    )


class PaidOutsideForm(ResumableForm):
    paid_on = DateField(
        lazy_gettext("Paid on"), [InputRequired(lazy_gettext("Enter the day on which the money arrived."))]
    )
    how = SelectField(lazy_gettext("Payment method"))
    reference = StringField(lazy_gettext("Reference"), [Length(max=drafts.LONGEST_REFERENCE)])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.how.choices = [
            SelectChoice(OutsideWay.BANK_TRANSFER, gettext("Bank transfer")),
            SelectChoice(OutsideWay.CASH, gettext("Cash")),
            SelectChoice(OutsideWay.OTHER, gettext("Other")),
        ]


class ImportForm(ResumableForm):
    file = FileField(lazy_gettext("CSV file"), [FileRequired(lazy_gettext("Please choose a file."))])
    decimal_mark = SelectField(lazy_gettext("Decimal mark"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.decimal_mark.choices = [
            SelectChoice("", gettext("Detect from the file")),
            SelectChoice(".", gettext("Point: 1234.50")),
            SelectChoice(",", gettext("Comma: 1234,50")),
        ]
