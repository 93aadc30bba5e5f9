"""Customers: who an app is signed in for; and all of them, for staff and for the company's own systems."""

from __future__ import annotations

from typing import Any

from portal.accounts import colleagues, customer_access, customer_records
from portal.accounts import queries as accounts
from portal.accounts.colleagues import Colleague
from portal.accounts.models import Customer
from portal.api import customer_schemas, representations, schemas
from portal.api.callers import Caller
from portal.api.once import key_of
from portal.api.operations import blueprint, operation
from portal.core import db, keyset
from portal.identity import queries as users
from portal.vat import queries as vat

bp = blueprint("customers")


@bp.get("/customers/me")
@operation("account:read", tag="Customers", answer=customer_schemas.Me)
def get_me(caller: Caller) -> customer_schemas.Me:
    """Get the customer that this token stands for, who is signed in, and what the token may do."""
    with db.reading() as session:
        customer = accounts.customer(session, caller.customer())
        vat_id = vat.standing(session, customer)
        person = users.user(session, caller.user_id) if caller.user_id else None
    return representations.me(customer, caller, person, vat_id)


@bp.get("/customers")
@operation(
    "customers:read",
    tag="Customers",
    answer=schemas.Page[customer_schemas.CustomerSummary],
    query=customer_schemas.CustomerList,
)
def list_customers(
    caller: Caller, query: customer_schemas.CustomerList
) -> schemas.Page[customer_schemas.CustomerSummary]:
    """List customers, newest first; or find one by its `external_id`, or some by words.

    For staff and API clients. A page may hold fewer than `limit`, or none, while `has_more` is true: then so many customers were looked
    through, and the next page goes on.
    """
    caller.require_company()
    with db.reading() as session:
        if query.external_id is not None:
            found = customer_records.find(session, query.external_id)
            is_wanted = found is not None and query.status in {None, representations.customer_status(found)}
            page: keyset.Page[Customer] = keyset.Page([found] if found and is_wanted else [], older=None, newer=None)
        else:
            page = customer_records.page(session, query.q or "", query.status, query.cursor, size=query.limit)
        rows = [representations.customer_summary(row) for row in page.rows]
    return representations.page(page, rows)


def _shown(caller: Caller, customer_id: str) -> customer_schemas.Customer:
    caller.require_company()
    with db.reading() as session:
        row = accounts.customer(session, customer_id)
        shown = representations.customer(row, vat.standing(session, row))
    caller.record_access(customer_id, customer_id, "customer")
    return shown


@bp.get("/customers/<customer:customer_id>")
@operation("customers:read", tag="Customers", answer=customer_schemas.Customer, refusals=(404,))
def get_customer(caller: Caller, customer_id: str) -> customer_schemas.Customer:
    """Get one customer. For staff and API clients."""
    return _shown(caller, customer_id)


@bp.post("/customers")
@operation(
    "customers:write",
    tag="Customers",
    answer=customer_schemas.Customer,
    status=201,
    body=customer_schemas.NewCustomer,
    again=_shown,
    limit="changes",
)
def create_customer(caller: Caller, body: customer_schemas.NewCustomer) -> customer_schemas.Customer:
    """Create a customer.

    For staff and API clients. Unless `invite` is false, an owner gets a mail with a link to choose a password. An `external_id` of your own
    keeps you from creating the same customer twice.
    """
    caller.require_company()
    row = customer_records.create(
        name=body.name,
        email=body.email,
        client_key=key_of(caller),
        contact=body.contact or "",
        is_invited=body.invite,
        **_given(body, "name", "email", "contact", "invite"),
    )
    return _shown(caller, row.id)


@bp.patch("/customers/<customer:customer_id>")
@operation(
    "customers:write",
    tag="Customers",
    answer=customer_schemas.Customer,
    body=customer_schemas.CustomerChanges,
    refusals=(404, 409),
    limit="changes",
)
def change_customer(
    caller: Caller, customer_id: str, body: customer_schemas.CustomerChanges
) -> customer_schemas.Customer:
    """Change what is given of a customer, and leave the rest.

    For staff and API clients. Documents that were issued keep what they say. The address that was billed until now is told of a new one.
    """
    caller.require_company()
    customer_records.change(customer_id, _given(body, "version"), body.version)
    return _shown(caller, customer_id)


@bp.post("/customers/<customer:customer_id>/deactivation")
@operation(
    "customers:deactivate",
    tag="Customers",
    answer=customer_schemas.Customer,
    body=customer_schemas.Deactivation,
    refusals=(404,),
    limit="changes",
)
def deactivate_customer(
    caller: Caller, customer_id: str, body: customer_schemas.Deactivation
) -> customer_schemas.Customer:
    """Deactivate a customer: its people are signed out and cannot sign in, and automatic payment ends.

    For staff and API clients. Invoices stay open. A second call changes nothing.
    """
    caller.require_company()
    customer_access.deactivate(customer_id, body.reason, by=caller.user_id)
    return _shown(caller, customer_id)


@bp.delete("/customers/<customer:customer_id>/deactivation")
@operation("customers:deactivate", tag="Customers", answer=customer_schemas.Customer, refusals=(404,), limit="changes")
def reactivate_customer(caller: Caller, customer_id: str) -> customer_schemas.Customer:
    """Bring a customer back: whoever could sign in before can again. Automatic payment stays off.

    For staff and API clients. A second call changes nothing.
    """
    caller.require_company()
    customer_access.reactivate(customer_id)
    return _shown(caller, customer_id)


@bp.get("/customers/<customer:customer_id>/people")
@operation("customers:read", tag="Customers", answer=customer_schemas.People, refusals=(404,))
def list_people(caller: Caller, customer_id: str) -> customer_schemas.People:
    """List who signs in for a customer, or did. For staff and API clients."""
    caller.require_company()
    with db.reading() as session:
        accounts.customer(session, customer_id)
    caller.record_access(customer_id, customer_id, "customer")
    return customer_schemas.People(data=[_person(one) for one in colleagues.of_customer(customer_id)])


@bp.post("/customers/<customer:customer_id>/people")
@operation(
    "customers:write",
    tag="Customers",
    answer=customer_schemas.CustomerPerson,
    status=201,
    body=customer_schemas.NewPerson,
    refusals=(404, 409),
    limit="changes",
)
def invite_owner(caller: Caller, customer_id: str, body: customer_schemas.NewPerson) -> customer_schemas.CustomerPerson:
    """Invite an owner, who gets a mail with a link to choose a password. The owners there are told.

    For staff, who signed in ten minutes ago at most, and for API clients. Somebody who is among the customer's people already stays as they
    are, and gets no second mail.
    """
    caller.require_company()
    caller.require_recent_proof()
    user_id = customer_records.invite(customer_id, name=body.name, email=body.email, language=body.language or "")
    return next(_person(one) for one in colleagues.of_customer(customer_id) if one.id == user_id)


def _person(one: Colleague) -> customer_schemas.CustomerPerson:
    return customer_schemas.CustomerPerson.model_validate(
        {
            "id": one.id,
            "name": one.name,
            "email": one.email,
            "role": one.role,
            "status": one.status,
            "invited_until": one.invited_until,
            "last_sign_in_at": one.last_sign_in_at,
        }
    )


def _given(body: customer_schemas.CustomerFacts, *but: str) -> dict[str, Any]:
    """What the body names, as a form types it: an address has a line break between its lines."""
    given = {name: value for name, value in body.model_dump(exclude=set(but)).items() if value is not None}
    return given | ({"address": "\n".join(given["address"])} if "address" in given else {})
