"""Customers as the company's own systems make, find and change them: see portal.api.customer_views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from portal.accounts import external_ids, queries, service
from portal.accounts.listing import LISTING
from portal.accounts.models import Customer
from portal.core import db, keyset, listed
from portal.core.listing import Wanted
from portal.identity.email_addresses import refuse_unreachable
from portal.identity.models import User

Made = TypeVar("Made")


def create(
    *, name: str, email: str, client_key: str, contact: str = "", is_invited: bool = True, **more: str
) -> Customer:
    """A new customer; `more` as service.add_customer takes it. Where it `is_invited`, an owner (`contact`, or the customer's own name) gets
    an invitation by mail.

    A second call with the same key gives back what the first one made. Raises Invalid, naming the field that is wrong,
    external_ids.ExternalIdTaken, and service.EmailTaken for an owner who signs in already.
    """
    refuse_unreachable(email)

    def once() -> Customer:
        with db.transaction() as session:
            made = session.scalar(select(Customer).where(Customer.client_key == client_key))
            if made is not None:
                return made
            customer = service.add_customer(session, name=name, email=email, **more)
            customer.client_key = client_key
            if is_invited:
                owner = service.add_user(session, email=email, name=contact or name, customer=customer)
                service.send_invitation(session, owner)
            return customer

    return _again_if_another_was_first(once)


def find(session: Session, external_id: str) -> Customer | None:
    """The customer that the company's own systems call so, as it is written."""
    return external_ids.find(session, external_id)


def page(session: Session, text: str, state: str | None, cursor: str | None, *, size: int) -> keyset.Page[Customer]:
    """Customers whose words begin like those of the text, of the state "active" or "deactivated" where one is given, newest first.

    Raises keyset.WrongCursor.
    """
    wanted = Wanted(text=text, choices=(("state", state),) if state else ())
    return listed.page(session, LISTING, wanted, cursor, size=size).page


def change(customer_id: str, changes: Mapping[str, Any], version: int | None = None) -> Customer:
    """Change what `changes` name, some of service.Details, and leave the rest. `version` is that of the customer which was read before.

    A second call without a version changes nothing. Raises as service.change_details.
    """

    def once() -> None:
        now = service.billing_details(customer_id)
        details = service.details_of(now)
        service.change_details(customer_id, now.version if version is None else version, replace(details, **changes))

    _again_if_another_was_first(once)
    return service.billing_details(customer_id)


def invite(customer_id: str, *, name: str, email: str, language: str = "") -> str:
    """The id of an owner who is invited. Somebody who is among the customer's people already stays as they are, and gets no second mail.

    Raises as service.invite_owner.
    """
    try:
        return service.invite_owner(customer_id, name=name, email=email, language=language).user_id
    except service.EmailTaken:
        with db.reading() as session:
            known = [user.id for user in queries.users_of(session, customer_id) if _is_at(user, email)]
        if not known:
            raise
        return known[0]


def _is_at(user: User, email: str) -> bool:
    return user.email.casefold() == email.strip().casefold()


def _again_if_another_was_first(act: Callable[[], Made]) -> Made:
    """Two at once may choose the same key or ID, which the table refuses the second one: now it sees what the first one has written."""
    try:
        return act()
    except IntegrityError:
        return act()
