"""In recovery mode pages read and nothing moves money: one gate, and every way to it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import gateway
from portal.core import db, numbering, recovery
from portal.core.money import Money
from portal.core.recovery import InRecovery
from portal.gateway import StripeGateway
from portal.identity.models import User
from portal.invoices import service as invoices
from portal.jobs import outbox
from portal.jobs.job import declared
from portal.jobs.models import JobRow
from portal.mandates import jobs as mandate_jobs
from portal.web import pages
from tests import factories
from tests.recovery.conftest import Company

# What the gateway does without moving money: it calls off, lets go, or writes down.
HARMLESS = {
    *("cancel_intent", "cancel_setup", "detach_method", "label_intent", "label_refund"),
    *("create_webhook_endpoint", "update_webhook_endpoint", "delete_webhook_endpoint"),
    *("method_domain", "register_domain"),
}
# What workers do all the same: mails about signing in and about the machine, and the comparison with Stripe.
IN_RECOVERY = {
    *(
        "identity.begin_reset",
        "identity.begin_sign_in_link",
        "accounts.begin_sign_up",
        "accounts.mail_invitation",
        "accounts.mail_account_exists",
    ),
    *(
        "identity.mail_link",
        "identity.mail_password_changed",
        "identity.mail_second_factor",
        "accounts.mail_owners_changed",
        "accounts.mail_billing_email_changed",
        "accounts.mail_inactivity",
        "accounts.mail_reset_asked",
        "accounts.mail_recipient_confirmation",
        "accounts.mail_staff_access",
        "identity.mail_email_change",
        "identity.mail_email_changed",
        "identity.mail_passkey",
    ),
    "vat.check_id",
    *("operations.mail_dead", "operations.mail_outage"),
    *("reconciliation.walk", "reconciliation.tend_recovery", "operations.mail_recovery_begun"),
}


@pytest.fixture
def held(app: Flask) -> Flask:
    with db.transaction() as session:
        assert recovery.begin(session, recovery.OPERATOR, {})
    return app


def _changing() -> list[str]:
    def reads(name: str) -> bool:
        return name.startswith(("_", "retrieve_", "list_")) or name == "customer_is_gone"

    return [name for name, _ in inspect.getmembers(StripeGateway, inspect.isfunction) if not reads(name)]


def _arguments(method: Callable[..., Any]) -> dict[str, Any]:
    """Something for each parameter, by what it is annotated with."""
    kinds: dict[str, Any] = {
        "str": "x",
        "bool": True,
        "bytes": b"%PDF-",
        "Money": Money(1_00, "eur"),
        "Mapping[str, str]": {},
        "Mapping[str, Any] | None": None,
        "Mapping[str, str] | None": None,
    }
    given = list(inspect.signature(method).parameters.values())[1:]
    return {parameter.name: kinds[str(parameter.annotation)] for parameter in given}


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("name", _changing())
def test_nothing_is_made_or_confirmed_at_stripe(held: Flask, name: str) -> None:
    method = getattr(StripeGateway, name)
    gateway.forget()
    if name in HARMLESS:
        return
    with pytest.raises(InRecovery):
        method(gateway.current(), **_arguments(method))


@pytest.mark.database("sqlite")
def test_every_request_that_changes_something_is_answered_with_why_but_for_what_is_free(
    held: Flask, client: FlaskClient
) -> None:
    kept, addresses = set(), held.url_map.bind("localhost")
    for rule in held.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}):
            ids = {name: f"{'cus' if name == 'customer_id' else 'pay'}_{'0' * 26}" for name in rule.arguments}
            path = addresses.build(rule.endpoint, ids, method)
            blueprint = rule.endpoint.rpartition(".")[0]
            if blueprint in pages.FREE:
                continue
            answer = client.open(path, method=method, headers={"Accept": "application/json"})
            assert (answer.status_code, answer.get_json()["code"]) == (503, "recovery_mode"), f"{method} {path}"
            assert int(answer.headers["Retry-After"]) > 0
            kept.add(blueprint)
    assert kept >= {"pay", "payment_methods", "mandates", "refunds", "support", "support_refunds"}
    assert kept >= {"api_payments", "api_refunds", "api_methods", "api_invoices", "api_endpoints"}


def test_jobs_wait_but_for_those_that_move_no_money(held: Flask) -> None:
    assert outbox.names_in_recovery() == IN_RECOVERY
    assert len(declared()) > 40
    with db.transaction() as session:
        mandate_jobs.sweep.enqueue(session)
    assert outbox.claim("someone", 10) == []
    with db.transaction() as session:
        outbox.enqueue_periodic(session)
        names = {job.name for job in session.query(JobRow)}
    assert names == {"mandates.sweep", "reconciliation.tend_recovery"}


def test_no_number_is_given_out_and_no_invoice_is_decided_on(held: Flask) -> None:
    with db.transaction() as session:
        invoice_id = factories.invoice(session, factories.customer(session)).id
    with pytest.raises(InRecovery), db.transaction() as session:
        numbering.take(session, numbering.RECEIPTS)
    with pytest.raises(InRecovery):
        invoices.void(invoice_id, "Paid after the backup, for all we know.")


def test_people_read_why_and_go_on_reading(company: Company) -> None:
    invoice_id = company.bill()
    with db.transaction() as session:
        recovery.begin(session, recovery.OPERATOR, {})
        admin = factories.staff(session, "admin")
        reader = session.get_one(User, company.user_id)
    browser = company.app.test_client()
    factories.sign_in(browser, reader)
    page = browser.get(f"/invoices/{invoice_id}")
    assert page.status_code == 200
    assert "Payments are paused for a moment" in page.text
    assert "Paying is off until" in page.text
    for address in (f"/invoices/{invoice_id}", "/"):
        shown = browser.get(address).text
        assert f'href="/payments/invoices/{invoice_id}"' not in shown, "Pay leads nowhere while nothing may be charged"
        assert re.search(r'<button type="button"[^>]* disabled[^>]* title="Paying is off until', shown), address
    answer = browser.get(f"/payments/invoices/{invoice_id}")
    assert answer.status_code == 503
    assert "You were not charged" in answer.text
    desk = company.app.test_client()
    factories.sign_in(desk, admin)
    assert "Recovery mode: nothing is charged" in desk.get("/support/operations").text
    assert "Recovery mode: not compared yet" in desk.get("/support/books").text
