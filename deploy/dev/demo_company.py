"""The demo company as customers, staff and Stripe act on it; each act goes through the services, at the moment that its `past` is at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import stripe
from sqlalchemy import select

from deploy.dev import seed
from deploy.dev.demo_past import Past
from deploy.dev.seed import DemoCustomer
from portal.core import audit, company_days, config, db
from portal.core.db import new_id
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.core.units import Unit
from portal.disputes.models import Dispute
from portal.identity.models import User
from portal.invoices import outside, price_list
from portal.invoices import service as invoices
from portal.invoices.drafts import InvoiceDraft, LineDraft
from portal.invoices.price_list import ItemDraft
from portal.invoices.statuses import OutsideWay
from portal.mandates import policy as mandate_policy
from portal.mandates import service as mandates
from portal.payment_methods import queries as card_queries
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.refunds import service as refunds
from portal.refunds.policy import RefundReason
from portal.support import service as desk


def _neighbour(name: str, email: str, person: str, address: str) -> DemoCustomer:
    return DemoCustomer(name, email, person, address, "DE", "", "de")


# Customers beside those whose sign-ins `make run` prints.
CAFE = _neighbour("Kaffeerösterei Elbe GmbH", "mara@roesterei.example", "Mara Beispiel", "Elbchaussee 4\n22765 Hamburg")
WORKSHOP = _neighbour("Werkstatt Petersen", "jan@petersen.example", "Jan Petersen", "Werftstraße 21\n24148 Kiel")
HOTEL = _neighbour("Hotel Deichblick", "lea@deichblick.example", "Lea Muster", "Am Deich 3\n25826 Sankt Peter-Ording")
BOATS = _neighbour("Bootsbau Kröger", "finn@bootsbau.example", "Finn Kröger", "Kai 7\n26382 Wilhelmshaven")
NEIGHBOURS = (CAFE, WORKSHOP, HOTEL, BOATS)
# What staff fill lines of invoices with.
PRICE_LIST = (
    ItemDraft("Energieberatung", "Energieberatung vor Ort", Unit.HOUR, 95_00, "eur", 1900, "services"),
    ItemDraft("Anfahrt", "", Unit.KILOMETRE, 42, "eur", 1900, "services"),
    ItemDraft(
        "Thermografie", "Thermografie mit ausführlichem Bericht", Unit.FLAT_RATE, 340_00, "eur", 1900, "services"
    ),
    ItemDraft("Handbuch", "Handbuch „Strom sparen im Handwerk“, gedruckt", Unit.PIECE, 24_00, "eur", 700, "goods"),
    ItemDraft("Energy workshop", "Workshop, half a day", Unit.FLAT_RATE, 480_00, "usd", 0, "services"),
)


@dataclass
class Company:
    """The demo company in its past, with what its customers and staff do."""

    past: Past
    customers: dict[DemoCustomer, str] = field(default_factory=dict)
    users: dict[DemoCustomer, str] = field(default_factory=dict)
    reviewers: dict[str, Reviewer] = field(default_factory=dict)

    def open(self) -> None:
        """Staff and customers, with their sign-ins."""
        for email, name, role in seed.STAFF:
            self.reviewers[role] = Reviewer(seed.staff(email, name, role), role)
        for demo in (*seed.CUSTOMERS, *NEIGHBOURS):
            self.customers[demo] = seed.customer(demo)
            with db.reading() as session:
                found = select(User.id).where(User.customer_id == self.customers[demo])
                self.users[demo] = session.scalars(found).one()
        with self._as_staff("support"):
            for item in PRICE_LIST:
                price_list.create(item)

    @contextmanager
    def _as_customer(self, demo: DemoCustomer) -> Iterator[None]:
        """What is done in the block, the customer's person did in their browser."""
        with audit.acting(audit.Actor("customer", self.users[demo], "203.0.113.7")):
            yield

    @contextmanager
    def _as_staff(self, role: str) -> Iterator[Reviewer]:
        """What is done in the block, this member of staff did."""
        with audit.acting(audit.Actor("staff", self.reviewers[role].id, "198.51.100.4")):
            yield self.reviewers[role]

    # Invoices

    def bill(self, demo: DemoCustomer, currency: str, *lines: LineDraft, days: int = 14) -> str:
        """Issue an invoice now, due in so many days; returns its id."""
        due_on = company_days.today() + timedelta(days=days)
        with self._as_staff("support"):
            return invoices.issue(InvoiceDraft(self.customers[demo], currency, lines, due_on=due_on)).id

    def book_transfer(self, invoice_id: str) -> None:
        """The invoice was paid by bank transfer today."""
        today = company_days.today()
        with self._as_staff("approver") as reviewer:
            recorded = outside.record(
                invoice_id,
                reviewer,
                paid_on=today,
                how=OutsideWay.BANK_TRANSFER,
                reference="Statement 7, line 3",
                reason="On the bank statement",
                client_key=f"transfer-of-{invoice_id}",
            )
        if recorded.waits:
            with self._as_staff("admin") as reviewer:
                outside.approve(recorded.id, reviewer)

    def note(self, demo: DemoCustomer, words: str) -> None:
        """Staff write something down about the customer."""
        with self._as_staff("support") as reviewer:
            desk.add_note(self.customers[demo], reviewer.id, words)

    # Payments

    def pay(self, demo: DemoCustomer, invoice_id: str, card: str = "visa", *, save: bool = False) -> str:
        """Pay in the page with one of Stripe's test cards; returns the payment's id. One that declines leaves it unpaid."""
        with self._as_customer(demo):
            started = payments.start_for_invoice(
                self.customers[demo], invoice_id, client_key=new_id("form"), save_card=save
            )
        with suppress(stripe.CardError):
            self.past.stripe.v1.payment_intents.confirm(started.intent_id, {"payment_method": f"pm_card_{card}"})
        self.past.a_moment_later()
        return started.payment_id

    def pay_with_saved(self, demo: DemoCustomer, invoice_id: str) -> str:
        """One press with the default card; returns the payment's id."""
        with db.reading() as session:
            card = card_queries.default_method(session, self.customers[demo])
        if card is None:
            raise LookupError(f"{demo.name} has no saved card")
        with self._as_customer(demo):
            paid = payments.pay_with_card(
                self.customers[demo], payments.whole(invoice_id), card.id, client_key=new_id("form")
            )
        self.past.a_moment_later()
        return paid.id

    def agree_to_automatic_payment(self, demo: DemoCustomer) -> None:
        sentences = mandate_policy.terms(config.current().company.name, demo.language)
        with self._as_customer(demo):
            mandates.switch_on(
                self.customers[demo],
                self.users[demo],
                ip="203.0.113.7",
                locale=demo.language,
                agreed=mandate_policy.digest(sentences),
            )

    # Refunds

    def ask(self, demo: DemoCustomer, payment_id: str, amount: Money | None, reason: str, words: str = "") -> str:
        """The customer asks for money back; returns the refund's id."""
        with self._as_customer(demo):
            return refunds.ask(
                self.customers[demo], self.users[demo], payment_id, amount, reason, words, client_key=new_id("form")
            )

    def approve(self, refund_id: str, role: str) -> None:
        """One member of staff approves; the refund is sent unless another one must approve as well."""
        with self._as_staff(role) as reviewer:
            refunds.approve(refund_id, reviewer)
        self.past.a_moment_later()

    def propose(self, payment_id: str, amount: Money) -> str:
        """Staff give back something out of goodwill; returns the refund's id."""
        with self._as_staff("support") as reviewer:
            return refunds.propose(
                reviewer.id, payment_id, amount, RefundReason.GOODWILL, "", client_key=new_id("form")
            )

    def reject(self, refund_id: str, why: str) -> None:
        with self._as_staff("support") as reviewer:
            refunds.reject(refund_id, reviewer, rejection=why)

    def withdraw(self, demo: DemoCustomer, refund_id: str) -> None:
        with self._as_customer(demo):
            refunds.withdraw(refund_id, self.customers[demo])

    # Disputes

    def dispute(self, payment_id: str, reason: str, *, inquiry: bool = False) -> None:
        """The customer's bank asks for the money back, or only inquires."""
        with db.reading() as session:
            payment = session.get_one(Payment, payment_id)
        self.past.control(
            "disputes", charge=payment.stripe_charge_id, reason=reason, inquiry="yes" if inquiry else "no"
        )
        self.past.a_moment_later()

    def answer(self, payment_id: str) -> None:
        """Hand in evidence in Stripe's dashboard."""
        self.past.stripe.v1.disputes.update(
            self._dispute_of(payment_id),
            {"evidence": {"product_description": "Green electricity, delivered in full"}, "submit": True},
        )
        self.past.a_moment_later()

    def decide(self, payment_id: str, verdict: str) -> None:
        """The bank decides."""
        self.past.control("disputes/decide", dispute=self._dispute_of(payment_id), verdict=verdict)
        self.past.a_moment_later()

    def _dispute_of(self, payment_id: str) -> str:
        with db.reading() as session:
            return session.scalars(select(Dispute.stripe_dispute_id).where(Dispute.payment_id == payment_id)).one()
