"""Who an app is signed in for."""

from __future__ import annotations

from portal.accounts import queries as accounts
from portal.api import customer_schemas, representations
from portal.api.callers import Caller
from portal.api.operations import blueprint, operation
from portal.core import db
from portal.identity import queries as users
from portal.vat import queries as vat

bp = blueprint("customers")


@bp.get("/customers/me")
@operation("account:read", tag="Customers", answer=customer_schemas.Customer)
def get_me(caller: Caller) -> customer_schemas.Customer:
    """Get the customer that this token stands for, who is signed in, and what the token may do."""
    with db.reading() as session:
        customer = accounts.customer(session, caller.customer())
        vat_id = vat.standing(session, customer)
        person = users.user(session, caller.user_id) if caller.user_id else None
    return representations.customer(customer, caller, person, vat_id)
