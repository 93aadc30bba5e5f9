"""What staff type about invoices: one with its lines, why something is done to it, how it was paid, a file of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from flask_babel import gettext, lazy_gettext
from flask_wtf.file import FileField, FileRequired
from wtforms import (
    BooleanField,
    DateField,
    Field,
    FieldList,
    Form,
    FormField,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import InputRequired, Length, Optional

from portal.accounts.forms import countries
from portal.content import language
from portal.core import config, money
from portal.core.errors import N_
from portal.core.money import Money
from portal.core.units import LABELS, SUPPLIES, Unit
from portal.invoices import discounts, drafts, totals
from portal.invoices.credit_lines import Wanted
from portal.invoices.details import COUNTRY, DELIVERY, DETAILS, SINGLE
from portal.invoices.details import of as details_of
from portal.invoices.discounts import Discount
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice, InvoiceLine, PriceItem
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


def scaled(text: str, decimals: int) -> int:
    """ "1.5" with 3 decimals is 1500. Raises ValidationError in the reader's words."""
    try:
        number = money.parse_number(text.removesuffix("%"), reader_language()).scaleb(decimals)
    except ValueError as error:
        raise ValidationError(gettext("Please enter a number.")) from error
    if number != number.to_integral_value() or abs(number) > Decimal(10) ** 15:
        raise ValidationError(gettext("Please enter a number with at most %(decimals)s decimals.", decimals=decimals))
    return int(number)


def money_typed(text: str, currency: str) -> int:
    """A price in minor units of its currency. Raises as `scaled` does."""
    return scaled(text, money.exponent(currency))


def discount_typed(text: str, currency: str, reason: str = "") -> Discount:
    """ "10%" or an amount in this currency; none for an empty text. Raises as `scaled` does."""
    text = text.strip()
    if text.endswith("%"):
        return Discount(basis_points=scaled(text, HUNDREDTHS), reason=reason)
    return Discount(minor=money_typed(text, currency) if text else 0, reason=reason)


def discount_words(of: Invoice | InvoiceLine) -> dict[str, str]:
    """The discount as it is typed into the fields of that."""
    locale = reader_language()
    amount = language.typed_amount(of.discount, locale) if of.discount_minor else ""
    percent = f"{language.decimal_text(of.discount_percent, locale)} %" if of.discount_basis_points else ""
    return {"discount": percent or amount, "discount_reason": of.discount_reason}


def currency_choices() -> list[SelectChoice]:
    others = sorted(money.CHARGEABLE - set(USUAL_CURRENCIES))
    return [SelectChoice(code, code.upper()) for code in (*USUAL_CURRENCIES, *others)]


def unit_choices() -> list[SelectChoice]:
    """The units in the reader's words, each with its code."""
    return [SelectChoice(str(unit), f"{gettext(label)} ({unit})") for unit, label in LABELS.items()]


def supplies_choices() -> list[SelectChoice]:
    return [SelectChoice(kind, gettext(label)) for kind, label in SUPPLIES.items()]


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What typed lines come to; `left_out` is how many of them cannot be read yet."""

    currency: str
    totals: Totals
    left_out: int

    def amount(self, minor: int) -> Money:
        return Money(minor, self.currency)


class LineForm(Form):
    """One line; `price` needs the currency of the invoice around it, and is read by InvoiceForm. `item` is that of the price list which
    it was filled with, by its id.
    """

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
    unit = SelectField(lazy_gettext("Unit"), default=Unit.ONE)
    supplies = SelectField(lazy_gettext("Goods or services"), default=lambda: config.current().company.supplies)
    item = HiddenField(validators=[Length(max=40)])
    discount = StringField(
        lazy_gettext("Discount"),
        [Optional(), Length(max=20)],
        description=lazy_gettext("A percentage, with its sign, or an amount."),
    )
    discount_reason = StringField(
        lazy_gettext("Reason of the discount"), [Optional(), Length(max=discounts.LONGEST_REASON)]
    )

    off = discounts.NONE
    quantity_thousandths = unit_price_minor = tax_rate_basis_points = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unit.choices, self.supplies.choices = unit_choices(), supplies_choices()

    @property
    def is_blank(self) -> bool:
        """Whether nobody has typed what it is about, nor a price."""
        return not (self.description.data or self.unit_price.data or self.item.data)

    def validate_quantity(self, field: StringField) -> None:
        self.quantity_thousandths = scaled(field.data or "", THOUSANDTHS)

    def validate_tax_rate(self, field: StringField) -> None:
        self.tax_rate_basis_points = scaled(field.data or "", HUNDREDTHS)


class InvoiceForm(ResumableForm):
    """A new invoice. `key` makes the same form, sent twice, one invoice."""

    customer = StringField(
        lazy_gettext("Customer"),
        [InputRequired(lazy_gettext("Enter a customer.")), Length(max=254)],
        description=lazy_gettext("The customer’s e-mail address, or the customer number."),
    )
    currency = SelectField(lazy_gettext("Currency"))
    lines = FieldList(FormField(LineForm), min_entries=LINES_AT_FIRST, max_entries=MOST_LINES)
    item_text = StringField(lazy_gettext("From the price list"))
    due_on = DateField(lazy_gettext("Due on"), [Optional()])
    supplied_from = DateField(lazy_gettext("Supplied on or from"), [Optional()])
    supplied_to = DateField(lazy_gettext("Supplied until"), [Optional()])
    note = TextAreaField(lazy_gettext("Note"), [Length(max=drafts.LONGEST_NOTE)])
    discount = StringField(
        lazy_gettext("Discount on the whole"),
        [Optional(), Length(max=20)],
        description=lazy_gettext("Off the sum of the lines: a percentage, with its sign, or an amount."),
    )
    discount_reason = StringField(
        lazy_gettext("Reason of the discount"), [Optional(), Length(max=discounts.LONGEST_REASON)]
    )
    off = discounts.NONE
    key = HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.currency.choices = currency_choices()

    def validate(self, extra_validators: Any = None) -> bool:
        """Besides each field by itself: the prices, which need the currency."""
        right = bool(super().validate(extra_validators))
        for entry in self.lines if self.currency.data in money.CHARGEABLE else ():
            line = entry.form
            right = _read_discount(line, self.currency.data) and right
            if line.unit_price.errors:
                continue
            try:
                line.unit_price_minor = money_typed(line.unit_price.data or "", self.currency.data)
            except ValidationError as error:
                line.unit_price.errors = [str(error)]
                right = False
        if self.currency.data in money.CHARGEABLE:
            right = _read_discount(self, self.currency.data) and right
        return right

    def fill(self, invoice: Invoice) -> None:
        """Let the form say what this invoice says, which has its lines loaded, but for its dates and the name in another system."""
        locale = reader_language()
        self.customer.data, self.currency.data, self.note.data = invoice.customer_id, invoice.currency, invoice.note
        for name, text in (details_of(invoice) | discount_words(invoice)).items():
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
                    "unit": line.unit,
                    "supplies": line.supplies or config.current().company.supplies,
                    **discount_words(line),
                }
            )

    def add_item(self, item: PriceItem) -> None:
        """Fill a line with an item of the price list: the last one while it is blank, else one more."""
        if len(self.lines) and self.lines[-1].form.is_blank:
            self.lines.pop_entry()
        if len(self.lines) < MOST_LINES:
            locale = reader_language()
            self.lines.append_entry(
                {
                    "description": item.line_text,
                    "quantity": "1",
                    "unit": item.unit,
                    "unit_price": language.typed_amount(item.unit_price, locale),
                    "tax_rate": language.decimal_text(item.tax_rate, locale),
                    "supplies": item.supplies,
                    "item": item.id,
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
                    line.form.unit.data,
                    line.form.supplies.data,
                    line.form.item.data or None,
                    line.form.off,
                )
                for line in self.lines
            ),
            due_on=self.due_on.data,
            supplied_from=self.supplied_from.data,
            supplied_to=self.supplied_to.data,
            **self._texts(),
            note=(self.note.data or "").strip().replace("\r\n", "\n"),
            discount=self.off,
        )

    def reckoned(self) -> Reckoned:
        """What the lines come to that can be read so far, by the function that reckons an invoice when it is issued."""
        currency = self.currency.data if self.currency.data in money.CHARGEABLE else USUAL_CURRENCIES[0]
        read, off = [], []
        for entry in self.lines:
            line = entry.form
            try:
                numbers = (
                    money_typed(line.unit_price.data or "", currency),
                    scaled(line.quantity.data or "", THOUSANDTHS),
                    scaled(line.tax_rate.data or "", HUNDREDTHS),
                )
                discount = discount_typed(line.discount.data or "", currency)
            except ValidationError:
                continue
            if all(0 <= number <= MOST_TYPED for number in numbers):
                read.append(numbers)
                off.append(discount)
        try:
            whole = discount_typed(self.discount.data or "", currency)
        except ValidationError:
            whole = discounts.NONE
        return Reckoned(currency, totals.reckon(read, off, whole), len(self.lines) - len(read))

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

    single_details, delivery_details = SINGLE, DELIVERY

    @property
    def is_wrong(self) -> bool:
        return bool(self.errors or self.line_errors)

    @property
    def line_errors(self) -> list[tuple[str, str]]:
        """The mistakes in lines, as (id of the field, text), for the summary above the form."""
        return [(field.id, text) for line in self.lines for field in line.form for text in field.errors]


def _read_discount(form: LineForm | InvoiceForm, currency: str) -> bool:
    """Whether the discount that is typed can be read; then it is the form's `off`."""
    if form.discount.errors:
        return False
    try:
        form.off = discount_typed(form.discount.data or "", currency, form.discount_reason.data or "")
    except ValidationError as error:
        form.discount.errors = [str(error)]
        return False
    return True


for _detail in DETAILS:
    if _detail.name == COUNTRY:
        _field: Field = SelectField(lazy_gettext(_detail.label), choices=countries, default="")
    else:
        _field = StringField(
            lazy_gettext(_detail.label), [Length(max=_detail.longest)], description=lazy_gettext(_detail.hint)
        )
    setattr(InvoiceForm, _detail.name, _field)


class ReasonForm(ResumableForm):
    """Why something is done that cannot simply be undone."""

    reason = StringField(
        lazy_gettext("Reason"), [InputRequired(lazy_gettext("Please give a reason.")), Length(max=300)]
    )


class WriteOffForm(ReasonForm):
    """`key` makes the same form, sent twice, one write-off."""

    key = HiddenField()


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


class CreditLineForm(Form):
    """What is credited of one line: a quantity, or a net amount; nothing of it where both are empty."""

    quantity = StringField(lazy_gettext("Quantity"), [Optional(), Length(max=20)])
    net = StringField(lazy_gettext("or net amount"), [Optional(), Length(max=20)])


class CreditForm(ResumableForm):
    """A credit of all that is due, or of lines; there is an entry for each line of the invoice, in their order. `key` makes the same form,
    sent twice, one credit; `currency` is the invoice's.
    """

    what = RadioField(lazy_gettext("What to credit"), default="rest")
    lines = FieldList(FormField(CreditLineForm))
    reason = StringField(
        lazy_gettext("Reason"),
        [InputRequired(lazy_gettext("Please give a reason.")), Length(max=300)],
        description=lazy_gettext("The customer reads it on the credit note."),
    )
    key = HiddenField()
    currency = ""
    wanted: tuple[Wanted, ...] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.what.choices = [
            SelectChoice("rest", gettext("All that is due")),
            SelectChoice("lines", gettext("These lines")),
        ]

    def validate_lines(self, _field: Field) -> None:
        """Take the lines together of which something was typed."""
        if self.what.data != "lines":
            return
        found = []
        for position, entry in enumerate(self.lines, start=1):
            quantity, net = (entry.form.quantity.data or "").strip(), (entry.form.net.data or "").strip()
            if quantity or net:
                typed = (
                    scaled(quantity, THOUSANDTHS) if quantity else None,
                    money_typed(net, self.currency) if net else None,
                )
                found.append(Wanted(position, *typed))
        self.wanted = tuple(found)


class IssueFileForm(ResumableForm):
    """With a file whose invoices would be issued."""

    without_mails = BooleanField(
        lazy_gettext("Do not send e-mails of these invoices"),
        description=lazy_gettext(
            "For invoices that your customers have from elsewhere. They see them here all the same. Automatic payments are announced by "
            "e-mail as always."
        ),
    )


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
