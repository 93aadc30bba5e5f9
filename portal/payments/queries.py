"""Reading payments; nothing here commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session, joinedload, load_only, selectinload

from portal import ledger
from portal.core import company_days, keyset, texts
from portal.core.db import among, database_now, dialect_of, inline_literals
from portal.core.errors import NotFound
from portal.core.money import Money
from portal.invoices import queries as invoices
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStanding
from portal.payment_methods import queries as cards
from portal.payments import jobs
from portal.payments.models import Allocation, Confirmation, Payment, PlacedOrder
from portal.payments.statuses import FINAL, MOVING, OPEN_AT_STRIPE, WAITING_FOR_CUSTOMER, PaymentStatus

# A CSV of more than this is no longer read by a person.
EXPORT_LIMIT: Final = 10_000
# Of one invoice: attempts that were canceled, and the one that lives.
MOST_OF_AN_INVOICE: Final = 20
MOST_POSTINGS: Final = 50
# So many of a card's digits are known.
LAST_DIGITS: Final = 4
# A payment with the invoices that it is for.
WITH_INVOICES: Final = selectinload(Payment.allocations).joinedload(Allocation.invoice)
# That an Allocation is the one that its Invoice has now.
_IS_LIVE: Final = (Allocation.opening == Invoice.opening, Allocation.released_at.is_(None))


@dataclass(frozen=True, slots=True)
class Filter:
    """What the history is narrowed to; all of it stands in the page's address.

    Days are the company's, both included. Amounts are minor units, both included, of `currency` if one is given.
    """

    status: str = ""
    since: date | None = None
    until: date | None = None
    currency: str = ""
    least_minor: int | None = None
    most_minor: int | None = None
    text: str = ""


# What a customer understands by a status: several of those that are told are one to them.
STATUS_GROUPS: Final[dict[str, frozenset[str]]] = {
    "succeeded": frozenset({PaymentStatus.SUCCEEDED}),
    "processing": MOVING,
    "unfinished": WAITING_FOR_CUSTOMER | {PaymentStatus.CREATED},
    "canceled": frozenset({PaymentStatus.CANCELED}),
}


def for_customer(session: Session, payment_id: str, customer_id: str) -> Payment:
    """One payment of this customer with its steps and its invoice. Raises NotFound, also for someone else's."""
    payment = session.execute(
        select(Payment)
        .where(Payment.id == payment_id, Payment.customer_id == customer_id)
        .options(selectinload(Payment.steps), WITH_INVOICES)
    ).scalar_one_or_none()
    if payment is None:
        raise NotFound
    return payment


def by_id(session: Session, payment_id: str) -> Payment:
    """For staff: a payment with its steps, its invoice and its customer. Raises NotFound."""
    payment = session.execute(
        select(Payment)
        .where(Payment.id == payment_id)
        .options(selectinload(Payment.steps), WITH_INVOICES, selectinload(Payment.customer))
    ).scalar_one_or_none()
    if payment is None:
        raise NotFound
    return payment


def postings_of(session: Session, payment_id: str) -> list[ledger.Posting]:
    """What the books say of a payment, oldest first."""
    posting = ledger.Posting
    query = select(posting).where(posting.subject == payment_id).order_by(posting.at, posting.id)
    return list(session.scalars(query.limit(MOST_POSTINGS)))


def by_intent(session: Session, intent_id: str) -> Payment | None:
    return session.execute(select(Payment).where(Payment.stripe_intent_id == intent_id)).scalar_one_or_none()


def by_client_key(session: Session, customer_id: str, client_key: str) -> Payment | None:
    """The payment that a customer's page or app began under this key."""
    return session.execute(
        select(Payment).where(Payment.customer_id == customer_id, Payment.client_key == client_key)
    ).scalar_one_or_none()


def is_key_used(session: Session, customer_id: str, client_key: str) -> bool:
    """Whether a customer's page began a payment, or a press of its button charged a card, under this key."""
    begun = select(Payment.id).where(Payment.customer_id == customer_id, Payment.client_key == client_key)
    pressed = select(Confirmation.id).where(
        Confirmation.customer_id == customer_id, Confirmation.client_key == client_key
    )
    return session.execute(begun.union_all(pressed).limit(1)).first() is not None


def allocations_of(session: Session, payment_id: str) -> list[Allocation]:
    """Which invoices a payment is for, in order, each with its invoice; none of a payment without one."""
    query = select(Allocation).where(Allocation.payment_id == payment_id).order_by(Allocation.position)
    return list(session.scalars(query.options(joinedload(Allocation.invoice))))


def allocations_of_all(session: Session, payment_ids: Sequence[str]) -> dict[str, list[Allocation]]:
    """Likewise of several payments, by their ids; without the invoices."""
    found: dict[str, list[Allocation]] = {}
    for one in session.scalars(_allocations(dialect_of(session)), {"payments": list(payment_ids)}):
        found.setdefault(one.payment_id, []).append(one)
    return found


@cache
def _allocations(dialect: str) -> Select[Allocation]:
    """Of the :payments."""
    of_them = select(Allocation).where(among(Allocation.payment_id, "payments", dialect))
    return of_them.order_by(Allocation.payment_id, Allocation.position)


def is_of_invoice(invoice_id: str | ColumnElement[str]) -> ColumnElement[bool]:
    """That a Payment is for this invoice, by itself or with others, whatever has become of it."""
    return Payment.id.in_(select(Allocation.payment_id).where(Allocation.invoice_id == invoice_id))


def live_of_invoice(session: Session, invoice_id: str) -> Payment | None:
    """The one payment of an invoice that may still take money for it, or has; None when there is none.

    What was paid before a part of it was due again (Invoice.opening) is none of it. It comes with its allocations.
    """
    found = live_of_invoices(session, [invoice_id])
    return found[0] if found else None


def live_of_invoices(session: Session, invoice_ids: Sequence[str]) -> list[Payment]:
    """Likewise of several: each of their live payments once, by id."""
    claiming = select(Allocation.payment_id).join(Allocation.invoice)
    claiming = claiming.where(Allocation.invoice_id.in_(invoice_ids), *_IS_LIVE)
    query = select(Payment).where(Payment.id.in_(claiming)).order_by(Payment.id).options(WITH_INVOICES)
    return list(session.scalars(query))


def by_link(session: Session, invoice_id: str, pay_link_id: str) -> Payment | None:
    """The newest payment of an invoice that was pressed last through this pay link."""
    query = select(Payment).where(is_of_invoice(invoice_id), Payment.pay_link_id == pay_link_id)
    return session.scalar(query.order_by(Payment.created_at.desc(), Payment.id.desc()).limit(1))


# How an invoice stands while it is being paid


def _has_live(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    live = select(Allocation.id).join(Allocation.payment).where(Allocation.invoice_id == Invoice.id, *_IS_LIVE)
    return live.where(*conditions).correlate(Invoice).exists()


@invoices.tells_standing(InvoiceStanding.UNDER_REVIEW)
def _is_under_review() -> ColumnElement[bool]:
    return _has_live(Payment.review_reason != "")


@invoices.tells_standing(InvoiceStanding.PROCESSING)
def _is_being_charged() -> ColumnElement[bool]:
    return _has_live(has_public_status("processing"))


@invoices.tells_days(InvoiceStanding.PROCESSING)
def _expected(session: Session, invoice_ids: Sequence[str]) -> dict[str, date]:
    """The day by which the money of each of these invoices is expected, of those that a debit is under way for."""
    of_debits = (Allocation.invoice_id.in_(invoice_ids), Payment.expected_on.is_not(None))
    query = select(Allocation.invoice_id, Payment.expected_on).join(Allocation.payment).join(Allocation.invoice)
    rows = session.execute(query.where(*of_debits, *_IS_LIVE, Payment.status == PaymentStatus.PROCESSING))
    return {invoice_id: day for invoice_id, day in rows if day is not None}


@invoices.tells_standing(InvoiceStanding.REQUIRES_ACTION)
def _waits_for_3d_secure() -> ColumnElement[bool]:
    return _has_live(Payment.status == PaymentStatus.REQUIRES_ACTION)


def waiting_for(session: Session, customer_id: str) -> list[str]:
    """The ids of a customer's payments that Stripe knows and the customer has not finished, but for those that staff look at."""
    return list(
        session.execute(
            select(Payment.id).where(
                Payment.customer_id == customer_id,
                Payment.status.in_(WAITING_FOR_CUSTOMER),
                Payment.stripe_intent_id.is_not(None),
                Payment.review_reason == "",
            )
        ).scalars()
    )


def unresolved_like(session: Session, customer_id: str, amount: Money, description: str) -> Payment | None:
    """The newest payment of a customer, an amount and a text in which money may move without anybody doing anything."""
    return session.execute(
        select(Payment)
        .where(
            Payment.customer_id == customer_id,
            has_public_status("processing"),
            Payment.currency == amount.currency,
            Payment.amount_minor == amount.minor,
            Payment.description == description,
        )
        .order_by(Payment.created_at.desc(), Payment.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def unanswered(session: Session, payment_id: str) -> Confirmation | None:
    """The try to charge a saved card of which it is not known yet what came of it."""
    return session.execute(
        select(Confirmation).where(Confirmation.payment_id == payment_id, Confirmation.answered_at.is_(None))
    ).scalar_one_or_none()


def is_tried_automatically(session: Session, payment: Payment) -> bool:
    """Whether what was tried last was charged by itself, under a mandate."""
    last = session.scalars(
        select(Confirmation)
        .where(Confirmation.payment_id == payment.id)
        .order_by(Confirmation.created_at.desc(), Confirmation.id.desc())
        .limit(1)
    ).first()
    return last is not None and last.off_session and last.stripe_payment_method_id == payment.stripe_payment_method_id


def confirmation_with_payment(session: Session, confirmation_id: str) -> tuple[Confirmation, Payment, datetime]:
    """A try with its payment as it is now, and the moment by the database's clock."""
    found = session.execute(
        select(Confirmation, Payment).join(Confirmation.payment).where(Confirmation.id == confirmation_id)
    ).one()
    return found[0], found[1], database_now(session)


def left_behind(session: Session, most: int) -> list[str]:
    """The ids of payments on their way that no job follows."""
    on_their_way = sorted(OPEN_AT_STRIPE | {PaymentStatus.CREATED})
    lost = jobs.follow_up.missing(session, payment_id=Payment.id)
    query = select(Payment.id).where(Payment.status.in_(on_their_way), Payment.review_reason == "", lost)
    return list(session.scalars(query.limit(most)))


def unanswered_left_behind(session: Session, most: int) -> list[str]:
    """The ids of confirmations without an answer that no job finishes."""
    lost = jobs.finish_confirmation.missing(session, confirmation_id=Confirmation.id)
    return list(session.scalars(select(Confirmation.id).where(Confirmation.answered_at.is_(None), lost).limit(most)))


def by_press(session: Session, customer_id: str, client_key: str) -> Confirmation | None:
    """What a press of a customer's button, or an automatic payment, began under this key, whatever has become of it."""
    return session.execute(
        select(Confirmation).where(Confirmation.customer_id == customer_id, Confirmation.client_key == client_key)
    ).scalar_one_or_none()


def order_by_key(session: Session, customer_id: str, client_key: str) -> PlacedOrder | None:
    """What an app of this customer ordered under its key."""
    return session.execute(
        select(PlacedOrder).where(PlacedOrder.customer_id == customer_id, PlacedOrder.client_key == client_key)
    ).scalar_one_or_none()


def last_order(session: Session, payment_id: str) -> PlacedOrder | None:
    """The newest order of an app that led to this payment."""
    return session.execute(
        select(PlacedOrder)
        .where(PlacedOrder.payment_id == payment_id)
        .order_by(PlacedOrder.created_at.desc(), PlacedOrder.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def last_card_tried(session: Session, payment_id: str) -> str | None:
    """The payment method that we last tried to charge for this payment; None when only its page has tried."""
    return session.execute(
        select(Confirmation.stripe_payment_method_id)
        .where(Confirmation.payment_id == payment_id)
        .order_by(Confirmation.created_at.desc())
        .limit(1)
    ).scalar_one_or_none()


@cards.tells_uses
def _unfinished_with(session: Session, method_ids: Sequence[str]) -> Iterator[cards.Use]:
    """The payments that were sent to the bank with one of these cards, or may have been, and are not at their end."""
    at_the_bank = session.execute(
        select(Payment.stripe_payment_method_id, Payment).where(
            Payment.stripe_payment_method_id.in_(method_ids),
            Payment.status.in_((PaymentStatus.REQUIRES_ACTION, *MOVING)),
        )
    )
    on_the_way = session.execute(
        select(Confirmation.stripe_payment_method_id, Payment)
        .join(Confirmation.payment)
        .where(Confirmation.stripe_payment_method_id.in_(method_ids), Confirmation.answered_at.is_(None))
        .where(Payment.status.not_in(FINAL))
    )
    uses = {(method, payment.id): payment for found in (at_the_bank, on_the_way) for method, payment in found}
    for (method_id, _payment_id), payment in uses.items():
        yield cards.Use(str(method_id), payment.description, payment.amount)


def of_invoice(session: Session, invoice_id: str, customer_id: str) -> list[Payment]:
    """The payments of an invoice, newest first."""
    return list(
        session.execute(
            select(Payment)
            .where(is_of_invoice(invoice_id), Payment.customer_id == customer_id)
            .options(WITH_INVOICES)
            .order_by(Payment.created_at.desc(), Payment.id.desc())
            .limit(MOST_OF_AN_INVOICE)
        ).scalars()
    )


def shown_statuses(session: Session, payments: Iterable[Payment]) -> dict[str, str]:
    """What a person understands of each payment's state, by id: for one that has succeeded, what the postings say has become of it.

    "disputed" while the bank holds money back, "refunded" and "partially_refunded", "declined" after a try that the bank refused, else
    what everybody is told. One query.
    """
    payments = list(payments)
    booked = ledger.sums_of(session, [payment.id for payment in payments if payment.has_succeeded])
    return {payment.id: _shown_status(payment, booked.get(payment.id, {})) for payment in payments}


def _shown_status(payment: Payment, sums: dict[str, int]) -> str:
    refunded = sums.get("refund", 0) - sums.get("refund_failed", 0) + sums.get("refund_outside", 0)
    if sums.get("dispute", 0) > sums.get("dispute_reinstated", 0):
        return "disputed"
    if refunded >= payment.amount_minor:
        return "refunded"
    return "partially_refunded" if refunded > 0 else payment.shown_status


def latest(session: Session, customer_id: str, most: int) -> list[Payment]:
    """The newest payments of a customer that came to something, for the overview."""
    return list(session.scalars(_latest(most), {"customer": customer_id}))


@cache
def _latest(most: int) -> Select[Payment]:
    return (
        select(Payment)
        .where(
            Payment.customer_id == bindparam("customer"),
            or_(
                inline_literals(Payment.status, (PaymentStatus.SUCCEEDED, PaymentStatus.REQUIRES_ACTION)),
                has_public_status("processing"),
            ),
        )
        .order_by(Payment.created_at.desc(), Payment.id.desc())
        .limit(most)
        .options(FOR_LISTS)
    )


def history(
    session: Session,
    customer_id: str,
    wanted: Filter,
    cursor: str | None = None,
    *,
    size: int = keyset.PAGE_SIZE,
    oldest_first: bool = False,
    with_items: bool = False,
) -> keyset.Page[Payment]:
    """A page of a customer's payments, newest first unless the oldest are wanted first; of the rows there is only what a list shows,
    or `with_items` all.

    Raises NotFound for a cursor that nobody gave out, Invalid for a size beyond keyset's bounds.
    """
    order = (Payment.created_at, Payment.id, cursor)
    if wanted == _ALL:
        question = _all_of_customer(with_items=with_items)
        return keyset.page(
            session, question, *order, ascending=oldest_first, size=size, values={"customer": customer_id}
        )
    query = _filtered(customer_id, wanted, dialect_of(session))
    return keyset.page(session, query, *order, ascending=oldest_first, size=size, ids_first=bool(wanted.text))


_ALL: Final = Filter()
# What a list of payments shows; to ask for anything else of its rows is an error.
FOR_LISTS: Final = load_only(
    *(Payment.id, Payment.customer_id, Payment.description, Payment.created_at, Payment.amount_minor, Payment.currency),
    *(
        Payment.method_kind,
        Payment.card_brand,
        Payment.card_last4,
        Payment.status,
        Payment.is_unanswered,
        Payment.failure_code,
    ),
    raiseload=True,
)


@cache
def _all_of_customer(*, with_items: bool) -> Select[Payment]:
    all_of = select(Payment).where(Payment.customer_id == bindparam("customer"))
    return all_of if with_items else all_of.options(FOR_LISTS)


def count(session: Session, customer_id: str, wanted: Filter) -> int:
    """How many payments the filter finds. It reads them all, so only for who asks for the total."""
    return session.execute(
        _filtered(customer_id, wanted, dialect_of(session)).with_only_columns(func.count())
    ).scalar_one()


def export(session: Session, customer_id: str, wanted: Filter) -> Iterator[Payment]:
    """All that the filter finds, newest first, streamed; at most EXPORT_LIMIT."""
    query = (
        _filtered(customer_id, wanted, dialect_of(session))
        .order_by(Payment.created_at.desc(), Payment.id.desc())
        .limit(EXPORT_LIMIT)
        .options(WITH_INVOICES)
        .execution_options(yield_per=500)
    )
    yield from session.execute(query).scalars()


def _filtered(customer_id: str, wanted: Filter, dialect: str) -> Select[Payment]:
    query = select(Payment).where(Payment.customer_id == customer_id)
    if wanted.status:
        query = query.where(has_public_status(wanted.status))
    if wanted.since:
        query = query.where(Payment.created_at >= company_days.begins(wanted.since))
    if wanted.until:
        query = query.where(Payment.created_at < company_days.ends(wanted.until))
    if wanted.currency:
        query = query.where(Payment.currency == wanted.currency)
    if wanted.least_minor is not None:
        query = query.where(Payment.amount_minor >= wanted.least_minor)
    if wanted.most_minor is not None:
        query = query.where(Payment.amount_minor <= wanted.most_minor)
    if wanted.text:
        query = query.where(_matches(wanted.text, dialect))
    return query


def has_public_status(name: str) -> ColumnElement[bool]:
    """That a payment is told in one of these statuses (see statuses.public_status); `name` is one of STATUS_GROUPS, or a status."""
    group = STATUS_GROUPS.get(name) or frozenset({PaymentStatus(name)})
    is_one = inline_literals(Payment.status, group)
    if group <= FINAL:
        return is_one
    if PaymentStatus.PROCESSING not in group:
        return and_(is_one, ~Payment.is_unanswered)
    return and_(
        ~inline_literals(Payment.status, FINAL),
        or_(is_one, ~inline_literals(Payment.status, PaymentStatus), Payment.is_unanswered),
    )


def _matches(text: str, dialect: str) -> ColumnElement[bool]:
    """A part of the description or of the invoice's number or reference; or a whole id, or the card's last four.

    By the function of each database that looks for a text as it is: a pattern costs PostgreSQL twice the time, and it guesses that so few
    rows fit that it would rather read them all than go along the index.
    """
    part = texts.typed(text)
    position = func.strpos if dialect == "postgresql" else func.instr
    found = position(Payment.search_text, texts.fold(part)) > 0
    if "_" in part:
        return or_(found, Payment.id == part, Payment.stripe_intent_id == part)
    if len(part) == LAST_DIGITS:
        return or_(found, Payment.card_last4 == part)
    return found
