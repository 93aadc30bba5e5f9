"""What staff type about invoices: one with its lines, why something is done to it, how it was paid, a file of them."""

from __future__ import annotations

from dataclasses import dataclass
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

from portal.content import language
from portal.core import money
from portal.core.errors import N_
from portal.core.money import Money
from portal.invoices import drafts, totals
from portal.invoices.details import DETAILS, LONGEST
from portal.invoices.details import of as details_of
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice
from portal.invoices.statuses import OutsideWay
from portal.invoices.totals import Totals
from portal.web.pages import reader_language
from portal.web.resuming import ResumableForm

# Longer invoices come as a file.
MOST_LINES: Final = 50
LINES_AT_FIRST: Final = 1
THOUSANDTHS: Final = 3
HUNDREDTHS: Final = 2
# Larger numbers in a line are a mistake, which is told when it is issued.
MOST_TYPED: Final = 10**12
WAYS: Final = {
    OutsideWay.BANK_TRANSFER: N_("Bank transfer"),
    OutsideWay.CASH: N_("Cash"),
    OutsideWay.CHEQUE: N_("Check"),
    OutsideWay.OTHER: N_("Other"),
}
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


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What typed lines come to; `left_out` is how many of them cannot be read yet."""

    currency: str
    totals: Totals
    left_out: int

    def amount(self, minor: int) -> Money:
        return Money(minor, self.currency)


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

    def fill(self, invoice: Invoice) -> None:
        """Let the form say what this invoice says, which has its lines loaded, but for its dates and the name in another system."""
        locale = reader_language()
        self.customer.data, self.currency.data, self.note.data = invoice.customer_id, invoice.currency, invoice.note
        for name, text in details_of(invoice).items():
            self[name].data = text
        while len(self.lines):
            self.lines.pop_entry()
        for line in invoice.lines[:MOST_LINES]:
            self.lines.append_entry(
                {
                    "description": line.description,
                    "quantity": language.decimal_text(line.quantity, locale),
                    "unit_price": language.typed_amount(line.unit_price, locale),
                    "tax_rate": language.decimal_text(line.tax_rate, locale),
                }
            )

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

    def reckoned(self) -> Reckoned:
        """What the lines come to that can be read so far, by the function that reckons an invoice when it is issued."""
        currency = self.currency.data if self.currency.data in money.CHARGEABLE else USUAL_CURRENCIES[0]
        read = []
        for entry in self.lines:
            line = entry.form
            try:
                numbers = (
                    _scaled(line.unit_price.data or "", money.exponent(currency)),
                    _scaled(line.quantity.data or "", THOUSANDTHS),
                    _scaled(line.tax_rate.data or "", HUNDREDTHS),
                )
            except ValidationError:
                continue
            if all(0 <= number <= MOST_TYPED for number in numbers):
                read.append(numbers)
        return Reckoned(currency, totals.reckon(read), len(self.lines) - len(read))

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


class ReasonForm(ResumableForm):
    """Why something is done that cannot simply be undone."""

    reason = StringField(
        lazy_gettext("Reason"), [InputRequired(lazy_gettext("Please give a reason.")), Length(max=300)]
    )


class PaidOutsideForm(ResumableForm):
    """A payment that arrived in another way. `key` makes the same form, sent twice, one record; `currency` is the invoice's."""

    amount_text = StringField(
        lazy_gettext("Amount"), [InputRequired(lazy_gettext("Please enter an amount.")), Length(max=20)]
    )
    paid_on = DateField(
        lazy_gettext("Paid on"), [InputRequired(lazy_gettext("Enter the day on which the money arrived."))]
    )
    how = SelectField(lazy_gettext("Payment method"))
    reference = StringField(lazy_gettext("Reference"), [Length(max=drafts.LONGEST_REFERENCE)])
    reason = StringField(
        lazy_gettext("Reason"), [InputRequired(lazy_gettext("Please give a reason.")), Length(max=300)]
    )
    key = HiddenField()
    currency = ""
    amount: Money | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.how.choices = [SelectChoice(way, gettext(label)) for way, label in WAYS.items()]

    def validate_amount_text(self, field: StringField) -> None:
        try:
            self.amount = money.parse(field.data or "", self.currency, reader_language())
        except ValueError as error:
            raise ValidationError(gettext("Please enter a number.")) from error


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
