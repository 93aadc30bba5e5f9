"""Reading saved payment methods; nothing here commits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal.accounts.models import Customer
from portal.core import company_days, method_kinds
from portal.core.errors import NotFound
from portal.core.money import Money
from portal.payment_methods import jobs
from portal.payment_methods.models import (
    REMINDER_DAYS,
    FormerStripeCustomer,
    PaymentMethod,
    PaymentMethodSetup,
    StripeCustomer,
    last_day_of_month,
    reminder_at,
)
from portal.payment_methods.statuses import WAITING_FOR_CUSTOMER, MandateStatus, SetupStatus

# More than anyone keeps; the page shows no pager.
MOST_KEPT: Final = 50


# What a use is: a payment that is not finished, or what is charged by itself.
PAYMENT: Final = "payment"
MANDATE: Final = "mandate"


@dataclass(frozen=True, slots=True)
class Use:
    """Something that depends on a payment method: named as its customer knows it ("INV-2026-000017"), with what it comes to.

    A mandate under which nothing has been announced yet has neither.
    """

    method_id: str
    description: str
    amount: Money | None
    kind: str = PAYMENT


UseFinder = Callable[[Session, Sequence[str]], Iterable[Use]]
_use_finders: list[UseFinder] = []


def tells_uses(finder: UseFinder) -> UseFinder:
    """Ask this function, too, what depends on some payment methods: features to the right cannot be asked from here."""
    _use_finders.append(finder)
    return finder


def uses(session: Session, methods: Sequence[PaymentMethod]) -> dict[str, list[Use]]:
    """What depends on each of these payment methods, by its id; those without any are left out."""
    id_of = {method.stripe_payment_method_id: method.id for method in methods}
    found: dict[str, list[Use]] = {}
    for finder in _use_finders:
        for use in finder(session, list(id_of)):
            found.setdefault(id_of[use.method_id], []).append(use)
    return found


def of_customer(session: Session, customer_id: str, *, payable_in: str = "") -> list[PaymentMethod]:
    """The payment methods a customer keeps, the default first, then the newest; with `payable_in` those alone that can pay in it."""
    kept = list(
        session.execute(
            select(PaymentMethod)
            .where(PaymentMethod.customer_id == customer_id, PaymentMethod.removed_at.is_(None))
            .order_by(PaymentMethod.is_default.desc(), PaymentMethod.created_at.desc(), PaymentMethod.id.desc())
            .limit(MOST_KEPT)
        ).scalars()
    )
    return [one for one in kept if one.can_be_charged and one.takes(payable_in)] if payable_in else kept


def default_method(session: Session, customer_id: str) -> PaymentMethod | None:
    """What is charged when nobody chooses another one; None when there is none, or it cannot be charged any more."""
    method = session.execute(
        select(PaymentMethod).where(
            PaymentMethod.customer_id == customer_id, PaymentMethod.is_default, PaymentMethod.removed_at.is_(None)
        )
    ).scalar_one_or_none()
    return method if method is not None and method.can_be_charged else None


def takes(currency: ColumnElement[str] | InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """In a question: that a PaymentMethod can pay in the currency of a row."""
    kinds = [method_kinds.KINDS[name] for name in method_kinds.SAVED]
    of_all = PaymentMethod.kind.in_([kind.name for kind in kinds if kind.currencies is None])
    some = (
        and_(PaymentMethod.kind == kind.name, currency.in_(sorted(kind.currencies)))
        for kind in kinds
        if kind.currencies is not None
    )
    return or_(of_all, *some)


def is_good_default() -> ColumnElement[bool]:
    """In a question: that a PaymentMethod is what default_method gives for its customer."""
    today = company_days.today()
    this_year = and_(PaymentMethod.exp_year == today.year, PaymentMethod.exp_month >= today.month)
    return and_(
        PaymentMethod.is_default,
        PaymentMethod.removed_at.is_(None),
        or_(PaymentMethod.exp_year.is_(None), PaymentMethod.exp_year > today.year, this_year),
        PaymentMethod.mandate_status != MandateStatus.INACTIVE,
    )


def all_by_method(session: Session, customer_id: str) -> dict[str, PaymentMethod]:
    """Every payment method a customer keeps, by its reference at Stripe."""
    kept = session.execute(
        select(PaymentMethod).where(PaymentMethod.customer_id == customer_id, PaymentMethod.removed_at.is_(None))
    ).scalars()
    return {card.stripe_payment_method_id: card for card in kept}


def for_customer(session: Session, payment_method_id: str, customer_id: str) -> PaymentMethod:
    """One kept payment method of this customer. Raises NotFound, also for someone else's."""
    card = session.execute(
        select(PaymentMethod).where(
            PaymentMethod.id == payment_method_id,
            PaymentMethod.customer_id == customer_id,
            PaymentMethod.removed_at.is_(None),
        )
    ).scalar_one_or_none()
    if card is None:
        raise NotFound
    return card


def ever_of_customer(session: Session, reference: str, customer_id: str) -> PaymentMethod:
    """A payment method of this customer, also when it was removed, by its id or its reference at Stripe. Raises NotFound."""
    card = session.execute(
        select(PaymentMethod).where(
            or_(PaymentMethod.id == reference, PaymentMethod.stripe_payment_method_id == reference),
            PaymentMethod.customer_id == customer_id,
        )
    ).scalar_one_or_none()
    if card is None:
        raise NotFound
    return card


def by_method(session: Session, stripe_payment_method_id: str) -> PaymentMethod | None:
    """The payment method with this reference, also when it was removed."""
    return session.execute(
        select(PaymentMethod).where(PaymentMethod.stripe_payment_method_id == stripe_payment_method_id)
    ).scalar_one_or_none()


def by_mandate(session: Session, stripe_mandate_id: str) -> PaymentMethod | None:
    return session.scalars(
        select(PaymentMethod).where(PaymentMethod.stripe_mandate_id == stripe_mandate_id).limit(1)
    ).first()


def duplicate(session: Session, customer_id: str, kind: str, fingerprint: str) -> PaymentMethod | None:
    """The kept payment method of a customer that is the same card, account or wallet; the newest, if several were kept before numbers
    were compared.
    """
    if not fingerprint:
        return None
    return (
        session.execute(
            select(PaymentMethod)
            .where(
                PaymentMethod.customer_id == customer_id,
                PaymentMethod.kind == kind,
                PaymentMethod.fingerprint == fingerprint,
                PaymentMethod.removed_at.is_(None),
            )
            .order_by(PaymentMethod.created_at.desc())
            .limit(1)
        )
        .scalars()
        .first()
    )


def next_default(methods: Sequence[PaymentMethod]) -> PaymentMethod | None:
    """Which of these becomes the default when none is: the newest that can be charged, and a card before any other kind, for what a
    customer agreed to for cards is not agreed to for their bank account.
    """
    good = [method for method in methods if method.can_be_charged]
    return max(good, key=lambda method: (method.is_card, method.created_at, method.id), default=None)


def due_reminders(session: Session, most: int) -> list[str]:
    """The ids of kept cards whose customers are to be reminded of the expiry now, up to `most` of them.

    Only this month's end and the next one's can be near enough. Each step reads its own part of ix_payment_methods_expiry, in which
    nothing else lies, so the cards that are not due, or were reminded, cost nothing.
    """
    today = company_days.today()
    this = last_day_of_month(today.year, today.month)
    following = this + timedelta(days=1)
    found: list[str] = []
    for last_day in (this, last_day_of_month(following.year, following.month)):
        days = reminder_at(last_day)
        earlier = [None, *(other for other in REMINDER_DAYS if other > days)] if days is not None else []
        for had in earlier:
            found += session.execute(
                select(PaymentMethod.id)
                .where(
                    PaymentMethod.exp_year == last_day.year,
                    PaymentMethod.exp_month == last_day.month,
                    PaymentMethod.reminded_days.is_(None) if had is None else PaymentMethod.reminded_days == had,
                    PaymentMethod.removed_at.is_(None),
                )
                # In the index's own order: by the id alone PostgreSQL would walk the primary key through all cards.
                .order_by(PaymentMethod.reminded_days, PaymentMethod.id)
                .limit(most - len(found))
            ).scalars()
    return found


def setup_for_customer(session: Session, setup_id: str, customer_id: str) -> PaymentMethodSetup:
    """One try of this customer to add a payment method. Raises NotFound, also for someone else's."""
    setup = session.get(PaymentMethodSetup, setup_id)
    if setup is None or setup.customer_id != customer_id:
        raise NotFound
    return setup


def setup_by_intent(session: Session, setup_intent_id: str) -> PaymentMethodSetup | None:
    return session.execute(
        select(PaymentMethodSetup).where(PaymentMethodSetup.stripe_setup_intent_id == setup_intent_id)
    ).scalar_one_or_none()


def setup_by_client_key(session: Session, customer_id: str, client_key: str) -> PaymentMethodSetup | None:
    return session.execute(
        select(PaymentMethodSetup).where(
            PaymentMethodSetup.customer_id == customer_id, PaymentMethodSetup.client_key == client_key
        )
    ).scalar_one_or_none()


def stripe_customers_of(session: Session, customer_id: str) -> set[str]:
    """The customers at Stripe who are or were this customer's: what was begun under a former one is still theirs."""
    now = session.execute(select(Customer.stripe_customer_id).where(Customer.id == customer_id)).scalar_one()
    former = session.execute(
        select(FormerStripeCustomer.stripe_customer_id).where(FormerStripeCustomer.customer_id == customer_id)
    )
    return {*former.scalars(), *([now] if now else [])}


def customer_being_made(session: Session, customer_id: str) -> StripeCustomer | None:
    """The customer that is being made at Stripe for this one, unless it is held for review."""
    return session.execute(
        select(StripeCustomer).where(
            StripeCustomer.customer_id == customer_id,
            StripeCustomer.stripe_customer_id.is_(None),
            StripeCustomer.review_reason == "",
        )
    ).scalar_one_or_none()


def customers_at_stripe(session: Session, after: str, most: int) -> list[str]:
    """The ids of the next `most` customers, beyond `after`, who are known at Stripe."""
    return list(
        session.execute(
            select(Customer.id)
            .where(Customer.stripe_customer_id.is_not(None), Customer.id > after)
            .order_by(Customer.id)
            .limit(most)
        ).scalars()
    )


def left_behind(session: Session, most: int) -> list[str]:
    """The ids of setups on their way that no job follows."""
    lost = jobs.follow_up.missing(session, setup_id=PaymentMethodSetup.id)
    on_their_way = sorted(WAITING_FOR_CUSTOMER | {SetupStatus.CREATED, SetupStatus.PROCESSING})
    query = select(PaymentMethodSetup.id).where(
        PaymentMethodSetup.status.in_(on_their_way), PaymentMethodSetup.review_reason == "", lost
    )
    return list(session.scalars(query.limit(most)))
