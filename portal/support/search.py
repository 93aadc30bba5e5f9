"""One box for everything a caller may read out to staff: what was typed decides where it is looked for.

An id is looked up as it is, an e-mail address and a number by their beginning, four digits as a card's last four, an amount by
currency, words among the words of customers. Every look hits an index and stops after a few rows, however much there is.
Why there is no full-text search: docs/decisions/0010-searching-by-beginnings.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts.models import Customer, CustomerWord, words_of
from portal.core import company_days, money, texts
from portal.core.db import begins_with
from portal.documents.models import Document, DocumentKind
from portal.invoices import queries as invoices
from portal.invoices.models import Invoice
from portal.invoices.statuses import Standing
from portal.payment_methods.models import FormerStripeCustomer, PaymentMethod
from portal.payments.models import Payment
from portal.refunds.models import Refund

# Of each kind; who needs more types more.
MOST_SHOWN: Final = 6
LONGEST: Final = 200
# Customers that have the rarest of several words; among them those with the other words are looked for.
MOST_CANDIDATES: Final = 500
MOST_WORDS: Final = 6
# Names in one customer's words that may match the same beginning (its name, its address, its people).
WORDS_A_CUSTOMER: Final = 8
# Whoever reads out "17" from an invoice leaves out its year, which is one of these many.
YEARS_BACK: Final = 3
LONGEST_COUNTER: Final = 6
SHORTEST_REFERENCE: Final = 3
MOST_CURRENCIES: Final = 20

_ID: Final = re.compile(r"[a-z]{2,5}_\w{6,}", re.ASCII)
_LAST4: Final = re.compile(r"[0-9]{4}")
_COUNTER: Final = re.compile(rf"[0-9]{{1,{LONGEST_COUNTER}}}")
_NUMBER: Final = re.compile(r"[a-z]{1,4}-[0-9-]*", re.IGNORECASE)
_AMOUNT: Final = re.compile(r"(?P<before>\D{0,4}?)\s*(?P<digits>\d[\d.,'’\s]{0,20})(?P<after>\D{0,4})")
_SYMBOLS: Final = {"€": "eur", "$": "usd", "£": "gbp", "¥": "jpy"}


@dataclass(slots=True)
class Found:
    """At most MOST_SHOWN of each kind, the newest first (customers: the closest first); `names` are those of customers, by id, and
    `standings` say how the invoices stand.
    """

    customers: list[Customer] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    invoices: list[Invoice] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    standings: Mapping[str, Standing] = field(default_factory=dict)

    @property
    def count(self) -> int:
        groups: tuple[list[Any], ...] = (self.customers, self.payments, self.invoices, self.documents, self.refunds)
        return sum(len(group) for group in groups)

    @property
    def only(self) -> tuple[str, str] | None:
        """The one thing that was found, as the kind of its page ("customer", "payment", "invoice", "refund") and the id there."""
        if self.count != 1:
            return None
        if self.customers or self.invoices:
            return ("customer", self.customers[0].id) if self.customers else ("invoice", self.invoices[0].id)
        if self.refunds:
            return "refund", self.refunds[0].id
        return "payment", self.payments[0].id if self.payments else str(self.documents[0].payment_id)


def search(session: Session, text: str) -> Found:
    """What fits this text. Nothing fits an empty one."""
    typed = texts.typed(text)[:LONGEST]
    hits: dict[Any, dict[str, None]] = {kind: {} for kind in (Customer, Payment, Invoice, Document, Refund)}
    for query in _queries(session, typed) if typed else ():
        # The select names a kind's id in its first column, in the order in which they are shown.
        kind = query.column_descriptions[0]["entity"]
        hits[kind] |= dict.fromkeys(session.scalars(query))
    found = Found(
        customers=_rows(session, Customer, [*hits[Customer], *_by_words(session, typed)] if typed else []),
        payments=_rows(session, Payment, hits[Payment]),
        invoices=_rows(session, Invoice, hits[Invoice]),
        documents=_rows(session, Document, hits[Document]),
        refunds=_rows(session, Refund, hits[Refund]),
    )
    found.standings = invoices.standings(session, found.invoices)
    owned: list[Any] = [*found.payments, *found.invoices, *found.documents, *found.refunds]
    if owned:
        owners = select(Customer).where(Customer.id.in_({row.customer_id for row in owned}))
        found.names = {customer.id: customer.name for customer in session.scalars(owners)}
    return found


def _rows(session: Session, kind: Any, ids: Iterable[str]) -> list[Any]:
    """The rows with these ids, in their order."""
    wanted = list(dict.fromkeys(ids))[:MOST_SHOWN]
    if not wanted:
        return []
    rows = {row.id: row for row in session.scalars(select(kind).where(kind.id.in_(wanted)))}
    return [rows[one] for one in wanted if one in rows]


def _queries(session: Session, typed: str) -> Iterator[Select[Any]]:
    """The queries that the form of this text asks for; words and addresses are looked for besides, by _by_words."""
    if _ID.fullmatch(typed):
        yield from _by_id(typed)
        return
    if "@" in typed:
        return
    if _LAST4.fullmatch(typed):
        yield _newest(Payment, Payment.card_last4 == typed)
        yield (
            select(Customer.id)
            .join(PaymentMethod, PaymentMethod.customer_id == Customer.id)
            .where(PaymentMethod.last4 == typed)
            .order_by(PaymentMethod.created_at.desc())
            .limit(MOST_SHOWN)
        )
    for currency, minor in _amounts(session, typed, Payment.currency):
        yield _newest(Payment, Payment.currency == currency, Payment.amount_minor == minor)
    for currency, minor in _amounts(session, typed, Invoice.currency):
        yield _newest(Invoice, Invoice.currency == currency, Invoice.total_minor == minor)
    yield from _by_number(typed)


def _newest(kind: Any, *conditions: ColumnElement[bool]) -> Select[Any]:
    return select(kind.id).where(*conditions).order_by(kind.created_at.desc(), kind.id.desc()).limit(MOST_SHOWN)


# Ids


def _by_id(typed: str) -> Iterator[Select[Any]]:
    """Ours are the keys of their tables; Stripe's tell by their first letters what they name."""
    for kind in (Customer, Payment, Invoice, Document, Refund):
        yield select(kind.id).where(kind.id == typed)
    match typed.partition("_")[0]:
        case "pi":
            yield select(Payment.id).where(Payment.stripe_intent_id == typed)
        case "ch" | "py":
            yield select(Payment.id).where(Payment.stripe_charge_id == typed).limit(MOST_SHOWN)
        case "pm":
            yield _newest(Payment, Payment.stripe_payment_method_id == typed)
            owner = select(PaymentMethod.customer_id).where(PaymentMethod.stripe_payment_method_id == typed)
            yield select(Customer.id).where(Customer.id == owner.scalar_subquery())
        case "re" | "pyr":
            yield select(Refund.id).where(Refund.stripe_refund_id == typed)
        case "cus":
            former = select(FormerStripeCustomer.customer_id).where(FormerStripeCustomer.stripe_customer_id == typed)
            yield select(Customer.id).where(Customer.stripe_customer_id == typed)
            yield select(Customer.id).where(Customer.id == former.scalar_subquery())


# Numbers and references


def _by_number(typed: str) -> Iterator[Select[Any]]:
    """Invoices and documents by the beginning of their number or by its counter alone, and invoices by their names elsewhere."""
    if _NUMBER.fullmatch(typed):
        yield _by_beginning(Invoice, Invoice.number, typed.upper())
        # An invoice is found once, as what it is: its document has the same number.
        of_money = Document.kind != DocumentKind.INVOICE
        yield _by_beginning(Document, Document.number, typed.upper()).where(of_money)
    elif _COUNTER.fullmatch(typed):
        years = [company_days.today().year - back for back in range(YEARS_BACK)]
        ends = [f"{year}-{int(typed):06d}" for year in years]
        yield select(Invoice.id).where(Invoice.number.in_([f"INV-{end}" for end in ends])).limit(MOST_SHOWN)
        numbers = [f"{series}-{end}" for end in ends for series in ("R", "PC", "CN", "RC")]
        yield select(Document.id).where(Document.number.in_(numbers)).limit(MOST_SHOWN)
    if len(typed) >= SHORTEST_REFERENCE:
        yield _by_beginning(Invoice, Invoice.reference_folded, texts.fold(typed))
        yield _by_beginning(Invoice, Invoice.external_reference_folded, texts.fold(typed))


def _by_beginning(kind: Any, column: InstrumentedAttribute[Any], beginning: str) -> Select[Any]:
    return select(kind.id).where(begins_with(column, beginning)).order_by(column.desc()).limit(MOST_SHOWN)


# Amounts


def _amounts(session: Session, typed: str, column: InstrumentedAttribute[str]) -> list[tuple[str, int]]:
    """What was typed as (currency, minor units), in each currency of this column, or in the one that stands beside the number."""
    found = _AMOUNT.fullmatch(typed)
    if found is None:
        return []
    beside = {mark.strip().lower() for mark in (found["before"], found["after"])} - {""}
    named = {_SYMBOLS.get(mark, mark) for mark in beside}
    if len(named) > 1 or not named <= money.CHARGEABLE:
        return []
    currencies = named or _in_use(session, column)
    amounts = []
    for currency in sorted(currencies):
        for number in _readings(found["digits"]):
            try:
                amounts.append((currency, money.from_decimal(number, currency).minor))
            except ValueError:
                continue  # finer than this currency: it is not meant
    return amounts


def _readings(digits: str) -> list[Decimal]:
    """The numbers that this may be, in whatever language: "1.250" is 1250 as well as 1.25."""
    plain = re.sub(r"[\s'’]", "", digits).rstrip(".,")  # a mark at the end waits for the rest
    readings: dict[Decimal, None] = {}
    for mark, apart in ((".", ","), (",", ".")):
        whole = rf"(\d{{1,12}}|\d{{1,3}}(\{apart}\d{{3}}){{1,3}})"
        if re.fullmatch(rf"{whole}(\{mark}\d{{1,3}})?", plain):
            readings[Decimal(plain.replace(apart, "").replace(mark, "."))] = None
    return list(readings)


def _in_use(session: Session, column: InstrumentedAttribute[str]) -> set[str]:
    """The currencies that stand in this column, from one to the next in its index: a DISTINCT would read all of it."""
    used = select(func.min(column).label("currency")).cte("used", recursive=True)
    following = select(func.min(column)).where(column > used.c.currency).scalar_subquery()
    used = used.union_all(select(following).where(used.c.currency.is_not(None)))
    return set(session.scalars(select(used.c.currency).where(used.c.currency.is_not(None)).limit(MOST_CURRENCIES)))


# Words


def _by_words(session: Session, typed: str) -> list[str]:
    """The ids of customers that have a word with each of these beginnings: the closest first.

    Of several, the rarest leads. When even that is a word of more than MOST_CANDIDATES, only so many are looked at.
    """
    if _ID.fullmatch(typed):
        return []
    most = 1 if "@" in typed else MOST_WORDS  # an address as a whole is its longest word
    beginnings = sorted(words_of(typed), key=len, reverse=True)[:most]
    if not beginnings:
        return []
    if len(beginnings) == 1:
        return list(dict.fromkeys(session.scalars(_having(beginnings[0], MOST_SHOWN * WORDS_A_CUSTOMER))))
    candidates = [_having(beginning, MOST_CANDIDATES).subquery() for beginning in beginnings]
    counted = [select(func.count()).select_from(one).scalar_subquery() for one in candidates]
    sizes = list(session.execute(select(*counted)).one())
    rarest = sizes.index(min(sizes))
    customer_id = candidates[rarest].c.customer_id
    query = select(customer_id)
    for place, beginning in enumerate(beginnings):
        if place != rarest:
            other = select(CustomerWord.word).where(
                CustomerWord.customer_id == customer_id, begins_with(CustomerWord.word, beginning)
            )
            query = query.where(other.exists())
    return list(dict.fromkeys(session.scalars(query.limit(MOST_SHOWN * WORDS_A_CUSTOMER))))


def _having(beginning: str, most: int) -> Select[Any]:
    """The customers with a word that begins so, the word itself first."""
    return (
        select(CustomerWord.customer_id)
        .where(begins_with(CustomerWord.word, beginning))
        .order_by(CustomerWord.word, CustomerWord.customer_id)
        .limit(most)
    )
