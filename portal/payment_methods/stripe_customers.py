"""The customer at Stripe who holds a customer's payments and cards: made at the first need, lost when it is deleted there.

What is sent to make it is frozen in its row: a customer who changes the billing name meanwhile is made with the old one, for what the
portal itself shows of a customer comes from its own row. What Stripe does not take of it (an e-mail address that it finds wrong, a
name that it finds too long) is left out, and staff are told: nothing there depends on it, and a payment does on the customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal import gateway, stripe_sync
from portal.accounts.models import Customer
from portal.core import audit, clock, db
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, NotFound, PortalError
from portal.core.synced_rows import hold_for_review
from portal.payment_methods import jobs, keeping, queries
from portal.payment_methods.models import FormerStripeCustomer, StripeCustomer

log = structlog.get_logger(__name__)

# What may be left out of a customer at Stripe. The metadata are ours, by which it is found again.
OPTIONAL: Final = frozenset({"name", "email"})


class UnderReview(Conflict):
    code = "customer_under_review"
    message = N_("We could not verify your account with our payment provider. Please try again or contact us.")


def ensure_stripe_customer(customer_id: str) -> str:
    """The id of the customer at Stripe who holds this customer's payments and cards; made at the first need.

    Two callers at once reach the same one. Raises NotFound, UnderReview, and the gateway's errors.
    """
    with db.reading() as session:
        customer = session.get(Customer, customer_id)
    if customer is None:
        raise NotFound
    if customer.stripe_customer_id is not None:
        return customer.stripe_customer_id
    linked, row_id = _being_made(customer_id)
    return linked or stripe_sync.ensure(KIND, row_id).id


def _being_made(customer_id: str) -> tuple[str, str]:
    """The customer at Stripe, if another caller has made it meanwhile, else the row of the one that is being made.

    A row that is held for review is left to staff, and another is begun.
    """
    with db.transaction() as session:
        keeping.lock_customer(session, customer_id)
        linked = session.scalar(select(Customer.stripe_customer_id).where(Customer.id == customer_id))
        if linked is not None:
            return linked, ""
        row = queries.customer_being_made(session, customer_id)
        if row is None:
            now = clock.now()
            row = StripeCustomer(
                id=new_id("stc"),
                customer_id=customer_id,
                attempt=1,
                review_reason="",
                version=1,
                created_at=now,
                updated_at=now,
            )
            session.add(row)
            session.flush()
        return "", row.id


def _prepare(row: StripeCustomer) -> Mapping[str, Any]:
    with db.reading() as session:
        customer = session.get_one(Customer, row.customer_id)
    return {"name": customer.name, "email": customer.email, "metadata": {"customer_id": customer.id}}


def _without_refused(row: StripeCustomer, refusal: PortalError) -> Mapping[str, Any] | None:
    if not isinstance(refusal, gateway.RefusedParameter):
        return None
    refused, sent = refusal.parameter, row.sent or {}
    if refused not in OPTIONAL & sent.keys():
        return None
    _tell_staff(row, refused)
    return {name: value for name, value in sent.items() if name != refused}


def _tell_staff(row: StripeCustomer, refused: str) -> None:
    """The audit trail of the customer and a mail. A second call for the same attempt leaves nothing new."""
    with db.transaction() as session:
        if jobs.mail_refused_detail.enqueue(session, customer_id=row.customer_id, detail=refused):
            log.warning("customer_detail_refused", customer_id=row.customer_id, detail=refused)
            facts = {"detail": refused}
            audit.record(session, "customer.detail_refused", row.customer_id, facts, customer_id=row.customer_id)


def _create(key: str, sent: Mapping[str, Any]) -> gateway.StripeCustomer:
    return gateway.current().create_customer(key, **sent)


def _find(row: StripeCustomer) -> gateway.StripeCustomer | None:
    listed = gateway.current().list_customers(
        created_from=row.created_at - timedelta(hours=1), created_to=clock.now() + timedelta(minutes=5)
    )
    return next((found for found in listed if found.metadata.get("customer_id") == row.customer_id), None)


def _store(session: Session, row: StripeCustomer, found: gateway.StripeCustomer) -> None:
    session.execute(
        update(Customer)
        .where(Customer.id == row.customer_id, Customer.stripe_customer_id.is_(None))
        .values(stripe_customer_id=found.id)
    )
    facts = {"stripe_customer_id": found.id}
    audit.record(session, "customer.linked", row.customer_id, facts, customer_id=row.customer_id)


def _nothing(*_: object) -> None:
    """The portal's own details of a customer stand: nothing is taken over, and nothing canceled."""


KIND: Final[stripe_sync.Kind[StripeCustomer, gateway.StripeCustomer]] = stripe_sync.Kind(
    model=StripeCustomer,
    column="stripe_customer_id",
    under_review=UnderReview,
    prepare=_prepare,
    revise=_without_refused,
    key=lambda row: f"customer:{row.id}:{row.attempt}",
    create=_create,
    find=_find,
    stored=_store,
    fetch=lambda stripe_id: gateway.current().retrieve_customer(stripe_id),
    differs=lambda _session, _row, _found: "",
    hold=hold_for_review,
    has_changes=lambda _row, _found: False,
    gather=_nothing,
    apply=_nothing,
    cancel=_nothing,
    can_cancel=lambda _found: False,
)


def link_customer(customer_id: str, stripe_customer_id: str) -> bool:
    """Stripe shows that this customer of theirs is ours, which the database has forgotten: payments and cards under them count as ours.

    Where ours has another one by now, this one is noted as a former one. False, having changed nothing, when they are known as another
    customer's. A second call changes nothing.
    """
    with db.transaction() as session:
        customer = session.execute(
            select(Customer).where(Customer.id == customer_id).with_for_update(key_share=True)
        ).scalar_one_or_none()
        if customer is None:
            raise NotFound
        owner = session.scalar(select(Customer.id).where(Customer.stripe_customer_id == stripe_customer_id))
        former = session.get(FormerStripeCustomer, stripe_customer_id)
        if owner is not None or former is not None:
            return customer_id in {owner, former.customer_id if former else None}
        if customer.stripe_customer_id is None:
            customer.stripe_customer_id = stripe_customer_id
        else:
            session.add(
                FormerStripeCustomer(
                    stripe_customer_id=stripe_customer_id, customer_id=customer_id, detached_at=clock.now()
                )
            )
        audit.record(
            session, "customer.linked", customer_id, {"stripe_customer_id": stripe_customer_id}, customer_id=customer_id
        )
        return True


def detach_customer(stripe_customer_id: str) -> str | None:
    """Stripe says that a customer was deleted, and their cards with them: the cards are removed here, and the next need makes
    a new customer there. What waits to be paid under the lost one is called off by a job of payments.

    Returns our customer's id, also on a second call; None when it is none of ours, or not deleted after all.
    """
    if not gateway.current().customer_is_gone(stripe_customer_id):
        return None
    with db.transaction() as session:
        former = session.get(FormerStripeCustomer, stripe_customer_id)
        if former is not None:
            return former.customer_id
        customer = session.execute(
            select(Customer).where(Customer.stripe_customer_id == stripe_customer_id).with_for_update(key_share=True)
        ).scalar_one_or_none()
        if customer is None:
            return None
        customer.stripe_customer_id = None
        session.add(
            FormerStripeCustomer(
                stripe_customer_id=stripe_customer_id, customer_id=customer.id, detached_at=clock.now()
            )
        )
        audit.record(
            session,
            "customer.unlinked",
            customer.id,
            {"stripe_customer_id": stripe_customer_id},
            customer_id=customer.id,
        )
        for card in queries.all_by_method(session, customer.id).values():
            keeping.mark_removed(session, card)
        jobs.cancel_pending.enqueue(session, customer_id=customer.id, lost=stripe_customer_id)
        return customer.id


def delete_customers(customer_id: str) -> int:
    """Have Stripe forget this customer, also under former ids; returns how many it was told of. A second call finds nothing new.

    Raises the gateway's errors, after which it may be called again.
    """
    with db.reading() as session:
        known = sorted(queries.stripe_customers_of(session, customer_id))
    for stripe_customer_id in known:
        with suppress(gateway.MissingAtStripe):
            gateway.current().delete_customer(stripe_customer_id)
        detach_customer(stripe_customer_id)
    return len(known)
