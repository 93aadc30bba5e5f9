"""The ways of a payment and of an order stay short enough to be read: see tests/infrastructure/ways.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from portal.accounts.models import Customer
from portal.core import db
from portal.core.db import database_now, new_id
from portal.jobs import outbox
from portal.jobs.models import JobRow
from portal.payments import queries
from portal.refunds.queries import of_payment
from tests import factories
from tests.api.conftest import App, World, owner, world
from tests.infrastructure.ways import Way
from tests.stripe_events.test_webhooks import ADDRESS, event, signed

__all__ = ["owner", "world"]

pytestmark = pytest.mark.database("sqlite")

NUMBERS = itertools.count(1)
# What has no part in the order of things: rows, reading them, and the rules of what is asked for. A reader opens it where it is needed.
READ_EVERYWHERE = {"allocating", "models", "order_rules", "queries", "statuses"}


def walked(act: Callable[[Way], object]) -> Way:
    """The way of a piece of work that was done before; `make ways` shows it."""
    act(Way())
    way = Way()
    act(way)
    print(f"\n{way}")  # noqa: T201
    return way


def work(way: Way, *names: str) -> None:
    """Do the newest job of the first name, which leaves one of the second, and so on; all others wait."""
    for name in names:
        with db.transaction() as session:
            now, queued = database_now(session), update(JobRow).where(JobRow.status == "queued")
            newest = select(func.max(JobRow.id)).where(JobRow.status == "queued", JobRow.name == name).scalar_subquery()
            session.execute(queued.values(run_at=now + timedelta(days=1)))
            session.execute(queued.where(JobRow.id == newest).values(run_at=now))
        with way:
            assert outbox.run_due("way", most=1) == 1, name


def within(way: Way, *, files: int, functions: int) -> bool:
    """Whether no more of the domain runs than so much. What grows on purpose may raise the number, and says why."""
    counted_files, counted_functions = way.counted()
    return counted_files <= files and counted_functions <= functions


def new_invoice(world: World) -> str:
    with db.transaction() as session:
        return factories.invoice(session, session.get_one(Customer, world.customer_id)).id


def paid(world: World, browser: FlaskClient, way: Way) -> str:
    """An invoice is paid on its page, and all that follows until its receipt is issued; returns the payment's id."""
    invoice_id = new_invoice(world)
    headers = {"X-CSRFToken": factories.csrf_token(browser), "Accept": "application/json"}
    with way:
        answer = browser.post(
            f"/payments/invoices/{invoice_id}/start", data={"client_key": new_id("tab")}, headers=headers
        )
    assert answer.json is not None
    payment_id = str(answer.json["payment_id"])
    with db.reading() as session:
        intent_id = str(queries.by_id(session, payment_id).stripe_intent_id)
    world.confirm(intent_id)
    world.sandbox.control("finish")
    body = event(number=next(NUMBERS), id=intent_id)
    signature = signed(body)
    with way:
        assert browser.post(ADDRESS, data=body, headers={"Stripe-Signature": signature}).status_code == 200
    work(way, "stripe_events.apply", "documents.issue")
    return payment_id


def test_a_payment(app: Flask, world: World) -> None:
    """From the press on its page over the confirmation in the browser and the webhook to the receipt."""
    browser = app.test_client()
    factories.sign_in(browser, world.owner)
    way = walked(lambda way: paid(world, browser, way))
    # Events about one object are served together, an event and its job are one statement, and what is searched is written with the row. The
    # paper is one of several kinds, and a press is looked at for a view of the account that may only read.
    # What is due may be a rest, more than it may arrive, and what was begun through a pay link is called off first.
    # What can be paid with is asked for by name, and the payment says what it was made with; a part of the invoice may be credited.
    # It may be for several invoices, and what was begun of others is called off: which, and how much of each, is a module of its own.
    assert within(way, files=40, functions=157)


def test_an_order(world: World, owner: App) -> None:
    """An app pays an invoice with a card in one call."""

    def order(way: Way) -> None:
        body = {"invoice_id": new_invoice(world), "payment_method_id": world.method()}
        with way:
            answer = owner.post("/api/payments/process", body)
        assert answer.status_code == 201

    way = walked(order)
    # The paper is one of several kinds, what is due may be a rest, and what was begun through a pay link is called off first.
    # What can be paid with is asked for by name, and what the app brings is held against it; it is told when a debit's money is expected.
    # It may be for several invoices.
    assert within(way, files=33, functions=155)
    of_payments = {Path(file).stem: times for file, times in way.entries.items() if file.startswith("payments/")}
    assert {name for name, times in of_payments.items() if times > 2} <= READ_EVERYWHERE


def token(browser: FlaskClient) -> dict[str, str]:
    return {"csrf_token": factories.csrf_token(browser)}


@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:100")
def test_a_refund(app: Flask, world: World) -> None:
    """A customer asks, staff approve, the worker sends it, Stripe settles it, and the credit note is issued."""
    customer, approver = app.test_client(), app.test_client()
    factories.sign_in(customer, world.owner)
    with db.transaction() as session:
        staff = factories.staff(session, "approver")
    factories.sign_in(approver, staff)

    def refund(way: Way) -> None:
        payment_id = paid(world, customer, Way())
        asked = {"amount_text": "10", "reason": "other", "explanation": "It arrived broken.", "key": new_id("form")}
        with way:
            sent = customer.post(f"/payments/{payment_id}/refund-requests", data=asked | token(customer))
        assert sent.status_code == 303
        with db.reading() as session:
            (asked_for,) = of_payment(session, payment_id)
        with way:
            decided = approver.post(
                f"/support/refunds/{asked_for.id}/approval", data={"note": "Agreed"} | token(approver)
            )
        assert decided.status_code == 303
        work(way, "refunds.execute", "documents.issue_credit_note")

    way = walked(refund)
    # Who decides many at once does so in one transaction; and what can still be undone is told to nobody.
    # Which paper takes the money back depends on what was billed; requests are shared out among colleagues and may be asked back about.
    # Its credit note carries an e-invoice, and each row of its taxes its own reason; facts of before are read in a file of their own.
    # The books lower revenue and tax of each rate with the money, and the credit note is made from that.
    # A credit note may also be of an invoice that was not paid, so what the two share stands apart.
    # Its data add up the lines before a discount, which an invoice may have.
    # It names one of the invoices that its payment paid.
    assert within(way, files=43, functions=207)
