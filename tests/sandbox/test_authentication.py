"""The bank's page for 3-D Secure."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.sandbox.conftest import RunningSandbox

RETURN_URL = "https://shop.example/return?order=7"


def ask(
    sandbox: RunningSandbox, method: str = "pm_card_authenticationRequired", *, redirects: bool = False
) -> tuple[str, str]:
    """The id of a payment that waits for its holder, and the address of the bank's page."""
    intent = sandbox.pay(method, **({"return_url": RETURN_URL} if redirects else {}))
    action = intent.next_action
    assert action is not None
    if redirects:
        assert action.redirect_to_url is not None
        return intent.id, str(action.redirect_to_url.url)
    assert action.use_stripe_sdk is not None
    return intent.id, str(action.use_stripe_sdk["stripe_js"])


def press(url: str, outcome: str, *, follow: bool = True) -> requests.Response:
    return requests.post(url, data={"outcome": outcome}, allow_redirects=follow, timeout=10)


def test_the_page_offers_both_answers(sandbox: RunningSandbox) -> None:
    _, url = ask(sandbox)
    page = requests.get(url, timeout=10)
    assert 'id="test-source-authorize-3ds"' in page.text
    assert 'id="test-source-fail-3ds"' in page.text
    assert "€20.00" in page.text


def test_completing_pays(sandbox: RunningSandbox) -> None:
    intent_id, url = ask(sandbox)
    page = press(url, "complete")
    assert 'data-outcome="succeeded"' in page.text
    intent = sandbox.client.v1.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
    assert intent.status == "succeeded"
    assert intent.latest_charge.payment_method_details.card.three_d_secure.result == "authenticated"  # type: ignore[union-attr]


def test_failing_asks_for_another_method(sandbox: RunningSandbox) -> None:
    intent_id, url = ask(sandbox)
    press(url, "fail")
    intent = sandbox.client.v1.payment_intents.retrieve(intent_id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == "payment_intent_authentication_failure"
    assert sandbox.client.v1.events.list({"type": "payment_intent.payment_failed"}).data


def test_an_authenticated_card_can_still_decline(sandbox: RunningSandbox) -> None:
    intent_id, url = ask(sandbox, "pm_card_threeDSecureRequiredChargeDeclined")
    press(url, "complete")
    intent = sandbox.client.v1.payment_intents.retrieve(intent_id)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == "card_declined"


@pytest.mark.parametrize(("outcome", "status"), [("complete", "succeeded"), ("fail", "failed")])
def test_a_redirected_holder_goes_back_to_the_shop(sandbox: RunningSandbox, outcome: str, status: str) -> None:
    intent_id, url = ask(sandbox, redirects=True)
    answer = press(url, outcome, follow=False)
    back = urlsplit(answer.headers["Location"])
    query = {name: values[0] for name, values in parse_qs(back.query).items()}
    secret = sandbox.client.v1.payment_intents.retrieve(intent_id).client_secret
    assert answer.status_code == 303
    assert (back.netloc, back.path) == ("shop.example", "/return")
    assert query == {
        "order": "7",
        "payment_intent": intent_id,
        "payment_intent_client_secret": secret,
        "redirect_status": status,
    }


def test_a_second_answer_changes_nothing(sandbox: RunningSandbox) -> None:
    intent_id, url = ask(sandbox)
    press(url, "complete")
    assert 'data-outcome="succeeded"' in press(url, "fail").text
    assert sandbox.client.v1.payment_intents.retrieve(intent_id).status == "succeeded"


def test_an_answer_that_nobody_waits_for_pays_nothing(sandbox: RunningSandbox) -> None:
    intent_id, url = ask(sandbox)
    sandbox.client.v1.payment_intents.cancel(intent_id)
    press(url, "complete")
    assert sandbox.client.v1.payment_intents.retrieve(intent_id).status == "canceled"


def test_a_setup_is_authenticated_and_then_pays_off_session(sandbox: RunningSandbox) -> None:
    customer = sandbox.client.v1.customers.create()
    setup = sandbox.client.v1.setup_intents.create(
        {
            "customer": customer.id,
            "payment_method": "pm_card_authenticationRequiredOnSetup",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    assert setup.next_action is not None
    assert setup.next_action.use_stripe_sdk is not None
    press(str(setup.next_action.use_stripe_sdk["stripe_js"]), "complete")
    saved = sandbox.client.v1.setup_intents.retrieve(setup.id)
    assert saved.status == "succeeded"
    assert sandbox.pay(str(saved.payment_method), customer=customer.id, off_session=True).status == "succeeded"


@pytest.mark.parametrize(("outcome", "status"), [("complete", "succeeded"), ("fail", "failed")])
def test_a_setup_attempt_goes_on_under_its_id(sandbox: RunningSandbox, outcome: str, status: str) -> None:
    setup = sandbox.client.v1.setup_intents.create(
        {
            "payment_method": "pm_card_authenticationRequiredOnSetup",
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    assert setup.next_action is not None
    press(str(setup.next_action.use_stripe_sdk["stripe_js"]), outcome)  # type: ignore[index]
    (attempt,) = sandbox.client.v1.setup_attempts.list({"setup_intent": setup.id}).data
    assert (attempt.id, attempt.status) == (setup.latest_attempt, status)


def test_an_unknown_challenge_is_not_found(sandbox: RunningSandbox) -> None:
    assert sandbox.get("/v1/3d_secure/authenticate/src_nobody").status_code == 404
