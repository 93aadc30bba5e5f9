"""Signed-in sessions that the company's own app opens for a customer's people."""

from __future__ import annotations

from typing import Final

from flask import url_for

from portal.accounts import customer_records, portal_sessions
from portal.accounts import queries as accounts
from portal.api.callers import Caller
from portal.api.operations import blueprint, operation
from portal.api.portal_session_schemas import NewPortalSession, PortalPage, PortalSession
from portal.core import db
from portal.core.errors import N_, Invalid, NotFound
from portal.invoices import queries as invoices

bp = blueprint("portal_sessions")

_PAGES: Final = {
    PortalPage.OVERVIEW: "payments.overview",
    PortalPage.PAYMENT_METHODS: "payment_methods.index",
    PortalPage.HISTORY: "payments.history",
    PortalPage.DOCUMENTS: "documents.index",
}


@bp.post("/portal-sessions")
@operation(
    "portal_sessions:write",
    tag="Customers",
    answer=PortalSession,
    status=201,
    body=NewPortalSession,
    refusals=(404, 409),
    limit="changes",
)
def open_portal_session(caller: Caller, body: NewPortalSession) -> PortalSession:
    """Get a one-time address that opens a signed-in session for one of a customer's people.

    For API clients: your system vouches for who sits before your app, so neither the password nor a code of two-step verification is asked
    for. What is weighty, such as a new e-mail address, asks for the password all the same. A second call makes another address.
    """
    customer_id = _customer(body)
    opens = _opens(body, customer_id)
    made = portal_sessions.create(customer_id, user_id=body.user_id, opens=opens, api_client_id=caller.id)
    return PortalSession(
        id=made.row.id,
        url=made.url,
        expires_at=made.row.expires_at,
        customer_id=customer_id,
        user_id=made.row.user_id,
        to=body.to,
    )


def _customer(body: NewPortalSession) -> str:
    """Raises NotFound, and Invalid unless exactly one of the two ids is given."""
    if (body.customer_id is None) == (body.external_customer_id is None):
        raise Invalid(N_("Please give either customer_id or external_customer_id."), field="customer_id")
    with db.reading() as session:
        if body.external_customer_id is None:
            return accounts.customer(session, body.customer_id or "").id
        found = customer_records.find(session, body.external_customer_id)
    if found is None:
        raise NotFound
    return found.id


def _opens(body: NewPortalSession, customer_id: str) -> str:
    """The path of the page. Raises NotFound for an invoice that is none of this customer's."""
    if (body.to == PortalPage.INVOICE) != (body.invoice_id is not None):
        raise Invalid(N_("Please give invoice_id with the page “invoice”, and with no other."), field="invoice_id")
    if body.invoice_id is None:
        return url_for(_PAGES[body.to])
    with db.reading() as session:
        invoice = invoices.for_customer(session, body.invoice_id, customer_id)
    return url_for("invoices.show", invoice_id=invoice.id)
