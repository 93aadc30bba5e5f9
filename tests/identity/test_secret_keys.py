"""Changing the secret key without loss: what was made under the old key counts as long as it is accepted, and not a moment longer."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr

from portal.accounts import unsubscribing
from portal.accounts.models import Customer, OptionalMail
from portal.api import tokens as access_tokens
from portal.app import create_app
from portal.core import clock, config, db, signing_keys
from portal.identity import codes, resealing, second_factor, signing_in, tokens
from portal.identity.models import TokenPurpose, User
from portal.pay_links import service as pay_links
from portal.webhook_endpoints import signing
from tests import factories
from tests.factories import PASSWORD

NEXT = "the-next-key-for-tests-which-guards-nothing"
HOME = "203.0.113.7"

pytestmark = pytest.mark.database("sqlite")
Rotate = Callable[..., Flask]


@pytest.fixture
def old(settings: config.Settings) -> str:
    return settings.secret_key.get_secret_value()


def with_keys(newest: str, *accepted: str) -> Flask:
    """The portal, started again with these keys."""
    changed = {"secret_key": SecretStr(newest), "accepted_secret_keys": tuple(map(SecretStr, accepted))}
    return create_app(config.current().model_copy(update=changed))


def moved(client: FlaskClient, app: Flask) -> FlaskClient:
    """The same browser, after the portal was started again."""
    browser, cookie = app.test_client(), client.get_cookie("portal")
    assert cookie is not None
    browser.set_cookie("portal", cookie.value)
    return browser


@pytest.fixture
def ada(settings: config.Settings) -> User:
    with db.transaction() as session:
        return factories.user(session, factories.customer(session), email="ada@spree-bikes.test")


def test_a_browser_stays_signed_in_and_an_open_form_is_taken(app: Flask, ada: User, old: str) -> None:
    before = app.test_client()
    factories.sign_in(before, ada)
    form = {"csrf_token": factories.csrf_token(before), "name": "Ada Lovelace", "time_zone": "", "theme": ""}
    rotated = with_keys(NEXT, old)
    browser = moved(before, rotated)
    assert browser.get("/account").status_code == 200
    assert browser.post("/sign-out", data=form).location == "/sign-in", "the token of the form was not taken"
    again = moved(before, with_keys(NEXT))
    assert again.get("/account").status_code == 303, "the old key counts though nobody accepts it"


def test_processes_with_either_key_understand_each_other(app: Flask, ada: User, old: str) -> None:
    """So all of them are started again one by one: first each accepts the next key, then each uses it."""
    first = with_keys(old, NEXT)
    browser = with_keys(NEXT, old).test_client()
    factories.sign_in(browser, ada)
    assert moved(browser, with_keys(old, NEXT)).get("/account").status_code == 200
    assert first.config["SECRET_KEY"] == old


def test_access_tokens_of_either_key_are_taken_and_both_keys_are_published(app: Flask, ada: User, old: str) -> None:
    token = access_tokens.sign(ada.id, frozenset({"invoices:read"}))
    with_keys(NEXT, old)
    assert access_tokens.verify(token).subject == ada.id
    assert access_tokens.verify(access_tokens.sign(ada.id, frozenset())).subject == ada.id
    published = {key["kid"] for key in access_tokens.public_keys()}
    assert len(published) == 6
    with_keys(NEXT)
    assert len(access_tokens.public_keys()) == 3
    with pytest.raises(access_tokens.BadToken):
        access_tokens.verify(token)


def test_links_that_were_sent_open_and_can_be_told_again(app: Flask, ada: User, old: str) -> None:
    with db.transaction() as session:
        sent = tokens.issue(session, ada.id, TokenPurpose.PASSWORD_RESET)
        assert sent is not None and ada.customer_id is not None
        invoice = factories.invoice(session, session.get_one(Customer, ada.customer_id)).id
    link, pay_link = tokens.link(sent), pay_links.for_invoice(invoice)
    without_mails = unsubscribing.address(ada.customer_id, OptionalMail.CARD_EXPIRY)
    assert pay_link is not None
    with_keys(NEXT, old)
    assert tokens.link(sent) == link and pay_links.for_invoice(invoice) == pay_link
    assert unsubscribing.read(without_mails.rpartition("/")[2]) == (ada.customer_id, OptionalMail.CARD_EXPIRY)
    with_keys(NEXT)
    # The old one still opens for those who have it, and nobody can tell it again: the next mail brings another.
    assert pay_links.opened(pay_link.rpartition("/")[2]).link is not None
    shown = pay_links.of_invoice(invoice)
    assert shown is not None and not shown.is_open and shown.url == ""
    assert pay_links.for_invoice(invoice) not in {None, pay_link}


def test_deliveries_are_signed_under_both_keys(app: Flask, ada: User, old: str) -> None:
    with db.transaction() as session:
        endpoint = factories.endpoint(session, session.get_one(Customer, ada.customer_id))

    def verifies(secret: str) -> bool:
        key = base64.b64decode(secret.removeprefix(signing.PREFIX))
        wanted = base64.b64encode(hmac.digest(key, b"evt_1.1700000000.{}", "sha256")).decode()
        return f"v1,{wanted}" in signing.signature(endpoint, "evt_1", 1_700_000_000, b"{}", clock.now()).split()

    before = signing.secret(endpoint)
    with_keys(NEXT, old)
    after = signing.secret(endpoint)
    assert before != after and verifies(before) and verifies(after)
    with_keys(NEXT)
    assert not verifies(before) and verifies(after)


def test_second_factors_are_sealed_anew_and_outlive_the_old_key(app: Flask, ada: User, old: str) -> None:
    second_factor.begin(ada.id)
    begun = second_factor.setting_up(ada.id)
    assert begun is not None
    phone = pyotp.TOTP(begun.typed.replace(" ", ""))
    with time_machine.travel(clock.now() - timedelta(minutes=5)):
        recovery_codes = second_factor.confirm(ada.id, PASSWORD, phone.at(clock.now()), ip=HOME)

    def prove(code: str, minutes: int = 0) -> None:
        with time_machine.travel(clock.now() + timedelta(minutes=minutes)):
            signing_in.authenticate(ada.email, PASSWORD, ip=HOME, code=code or phone.at(clock.now()))

    app = with_keys(NEXT, old)
    prove("")
    prove(recovery_codes[0])

    def status() -> list[tuple[bool, bool | None, int, int]]:
        told = app.test_cli_runner().invoke(args=["secret-key", "status", "--json"])
        return [
            (one["newest"], one["accepted"], one["second_factors"], one["recovery_codes"])
            for one in json.loads(told.output)
        ]

    assert status() == [(True, True, 0, 0), (False, True, 1, 9)]
    assert app.test_cli_runner().invoke(args=["secret-key", "reseal"]).output.startswith("1 ")
    assert status() == [(True, True, 1, 0), (False, True, 0, 9)]
    assert resealing.reseal() == 0
    app = with_keys(NEXT)
    prove("", minutes=2)
    assert status() == [(True, True, 1, 0), (False, False, 0, 9)]
    with pytest.raises(signing_in.WrongCode):
        prove(recovery_codes[1])


def test_what_nobody_can_read_stays_as_it_is(app: Flask, ada: User, old: str) -> None:
    second_factor.begin(ada.id)
    with_keys(NEXT)
    with pytest.raises(codes.Unreadable):
        second_factor.setting_up(ada.id)
    assert resealing.reseal() == 0
    with_keys(NEXT, old)
    assert resealing.reseal() == 1


def test_packs_of_either_key_are_ours(app: Flask, old: str) -> None:
    before = signing_keys.derived("packs")
    with_keys(NEXT, old)
    fingerprints = [signing_keys.fingerprint(key.public_key()) for key in signing_keys.accepted("packs")]
    assert fingerprints[1] == signing_keys.fingerprint(before.public_key()) != fingerprints[0]
    assert signing_keys.derived("packs") == signing_keys.accepted("packs")[0]
