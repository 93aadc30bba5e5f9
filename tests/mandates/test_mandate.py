"""Giving and ending a mandate: the words, the evidence, and the pages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient

from portal.content.language import catalogue
from portal.core import db
from portal.core.errors import NotFound
from portal.identity.models import User
from portal.mandates import policy, queries, service
from portal.mandates.models import Mandate
from portal.payment_methods import queries as cards
from portal.payment_methods import service as card_service
from tests import factories
from tests.mandates.conftest import POOR, Subscriber
from tests.payments.conftest import audited, everything
from tests.smtp import text_of


def in_force(subscriber: Subscriber) -> Mandate | None:
    with db.reading() as session:
        return queries.in_force(session, subscriber.customer_id)


def test_what_was_agreed_is_kept_in_its_words_with_date_and_address(subscriber: Subscriber) -> None:
    mandate = service.switch_on(
        subscriber.customer_id, subscriber.user_id, ip="203.0.113.7", locale="de", agreed=subscriber.agreed("de")
    )
    kept = in_force(subscriber)
    assert kept is not None and kept.id == mandate.id
    assert tuple(kept.sentences) == policy.terms("Nordlicht Energie GmbH", "de")
    assert (kept.given_by, kept.ip, kept.language) == (subscriber.user_id, "203.0.113.7", "de")
    assert kept.given_at is not None
    assert audited("mandate.given") == 1
    subscriber.work()
    (mail,) = subscriber.mails("is on")
    for sentence in kept.sentences:
        assert sentence[:60] in " ".join(text_of(mail).split())


def test_a_second_switch_changes_nothing(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    before = everything()
    subscriber.switch_on()
    assert everything() == before


def test_two_colleagues_at_once_give_one_mandate(subscriber: Subscriber) -> None:
    with ThreadPoolExecutor(4) as pool:
        mandates = list(pool.map(lambda _: subscriber.switch_on().id, range(8)))
    assert len(set(mandates)) == 1
    assert audited("mandate.given") == 1


def test_nobody_agrees_to_words_that_were_not_shown(subscriber: Subscriber) -> None:
    with pytest.raises(service.TermsChanged):
        service.switch_on(subscriber.customer_id, subscriber.user_id, ip="", locale="en", agreed="of-another-text")
    assert in_force(subscriber) is None


def test_without_a_good_card_there_is_nothing_to_agree_to(subscriber: Subscriber) -> None:
    with db.reading() as session:
        (card,) = cards.of_customer(session, subscriber.customer_id)
    card_service.remove(card.id, subscriber.customer_id)
    with pytest.raises(service.NoMethod):
        subscriber.switch_on()


def test_the_words_tell_the_schedule_that_is_kept() -> None:
    """The numbers stand in the sentences: who changes the policy changes the words, too."""
    english = " ".join(policy.terms("Nordlicht", "en"))
    assert f"at least {policy.NOTICE.days} days before" in english
    first, second, third = policy.RETRY_AFTER_DAYS
    assert f"{first}, {second} and {third} days after the first attempt" in english
    for sentence in policy.TERMS:
        assert catalogue("de").ugettext(sentence) != sentence


def test_a_card_tells_that_it_is_what_the_mandate_charges(subscriber: Subscriber) -> None:
    subscriber.switch_on()
    with db.reading() as session:
        (card,) = cards.of_customer(session, subscriber.customer_id)
        (use,) = cards.uses(session, [card])[card.id]
    assert (use.kind, use.amount) == (cards.MANDATE, None)
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    with db.reading() as session:
        (use,) = cards.uses(session, [card])[card.id]
    assert use.amount is not None and use.amount.minor == 119_00
    assert subscriber.collection(invoice_id).payment_method_id is None


@pytest.fixture
def ada(subscriber: Subscriber, client: FlaskClient) -> FlaskClient:
    with db.reading() as session:
        user = session.get_one(User, subscriber.user_id)
    factories.sign_in(client, user)
    return client


def post(browser: FlaskClient, path: str, **form: str) -> str:
    answer = browser.post(path, data={**form, "csrf_token": factories.csrf_token(browser)}, follow_redirects=True)
    return answer.get_data(as_text=True)


@pytest.mark.database("sqlite")
def test_the_pages_tell_what_comes(subscriber: Subscriber, ada: FlaskClient) -> None:
    invoice_id = subscriber.owe(days=3)
    page = ada.get("/automatic-payment").get_data(as_text=True)
    assert "What would be charged first" in page
    agreed = subscriber.agreed()
    assert "Please tick “I agree to this”" in post(ada, "/automatic-payment/on", agreed=agreed)
    assert "wording of the agreement has changed" in post(ada, "/automatic-payment/on", agree="yes", agreed="other")
    assert in_force(subscriber) is None
    assert "Automatic payment is on" in post(ada, "/automatic-payment/on", agree="yes", agreed=agreed)
    assert "Planned" in ada.get("/automatic-payment").get_data(as_text=True)
    subscriber.work()
    assert "Announced" in ada.get("/automatic-payment").get_data(as_text=True)
    part = {"HX-Request": "true"}
    assert "Paid automatically on" in ada.get(f"/automatic-payment/of-invoice/{invoice_id}", headers=part).text
    assert "notify you 3 days before" in ada.get("/automatic-payment/summary", headers=part).text
    cards_page = ada.get("/payment-methods").text
    assert "Automatic payments use it" in cards_page  # in the dialog in which it is removed
    assert "For INV-TEST-" in cards_page  # in the list
    assert "Automatic payment is off" in post(ada, "/automatic-payment/off")
    assert "Paid automatically on" not in ada.get(f"/automatic-payment/of-invoice/{invoice_id}", headers=part).text


@pytest.mark.database("sqlite")
def test_after_a_decline_the_invoice_says_when_it_is_tried_again(subscriber: Subscriber, ada: FlaskClient) -> None:
    subscriber.switch_on()
    invoice_id = subscriber.owe(days=3)
    subscriber.work()
    subscriber.bank(POOR)
    with db.reading() as session:
        user = session.get_one(User, subscriber.user_id)
    with subscriber.later(3):
        factories.sign_in(ada, user)
        assert "We will try again on" in ada.get(f"/automatic-payment/of-invoice/{invoice_id}").text
        assert "Failed, retrying" in ada.get("/automatic-payment").text
        with subscriber.later(1), subscriber.later(2), subscriber.later(4):
            factories.sign_in(ada, user)
            assert "no longer paid automatically" in ada.get(f"/automatic-payment/of-invoice/{invoice_id}").text


@pytest.mark.database("sqlite")
def test_someone_elses_invoice_is_not_found(subscriber: Subscriber, ada: FlaskClient) -> None:
    with db.transaction() as session:
        theirs = factories.invoice(session, factories.customer(session)).id
    assert ada.get(f"/automatic-payment/of-invoice/{theirs}").status_code == 404
    with db.reading() as session, pytest.raises(NotFound):
        queries.planned_for(session, theirs, subscriber.customer_id)
