"""A page, and a list of the API, asks the database the same number of questions whether it shows few rows or many."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.accounts.models import Customer
from portal.api import tokens
from portal.core import db
from portal.identity import app_grants
from portal.identity.models import User
from tests import factories
from tests.counting import counted_queries

pytestmark = pytest.mark.database("sqlite")

FEW, MANY = 2, 9
PAGES = {
    "owner": ("/", "/invoices", "/payments", "/receipts/", "/payment-methods", "/account", "/account/people"),
    "support": (
        *(
            "/support?q=spree",
            "/support/refunds",
            "/support/invoices",
            "/support/payments",
            "/support/customers",
            "/support/mails/sent",
            "/support/mails/unsent",
            "/support/refunds/all",
            "/support/documents",
            "/support/disputes",
            "/support/customers/{customer}",
        ),
        *("/support/customers/{customer}/payments", "/support/customers/{customer}/invoices"),
    ),
    "app": (
        *("/api/payments/history", "/api/invoices", "/api/receipts", "/api/refunds"),
        *("/api/payments/methods/list", "/api/endpoints"),
    ),
}


@pytest.fixture
def customer(app: Flask) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


@pytest.fixture
def browser_of(app: Flask, customer: Customer) -> Callable[[str], FlaskClient]:
    def signed_in(who: str) -> FlaskClient:
        browser = app.test_client()
        with db.transaction() as session:
            user: User = factories.staff(session) if who == "support" else factories.user(session, customer)
        if who == "app":
            browser.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {_token_of(user)}"
        else:
            factories.sign_in(browser, user)
        return browser

    return signed_in


def _token_of(user: User) -> str:
    grant = app_grants.sign_in(user.email, factories.PASSWORD, code=None, wanted=None, ip="127.0.0.1", user_agent="")
    return tokens.sign(user.id, grant.scopes, grant=grant.id)


def _add(customer: Customer, number: int) -> None:
    """Each an open invoice, one that is being paid, a payment that is partly refunded, and a disputed one."""
    with db.transaction() as session:
        for _ in range(number):
            factories.invoice(session, customer)
            factories.payment(
                session, customer, factories.invoice(session, customer), status="processing", succeeded_at=None
            )
            paid = factories.payment(session, customer, factories.invoice(session, customer, status="paid"))
            factories.refund(session, paid, amount_minor=1_00)
            factories.dispute(session, factories.payment(session, customer))
            factories.user(session, customer)


@pytest.mark.parametrize(("who", "path"), [(who, path) for who, paths in PAGES.items() for path in paths])
def test_more_rows_bring_no_more_questions(
    browser_of: Callable[[str], FlaskClient], customer: Customer, who: str, path: str
) -> None:
    browser, address = browser_of(who), path.format(customer=customer.id)
    asked = []
    for more in (FEW, MANY):
        _add(customer, more)
        browser.get(address)  # what a process asks once
        with counted_queries() as queries:
            assert browser.get(address).status_code == 200
        asked.append(queries)
    few, many = asked
    assert len(many) == len(few), [query for query in many if query not in few] or many
