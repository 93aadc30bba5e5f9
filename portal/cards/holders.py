"""The customer at Stripe who holds a customer's payments and cards: made at the first need, lost when it is deleted there."""

from __future__ import annotations

from sqlalchemy import select, update

from portal import audit, clock, db, gateway, idempotency, outbox
from portal.accounts.models import Customer
from portal.cards import keeping, queries
from portal.cards.models import FormerHolder
from portal.db import new_id
from portal.errors import NotFound


def holder(customer_id: str) -> str:
    """The id of the customer at Stripe who holds this customer's payments and cards; made at the first need.

    Two callers at once reach the same one: the idempotency key is made from our id, and from how many were deleted at Stripe
    before. Raises NotFound and the gateway's errors.
    """
    with db.reading() as session:
        customer = session.get(Customer, customer_id)
        lost = queries.number_of_former_holders(session, customer_id)
    if customer is None:
        raise NotFound
    if customer.stripe_customer_id:
        return customer.stripe_customer_id
    key = f"customer:{customer_id}:{lost}" if lost else f"customer:{customer_id}"
    try:
        made = _create(customer, key)
    except gateway.KeyInUse:
        stored = idempotency.stored_by_another(lambda: _holder_of(customer_id))
        if stored is None:
            raise
        return stored
    except gateway.KeptFailure:
        made = _create(customer, new_id(key))  # one that the failed call has made is nobody's, and holds nothing
    with db.transaction() as session:
        session.execute(
            update(Customer)
            .where(Customer.id == customer_id, Customer.stripe_customer_id.is_(None))
            .values(stripe_customer_id=made)
        )
        audit.record(session, "customer.linked", customer_id, {"stripe_customer_id": made}, customer_id=customer_id)
        stored = session.execute(select(Customer.stripe_customer_id).where(Customer.id == customer_id)).scalar_one()
    return str(stored)


def _holder_of(customer_id: str) -> str | None:
    with db.reading() as session:
        return session.scalar(select(Customer.stripe_customer_id).where(Customer.id == customer_id))


def _create(customer: Customer, key: str) -> str:
    return gateway.current().create_customer(
        key, name=customer.name, email=customer.email, metadata={"customer_id": customer.id}
    )


def lose_holder(stripe_customer_id: str) -> str | None:
    """Stripe says that a customer was deleted, and their cards with them: the cards are removed here, and the next need makes
    a new customer there. What waits to be paid under the lost one is called off by a job of payments.

    Returns our customer's id, also on a second call; None when it is none of ours, or not deleted after all.
    """
    if not gateway.current().customer_is_gone(stripe_customer_id):
        return None
    with db.transaction() as session:
        former = session.get(FormerHolder, stripe_customer_id)
        if former is not None:
            return former.customer_id
        customer = session.execute(
            select(Customer).where(Customer.stripe_customer_id == stripe_customer_id).with_for_update(key_share=True)
        ).scalar_one_or_none()
        if customer is None:
            return None
        customer.stripe_customer_id = None
        session.add(FormerHolder(stripe_customer_id=stripe_customer_id, customer_id=customer.id, lost_at=clock.now()))
        audit.record(
            session,
            "customer.unlinked",
            customer.id,
            {"stripe_customer_id": stripe_customer_id},
            customer_id=customer.id,
        )
        for card in queries.all_by_method(session, customer.id).values():
            keeping.mark_removed(session, card)
        outbox.enqueue(
            session,
            "payments.call_off_waiting",
            key=f"call_off:{stripe_customer_id}",
            customer_id=customer.id,
        )
        return customer.id
