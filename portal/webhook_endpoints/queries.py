"""Reading endpoints and deliveries; nothing here commits."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from portal.core import keyset
from portal.core.errors import NotFound
from portal.webhook_endpoints.models import Delivery, WebhookEndpoint


def endpoints(session: Session, customer_id: str) -> list[WebhookEndpoint]:
    """The customer's endpoints that are not removed, in the order in which they were made; at most service.MOST_ENDPOINTS."""
    return list(session.scalars(_kept(customer_id).order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)))


def endpoint(session: Session, customer_id: str, endpoint_id: str, *, lock: bool = False) -> WebhookEndpoint:
    """Raises NotFound, also for another customer's and for a removed one. With `lock` no one else changes it meanwhile."""
    query = _kept(customer_id).where(WebhookEndpoint.id == endpoint_id)
    if lock:
        query = locking(query)
    found = session.scalar(query)
    if found is None:
        raise NotFound
    return found


def locking(query: Select[WebhookEndpoint]) -> Select[WebhookEndpoint]:
    """The rows as they are now, and nobody else's to change until the transaction ends.

    Deliveries to them can be written all the same (FOR NO KEY UPDATE): who announces an event has locked the audit trail already,
    and must not wait for one who holds an endpoint and waits for the trail.
    """
    return query.with_for_update(key_share=True).execution_options(populate_existing=True)


def _kept(customer_id: str) -> Select[WebhookEndpoint]:
    return select(WebhookEndpoint).where(
        WebhookEndpoint.customer_id == customer_id, WebhookEndpoint.removed_at.is_(None)
    )


# Deliveries


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """An empty text is no condition."""

    customer_id: str = ""
    status: str = ""
    type: str = ""


def deliveries(session: Session, wanted: DeliveryFilter, cursor: str | None = None) -> keyset.Page[Delivery]:
    """A page of all customers' deliveries with their endpoints, the newest first. Raises NotFound for a cursor that nobody gave out."""
    query = select(Delivery).options(joinedload(Delivery.endpoint))
    for column, value in (
        (Delivery.customer_id, wanted.customer_id),
        (Delivery.status, wanted.status),
        (Delivery.type, wanted.type),
    ):
        if value:
            query = query.where(column == value)
    return keyset.page(session, query, Delivery.created_at, Delivery.id, cursor)


def deliveries_to(session: Session, customer_id: str, endpoint_id: str, cursor: str | None) -> keyset.Page[Delivery]:
    """A page of the deliveries to one endpoint of this customer's, the newest first. Raises NotFound for a cursor that nobody gave out."""
    query = select(Delivery).where(Delivery.endpoint_id == endpoint_id, Delivery.customer_id == customer_id)
    return keyset.page(session, query, Delivery.created_at, Delivery.id, cursor)


def delivery_of(session: Session, customer_id: str, delivery_id: str) -> Delivery:
    """Raises NotFound, also for another customer's."""
    found = session.scalar(select(Delivery).where(Delivery.id == delivery_id, Delivery.customer_id == customer_id))
    if found is None:
        raise NotFound
    return found


def delivery(session: Session, delivery_id: str) -> Delivery:
    """One with its event and endpoint. Raises NotFound."""
    found = session.scalar(
        select(Delivery)
        .where(Delivery.id == delivery_id)
        .options(joinedload(Delivery.endpoint), joinedload(Delivery.event))
    )
    if found is None:
        raise NotFound
    return found
