"""The books of a period as a booking batch for DATEV: postings become bookings between accounts of the adviser's chart.

Revenue of a rate and its tax are one booking over both, where DATEV reckons the same tax from it; else two, on accounts that reckon none.
What is moved between a customer's own accounts is no booking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session

from portal.accounts.models import Customer
from portal.books import datev
from portal.books.datev import Batch, Booking
from portal.books.datev_accounts import Chart
from portal.content.language import translate
from portal.core import clock, company_days, config, db, money
from portal.core.errors import N_, Invalid
from portal.core.money import Money
from portal.documents.of_postings import Numbers, base_kind, movement, why_untaxed
from portal.invoices.models import Invoice
from portal.ledger import LedgerAccount, Posting
from portal.ledger.revenue import REVERSED
from portal.reconciliation.figures import Period

BATCH: Final = 1_000
LANGUAGE: Final = "de"
# DATEV's default; other currencies need rates that the books do not have.
CURRENCY: Final = "eur"
_SOLD: Final = frozenset({LedgerAccount.REVENUE, LedgerAccount.TAX})

_TEXTS: Final = {
    "invoice": N_("Invoice"),
    "void": N_("Invoice canceled"),
    "sale": N_("Purchase"),
    "charge": N_("Payment"),
    "debit": N_("Direct debit"),
    "debit_failed": N_("Direct debit failed"),
    "debit_returned": N_("Direct debit returned by the bank"),
    "outside": N_("Payment received"),
    "outside_reversed": N_("Payment corrected"),
    "write_off": N_("Written off"),
    "write_off_reversed": N_("Write-off reversed"),
    "refund": N_("Refund paid"),
    "refund_outside": N_("Refund paid"),
    "refund_failed": N_("Refund returned by the bank"),
    "credit": N_("Credit note"),
    "overpaid_returned": N_("Amount paid twice"),
    "fee": N_("Stripe fee"),
    "refund_fee": N_("Stripe fee"),
    "stripe_fee": N_("Stripe fee"),
    "dispute_fee": N_("Stripe fee"),
    "payout": N_("Payout"),
    "dispute": N_("Dispute"),
}


class NotSetUp(Invalid):
    code = "datev_not_set_up"
    message = N_("Please set PORTAL_DATEV_CONSULTANT and PORTAL_DATEV_CLIENT first.")


@dataclass(frozen=True, slots=True)
class Export:
    """A batch to be written: `name` is the file's, `left_out` how many postings in other currencies are not in it."""

    name: str
    batch: Batch
    period: Period
    left_out: int

    def lines(self) -> Iterator[bytes]:
        return datev.lines(self.batch, bookings(self.period))


def is_set_up() -> bool:
    settings = config.current()
    return settings.datev_consultant is not None and settings.datev_client is not None


def prepare(period: Period, created: datetime | None = None) -> Export:
    """The batch of a period; `created` stands in its header, and is now when it is left out.

    Raises NotSetUp, and Invalid for a period that lies in two fiscal years.
    """
    settings = config.current()
    if settings.datev_consultant is None or settings.datev_client is None:
        raise NotSetUp
    begins = datev.fiscal_year(settings.datev_year, period.since)
    if datev.fiscal_year(settings.datev_year, period.until) != begins:
        raise Invalid(N_("Please choose days of one fiscal year."), field="until")
    batch = Batch(
        consultant=settings.datev_consultant,
        client=settings.datev_client,
        begins=begins,
        account_length=settings.datev_account_length,
        since=period.since,
        until=period.until,
        currency=CURRENCY,
        chart=settings.datev_chart,
        created=company_days.here(created or clock.now()),
    )
    with db.reading() as session:
        others = select(func.count()).select_from(Posting).where(Posting.currency != CURRENCY, *_within(period))
        left_out = session.scalar(others) or 0
    return Export(datev.file_name(batch), batch, period, left_out)


def bookings(period: Period) -> Iterator[Booking]:
    """All bookings of a period, oldest first; no transaction is open between two batches of them."""
    chart = Chart(config.current())
    last: Posting | None = None
    rest: list[Posting] = []
    while True:
        with db.reading() as session:
            found = session.scalars(_after(period, last)).all()
            ends = len(found) < BATCH
            posted = [*rest, *found]
            # What happened at the last moment may go on in the next batch.
            whole = posted if ends else [one for one in posted if one.at < posted[-1].at]
            rest = posted[len(whole) :]
            made = list(_bookings(session, chart, whole))
        yield from made
        if ends:
            return
        last = found[-1]


def _within(period: Period) -> tuple[ColumnElement[bool], ...]:
    return Posting.at >= period.begins, Posting.at < period.ends


def _after(period: Period, last: Posting | None) -> Select[Posting]:
    query = select(Posting).where(Posting.currency == CURRENCY, *_within(period))
    if last is not None:
        query = query.where(tuple_(Posting.at, Posting.id) > (last.at, last.id))
    return query.order_by(Posting.at, Posting.id).limit(BATCH)


def _bookings(session: Session, chart: Chart, posted: Sequence[Posting]) -> Iterator[Booking]:
    numbers, why = Numbers(session, posted), why_untaxed(session, posted)
    names = _names(session, posted)
    due = _due_days(session, posted)
    together: dict[tuple[object, ...], list[Posting]] = {}
    for one in posted:
        is_sold = one.debit in _SOLD or one.credit in _SOLD
        key = (one.at, base_kind(one), one.item_id, movement(one), one.tax_rate_basis_points) if is_sold else (one.id,)
        together.setdefault(key, []).append(one)
    for rows in together.values():
        first = rows[0]
        number = numbers.document(first) if base_kind(first) != "charge" else ""
        words = [_text(first), numbers.document(first), names.get(str(first.customer_id), "")]
        like = Booking(
            first.amount,
            True,
            "",
            "",
            "",
            company_days.day_of(first.at),
            number or numbers.invoice(first) or numbers.document(first),
            " ".join(filter(None, words)),
            due.get(str(first.item_id)) if first.kind in {"invoice", "invoice_tax"} else None,
        )
        if first.debit in _SOLD or first.credit in _SOLD:
            yield from _of_sale(chart, rows, like, why.get(str(first.item_id), ""))
        else:
            account, contra = chart.account(first.debit), chart.account(first.credit)
            if account != contra:
                yield replace(like, account=account, contra=contra)


def _of_sale(chart: Chart, rows: Sequence[Posting], like: Booking, why: str) -> Iterator[Booking]:
    """Of one rate: what is owed, or given back, against revenue and its tax."""
    first = rows[0]
    is_owed = first.credit in _SOLD
    person = chart.account(first.debit if is_owed else first.credit)
    rate = first.tax_rate_basis_points
    net = sum(one.amount_minor for one in rows if LedgerAccount.REVENUE in {one.debit, one.credit})
    tax = sum(one.amount_minor for one in rows if LedgerAccount.TAX in {one.debit, one.credit})
    revenue = chart.revenue(rate, why)
    booking = replace(like, is_debit=is_owed, account=person)
    if revenue and tax == tax_within(net + tax, rate or 0):
        yield replace(booking, amount=Money(net + tax, CURRENCY), contra=revenue, tax_key=chart.tax_key(rate))
        return
    for account, minor in ((LedgerAccount.REVENUE, net), (LedgerAccount.TAX, tax)):
        if minor:
            yield replace(booking, amount=Money(minor, CURRENCY), contra=chart.account(account))


def tax_within(gross_minor: int, rate: int) -> int:
    """The tax that is reckoned out of an amount with it, in minor units, halves away from zero; the rate is in basis points."""
    return money.share(gross_minor, rate, 10_000 + rate)


def _text(posting: Posting) -> str:
    kind = base_kind(posting)
    words = (
        translate(_TEXTS.get(kind.removesuffix(REVERSED), ""), LANGUAGE)
        if kind.removesuffix(REVERSED) in _TEXTS
        else kind
    )
    return f"{words} (Storno)" if kind.endswith(REVERSED) and kind not in _TEXTS else words


def _names(session: Session, posted: Sequence[Posting]) -> dict[str, str]:
    ids = sorted({one.customer_id for one in posted if one.customer_id})
    return {row.id: row.name for row in session.execute(select(Customer.id, Customer.name).where(Customer.id.in_(ids)))}


def _due_days(session: Session, posted: Sequence[Posting]) -> dict[str, date]:
    ids = sorted({str(one.item_id) for one in posted if base_kind(one) == "invoice"})
    return {
        row.id: row.due_on for row in session.execute(select(Invoice.id, Invoice.due_on).where(Invoice.id.in_(ids)))
    }
