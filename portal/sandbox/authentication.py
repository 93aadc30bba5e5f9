"""The page a bank would show for 3-D Secure: complete the authentication, or fail it.

It stands in a frame of the Stripe.js stand-in or fills the window after a redirect. In a frame it tells its parent how it went, with the
message `{"type": "stripe-3ds-result", "intent": "pi_…", "outcome": "succeeded" | "failed"}`; after a redirect it goes back to the
intent's `return_url`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from portal.sandbox import html, money
from portal.sandbox.calls import Call
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.resources import payment_confirmation, setup_intents
from portal.sandbox.resources.payment_intents import PAYMENT_INTENT
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD
from portal.sandbox.resources.setup_intents import SETUP_INTENT
from portal.sandbox.resources.three_d_secure import CHALLENGE, return_address
from portal.sandbox.store import Session
from portal.sandbox.world import Sandbox

POLICY = f"{html.POLICY}; frame-ancestors *"
"""Stripe.js shows this page in a frame of its own, on whatever site uses it."""


def show(sandbox: Sandbox, challenge_id: str) -> Response:
    with sandbox.store.reading() as session:
        challenge = _find(session, challenge_id)
        _, intent = intent_of(session, challenge)
    amount = money.shown(intent["amount"], intent["currency"]) if "amount" in intent else None
    return html.page(
        "authenticate.html",
        policy=policy_towards(challenge["return_url"]),
        challenge=challenge,
        amount=amount,
        business_name=sandbox.settings.business_name,
        outcome=challenge["outcome"],
    )


def policy_towards(return_url: str | None) -> str:
    """Browsers hold the redirect that follows a form to form-action as well, so the way back has to be allowed."""
    if return_url is None:
        return POLICY
    return POLICY.replace("form-action 'self'", f"form-action 'self' {urlsplit(return_url).scheme}:")


def answer(sandbox: Sandbox, request: Request, challenge_id: str) -> Response:
    """The holder has pressed a button. A second answer changes nothing and shows the first one's outcome."""
    succeeds = request.form.get("outcome") == "complete"
    with sandbox.store.transaction() as session:
        challenge = _find(session, challenge_id)
        kind, intent = intent_of(session, challenge)
        call = Call(
            sandbox=sandbox, session=session, now=int(sandbox.clock.now()), base_url=request.host_url.rstrip("/")
        )
        if challenge["outcome"] is None:
            challenge["outcome"] = _carry_out(call, kind, intent, challenge, succeeds=succeeds)
            session.save(CHALLENGE, challenge)
    if call.queued:
        sandbox.wake()
    if challenge["return_url"] is not None:
        return redirect(
            return_address(challenge["return_url"], intent, succeeded=challenge["outcome"] == "succeeded"), 303
        )
    return redirect(request.path, 303)


def _carry_out(call: Call, kind: Kind, intent: Row, challenge: Row, *, succeeds: bool) -> str:
    """Move the intent on; a challenge that the intent no longer waits for counts as failed."""
    if intent["status"] != "requires_action" or intent.get("_challenge") != challenge["id"]:
        return "failed"
    method = call.need(PAYMENT_METHOD, challenge["payment_method"])
    if kind is PAYMENT_INTENT:
        payment_confirmation.authenticated(call, kind, intent, method, succeeded=succeeds)
    else:
        setup_intents.authenticated(call, intent, method, succeeded=succeeds)
    return "succeeded" if intent["status"] in ("succeeded", "requires_capture") else "failed"


def _find(session: Session, challenge_id: str) -> Row:
    challenge = session.find(CHALLENGE, challenge_id)
    if challenge is None:
        raise NotFound
    return challenge


def intent_of(session: Session, challenge: Row) -> tuple[Kind, Row]:
    """The intent that a challenge (or a redirect) is about."""
    kind = SETUP_INTENT if challenge["intent"].startswith("seti_") else PAYMENT_INTENT
    intent = session.find(kind, challenge["intent"])
    if intent is None:
        raise NotFound
    return kind, intent
