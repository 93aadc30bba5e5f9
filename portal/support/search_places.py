"""Where a text is looked for: what was typed decides it, and each place is a range of an index.

An id is looked up as it is, an e-mail address and a number by their beginning, four digits as a card's last four, an amount by
currency, words among the words of customers. Why there is no full-text search: docs/decisions/0010-searching-by-beginnings.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, literal_column, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from portal.accounts.models import Customer, CustomerWord, words_of
from portal.core import company_days, keyset, money, texts
from portal.core.db import begins_with
from portal.disputes.models import Dispute
from portal.documents.models import NO_INVOICE, Document
from portal.invoices.models import Invoice
from portal.payment_methods.models import FormerStripeCustomer, PaymentMethod
from portal.payments.models import Payment
from portal.reconciliation.models import StripePayout, StripeTransaction
from portal.refunds.models import Refund


class Kind(StrEnum):
    """What is found, in the order in which it is shown."""

    CUSTOMERS = "customers"
    INVOICES = "invoices"
    PAYMENTS = "payments"
    REFUNDS = "refunds"
    DOCUMENTS = "documents"
    DISPUTES = "disputes"
    PAYOUTS = "payouts"


MODELS: Final[dict[Kind, Any]] = {
    Kind.CUSTOMERS: Customer,
    Kind.INVOICES: Invoice,
    Kind.PAYMENTS: Payment,
    Kind.REFUNDS: Refund,
    Kind.DOCUMENTS: Document,
    Kind.DISPUTES: Dispute,
    Kind.PAYOUTS: StripePayout,
}

# Customers that have the rarest of several words; among them those with the other words are looked for.
MOST_CANDIDATES: Final = 500
MOST_WORDS: Final = 6
# Whoever reads out "17" from an invoice leaves out its year, which is one of these many.
YEARS_BACK: Final = 3
LONGEST_COUNTER: Final = 6
SERIES: Final = ("INV", "R", "PC", "CN", "RC")
SHORTEST_REFERENCE: Final = 3
MOST_CURRENCIES: Final = 20

_ID: Final = re.compile(r"[a-z]{2,5}_\w{6,}", re.ASCII)
_LAST4: Final = re.compile(r"[0-9]{4}")
_COUNTER: Final = re.compile(rf"[0-9]{{1,{LONGEST_COUNTER}}}")
_NUMBER: Final = re.compile(r"[a-z]{1,4}-[0-9-]*", re.IGNORECASE)
_AMOUNT: Final = re.compile(r"(?P<before>\D{0,4}?)\s*(?P<digits>\d[\d.,'’\s]{0,20})(?P<after>\D{0,4})")
_SYMBOLS: Final = {"€": "eur", "$": "usd", "£": "gbp", "¥": "jpy"}


@dataclass(frozen=True, slots=True)
class Place:
    """Some rows of a kind: the id in `row_id` of those that `conditions` hold for, in the order of `key`, which an index has and which no
    two of the rows share.
    """

    row_id: Any
    key: tuple[Any, ...]
    conditions: tuple[ColumnElement[bool], ...]
    rising: bool = False

    def query(self) -> Select[Any]:
        return select(self.row_id, *self.key).where(*self.conditions)


def places(session: Session, kind: Kind, typed: str) -> Iterator[Place]:
    """Where this kind is looked for, the likeliest place first. None where a text of this form means nothing of the kind."""
    if _ID.fullmatch(typed):
        yield from _by_id(kind, typed)
    elif kind == Kind.CUSTOMERS:
        if _LAST4.fullmatch(typed):
            yield _card_owners(typed)
        yield from _by_words(session, typed)
    elif "@" not in typed:
        if kind == Kind.PAYMENTS and _LAST4.fullmatch(typed):
            yield _newest(Payment, Payment.card_last4 == typed)
        if kind in _AMOUNTS:
            yield from _by_amount(session, kind, typed)
        if kind in {Kind.INVOICES, Kind.DOCUMENTS}:
            yield from _by_number(kind, typed)
        if len(typed) >= SHORTEST_REFERENCE:
            yield from _by_reference(kind, texts.fold(typed))


_AMOUNTS: Final[dict[Kind, Any]] = {
    Kind.INVOICES: Invoice.total_minor,
    Kind.PAYMENTS: Payment.amount_minor,
    Kind.REFUNDS: Refund.amount_minor,
    Kind.DOCUMENTS: Document.total_minor,
    Kind.DISPUTES: Dispute.amount_minor,
    Kind.PAYOUTS: StripePayout.amount_minor,
}


# An invoice is found once, as what it is: its document has the same number and amount. To the letter as an index has it.
_OF_MONEY: Final[tuple[ColumnElement[bool], ...]] = (literal_column(str(NO_INVOICE)),)


def _newest(model: Any, *conditions: ColumnElement[bool]) -> Place:
    moment = model.asked_at if model is Refund else model.issued_at if model is Document else model.created_at
    return Place(model.id, (moment, model.id), conditions)


# Ids


def _by_id(kind: Kind, typed: str) -> Iterator[Place]:
    """Ours are the keys of their tables; Stripe's tell by their first letters what they name."""
    model = MODELS[kind]
    yield _newest(model, model.id == typed)
    match kind, typed.partition("_")[0]:
        case Kind.PAYMENTS, "pi":
            yield _newest(Payment, Payment.stripe_intent_id == typed)
        case Kind.PAYMENTS, "ch" | "py":
            yield Place(Payment.id, (Payment.stripe_charge_id,), (Payment.stripe_charge_id == typed,))
        case Kind.PAYMENTS, "pm":
            yield _newest(Payment, Payment.stripe_payment_method_id == typed)
        case Kind.PAYMENTS, "txn":
            moved = select(StripeTransaction.subject).where(StripeTransaction.id == typed)
            yield _newest(Payment, Payment.id == moved.scalar_subquery())
        case Kind.CUSTOMERS, "pm":
            owner = select(PaymentMethod.customer_id).where(PaymentMethod.stripe_payment_method_id == typed)
            yield _newest(Customer, Customer.id == owner.scalar_subquery())
        case Kind.CUSTOMERS, "cus":
            former = select(FormerStripeCustomer.customer_id).where(FormerStripeCustomer.stripe_customer_id == typed)
            yield _newest(Customer, Customer.stripe_customer_id == typed)
            yield _newest(Customer, Customer.id == former.scalar_subquery())
        case Kind.REFUNDS, "re" | "pyr":
            yield _newest(Refund, Refund.stripe_refund_id == typed)
        case Kind.DISPUTES, "dp" | "du":
            yield _newest(Dispute, Dispute.stripe_dispute_id == typed)
        case Kind.PAYOUTS, "txn":
            paid_out = select(StripeTransaction.payout_id).where(StripeTransaction.id == typed)
            yield _newest(StripePayout, StripePayout.id == paid_out.scalar_subquery())


# Numbers


def _by_number(kind: Kind, typed: str) -> Iterator[Place]:
    """Invoices and documents by the beginning of their number, or by its counter alone."""
    model = MODELS[kind]
    of_money = () if model is Invoice else _OF_MONEY
    if _NUMBER.fullmatch(typed):
        yield Place(model.id, (model.number,), (begins_with(model.number, typed.upper()), *of_money))
    elif _COUNTER.fullmatch(typed):
        years = [company_days.today().year - back for back in range(YEARS_BACK)]
        series = SERIES[:1] if model is Invoice else SERIES[1:]
        numbers = [f"{one}-{year}-{int(typed):06d}" for year in years for one in series]
        yield Place(model.id, (model.number,), (model.number.in_(numbers), *of_money))


def _by_reference(kind: Kind, folded: str) -> Iterator[Place]:
    """Invoices by their names elsewhere, and payments of no invoice by what they are for."""
    if kind == Kind.INVOICES:
        named = begins_with(Invoice.reference_folded, folded)
        yield Place(Invoice.id, (Invoice.reference_folded, Invoice.id), (named,))
        other = begins_with(Invoice.external_reference_folded, folded)
        yield Place(Invoice.id, (Invoice.external_reference_folded, Invoice.id), (other, not_(named)))
    elif kind == Kind.PAYMENTS:
        described = begins_with(Payment.search_text, folded)
        # To the letter as its index has it; see portal.payments.models.
        of_no_invoice = Payment.has_invoices.is_(False)
        key = (Payment.search_text, Payment.id)
        yield Place(Payment.id, key, (of_no_invoice, described), rising=True)


# Amounts


def _by_amount(session: Session, kind: Kind, typed: str) -> Iterator[Place]:
    model = MODELS[kind]
    # Documents are about payments, and have no index that begins with the currency of all of them.
    of_kind, currencies = (_OF_MONEY, Payment.currency) if kind == Kind.DOCUMENTS else ((), model.currency)
    for currency, minor in _amounts(session, typed, currencies):
        yield _newest(model, model.currency == currency, _AMOUNTS[kind] == minor, *of_kind)


def _amounts(session: Session, typed: str, column: InstrumentedAttribute[str]) -> list[tuple[str, int]]:
    """What was typed as (currency, minor units), in each currency of this column, or in the one that stands beside the number."""
    found = _AMOUNT.fullmatch(typed)
    if found is None:
        return []
    beside = {mark.strip().lower() for mark in (found["before"], found["after"])} - {""}
    named = {_SYMBOLS.get(mark, mark) for mark in beside}
    if len(named) > 1 or not named <= money.CHARGEABLE:
        return []
    currencies = named or set(keyset.distinct(session, column)[:MOST_CURRENCIES])
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


# Words and cards of customers


def _card_owners(last4: str) -> Place:
    """Those with such a card, each by the newest of theirs."""
    card, newer = PaymentMethod, aliased(PaymentMethod)
    again = (
        select(newer.id)
        .where(newer.last4 == last4, newer.customer_id == card.customer_id)
        .where(or_(newer.created_at > card.created_at, (newer.created_at == card.created_at) & (newer.id > card.id)))
        .exists()
    )
    return Place(card.customer_id, (card.created_at, card.id), (card.last4 == last4, not_(again)))


def _by_words(session: Session, typed: str) -> Iterator[Place]:
    """Customers that have a word with each of these beginnings, the closest first.

    Of several, the rarest leads. When even that is a word of more than MOST_CANDIDATES, only so many are looked at.
    """
    conditions: tuple[ColumnElement[bool], ...] = ()
    rest: list[str] = []
    most = 1 if "@" in typed else MOST_WORDS  # an address as a whole is its longest word
    beginnings = sorted(words_of(typed), key=len, reverse=True)[:most]
    if not beginnings:
        return
    if len(beginnings) == 1:
        word, conditions = CustomerWord, (begins_with(CustomerWord.word, beginnings[0]),)
    else:
        candidates = [_having(beginning) for beginning in beginnings]
        counted = [select(func.count()).select_from(one.subquery()).scalar_subquery() for one in candidates]
        sizes = list(session.execute(select(*counted)).one())
        rarest = sizes.index(min(sizes))
        word = aliased(CustomerWord, candidates[rarest].subquery())
        rest = [beginning for place, beginning in enumerate(beginnings) if place != rarest]
        beginnings = [beginnings[rarest]]
    other = aliased(CustomerWord)
    own = other.customer_id == word.customer_id
    # A customer has several words that begin so, and is shown by the first of them.
    sooner = select(other.word).where(own, begins_with(other.word, beginnings[0]), other.word < word.word).exists()
    having = [select(other.word).where(own, begins_with(other.word, beginning)).exists() for beginning in rest]
    yield Place(word.customer_id, (word.word, word.customer_id), (*conditions, not_(sooner), *having), rising=True)


def _having(beginning: str) -> Select[Any]:
    """The customers with a word that begins so, the word itself first."""
    return (
        select(CustomerWord)
        .where(begins_with(CustomerWord.word, beginning))
        .order_by(CustomerWord.word, CustomerWord.customer_id)
        .limit(MOST_CANDIDATES)
    )


def is_id(typed: str) -> bool:
    """Whether it has the form of an id, in which a slip is no word's."""
    return _ID.fullmatch(typed) is not None
