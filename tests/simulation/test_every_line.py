"""A SIGKILL at every line of the portal's own code that moves money or tells of it; afterwards the books equal Stripe's.

Lines between which nothing can have happened outside of the process are one moment. Each moment has a case of its own: an invoice, or a
part of a payment that is given back. A child works on it and is killed at that moment's line. Then half of the clients come again with
the key that they had; for the others the worker alone goes on. All cases live in one database, so what one of them leaves behind must
not be in the way of another.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import update

from portal import gateway
from portal.accounts.models import Customer
from portal.core import db
from portal.core.db import database_now, new_id
from portal.core.errors import Conflict
from portal.core.four_eyes import Reviewer
from portal.core.money import Money
from portal.documents import job_handlers as document_handlers
from portal.documents import service as receipts
from portal.jobs import outbox
from portal.jobs.models import JobRow
from portal.payments import jobs as payment_jobs
from portal.payments import service as payments
from portal.payments.models import Payment
from portal.payments.order_rules import Order
from portal.refunds import executing as refund_executing
from portal.refunds import job_handlers as refund_handlers
from portal.refunds import service as refunds
from portal.refunds.policy import RefundReason
from portal.stripe_events import job_handlers as event_handlers
from portal.stripe_events import service as stripe_events
from tests import factories
from tests.live import SandboxServer
from tests.payment_methods.conftest import Wallet
from tests.payments.conftest import keep_card
from tests.simulation import killing
from tests.simulation.invariants import violations
from tests.simulation.killing import Line, Way
from tests.smtp import Mailbox
from tests.stripe_events.test_webhooks import event, signed

pytestmark = pytest.mark.timeout(1_800)  # with every moment

# Importing the jobs registers what the worker runs.
REGISTERED = (document_handlers, refund_handlers, event_handlers)
# What time brings by itself; longer than any wait of a job.
LONG_AFTERWARDS = timedelta(days=1)
# `make kills` takes every moment; an ordinary run takes one of so many, with another SEED others.
EVERY, SEED = {"sqlite": 7, "postgresql": 20}, 2
# So many lines of one work may depend on random ids.
MOST_MISSED = 2
# A payment of 119 euros is given back in so many parts of so many cents.
PARTS, PART_MINOR = 10, 10_00


@dataclass(frozen=True)
class Case:
    """What one child works on. `come_again` is what the client does who got no answer."""

    play: Callable[[], object]
    come_again: Callable[[], object] | None = None
    # The keys of the jobs that are due for the child; all others wait meanwhile.
    due: tuple[str, ...] = ()


# Prepares a case in the test's process.
Prepare = Callable[[], Case]
Check = Callable[..., None]


@dataclass(frozen=True)
class Parted:
    """A payment that is given back in parts, and the staff who do it.

    Each is of another customer and in the hands of other staff: what these have given back within a day may not reach the sum from which
    one more person must approve.
    """

    payment_id: str
    proposer: str
    reviewer: Reviewer


@dataclass
class Scene:
    """The people, and the works that a child is killed at."""

    sandbox: SandboxServer
    regular: str  # a customer with a saved card
    card: str
    parted: Parted | None = None
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def order(self) -> Case:
        """An app's order with a card that it has just made, of a customer whom Stripe does not know yet."""
        customer_id, invoice_id = self.new_invoice()
        method = Wallet(self.sandbox, customer_id).method()
        order = Order(customer_id, new_id("order"), invoices=payments.whole(invoice_id), method=method)
        return Case(lambda: payments.process(order), lambda: payments.process(order))

    def press(self) -> Case:
        """One press of a button that charges a saved card."""
        _, invoice_id = self.new_invoice(self.regular)
        key = new_id("press")

        def pay() -> Payment:
            return payments.pay_with_card(self.regular, payments.whole(invoice_id), self.card, client_key=key)

        return Case(pay, pay)

    def page(self) -> Case:
        """A page that is opened; its customer may never confirm."""
        customer_id, invoice_id = self.new_invoice()
        key = new_id("page")

        def start() -> object:
            return payments.start_for_invoice(customer_id, invoice_id, client_key=key, save_card=False)

        return Case(start, start)

    def follow_up(self) -> Case:
        """Confirmed in a browser that was closed at once: the worker finds out."""
        started = self.confirmed(self.regular)
        return Case(
            lambda: outbox.run_due("killed", most=1), due=(payment_jobs.follow_up.key(payment_id=started.payment_id),)
        )

    def webhook(self) -> Case:
        """Confirmed likewise; Stripe tells of it, and tells again when it gets no answer."""
        started = self.confirmed(self.regular)
        body = event(number=next(self.numbers), id=started.intent_id)

        def receive() -> None:
            stripe_events.receive(body, signed(body))

        def receive_and_work() -> None:
            receive()
            outbox.run_due("killed", most=1)

        return Case(receive_and_work, receive)

    def document(self) -> Case:
        """A payment that was settled: its receipt is issued, rendered and mailed."""
        started = self.confirmed(self.regular)
        payments.refresh(started.payment_id)
        return Case(
            lambda: outbox.run_due("killed"), due=(payment_jobs.issue_receipt.key(payment_id=started.payment_id),)
        )

    def refund(self) -> Case:
        """A part of a payment is asked for, approved, sent, settled, and ends in a credit note."""
        parted, key = self.paid(), new_id("refund")

        def give_back_and_work() -> None:
            give_back(parted, key)
            outbox.run_due("killed")

        return Case(give_back_and_work, partial(give_back, parted, key))

    def new_invoice(self, customer_id: str | None = None) -> tuple[str, str]:
        """An open invoice of 119 euros, of a new customer or of this one; returns both ids."""
        with db.transaction() as session:
            customer = session.get_one(Customer, customer_id) if customer_id else factories.customer(session)
            return customer.id, factories.invoice(session, customer).id

    def confirmed(self, customer_id: str | None = None) -> payments.Started:
        customer_id, invoice_id = self.new_invoice(customer_id)
        started = payments.start_for_invoice(customer_id, invoice_id, client_key=new_id("tab"), save_card=False)
        self.sandbox.client.v1.payment_intents.confirm(started.intent_id, {"payment_method": "pm_card_visa"})
        self.sandbox.control("finish")  # Stripe knows its fee, for this one as for the others
        return started

    def paid(self) -> Parted:
        """A payment with its receipt and a credit note already, of which there is enough left for one more part."""
        if next(self.numbers) % PARTS == 0 or self.parted is None:
            with db.transaction() as session:
                proposer, approver = factories.staff(session), factories.staff(session, "approver")
            payment_id = self.confirmed().payment_id
            self.parted = Parted(payment_id, proposer.id, Reviewer(approver.id, "approver"))
            payments.refresh(payment_id)
            receipts.issue(payment_id)
            first = give_back(self.parted, new_id("first"))
            refund_executing.execute(first)
            receipts.issue_credit_note(first)
        return self.parted


def give_back(parted: Parted, key: str) -> str:
    """Staff propose a part and approve it; with the key of before, what was done before stays."""
    part = Money(PART_MINOR, "eur")
    proposed = refunds.propose(parted.proposer, parted.payment_id, part, RefundReason.GOODWILL, "", client_key=key)
    with suppress(Conflict):
        refunds.approve(proposed, parted.reviewer)
    return proposed


# Time, and what it brings


def hold_back(*but: str) -> None:
    """No job is due but those with these keys."""
    with db.transaction() as session:
        now = database_now(session)
        session.execute(update(JobRow).where(JobRow.status == "queued").values(run_at=now + LONG_AFTERWARDS))
        session.execute(update(JobRow).where(JobRow.unique_key.in_(but)).values(run_at=now))


def let_time_pass() -> None:
    """Leases run out, and every wait is over. The databases' own clocks stay, so the rows are moved instead."""
    with db.transaction() as session:
        before = database_now(session) - timedelta(seconds=1)
        session.execute(update(JobRow).where(JobRow.status == "queued").values(run_at=before))
        session.execute(update(JobRow).where(JobRow.lease_until.is_not(None)).values(lease_until=before))


def settle_down(sandbox: SandboxServer) -> None:
    """Everything that waits is done, by a worker that lives; twice, for what was left for later."""
    for _ in range(2):
        sandbox.control("finish")
        let_time_pass()
        outbox.run_due("survivor", most=100_000)


# The runs


@pytest.fixture
def scene(app: Flask, database: str, sandbox: SandboxServer, smtp: Mailbox) -> Iterator[Scene]:
    gateway.forget()
    with db.transaction() as session:
        regular = factories.customer(session)
    card = keep_card(sandbox, regular.id)
    with app.app_context():
        yield Scene(sandbox, regular.id, card.id)
    gateway.forget()


def way_of(prepare: Prepare, known: Collection[Line] = ()) -> Way:
    """The way of this work, once everything that is imported or compiled at the first need is there."""
    warm, whole = prepare(), prepare()
    hold_back(*warm.due)
    warm.play()
    return killing.way_of(whole.play, ready=partial(hold_back, *whole.due), known=known)


def kill_at_each(scene: Scene, prepare: Prepare, lines: list[Line]) -> None:
    """Kill at each of these lines, and let everything come to rest.

    A line that only some random ids lead to (one that looks like a card's number, say) may not be reached again: then the work was done
    to its end. Few lines are like that; with more of them something stands in the way.
    """
    cases = [prepare() for _ in lines]
    missed = [
        str(line)
        for line, case in zip(lines, cases, strict=True)
        if not killing.dies_at(line, case.play, ready=partial(hold_back, *case.due))
    ]
    assert len(missed) <= MOST_MISSED, f"nobody died at {missed}"
    for case in cases[::2]:
        if case.come_again is not None:
            case.come_again()
    settle_down(scene.sandbox)


def kill_everywhere(scene: Scene, works: tuple[Prepare, ...], spared: set[Line], every: int) -> int:
    """Kill at every so many moments of these works, each line in the first that reaches it; returns at how many."""
    known, number = set(spared), 0
    for prepare in works:
        way = way_of(prepare, known)
        known.update(way.lines)
        taken = way.moments[SEED % every :: every]
        kill_at_each(scene, prepare, taken)
        number += len(taken)
    return number


@pytest.fixture
def every(database: str) -> int:
    """`make kills` sets it to 1: every moment."""
    return int(os.environ.get("KILL_AT_EVERY", EVERY[database.partition(":")[0]]))


@pytest.fixture
def check(scene: Scene, smtp: Mailbox, every: int, capsys: pytest.CaptureFixture[str]) -> Check:
    """Kill at the lines of these works but for those of the others, and hold everything against the promises."""

    def check(*works: Prepare, but: tuple[Prepare, ...] = (), at_least: int) -> None:
        spared = {line for prepare in but for line in way_of(prepare).lines}
        number = kill_everywhere(scene, works, spared, every)
        assert violations(scene.sandbox.client, mails=smtp.messages) == []
        assert number >= at_least // every, "a run that kills at fewer moments than there were has lost its sight"
        with capsys.disabled():
            print(f" killed {number} times;", end="", flush=True)  # noqa: T201

    return check


def test_the_way_of_a_payment(scene: Scene, check: Check) -> None:
    check(scene.order, scene.press, scene.page, scene.follow_up, scene.webhook, at_least=350)


def test_the_way_of_a_document(scene: Scene, check: Check) -> None:
    check(scene.document, at_least=150)


def test_the_way_of_a_refund(scene: Scene, check: Check) -> None:
    """Its credit note goes the way of a receipt, at whose lines the test before has killed."""
    check(scene.refund, but=(scene.document,), at_least=180)
