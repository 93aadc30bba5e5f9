"""The page of a payment method that redirects: approve the payment, fail it, or close the page without an answer.

It goes back to the intent's `return_url` with what Stripe adds to the address. A page that is closed leaves the intent waiting, as a
customer does who walks away.
"""

from __future__ import annotations

from werkzeug.exceptions import NotFound
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from portal.sandbox import html, money
from portal.sandbox.authentication import intent_of, policy_towards
from portal.sandbox.calls import Call
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.resources import other_method_payments, other_method_setups
from portal.sandbox.resources.payment_intents import PAYMENT_INTENT
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD
from portal.sandbox.resources.redirects import REDIRECT
from portal.sandbox.resources.three_d_secure import return_address
from portal.sandbox.store import Session
from portal.sandbox.world import Sandbox

ANSWERS = {"authorize": True, "fail": False}


def show(sandbox: Sandbox, redirect_id: str) -> Response:
    with sandbox.store.reading() as session:
        sent = _find(session, redirect_id)
        _, intent = intent_of(session, sent)
        method = session.find(PAYMENT_METHOD, sent["payment_method"])
    amount = money.shown(intent["amount"], intent["currency"]) if "amount" in intent else None
    return html.page(
        "redirect.html",
        policy=policy_towards(sent["return_url"]),
        label=TYPES[method["type"]].label if method else "",
        amount=amount,
        business_name=sandbox.settings.business_name,
        outcome=sent["outcome"],
    )


def answer(sandbox: Sandbox, request: Request, redirect_id: str) -> Response:
    """The customer has pressed a button. A second answer changes nothing and leads to where the first one did."""
    chosen = request.form.get("outcome", "")
    with sandbox.store.transaction() as session:
        sent = _find(session, redirect_id)
        kind, intent = intent_of(session, sent)
        call = Call(
            sandbox=sandbox, session=session, now=int(sandbox.clock.now()), base_url=request.host_url.rstrip("/")
        )
        if sent["outcome"] is None and chosen in ANSWERS:
            sent["outcome"] = _carry_out(call, kind, intent, sent, succeeds=ANSWERS[chosen])
            session.save(REDIRECT, sent)
    if call.queued:
        sandbox.wake()
    if sent["outcome"] is None:
        return html.page("redirect_closed.html")
    return redirect(return_address(sent["return_url"], intent, succeeded=sent["outcome"] == "succeeded"), 303)


def _carry_out(call: Call, kind: Kind, intent: Row, sent: Row, *, succeeds: bool) -> str:
    """Move the intent on; a page that the intent no longer waits for counts as failed."""
    if intent["status"] != "requires_action" or intent.get("_challenge") != sent["id"]:
        return "failed"
    method = call.need(PAYMENT_METHOD, sent["payment_method"])
    if kind is PAYMENT_INTENT:
        other_method_payments.approved(call, kind, intent, method, succeeded=succeeds)
    else:
        other_method_setups.approved(call, kind, intent, method, succeeded=succeeds)
    return "succeeded" if intent["status"] in ("succeeded", "requires_capture", "processing") else "failed"


def _find(session: Session, redirect_id: str) -> Row:
    sent = session.find(REDIRECT, redirect_id)
    if sent is None:
        raise NotFound
    return sent
