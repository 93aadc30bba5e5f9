"""Every page, a customer's and the staff's, in the whole running portal: axe finds nothing and nothing is cut off.

Desktop in light and English, phone in dark and German: between them each theme and width is seen on each page. Other languages are
seen where their words may be too long for a phone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from portal.books.models import Pack
from portal.content import anchors
from portal.content.mail import RefusedAddress
from portal.core import audit, clock, company_days, db, languages
from portal.core.config import Settings
from portal.core.db import new_id
from portal.disputes.models import Dispute
from portal.documents import service as receipts
from portal.documents.models import Document, DocumentArchive
from portal.identity import api_clients, app_grants
from portal.identity.policy import API_CLIENT_SCOPES
from portal.invoices import files, previews, price_list
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.models import Invoice, OutsidePayment
from portal.invoices.price_list import ItemDraft
from portal.invoices.statuses import OutsideStatus
from portal.ledger import LedgerAccount, post
from portal.mandates import policy
from portal.mandates.models import Collection, Mandate
from portal.payment_methods.models import PaymentMethod, PaymentMethodSetup
from portal.payments.models import Payment
from portal.payments.order_rules import Item
from portal.reconciliation.models import Discrepancy, Reconciliation
from portal.refunds.models import Refund, RefundMessage
from portal.refunds.statuses import RefundStatus
from portal.statements.models import BalanceConfirmation, StatementFile
from portal.support import service as desk
from portal.support.queries import SECTIONS
from portal.support.search_places import Kind
from tests import factories
from tests.books.conftest import moved
from tests.browsing import context_options
from tests.front.axe import FOR_AXE, Axe
from tests.front.signing_in import sign_in
from tests.live import LivePortal

LINES = (
    ("Green electricity, 4,200 kWh in October 2026", 4_200_000, 31, 1900),
    ("Meter rental and remote reading for the workshop in Oberbaumstraße", 1_000, 12_50, 1900),
    ("Solar feed-in credit handling", 2_000, 4_90, 700),
)
FAILED = 500
CSV = "customer;invoice;currency;description;quantity;unit_price;tax_rate\n"
VIEWS = {
    "desktop, light, English": ("en", {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}),
    "phone, dark, German": ("de", {"viewport": {"width": 320, "height": 568}, "color_scheme": "dark"}),
}


class History:
    """A customer with something on every page."""

    def __init__(self) -> None:
        now, today = clock.now(), company_days.today()
        with db.transaction() as session:
            customer = factories.customer(session)
            self.customer = customer.id
            self.user = factories.user(session, customer)
            self.viewer = factories.user(session, customer, "viewer", name="Eve Lang")
            factories.user(session, customer, "payer", name="Benedikt Kurz-Oberbaumbrücke", password=None)
            factories.user(session, customer, "owner", active=False)
            self.recipient = factories.recipient(session, customer).id
            unproved = "accounts-payable.of-the-whole-group@oberbaumbruecke-holding.test"
            factories.recipient(session, customer, email=unproved, confirmed_at=None, with_xml=True)
            session.add(
                RefusedAddress(customer_id=customer.id, recipient=customer.email, refused_at=now, said="550 5.1.1")
            )
            self.due = factories.invoice(session, customer, LINES).id
            late: dict[str, Any] = {"due_on": today - timedelta(days=6), "issued_on": today - timedelta(days=20)}
            self.overdue = factories.invoice(session, customer, **late).id
            factories.invoice(session, customer, currency="jpy")
            paid = factories.invoice(session, customer, LINES, status="paid", paid_at=now)
            self.paid = paid.id
            payment = factories.payment(session, customer, paid)
            self.succeeded = payment.id
            partly = factories.invoice(session, customer, LINES, paid_minor=10_00)
            self.partly = partly.id
            clerk = factories.staff(session, name="Benedikt Kurz-Oberbaumbrücke").id
            for outside_status in OutsideStatus:
                row = OutsidePayment(
                    id=new_id("out"), invoice_id=partly.id, status=outside_status, amount_minor=10_00, currency="eur",
                    how="cheque", paid_on=today,
                    reference="A reference without-any-break-" * 3, reason="On the statement", recorded_by=clerk, recorded_at=now,
                )  # fmt: skip
                if "revers" in outside_status:
                    row.reversal_by, row.reversal_at, row.reversal_reason = clerk, now, "Another customer's"
                session.add(row)
            unpaid: dict[str, Any] = {"amount_minor": 12_00, "succeeded_at": None}
            wants_code = {"status": "requires_payment_method", "failure_code": "incorrect_cvc", "succeeded_at": None}
            factories.payment(session, customer, session.get_one(Invoice, self.due), **wants_code)
            items = [Item("Meter reading", 1_500, 6_00).to_json(), Item("Journey", 1_000, 3_00).to_json()]
            self.declined = factories.payment(
                session,
                customer,
                status="requires_payment_method",
                decline_code="insufficient_funds",
                items=items,
                **unpaid,
            ).id
            self.processing = factories.payment(session, customer, status="processing", **unpaid).id
            self.canceled = factories.payment(session, customer, status="canceled", **unpaid).id
            for number in range(22):
                factories.payment(session, customer, created_at=now - timedelta(days=number + 1))
            for brand, last4, year in (("visa", "4242", today.year + 3), ("amex", "0005", today.year - 1)):
                session.add(_card(customer.id, brand, last4, year))
            soon = _card(customer.id, "mastercard", "4444", today.year)
            soon.exp_month = today.month
            session.add(soon)
            factories.payment(session, customer, status="requires_action", stripe_payment_method_id="pm_visa", **unpaid)
            setups = [
                _setup(customer.id, status="succeeded", outcome=outcome)
                for outcome in ("added", "renewed", "duplicate", "gone")
            ]
            setups.append(_setup(customer.id, status="requires_payment_method", failure_code="expired_card"))
            setups.append(_setup(customer.id, review_reason="the setup intent belongs to another customer"))
            session.add_all(setups)
            session.add_all(
                _automatic_payment(customer.id, self.user.id, {self.due: "announced", self.overdue: "retrying"})
            )
            self.setups = [setup.id for setup in setups]
            self.staff = factories.staff(session)
            self.endpoints: list[str] = []
            for values in (
                {"url": "https://hooks.spree-bikes.test/" + "a-long-path-without-a-break" * 8},
                {"failing_since": now},
                {"failing_since": now, "disabled_at": now, "disabled_reason": "failing"},
                {"disabled_at": now, "disabled_reason": "gone", "description": ""},
            ):
                self.endpoints.append(factories.endpoint(session, customer, **values).id)
            self.customer = customer.id
            in_days = [now + timedelta(days=days) for days in (2, 9)]
            apps = ("Pocketbill/2.1 (iPhone; iOS 20)", "An-app-with-a-name-that-goes-on-and-on/1.0 (Linux)", "")
            self.disputes = [
                factories.dispute(session, payment, status=status, **more).id
                for status, more in (
                    ("needs_response", {"evidence_due_by": in_days[0], "deadline": in_days[0], "reason": "fraudulent"}),
                    ("warning_needs_response", {"evidence_due_by": in_days[1], "deadline": in_days[1]}),
                    ("under_review", {"review_reason": "Stripe's dispute is in eur, the payment in usd"}),
                    ("lost", {}),
                )
            ]
            asked = [session.get_one(Dispute, dispute) for dispute in self.disputes]
            factories.evidence(session, asked[0])
            factories.evidence(session, asked[1], status="proposed", proposed_by=self.staff.id, proposed_at=now)
            factories.evidence(session, asked[2], status="refused", refusal="The receipt has too many pages")
        for name in apps:
            app_grants.sign_in(
                self.user.email, factories.PASSWORD, code=None, wanted=None, ip="203.0.113.7", user_agent=name
            )
        self.receipt = receipts.issue(self.succeeded)
        desk.add_note(
            self.customer,
            self.staff.id,
            "Called about the meter, calls again on Friday.\nWants a copy of the contract.",
        )
        self.files = [
            files.UPLOADS.keep(self.staff.id, "november.csv", f"{CSV}{row}\n".encode(), "")
            for row in (
                "ada@spree-bikes.test;A-1;eur;Green electricity;1;100,00;19",
                "nobody@nowhere.test;A-2;eur;;none;1;19",
            )
        ]
        self.items = [
            price_list.create(ItemDraft(name, "On site", "HUR", 95_00, "eur", 1900, "services")).id
            for name in ("Advice", "Assembly")
        ]
        price_list.retire(self.items[-1])
        draft = InvoiceDraft(self.customer, "eur", (LineDraft("Advice", 1_000, 95_00, 1900),))
        self.previews = [previews.request(self.staff.id, draft, "en")]
        self.credit_notes = [self._credit_note(revoked=revoked) for revoked in (False, True)]
        self.credit_notes += [self._credit_note(revoked=revoked, reason="duplicate") for revoked in (False, True)]
        with db.transaction() as session:
            due = session.get_one(
                Invoice, self.due, options=[selectinload(Invoice.lines), joinedload(Invoice.customer)]
            )
            receipts.issue_invoice(session, due, draft)
            alone = factories.payment(session, due.customer).id
        self.receipts = [self.receipt, receipts.issue(alone)]
        with db.transaction() as session:
            self.archives = []
            for status, more in (
                ("making", {"files_done": 3, "files_all": 8}),
                ("ready", {"missing": 1}),
                ("given_up", {}),
            ):
                archive = DocumentArchive(
                    id=new_id("zip"), customer_id=self.customer, requested_by=self.user.id, requested_at=now,
                    status=status, wanted={}, **more,
                )  # fmt: skip
                session.add(archive)
                self.archives.append(archive.id)
            self.confirmations = []
            for number, digest in enumerate((None, "0" * 64)):
                confirmation = BalanceConfirmation(
                    id=new_id("bcf"), customer_id=self.customer, requested_by=self.user.id, day=today.replace(day=1), made_at=now,
                    language="en", company="Nordlicht", customer_name="Spree Bikes", code=f"{number:020d}",
                    balances={"eur": 119_00, "usd": -5_00, "chf": 0}, pdf=b"PDF" if digest else None, pdf_sha256=digest,
                )  # fmt: skip
                session.add(confirmation)
                self.confirmations.append(confirmation.id)
            self.statements = []
            for status in ("making", "ready", "given_up"):
                file = StatementFile(
                    id=new_id("stm"), customer_id=self.customer, requested_by=self.user.id, requested_at=now, status=status,
                    currency="eur", since=today.replace(day=1), until=today,
                )  # fmt: skip
                session.add(file)
                self.statements.append(file.id)
        with db.reading() as session:
            documents = session.execute(select(Document)).scalars()
            self.codes = [*(document.code_text for document in documents), f"{1:020d}"]
        with db.transaction() as session:
            payment = session.get_one(Payment, self.succeeded)
            factories.fraud_warning(session, payment)
            self.refunds = [
                factories.refund(session, payment, amount_minor=5_00, **values).id
                for values in (
                    {"status": "requested", "asked_at": now - timedelta(days=3), "explanation": "It never came."},
                    {"status": "requested", "waiting_since": now},
                    {"status": "approved_once", "first_approved_by": self.staff.id, "first_approved_at": now},
                    {
                        "status": "requested",
                        "review_reason": "money of this payment was given back at Stripe's dashboard",
                    },
                    {"status": "rejected", "rejection": "It was delivered on Monday."},
                    {"status": "pending", "expected_by": today},
                    {"acquirer_reference_number": "74987501234567890123456"},
                    {"status": "failed", "failed_at": now, "failure_reason": "expired_or_canceled_card"},
                )
            ]
            held = {"status": "approved", "decided_by": self.staff.id, "decided_at": now}
            held |= {"held_until": now + timedelta(hours=1), "stripe_refund_id": None}
            self.refunds.append(factories.refund(session, payment, amount_minor=5_00, **held).id)
            question = {"refund_id": self.refunds[1], "at": now, "author_id": self.staff.id, "from_customer": False}
            session.add(RefundMessage(id=new_id("rfm"), words="Which meter is it?", **question))

    def _credit_note(self, *, revoked: bool, **values: str) -> str:
        with db.transaction() as session:
            payment = session.get_one(Payment, self.succeeded)
            refund = factories.refund(session, payment, amount_minor=12_00, **values).id
        note = receipts.issue_credit_note(refund)
        assert note is not None
        if revoked:
            with db.transaction() as session:
                row = session.get_one(Refund, refund)
                row.status, row.failed_at = RefundStatus.FAILED, clock.now()
            receipts.revoke_credit_note(refund)
        return note

    def open_addresses(self) -> Iterator[str]:
        """Every page that needs no account."""
        yield from (
            "/sign-in",
            "/sign-in/link",
            "/password/forgotten",
            "/password/forgotten/sent",
            "/verify",
            "/verify/no-such-code",
        )
        yield "/api/docs"
        yield from (f"/verify/{code}" for code in self.codes)

    def staff_addresses(self) -> Iterator[str]:
        """Every page of the staff, in each of its states."""
        yield from ("/support/disputes", "/support/disputes?state=closed")
        yield from (f"/support/disputes/{dispute}" for dispute in self.disputes)
        yield from (f"/support/disputes/{dispute}/evidence" for dispute in self.disputes)
        yield f"/support/disputes/{self.disputes[0]}/evidence/state"
        yield f"/support/disputes/of-customer/{self.customer}"
        yield from ("/support/refunds", f"/support/payments/{self.succeeded}/refund")
        yield from (f"/support/refunds?place={place}" for place in ("second", "taken", "customer"))
        yield from (f"/support/refunds/{refund}" for refund in self.refunds)
        yield f"/support/refunds/{self.refunds[0]}?last={self.refunds[-1]}"
        yield from (f"/support/refunds/{self.refunds[-1]}/decision", "/support/books/today")

    def addresses(self) -> Iterator[str]:
        """Every page that a customer can open, in each of its states."""
        yield from ("/", "/invoices", "/invoices?status=overdue", "/invoices?status=void")
        yield from (f"/invoices/{self.due}", f"/invoices/{self.paid}", f"/payments/invoices/{self.due}")
        yield from ("/payments", "/payments?q=nothing+like+it", "/payments?least=x", "/payments/other")
        for payment in (self.succeeded, self.declined, self.processing, self.canceled):
            yield f"/payments/{payment}"
        yield from (f"/payments/{self.succeeded}/outcome", f"/payments/{self.succeeded}/dispute")
        yield from (
            "/receipts/",
            "/receipts/?q=nothing",
            "/receipts/?least=x",
            f"/receipts/of-payment/{self.succeeded}",
        )
        yield from (f"/receipts/{receipt}" for receipt in self.receipts)
        yield from (f"/receipts/archives/{archive}" for archive in self.archives)
        yield from (f"/receipts/{note}" for note in self.credit_notes)
        yield from ("/statement", "/statement?since=2026-12-31&until=2026-01-01", "/statement?currency=jpy")
        yield from (f"/statement/files/{file}" for file in self.statements)
        yield from (
            "/payment-methods",
            "/payment-methods/new",
            "/account",
            "/account/email",
            "/account/notifications",
            "/no-such-page",
        )
        yield from (
            "/account/webhooks",
            "/account/webhooks/new",
            *(f"/account/webhooks/{one}" for one in self.endpoints),
        )
        yield f"/invoices/{self.due}/pay-link"
        yield from ("/account/people", "/account/recipients", f"/account/recipients/{self.recipient}")
        yield from ("/refunds", f"/payments/{self.succeeded}/refunds")
        yield f"/payments/{self.succeeded}/refund-requests"
        yield from (f"/refunds/{refund}" for refund in self.refunds)
        yield from (f"/payment-methods/setups/{setup}/outcome" for setup in self.setups)
        yield from ("/automatic-payment", "/automatic-payment/summary", f"/payments/invoices/{self.due}/ways")
        yield from (f"/automatic-payment/of-invoice/{invoice}" for invoice in (self.due, self.overdue))

    def tight(self) -> set[str]:
        """Pages whose texts stand in tight places: navigation, tables, pills and buttons."""
        return {
            "/", f"/invoices/{self.due}", f"/payments/invoices/{self.due}", "/payments", "/receipts/", "/account", "/payment-methods",
            f"/refunds/{self.refunds[0]}", "/automatic-payment", "/support", "/support/refunds",
            f"/support/refunds/{self.refunds[0]}", f"/support/customers/{self.customer}",
            f"/support/disputes/{self.disputes[0]}", "/support/payments", f"/support/invoices/{self.partly}",
        }  # fmt: skip

    def addresses_of_viewers(self) -> Iterator[str]:
        """The pages that look different to someone who may not pay, and a refusal."""
        yield from ("/", f"/invoices/{self.due}", f"/payments/{self.declined}", "/payments", "/payment-methods")
        yield from ("/account", "/account/people", "/payment-methods/new")

    def desk(self) -> Iterator[str]:
        """Every page that staff can open."""
        yield from (
            "/support",
            "/support/mails",
            "/support?q=spree",
            "/support?q=119",
            "/support?q=INV-TEST",
            "/support?q=nothing+like+it",
        )
        yield from (f"/support/search/{kind}?q=119" for kind in Kind if kind not in {Kind.CUSTOMERS, Kind.PAYOUTS})
        yield from ("/support/search/customers?q=spree", "/support/search/refunds?q=nothing+like+it")
        yield f"/support/customers/{self.customer}"
        yield f"/support/customers/{self.customer}/statement"
        yield f"/support/customers/{self.customer}/balance-confirmations"
        yield from (f"/support/customers/{self.customer}/balance-confirmations/{one}" for one in self.confirmations)
        yield from (f"/support/customers/{self.customer}/statement/files/{file}" for file in self.statements)
        yield from (
            f"/support/customers/{self.customer}/{name}"
            for name in (*SECTIONS, "details", "people/new", "recipients", f"recipients/{self.recipient}", "view")
        )
        yield "/support/customers/new"
        yield from (f"/support/payments/{payment}" for payment in (self.succeeded, self.declined))
        yield from ("/support/invoices", "/support/invoices?status=overdue", "/support/invoices?q=none")
        yield from ("/support/customers", "/support/refunds/all", "/support/documents", "/support/documents?state=held")
        yield from ("/support/mails/sent", "/support/mails/unsent", "/support/mails/unsent?state=waiting")
        yield from ("/support/payments", "/support/payments?currency=eur&least=1", "/support/payments?least=1")
        yield from ("/support/invoices/new", f"/support/invoices/{self.due}", f"/support/invoices/{self.paid}")
        yield f"/support/invoices/{self.partly}"
        yield from (
            "/support/reminders/ended",
            f"/support/invoices/{self.due}/reminders",
            f"/support/invoices/{self.due}/pay-link",
            "/support/invoices/import",
            "/support/invoices/second-approvals",
            "/support/invoices/new/customers?customer=spree",
            "/support/invoices/new/items?currency=eur",
            "/support/price-list",
            "/support/price-list?status=retired",
            "/support/price-list/new",
            *(f"/support/price-list/{item}" for item in self.items),
            *(f"/support/invoices/previews/{preview}" for preview in self.previews),
        )
        yield from (f"/support/invoices/import/{file}" for file in self.files)


class Troubles:
    """An admin, and something on every page of the operations desk."""

    def __init__(self) -> None:
        now = clock.now()
        with db.transaction() as session:
            self.user = factories.staff(session, "admin")
            customer = factories.customer(session)
            self.event = factories.stripe_event(session, body=b'{"object": "event", "id": "' + b"x" * 200 + b'"}').id
            for number in range(22):
                factories.stripe_event(session, status="ignored", received_at=now - timedelta(minutes=number + 1))
            factories.failed_job(session, args={"event_id": self.event}, last_error="OSError: " + "no space left " * 12)
            factories.failed_job(session, status="queued", finished_at=None, attempts=3)
            payment = factories.payment(session, customer, review_reason="the amount at Stripe differs")
            session.add(_setup(customer.id, review_reason="the setup intent belongs to another customer"))
            found = {"status": "requested", "review_reason": "too little of the payment is left"}
            self.refund = factories.refund(session, payment, **found).id
            factories.refund(session, payment, status="unknown")
            factories.dispute(session, payment, review_reason="the disputed charge is not this payment's")
            factories.fraud_warning(session, payment)
            for kind, debit, credit in (
                ("charge", LedgerAccount.STRIPE, LedgerAccount.RECEIVABLES),
                ("fee", LedgerAccount.FEES, LedgerAccount.STRIPE),
            ):
                post(
                    session,
                    kind,
                    debit=debit,
                    credit=credit,
                    amount=payment.amount,
                    subject=payment.id,
                    reference=f"{kind}:{payment.stripe_intent_id}",
                )
            source = {"source_id": payment.stripe_charge_id or "ch_1", "subject": payment.id}
            moved(session, "charge", payment.amount_minor, 3_00, at=now, **source)
            moved(session, "payout", -80_00, at=now, booked_at=None, source_id="po_1NordlichtEnergieNovember")
            broken = factories.endpoint(session, customer, url="https://hooks.spree-bikes.test/" + "events/" * 30)
            failed = {"status": "failed", "attempts": 12, "status_code": 500, "delivered_at": None}
            waiting = {
                "status": "pending",
                "attempts": 3,
                "status_code": None,
                "delivered_at": None,
                "next_attempt_at": now,
            }
            self.deliveries = [
                factories.delivery(session, customer).id,
                factories.delivery(session, customer, broken, answer="<h1>Error</h1>" * 30, **failed).id,
                factories.delivery(session, customer, broken, answer="no answer: Connection refused", **waiting).id,
            ]
            asked = {"requested_by": self.user.id, "requested_at": now}
            self.packs = [
                Pack(id="pck_1", month=date(2026, 3, 1), status="making", **asked),
                Pack(id="pck_2", month=date(2026, 2, 1), status="making", files_done=7, files_all=1204, **asked),
                Pack(
                    id="pck_3",
                    month=date(2026, 1, 1),
                    status="ready",
                    made_at=now,
                    size=123_456_789,
                    missing=2,
                    **asked,
                ),
                Pack(id="pck_4", month=date(2025, 12, 1), status="given_up", **asked),
            ]
            session.add_all(self.packs)
            self.discrepancies = [
                Discrepancy(
                    id=f"fnd_{number}", code=code, subject=f"x{number}", fingerprint="", payment_id=payment.id, found_at=now,
                    seen_at=now, status=status, resolution="It belongs to the shop." if status == "resolved" else "",
                    closed_at=None if status == "open" else now, facts=facts,
                )
                for number, (code, status, facts) in enumerate((
                    ("charged_twice", "open", {"payment": payment.id, "first": "pay_1", "amount_minor": 1, "currency": "eur"}),
                    ("receipt_missing", "gone", {"payment": payment.id}),
                    ("orphan_charge", "resolved", {"charge": "ch_1", "amount_minor": 1_00, "currency": "eur"}),
                ))
            ]  # fmt: skip
            session.add_all(self.discrepancies)
            for number, finished in enumerate((now, None)):
                session.add(
                    Reconciliation(
                        id=f"rec_{number}", kind="nightly", since=now - timedelta(days=35), until=now, started_at=now,
                        finished_at=finished, counts={"intents": 1204, "transactions": 2408, "settled": 2}, open_discrepancies=1,
                    )
                )  # fmt: skip
            facts = {"status": ["created", "succeeded"], "card": {"brand": "visa"}, "review_reason": None}
            audit.record(session, "payment.status", payment.id, facts, customer_id=customer.id)
            anchors.take(session)
        for name in ("Order desk of the workshop in Oberbaumstraße", "Books", "Donaudampfschifffahrtsgesellschaft"):
            client, _secret = api_clients.create(name, API_CLIENT_SCOPES, self.user.id)
        api_clients.revoke(client.id)

        with db.transaction() as session:
            self.colleague = factories.staff(session, "approver", name="Tom Colleague").id

    def addresses(self) -> Iterator[str]:
        yield from ("/support/staff", *(f"/support/staff/{one}" for one in (self.user.id, self.colleague)))
        yield from ("/support/operations/settings", "/support/books/payouts", "/support/search/payouts?q=80")
        yield from (f"/support/books/accounts{days}" for days in ("", "?since=2026-02-01&until=2026-01-01"))
        yield from ("/support/api-clients", "/support/api_clients/new")
        yield from ("/support/operations", f"/support/refunds/{self.refund}")
        for path in ("", f"/{self.event}", "?q=nothing", "?status=x"):
            yield f"/support/operations/events{path}"
        for path in ("", "?status=failed", "?customer=nothing", "?status=x"):
            yield f"/support/operations/deliveries{path}"
        yield from (f"/support/operations/deliveries/{one}" for one in self.deliveries)
        yield from (
            "/support/operations/jobs",
            "/support/operations/jobs?status=dead",
            "/support/operations/discrepancies",
        )
        for path in ("", "?since=2026-02-01&until=2026-01-01", "?since=2026-01-01&until=2026-12-31", "?currency=jpy"):
            yield f"/support/books{path}"
        yield from (
            "/support/books/reconciliations",
            *(f"/support/books/discrepancies/{one.id}" for one in self.discrepancies),
        )
        yield from ("/support/books/packs", *(f"/support/books/packs/{pack.id}" for pack in self.packs))
        for lines in ("postings", "transactions"):
            for path in ("", "?group=fees&currency=eur", "?subject=nothing", "?since=2026-02-01&until=2026-01-01"):
                yield f"/support/books/{lines}{path}"
        yield from ("/support/operations/audit", "/support/operations/audit?subject=nothing")


def _card(customer_id: str, brand: str, last4: str, year: int) -> PaymentMethod:
    return PaymentMethod(
        id=db.new_id("method"),
        customer_id=customer_id,
        stripe_payment_method_id=f"pm_{brand}",
        brand=brand,
        last4=last4,
        exp_month=12,
        exp_year=year,
        is_default=brand == "visa",
        created_at=clock.now(),
    )


def _automatic_payment(customer_id: str, user_id: str, statuses: dict[str, str]) -> Iterator[Any]:
    """A mandate in force and a collection for each of these invoices, in its status."""
    now = clock.now()
    terms = "\n".join(policy.terms("Nordlicht Energie GmbH", "en"))
    yield Mandate(
        id="mnd_1", customer_id=customer_id, given_by=user_id, given_at=now, ip="", language="en", terms=terms
    )
    for invoice_id, status in statuses.items():
        yield Collection(
            id=db.new_id("col"),
            mandate_id="mnd_1",
            customer_id=customer_id,
            invoice_id=invoice_id,
            status=status,
            charge_on=company_days.today(),
            next_attempt_at=now + timedelta(days=1),
            created_at=now,
            updated_at=now,
        )


def _setup(customer_id: str, **values: Any) -> PaymentMethodSetup:
    now = clock.now()
    key = db.new_id("page")
    return PaymentMethodSetup(
        id=db.new_id("set"), customer_id=customer_id, client_key=key, created_at=now, updated_at=now, **values
    )


def _let_parts_come(page: Page) -> None:
    """A customer's page asks for its parts when they come into sight."""
    page.wait_for_function(
        """() => {
            const part = document.querySelector("main :is([id^=section-], [id^=disputes-of-])[hx-get]");
            part?.scrollIntoView();
            return part === null;
        }"""
    )


def _make_key(page: Page) -> None:
    page.locator("[name=name]").fill("Order desk")
    page.locator("[name=scopes]").first.check()
    page.locator("main button[type=submit]").click()
    page.locator("[data-error-summary]").wait_for()


def visit(page: Page, address: str) -> None:
    """Open a page, which may be one of a refusal, but not of a failure: that one is easily read."""
    answer = page.goto(address)
    assert answer is not None and answer.status != FAILED, address


def problems(page: Page, axe: Axe) -> list[str]:
    page.wait_for_load_state("load")
    found = axe.violations(page)
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return [*found, f"{width} px are cut off"] if width > 0 else found


# How far the page, and each name in the navigation, reaches beyond its place, in pixels.
CUT_OFF = """() => [document.documentElement, ...document.querySelectorAll(".site-nav a > span")]
    .map((part) => part.scrollWidth - part.clientWidth).filter((beyond) => beyond > 0)"""
OTHER_LANGUAGES = [code for code in languages.shipped() if code not in {language for language, _ in VIEWS.values()}]


def cut_off_elsewhere(page: Page, url: str, address: str, back: str) -> dict[str, list[str]]:
    """What of this page is cut off in the languages of no view. What axe looks at is the same in each."""
    found = {}
    for language in OTHER_LANGUAGES:
        visit(page, f"{url}/language/{language}?next={address}")
        page.wait_for_load_state("load")
        assert page.locator("html").get_attribute("lang") == language
        found[f"{address} in {language}"] = [f"{beyond} px are cut off" for beyond in page.evaluate(CUT_OFF)]
    page.goto(f"{url}/language/{back}")
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("view", VIEWS)
def test_every_page_can_be_read_by_everyone(
    settings: Settings, live_portal: LivePortal, browser: Browser, view: str
) -> None:
    language, options = VIEWS[view]
    history = History()
    tight = history.tight() if "phone" in view else set()
    context: Any = browser.new_context(**context_options(**options, **FOR_AXE))
    axe = Axe()
    try:
        page = context.new_page()
        found: dict[str, list[str]] = {}
        page.goto(f"{live_portal.url}/language/{language}")
        for address in history.open_addresses():
            visit(page, live_portal.url + address)
            found[address] = problems(page, axe)
        sign_in(page, live_portal.url, history.user)
        for address in history.addresses():
            visit(page, live_portal.url + address)
            page.wait_for_load_state("load")
            found[address] = problems(page, axe)
            if address in tight:
                found |= cut_off_elsewhere(page, live_portal.url, address, language)
        page.context.clear_cookies()
        page.goto(f"{live_portal.url}/language/{language}")
        sign_in(page, live_portal.url, history.viewer)
        for address in history.addresses_of_viewers():
            visit(page, live_portal.url + address)
            page.wait_for_load_state("load")
            found[f"{address} as a viewer"] = problems(page, axe)
        context.clear_cookies()
        page.goto(f"{live_portal.url}/language/{language}")
        sign_in(page, live_portal.url, history.staff)
        for address in (*history.staff_addresses(), *history.desk()):
            visit(page, live_portal.url + address)
            page.wait_for_load_state("load")
            found[address] = problems(page, axe)
            if address in tight:
                found |= cut_off_elsewhere(page, live_portal.url, address, language)
        assert {address: what for address, what in found.items() if what} == {}
        assert tight <= found.keys()
    finally:
        context.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("view", VIEWS)
def test_every_page_of_the_second_factor_can_be_read_by_everyone(
    settings: Settings, live_portal: LivePortal, browser: Browser, view: str
) -> None:
    language, options = VIEWS[view]
    with db.transaction() as session:
        user = factories.user(session, factories.customer(session))
    context: Any = browser.new_context(**context_options(**options, **FOR_AXE))
    axe = Axe()
    try:
        page, address = context.new_page(), f"{live_portal.url}/account/second-factor"
        found: dict[str, list[str]] = {}
        page.goto(f"{live_portal.url}/language/{language}")
        sign_in(page, live_portal.url, user)
        page.goto(address)
        found["off"] = problems(page, axe)
        page.locator("main button[type=submit]").click()
        page.wait_for_url(f"{address}/setup")
        found["setting up"] = problems(page, axe)
        secret = page.locator(".spelled").inner_text().replace(" ", "")
        page.locator("[name=code]").fill("12345")
        page.locator("[name=password]").fill(factories.PASSWORD)
        page.locator("main button[type=submit]").click()
        page.locator("#code-error").wait_for()
        found["a wrong code"] = problems(page, axe)
        page.locator("[name=code]").fill(pyotp.TOTP(secret).now())
        page.locator("[name=password]").fill(factories.PASSWORD)
        page.locator("main button[type=submit]").click()
        page.locator("#recovery-codes").wait_for()
        found["recovery codes"] = problems(page, axe)
        page.goto(address)
        found["on"] = problems(page, axe)
        context.clear_cookies()
        page.goto(f"{live_portal.url}/language/{language}")
        page.goto(f"{live_portal.url}/sign-in")
        page.locator("[name=email]").fill(user.email)
        page.locator("[name=password]").fill(factories.PASSWORD)
        page.locator("main button[type=submit]").click()
        page.wait_for_url(f"{live_portal.url}/sign-in/code")
        found["the code"] = problems(page, axe)
        assert {what: problem for what, problem in found.items() if problem} == {}
    finally:
        context.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("view", VIEWS)
def test_every_page_of_the_operations_desk_can_be_read_by_everyone(
    settings: Settings, live_portal: LivePortal, browser: Browser, view: str
) -> None:
    language, options = VIEWS[view]
    live_portal.stop_worker()  # what has failed stays as it is
    troubles = Troubles()
    context: Any = browser.new_context(**context_options(**options, **FOR_AXE))
    axe = Axe()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    try:
        page = context.new_page()
        page.goto(f"{live_portal.url}/language/{language}")
        page.goto(f"{live_portal.url}/sign-in?next=/support/operations")
        page.locator("[name=email]").fill(troubles.user.email)
        page.locator("[name=password]").fill(factories.PASSWORD)
        page.locator("main button[type=submit]").click()
        page.wait_for_url(f"{live_portal.url}/support/operations")
        found: dict[str, list[str]] = {}
        for address in troubles.addresses():
            visit(page, live_portal.url + address)
            page.wait_for_load_state("load")
            found[address] = problems(page, axe)
        page.goto(f"{live_portal.url}/support/api-clients")
        page.locator("[data-open-dialog]").first.click()
        found["revoking a key"] = problems(page, axe)
        page.goto(f"{live_portal.url}/support/api-clients/new")
        page.locator("[name=password]").fill("not the password")
        _make_key(page)
        found["a key that was refused"] = problems(page, axe)
        page.locator("[name=password]").fill(factories.PASSWORD)
        page.locator("main button[type=submit]").click()
        page.locator("[data-copy=client-secret]").click()
        page.locator("#live:not(:empty)").wait_for(state="attached")
        found["a key that was made"] = problems(page, axe)
        secret = page.locator("#client-secret").inner_text()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.reload()
        page.wait_for_url(f"{live_portal.url}/support/api-clients")
        assert secret not in page.content()
        assert {address: what for address, what in found.items() if what} == {}
    finally:
        context.close()
