"""The link by which anyone who holds it pays an invoice: made, revoked, opened, and paid through.

What is paid through it is a payment of the invoice's customer like any other (portal.payments): one live payment an invoice, its amount
taken from the invoice. Who pays is not signed in, sees the invoice alone, and neither sees nor saves a card of the customer.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy.orm import Session

from portal.core import audit, clock, company_days, config, db, reach
from portal.core.db import new_id
from portal.core.errors import N_, Conflict, NotFound
from portal.core.money import Money
from portal.identity import email_addresses, tokens
from portal.invoices import queries as invoice_queries
from portal.invoices import service as invoices
from portal.invoices import statuses as invoice_statuses
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.pay_links import queries
from portal.pay_links.models import PayLink
from portal.payments import queries as payments
from portal.payments import service as payment_service
from portal.payments.models import Payment

PATH: Final = "/pay/open/"


class LinkState(StrEnum):
    """What a link opens now."""

    PAYABLE = "payable"
    PAID = "paid"
    VOID = "void"
    CREDITED = "credited"
    CLOSED = "closed"  # nothing is asked for any more
    UNDER_WAY = "under_way"  # paid, or going to be paid, without the holder of the link
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # revoked, made anew, or never a link: the three are not told apart


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link opens: `link` and `invoice`, with its lines, are there in any state but UNKNOWN."""

    state: LinkState
    link: PayLink | None = None
    invoice: Invoice | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """The link of an invoice as those see it who may revoke it; `is_open` tells whether it works now, and `url` is the whole of it then."""

    url: str
    is_open: bool
    is_revoked: bool
    expires_at: datetime | None


def is_on() -> bool:
    return config.current().pay_link_days > 0


# Making and revoking


def for_invoice(invoice_id: str) -> str | None:
    """The whole address for a mail about an open invoice; the link is made where there is none yet, and anew where it has expired, or
    was made under a secret key that is not accepted any more, so that nobody can tell it again.

    None for an invoice that is not open, while there are no such links, and after the link was revoked: a person makes the next one.
    In a transaction of its own. Raises NotFound.
    """
    if not is_on():
        return None
    with db.transaction() as session:
        invoice = invoices.lock(session, invoice_id)
        link = queries.of_invoice(session, invoice_id)
        if invoice.status != InvoiceStatus.OPEN or (link is not None and link.revoked_at is not None):
            return None
        if link is None or link.expires_at <= clock.now() or _secret(link) is None:
            link = _make(session, invoice, link)
        return address(link)


def make(invoice_id: str, customer_id: str | None = None) -> None:
    """A person wants a link that works, and none of those before it. `customer_id` is that of the customer who asks.

    Raises NotFound, also for another customer's invoice, and Conflict for one that is not open.
    """
    if not is_on():
        raise NotFound
    with db.transaction() as session:
        invoice = invoices.lock(session, invoice_id, customer_id)
        if invoice.status != InvoiceStatus.OPEN:
            raise Conflict(N_("Only an open invoice has a pay link."))
        _make(session, invoice, queries.of_invoice(session, invoice_id))


def _make(session: Session, invoice: Invoice, link: PayLink | None) -> PayLink:
    if link is None:
        link = PayLink(id=new_id("plk"), invoice_id=invoice.id, customer_id=invoice.customer_id)
        session.add(link)
    link.nonce = secrets.token_hex(16)
    link.token_hash = tokens.digest(tokens.derive(_named(link)))
    link.made_at, link.revoked_at = clock.now(), None
    last_day = max(invoice.due_on, company_days.today()) + timedelta(days=config.current().pay_link_days)
    link.expires_at = company_days.ends(last_day)
    session.flush()
    facts = {"invoice": invoice.number, "expires": link.expires_at.isoformat()}
    audit.record(session, "pay_link.made", link.id, facts, customer_id=invoice.customer_id)
    return link


def revoke(invoice_id: str, customer_id: str | None = None) -> None:
    """The link opens nothing any more, and mails bring none, until a person makes a new one. A second call changes nothing.

    Raises NotFound, also for another customer's invoice, and for one that never had a link.
    """
    with db.transaction() as session:
        invoice = invoices.lock(session, invoice_id, customer_id)
        link = queries.of_invoice(session, invoice_id)
        if link is None:
            raise NotFound
        if link.revoked_at is None:
            link.revoked_at = clock.now()
            facts = {"invoice": invoice.number}
            audit.record(session, "pay_link.revoked", link.id, facts, customer_id=invoice.customer_id)


def of_invoice(invoice_id: str, customer_id: str | None = None) -> Shown | None:
    """The link of an open invoice for its page; None where there are no links. Raises NotFound, also for another customer's invoice."""
    with db.reading() as session:
        invoice = (
            invoice_queries.for_staff(session, invoice_id)
            if customer_id is None
            else invoice_queries.for_customer(session, invoice_id, customer_id)
        )
        link = queries.of_invoice(session, invoice_id)
    if not is_on() or invoice.status != InvoiceStatus.OPEN:
        return None
    if link is None:
        return Shown("", is_open=False, is_revoked=False, expires_at=None)
    is_open = link.revoked_at is None and link.expires_at > clock.now() and _secret(link) is not None
    return Shown(
        address(link) if is_open else "", is_open, is_revoked=link.revoked_at is not None, expires_at=link.expires_at
    )


def address(link: PayLink) -> str:
    """The whole address, with the secret."""
    return config.current().base_url + PATH + (_secret(link) or "")


def _secret(link: PayLink) -> str | None:
    return tokens.derived(_named(link), link.token_hash)


def _named(link: PayLink) -> str:
    return f"pay-link:{link.id}:{link.nonce}"


# Opening and paying


def opened(token: str) -> Opened:
    """What this secret opens now."""
    with db.reading() as session:
        with reach.everyone("the secret says whose link it is"):
            link = queries.by_token(session, token)
        if link is None or link.revoked_at is not None or not is_on():
            return Opened(LinkState.UNKNOWN)
        reach.narrow(link.customer_id)
        invoice = invoice_queries.for_customer(session, link.invoice_id, link.customer_id, with_lines=True)
        standing = invoice_queries.standings(session, [invoice])[invoice.id]
        live = payments.live_of_invoice(session, invoice.id)
    if link.expires_at <= clock.now():
        state = LinkState.EXPIRED
    elif invoice.status == InvoiceStatus.PAID:
        state = LinkState.PAID
    elif invoice.status == InvoiceStatus.VOID:
        state = LinkState.VOID
    elif invoice.status == InvoiceStatus.CREDITED:
        state = LinkState.CREDITED
    elif invoice.status == InvoiceStatus.WRITTEN_OFF:
        state = LinkState.CLOSED
    elif standing.status in _NOT_NEEDED or (live is not None and live.may_move):
        state = LinkState.UNDER_WAY
    else:
        state = LinkState.PAYABLE
    return Opened(state, link, invoice)


# Who signs in may answer a bank that asks, or begin anew; so may the holder of the link.
_NOT_NEEDED: Final = frozenset(invoice_statuses.UNDER_WAY) - {invoice_statuses.InvoiceStanding.REQUIRES_ACTION}


def start(
    token: str, *, client_key: str, at_most: Money | None, receipt_to: str, ip: str, request_id: str
) -> payment_service.Started:
    """Begin to pay what is due of the invoice of a link, or go on with what was begun through it; what somebody signed in has begun and
    not finished is called off first. `receipt_to` is an address that gets the receipt besides, or "".

    Raises NotFound for a link that opens nothing that can be paid, Invalid (field "email") for a wrong address, InProgress for what is on
    its way to be paid, and what payments.service.start_for_invoice raises.
    """
    found = opened(token)
    if found.link is None or found.invoice is None or found.state in {LinkState.EXPIRED, LinkState.UNKNOWN}:
        raise NotFound
    if found.state == LinkState.UNDER_WAY:
        raise payment_service.InProgress
    if receipt_to.strip():
        receipt_to = email_addresses.checked(receipt_to)
        email_addresses.refuse_unreachable(receipt_to)
    with audit.acting(audit.Actor("pay_link", found.link.id, ip, request_id)):
        shares = payment_service.whole(found.invoice.id)
        payment_service.end_others(found.link.customer_id, shares, found.link.id)
        return payment_service.start_for_invoice(
            found.link.customer_id,
            found.invoice.id,
            client_key=client_key,
            save_card=False,
            at_most=at_most,
            receipt_to=receipt_to.strip(),
        )


def payment_through(link: PayLink) -> Payment | None:
    """The newest payment that was pressed through this link."""
    with db.reading() as session:
        return payments.by_link(session, link.invoice_id, link.id)


def payment_by_id(payment_id: str) -> Payment:
    """As it is now. Raises NotFound."""
    with db.reading() as session:
        return payments.by_id(session, payment_id)
