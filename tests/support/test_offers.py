"""What pages of the desk offer, state by state and role by role: what is missing is told why, and what is offered is not refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.accounts import customer_access
from portal.accounts.models import Customer
from portal.core import clock, company_days, db
from portal.core.permissions import STAFF_ROLES, Permission, may
from portal.documents.models import Document
from portal.evidence.models import Evidence
from portal.identity.models import User
from portal.invoices.models import Invoice
from portal.invoices.statuses import InvoiceStatus
from portal.payments.models import Payment
from tests import factories
from tests.support.conftest import As, Desk

pytestmark = pytest.mark.database("sqlite")

ONLY = "Only for these roles: "


def looks(client: FlaskClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return unescape(answer.get_data(as_text=True))


def offers(page: str, target: str) -> bool:
    """Whether the page leads there, by a form or a link."""
    return any(f'{name}="{target}"' in page for name in ("action", "href"))


def why_not(page: str, label: str) -> str:
    """Why this action is missing, as the page tells it; empty where it does not."""
    for told in re.findall(r"<p [^>]*data-why-not>(.*?)</p>", page, re.DOTALL):
        labels, _, reason = told.partition(": ")
        if label in labels.split(", "):
            return str(reason)
    return ""


def check(page: str, label: str, target: str, reason: str) -> None:
    """Offered and not explained where no reason is expected; else explained with it, and not offered."""
    assert offers(page, target) is not bool(reason), (label, reason)
    told = why_not(page, label)
    assert reason in told if reason else told == "", (label, told)


def send(client: FlaskClient, address: str, **form: str) -> int:
    return client.post(address, data={"csrf_token": factories.csrf_token(client), **form}).status_code


# Payments


def a_payment(customer: Customer, **values: Any) -> str:
    with db.transaction() as session:
        return factories.payment(session, session.get_one(Customer, customer.id), **{"succeeded_at": None, **values}).id


PAYMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "created": ({"status": "created", "stripe_intent_id": None}, ""),
    "requires_payment_method": ({"status": "requires_payment_method"}, ""),
    "requires_confirmation": ({"status": "requires_confirmation"}, ""),
    "requires_action": ({"status": "requires_action"}, ""),
    "held": ({"status": "requires_action", "review_reason": "the amount differs"}, "held for review"),
    "processing": ({"status": "processing"}, "bank is at work on it"),
    "requires_capture": ({"status": "requires_capture"}, "bank is at work on it"),
    "succeeded": ({"status": "succeeded", "succeeded_at": clock.now()}, "can only be refunded"),
    "canceled": ({"status": "canceled"}, "canceled already"),
}


@pytest.mark.parametrize("role", STAFF_ROLES)
def test_a_payment_is_canceled_and_refunded_where_that_can_succeed(desk: Desk, browse: As, role: str) -> None:
    client = browse(role)
    for state, (values, obstacle) in PAYMENTS.items():
        payment_id = a_payment(desk.customer, **values)
        page = looks(client, f"/support/payments/{payment_id}")
        cancel = f"/support/payments/{payment_id}/cancellation"
        check(page, "Cancel payment", cancel, obstacle if may(role, Permission.CANCEL_PAYMENTS) else ONLY)
        can_propose = may(role, Permission.PROPOSE_REFUNDS)
        reason = ONLY if not can_propose else "" if state == "succeeded" else "Only a successful payment"
        check(page, "Propose a refund", f"/support/payments/{payment_id}/refund", reason)
        if offers(page, cancel):
            assert send(client, cancel) in {303, 503}, "Stripe is not there"
    disputed = a_payment(desk.customer, succeeded_at=clock.now())
    with db.transaction() as session:
        factories.dispute(session, session.get_one(Payment, disputed))
    reason = "is disputed at the bank" if may(role, Permission.PROPOSE_REFUNDS) else ONLY
    page = looks(client, f"/support/payments/{disputed}")
    check(page, "Propose a refund", f"/support/payments/{disputed}/refund", reason)


@pytest.mark.parametrize("role", STAFF_ROLES)
def test_a_document_is_sent_again_once_it_is_made(desk: Desk, browse: As, role: str) -> None:
    client, target = browse(role), f"/support/documents/{desk.receipt_id}/mail"
    for values, obstacle in (
        ({}, "still being created"),
        ({"missing_glyphs": "語"}, "characters are missing"),
        ({"missing_glyphs": "", "pdf_sha256": "0" * 64, "pdf": b"%PDF-"}, ""),
    ):
        with db.transaction() as session:
            for name, value in values.items():
                setattr(session.get_one(Document, desk.receipt_id), name, value)
        page = looks(client, f"/support/payments/{desk.payment.id}")
        check(page, "Send again", target, obstacle if may(role, Permission.SEND_DOCUMENTS) else ONLY)
        if offers(page, target):
            assert send(client, target) == 303


# Invoices


def _processing(desk: Desk, invoice: Invoice) -> None:
    with db.transaction() as session:
        factories.payment(
            session, session.get_one(Customer, desk.customer.id), session.get_one(Invoice, invoice.id),
            status="processing", succeeded_at=None,
        )  # fmt: skip


def _held(desk: Desk, invoice: Invoice) -> None:
    with db.transaction() as session:
        factories.payment(
            session, session.get_one(Customer, desk.customer.id), session.get_one(Invoice, invoice.id),
            status="requires_action", review_reason="the amount differs", succeeded_at=None,
        )  # fmt: skip


def _waits(desk: Desk, invoice: Invoice) -> None:
    assert factories.record_outside(invoice.id).waits


def _partly(desk: Desk, invoice: Invoice) -> None:
    with db.transaction() as session:
        session.get_one(Invoice, invoice.id).paid_minor = 10_00


def _credited(desk: Desk, invoice: Invoice) -> None:
    with db.transaction() as session:
        session.get_one(Invoice, invoice.id).credited_minor = 10_00


def _paid(desk: Desk, invoice: Invoice) -> None:
    with db.transaction() as session:
        row = session.get_one(Invoice, invoice.id)
        row.status, row.paid_at, row.paid_minor = InvoiceStatus.PAID, clock.now(), row.total_minor


def _void(desk: Desk, invoice: Invoice) -> None:
    with db.transaction() as session:
        row = session.get_one(Invoice, invoice.id)
        row.status, row.voided_at, row.void_reason = InvoiceStatus.VOID, clock.now(), "Billed twice"


def _nothing(desk: Desk, invoice: Invoice) -> None:
    """Open, and nobody has begun to pay."""


# What happened to the invoice, and why it is neither recorded as paid nor voided then.
INVOICES: dict[str, tuple[Callable[[Desk, Invoice], None], str, str]] = {
    "open": (_nothing, "", ""),
    "processing": (_processing, "is processing a payment", "is processing a payment"),
    "held": (_held, "held for review", "held for review"),
    "waits": (_waits, "waits for its second approval", "waits for its second approval"),
    "partly paid": (_partly, "", "A part of this invoice is paid"),
    "paid": (_paid, "Nothing of this invoice is due", "can no longer be voided"),
    "credited in part": (_credited, "", "A part of this invoice is credited"),
    "void": (_void, "This invoice is void", "This invoice is void"),
}
# Why it is not credited, where that is another reason than why it is not recorded as paid.
CREDIT = {"paid": "the refund issues the credit note"}


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")
@pytest.mark.parametrize("role", STAFF_ROLES)
def test_an_invoice_is_closed_where_that_can_succeed(desk: Desk, browse: As, role: str) -> None:
    client = browse(role)
    for state, (happens, record, void) in INVOICES.items():
        with db.transaction() as session:
            invoice = factories.invoice(session, session.get_one(Customer, desk.customer.id))
        happens(desk, invoice)
        address = f"/support/invoices/{invoice.id}"
        page = looks(client, address)
        may_close = may(role, Permission.CLOSE_INVOICES)
        check(page, "Record as paid", f"{address}/outside-payment", record if may_close else ONLY)
        check(page, "Void invoice", f"{address}/void", void if may_close else ONLY)
        check(page, "Credit invoice", f"{address}/credits/new", CREDIT.get(state, record) if may_close else ONLY)
        check(page, "Write off", f"{address}/write-off", record if may_close else ONLY)
        if state == "void":
            again = "" if may(role, Permission.ISSUE_INVOICES) else ONLY
            check(page, "Issue again with the same lines", f"/support/invoices/new?like={invoice.id}", again)
        if offers(page, f"{address}/outside-payment"):
            form = {"paid-key": "a key of its own", "paid-paid_on": company_days.today().isoformat()}
            form |= {"paid-how": "cash", "paid-reason": "Counted", "paid-amount_text": "5.00"}
            assert send(client, f"{address}/outside-payment", **(form | {"paid-key": f"key of {state} {role}"})) == 303
        elif offers(page, f"{address}/void"):
            assert send(client, f"{address}/void", **{"void-reason": "Billed twice"}) == 303


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")
def test_a_recorded_payment_is_decided_by_those_who_may(desk: Desk, browse: As) -> None:
    with db.transaction() as session:
        invoice = factories.invoice(session, session.get_one(Customer, desk.customer.id))
    record = factories.record_outside(invoice.id)
    target = f"/support/invoices/outside-payments/{record.id}/approval"
    for role in STAFF_ROLES:
        page = looks(browse(role), f"/support/invoices/{invoice.id}")
        check(page, "Approve or reverse", target, "" if may(role, Permission.CLOSE_INVOICES) else ONLY)


# Customers


@pytest.mark.parametrize("role", STAFF_ROLES)
@pytest.mark.parametrize("is_deactivated", [False, True])
def test_a_customer_is_changed_by_those_who_may(desk: Desk, browse: As, role: str, is_deactivated: bool) -> None:
    client, address = browse(role), f"/support/customers/{desk.customer.id}"
    if is_deactivated:
        with db.transaction() as session:
            admin = factories.staff(session, "admin")
        customer_access.deactivate(desk.customer.id, "They moved", by=admin.id)

    def told(permission: Permission, obstacle: str = "") -> str:
        return obstacle if may(role, permission) else ONLY

    page = looks(client, address)
    no_invoice = "gets no invoice" if is_deactivated else ""
    check(page, "View as the customer", f"{address}/view", told(Permission.VIEW_AS_CUSTOMER))
    check(page, "Edit details", f"{address}/details", told(Permission.MANAGE_CUSTOMERS))
    new = f"/support/invoices/new?customer={desk.customer.id}"
    check(page, "New invoice", new, told(Permission.ISSUE_INVOICES, no_invoice))
    if is_deactivated:
        check(page, "Reactivate the customer", f"{address}/reactivation", told(Permission.DEACTIVATE_CUSTOMERS))
    else:
        check(page, "Deactivate this customer", f"{address}/deactivation", told(Permission.DEACTIVATE_CUSTOMERS))
    people = looks(client, f"{address}/people")
    nobody = "nobody signs in for it" if is_deactivated else ""
    check(people, "Invite an owner", f"{address}/people/new", told(Permission.MANAGE_CUSTOMERS, nobody))
    if not is_deactivated:
        change = f"/support/customers/people/{desk.user.id}/email"
        check(people, "Change e-mail address", change, told(Permission.CHANGE_ADDRESSES))
    check(looks(client, f"{address}/notes"), "Add note", f"{address}/notes", told(Permission.WRITE_NOTES))


# Disputes

_IN_A_WEEK = clock.now() + timedelta(days=7)
WAITS: dict[str, object] = {"status": "needs_response", "evidence_due_by": _IN_A_WEEK, "deadline": _IN_A_WEEK}
PROPOSED: dict[str, object] = {"status": "proposed", "proposed_at": clock.now()}
# The dispute, its evidence (none while it is not gathered), and why it is not gathered, changed, and sent.
DISPUTES: dict[str, tuple[dict[str, object], dict[str, object] | None, str, str, str]] = {
    "waits": (WAITS, None, "", "Nothing is gathered", "Nothing is gathered"),
    "drafted": (WAITS, {}, "gathered already", "", "Nobody has proposed it"),
    "proposed": (WAITS, PROPOSED, "gathered already", "", ""),
    "refused": (WAITS, {"status": "refused"}, "gathered already", "", "changed and proposed again"),
    "sending": (WAITS, {"status": "sending"}, "gathered already", "being sent", "being sent"),
    "sent": ({"status": "under_review"}, {"status": "sent"}, "gathered already", "takes it once", "takes it once"),
    "too late": ({"status": "under_review"}, {}, "gathered already", "does not wait", "does not wait"),
    "over": ({"status": "lost"}, None, "is over", "is over", "is over"),
}


def _disputes(desk: Desk, by: str) -> Iterator[tuple[str, str]]:
    for state, (values, evidence, *_told) in DISPUTES.items():
        with db.transaction() as session:
            payment = factories.payment(session, session.get_one(Customer, desk.customer.id))
            dispute = factories.dispute(session, payment, **values)
            if evidence is not None:
                more = {"proposed_by": by} if evidence.get("status") == "proposed" else {}
                factories.evidence(session, dispute, **evidence, **more)
            yield state, dispute.id


@pytest.mark.parametrize("role", STAFF_ROLES)
def test_evidence_is_changed_and_sent_where_that_can_succeed(desk: Desk, browse: As, role: str) -> None:
    client = browse(role)
    with db.transaction() as session:
        colleague = factories.staff(session, "support")
    for state, dispute_id in list(_disputes(desk, colleague.id)):
        _dispute, evidence, gather, change, sent = DISPUTES[state]
        may_prepare, may_send = may(role, Permission.PREPARE_EVIDENCE), may(role, Permission.SEND_EVIDENCE)
        address = f"/support/disputes/{dispute_id}/evidence"
        page, part = looks(client, address), looks(client, f"{address}/state")
        if evidence is None:
            for shown in (page, part):
                check(shown, "Gather the evidence", f"{address}/gathering", gather if may_prepare else ONLY)
            continue
        why_no_change, why_not_sent = (change if may_prepare else ONLY), (sent if may_send else ONLY)
        check(page, "Change and propose the evidence", address, why_no_change)
        check(page, "Send to the bank", f"{address}/approval", why_not_sent)
        assert why_no_change in why_not(part, "Change and propose the evidence")
        assert why_not_sent in why_not(part, "Send to the bank")
        if offers(page, f"{address}/approval"):
            assert send(client, f"{address}/approval", version="1") == 303
            with db.reading() as session:
                assert session.get_one(Evidence, dispute_id).status == "sending"
        elif offers(page, address):
            assert send(client, address, version="1", uncategorized_text="Theirs.") == 303


def test_who_proposed_the_evidence_is_told_that_a_colleague_sends_it(desk: Desk, browse: As) -> None:
    client = browse("approver")
    with db.transaction() as session:
        (me,) = session.query(User).filter(User.role == "approver").all()
        dispute = factories.dispute(session, session.get_one(Payment, desk.payment.id), **WAITS)
        factories.evidence(session, dispute, **PROPOSED, proposed_by=me.id)
    page = looks(client, f"/support/disputes/{dispute.id}/evidence")
    check(page, "Send to the bank", f"/support/disputes/{dispute.id}/evidence/approval", "a colleague must send it")
