"""Mails that are not necessary say where they are done without, and a press there is enough."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from portal.accounts import unsubscribing
from portal.accounts.models import Customer, OptionalMail
from portal.content import mail
from portal.core import db
from tests import factories
from tests.smtp import Mailbox, text_of


@pytest.fixture
def customer(database: object, settings: object) -> Customer:
    with db.transaction() as session:
        return factories.customer(session)


def send(app: Flask, customer: Customer, **given: Any) -> None:
    with app.app_context():
        mail.send(
            key="one", to=customer.email, subject="Hello", template="accounts/mails/account_exists", locale="en",
            customer_id=customer.id, name="Ada", link="http://127.0.0.1/", **given,
        )  # fmt: skip


def test_a_mail_that_is_not_necessary_says_where_it_is_done_without(
    app: Flask, smtp: Mailbox, customer: Customer
) -> None:
    link = unsubscribing.address(customer.id, OptionalMail.CARD_EXPIRY)
    send(app, customer, unsubscribe_at=link)
    send(app, customer)
    optional, necessary = smtp.messages
    assert optional["List-Unsubscribe"].replace("\r\n ", "").replace(" ", "") == f"<{link}>"
    assert optional["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link in text_of(optional) and link in text_of(optional, "html")
    assert necessary["List-Unsubscribe"] is None


def test_opening_the_link_changes_nothing_and_one_press_without_a_cookie_ends_these_mails_alone(
    app: Flask, customer: Customer
) -> None:
    path = urlsplit(unsubscribing.address(customer.id, OptionalMail.CARD_EXPIRY)).path

    def wanted() -> list[OptionalMail]:
        with db.reading() as session:
            now = session.get_one(Customer, customer.id)
        return [one for one in OptionalMail if now.wants(one)]

    assert app.test_client().get(path).status_code == 200
    assert wanted() == list(OptionalMail)
    for _press in range(2):
        assert app.test_client().post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert wanted() == [OptionalMail.REFUND_PROGRESS]


def test_a_forged_link_ends_nothing(app: Flask, customer: Customer) -> None:
    path = urlsplit(unsubscribing.address(customer.id, OptionalMail.CARD_EXPIRY)).path
    for wrong in (path[:-3] + "abc", path.rpartition("/")[0] + "/" + customer.id):
        assert app.test_client().post(wrong).status_code == 404
