"""An invoice that is not issued yet: what someone typed or a file held, and the rules that it must meet.

Nothing here touches the database. Every rule that is broken is an Invalid, whose `field` names the place: "customer_id",
"currency", "issued_on", "due_on", "supplied_from", "supplied_to", a detail of portal.invoices.details, "external_reference",
"note", "discount", "discount_reason", "lines", "total", or "lines-<index>-<field>" for one line, counted from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Final, Protocol

from portal.core import company_days, config, money, tax_rates, texts, units
from portal.core.errors import N_, Invalid
from portal.core.money import Money
from portal.core.units import Unit
from portal.invoices import details, discounts, totals
from portal.invoices.discounts import Discount
from portal.invoices.totals import Totals

# Days that a customer has to pay when nobody says otherwise.
USUAL_DAYS_TO_PAY: Final = 14
# An invoice is one document that people read; longer ones are a mistake in a file.
MOST_LINES: Final = 500
# A million pieces, in thousandths, and ten times the rarest tax: beyond them a column was mixed up.
MOST_THOUSANDTHS: Final = 1_000_000_000
MOST_BASIS_POINTS: Final = totals.BASIS_POINTS
LONGEST_DESCRIPTION: Final = 300
LONGEST_REFERENCE: Final = 120
LONGEST_NOTE: Final = 2_000
# Years around today in which an invoice's dates make sense; others are typing errors.
YEARS_BACK: Final = 10
YEARS_AHEAD: Final = 5
DAYS_A_YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class LineDraft:
    """One line: quantity in thousandths of its unit (portal.core.units), unit price net in minor units, tax rate in basis points. Its
    text is tidied. `supplies` is "goods" or "services"; what the company's setting says when empty. `item_id` names the item of the price
    list that it was taken from.
    """

    description: str
    quantity_thousandths: int
    unit_price_minor: int
    tax_rate_basis_points: int
    unit: str = Unit.ONE
    supplies: str = ""
    item_id: str | None = None
    discount: Discount = discounts.NONE

    def __post_init__(self) -> None:
        object.__setattr__(self, "description", texts.tidied(self.description))

    @property
    def quantity(self) -> Decimal:
        """How many: 1500 thousandths are Decimal("1.5")."""
        return totals.quantity(self.quantity_thousandths)

    @property
    def tax_rate(self) -> Decimal:
        """In percent: 1900 basis points are Decimal("19")."""
        return totals.percent(self.tax_rate_basis_points)

    @property
    def kind(self) -> str:
        """ "goods" or "services"."""
        return self.supplies or config.current().company.supplies


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """`issued_on` is today and `due_on` is USUAL_DAYS_TO_PAY after it when left out. What is billed was supplied on the day of the
    invoice, unless it says so: on the day `supplied_from`, or from then until `supplied_to`.

    The texts are tidied. `external_reference` is its name in another system: a customer has at most one invoice of each. One that is not
    `mailed` was sent elsewhere: its customer gets no mail of it from here.
    """

    customer_id: str
    currency: str
    lines: tuple[LineDraft, ...]
    issued_on: date | None = None
    due_on: date | None = None
    supplied_from: date | None = None
    supplied_to: date | None = None
    reference: str = ""
    buyer_reference: str = ""
    payment_terms: str = ""
    delivery_name: str = ""
    delivery_line_one: str = ""
    delivery_line_two: str = ""
    delivery_postal_code: str = ""
    delivery_city: str = ""
    delivery_country: str = ""
    discount: Discount = discounts.NONE
    external_reference: str | None = None
    note: str = ""
    mailed: bool = True

    def __post_init__(self) -> None:
        for name, text in details.of(self).items():
            object.__setattr__(self, name, texts.tidied(text))
        object.__setattr__(self, details.COUNTRY, self.delivery_country.upper())
        object.__setattr__(self, "note", texts.tidied_lines(self.note))
        if self.external_reference is not None:
            object.__setattr__(self, "external_reference", texts.tidied(self.external_reference))

    def money(self, minor: int) -> Money:
        """Minor units of its currency as Money."""
        return Money(minor, self.currency)

    def labelled_details(self, locale: str) -> list[tuple[str, str]]:
        """The label, not translated, and the text of each detail that it has."""
        return details.labelled(details.of(self), locale)

    @property
    def first_day(self) -> date:
        return self.issued_on or company_days.today()

    @property
    def last_day(self) -> date:
        return self.due_on or self.first_day + timedelta(days=USUAL_DAYS_TO_PAY)

    @property
    def tax_day(self) -> date:
        """The day whose rates of tax count: that of supply, or on which the supply ended."""
        return self.supplied_to or self.supplied_from or self.first_day


def check(draft: InvoiceDraft) -> Totals:
    """What the invoice comes to. Raises Invalid, the first of `problems`."""
    for problem in problems(draft):
        raise problem
    return totals_of(draft)


def problems(draft: InvoiceDraft) -> list[Invalid]:
    """Every rule that is broken, also where Stripe would refuse the total, which is looked at when all else is right."""
    found = broken(_rules(draft))
    if not found:
        total = Money(totals_of(draft).total_minor, draft.currency)
        found = broken([lambda: check_chargeable(total)])
    return found


def broken(rules: Iterable[Callable[[], None]]) -> list[Invalid]:
    """What the rules that are broken say, each for itself."""
    return [problem for rule in rules if (problem := _broken(rule)) is not None]


def _broken(rule: Callable[[], None]) -> Invalid | None:
    try:
        rule()
    except Invalid as problem:
        return problem
    return None


def _rules(draft: InvoiceDraft) -> Iterator[Callable[[], None]]:
    yield lambda: check_currency(draft.currency)
    yield lambda: _check_first_day(draft)
    yield lambda: _check_last_day(draft)
    yield lambda: _check_supplied(draft)
    said = details.of(draft)
    for detail in details.DETAILS:
        yield partial(texts.check, said[detail.name], field=detail.name, longest=detail.longest)
    yield lambda: details.check_delivery(said)
    yield lambda: details.check_terms(draft.payment_terms)
    yield lambda: texts.check(draft.external_reference or "", field="external_reference", longest=LONGEST_REFERENCE)
    yield lambda: texts.check(draft.note, field="note", longest=LONGEST_NOTE, allowed="\n")
    yield lambda: discounts.check(draft.discount, totals_of(draft).lines_minor)
    yield lambda: _check_number_of_lines(len(draft.lines))
    for index, line in enumerate(draft.lines[:MOST_LINES]):
        yield from _rules_of_line(line, f"lines-{index}-", draft.currency, draft.tax_day)


def _rules_of_line(line: LineDraft, at: str, currency: str, day: date) -> Iterator[Callable[[], None]]:
    yield lambda: _check_description(line.description, f"{at}description")
    yield lambda: _check_quantity(line.quantity_thousandths, f"{at}quantity")
    yield from rules_of_price(line, currency, day, at)
    listed = totals.line_net(line.unit_price_minor, line.quantity_thousandths)
    yield lambda: discounts.check(line.discount, listed, at)


class Priced(Protocol):
    """What has a price: a line, or an item of the price list."""

    @property
    def unit_price_minor(self) -> int: ...
    @property
    def tax_rate_basis_points(self) -> int: ...
    @property
    def unit(self) -> str: ...
    @property
    def kind(self) -> str: ...


def rules_of_price(of: Priced, currency: str, day: date, at: str = "") -> Iterator[Callable[[], None]]:
    """What must hold of a price, its unit, its tax on this day and its kind; each raises Invalid, whose field begins with `at`."""
    if currency in money.CHARGEABLE:
        yield lambda: _check_price(of.unit_price_minor, currency, f"{at}unit_price")
    yield lambda: check_rate(of.tax_rate_basis_points, day, f"{at}tax_rate")
    yield lambda: units.check_unit(of.unit, f"{at}unit")
    yield lambda: units.check_supplies(of.kind, f"{at}supplies")


def totals_of(draft: InvoiceDraft) -> Totals:
    """What it comes to, whatever else is wrong with it."""
    return totals.reckon(
        [(line.unit_price_minor, line.quantity_thousandths, line.tax_rate_basis_points) for line in draft.lines],
        [line.discount for line in draft.lines],
        draft.discount,
    )


def check_chargeable(total: Money) -> None:
    """Raises Invalid (field "total") when Stripe would refuse to charge this total, saying what would be taken instead.

    Source: Stripe, "Supported currencies" (minimum and maximum charge amounts, three-decimal and special-case currencies).
    """
    smallest, largest = money.smallest_charge(total.currency), money.largest_charge(total.currency)
    step = money.charge_step(total.currency)
    if total < smallest:
        raise Invalid(
            N_("The total of %(total)s cannot be paid by card: the least that Stripe charges is %(smallest)s."),
            field="total",
            total=total,
            smallest=smallest,
        )
    if total > largest:
        raise Invalid(
            N_("The total of %(total)s cannot be paid by card: the most that Stripe charges at once is %(largest)s."),
            field="total",
            total=total,
            largest=largest,
        )
    excess = total.minor % step.minor
    if excess:
        below = total - Money(excess, total.currency)
        raise Invalid(
            N_(
                "The total of %(total)s cannot be paid by card: Stripe charges this currency in steps of %(step)s. "
                "Change a line so that the total is %(below)s or %(above)s."
            ),
            field="total",
            total=total,
            step=step,
            below=below,
            above=below + step,
        )


def check_currency(currency: str) -> None:
    """Raises Invalid (field "currency") for one that Stripe does not charge."""
    if currency not in money.CHARGEABLE:
        raise Invalid(N_("%(currency)s is not a currency that Stripe charges."), field="currency", currency=currency)


def _check_first_day(draft: InvoiceDraft) -> None:
    today = company_days.today()
    if draft.first_day > today:
        raise Invalid(N_("The date of an invoice cannot lie in the future."), field="issued_on")
    if draft.first_day < today - timedelta(days=YEARS_BACK * DAYS_A_YEAR):
        raise Invalid(N_("The date of this invoice lies too far in the past."), field="issued_on")


def _check_last_day(draft: InvoiceDraft) -> None:
    if draft.last_day < draft.first_day:
        raise Invalid(N_("The due date cannot lie before the date of the invoice."), field="due_on")
    if draft.last_day > company_days.today() + timedelta(days=YEARS_AHEAD * DAYS_A_YEAR):
        raise Invalid(N_("The due date lies too far in the future."), field="due_on")


def _check_supplied(draft: InvoiceDraft) -> None:
    first, last = draft.supplied_from, draft.supplied_to
    if first is None and last is not None:
        raise Invalid(N_("Please also enter the first day of the service period."), field="supplied_from")
    if first is not None and last is not None and last < first:
        raise Invalid(N_("The service period cannot end before it begins."), field="supplied_to")
    today = company_days.today()
    for day, field in ((first, "supplied_from"), (last, "supplied_to")):
        if day is None:
            continue
        years = (today - timedelta(days=YEARS_BACK * DAYS_A_YEAR), today + timedelta(days=YEARS_AHEAD * DAYS_A_YEAR))
        if not years[0] <= day <= years[1]:
            raise Invalid(N_("This day lies too far from today."), field=field)


def _check_number_of_lines(number: int) -> None:
    if not number:
        raise Invalid(N_("An invoice needs at least one line."), field="lines")
    if number > MOST_LINES:
        raise Invalid(N_("An invoice has at most %(most)s lines."), field="lines", most=MOST_LINES)


def _check_description(description: str, field: str) -> None:
    if not description:
        raise Invalid(N_("Every line needs a description."), field=field)
    texts.check(description, field=field, longest=LONGEST_DESCRIPTION)


def _check_quantity(thousandths: int, field: str) -> None:
    if not 0 < thousandths <= MOST_THOUSANDTHS:
        raise Invalid(
            N_("The quantity must be more than 0 and at most %(most)s."),
            field=field,
            most=totals.quantity(MOST_THOUSANDTHS),
        )


def _check_price(minor: int, currency: str, field: str) -> None:
    largest = money.largest_charge(currency)
    if not 0 <= minor <= largest.minor:
        raise Invalid(N_("The unit price must be 0 or more, and at most %(largest)s."), field=field, largest=largest)


def check_rate(basis_points: int, day: date, field: str, countries: Collection[str] | None = None) -> None:
    """Raises Invalid for a rate that is none, or that PORTAL_TAX_RATES does not know on this day, of all countries or of those that are
    named.
    """
    if not 0 <= basis_points <= MOST_BASIS_POINTS:
        raise Invalid(N_("The tax rate must lie between 0 and 100 percent."), field=field)
    table = config.current().tax_rates
    if not tax_rates.is_known(table, basis_points, day, countries):
        known = sorted(tax_rates.on(table, day, countries), reverse=True)
        raise Invalid(
            N_("There is no tax rate of %(rate)s percent on %(day)s. Known are: %(known)s."),
            field=field,
            rate=totals.percent(basis_points),
            day=day,
            known=", ".join(str(totals.percent(one)) for one in (*known, 0)),
        )
