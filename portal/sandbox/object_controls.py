"""Controls for what banks and card holders do: disputes, failing refunds, payouts, fraud warnings, expiring cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from portal.sandbox import money
from portal.sandbox.calls import Call
from portal.sandbox.errors import StripeError, invalid
from portal.sandbox.events import emit
from portal.sandbox.kinds import Row, copied
from portal.sandbox.machine_controls import number
from portal.sandbox.resources import (
    disputes,
    early_fraud_warnings,
    mandates,
    payment_method_configurations,
    payouts,
    refunds,
    testaccounts,
    wallets,
)
from portal.sandbox.resources.cards import WALLETS, in_wallet
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD
from portal.sandbox.resources.testcards import BY_NUMBER, WITHOUT_A_NUMBER
from portal.sandbox.world import Sandbox

Given = Mapping[str, Any]


def _at_work(sandbox: Sandbox, act: Callable[[Call], dict[str, Any]]) -> dict[str, Any]:
    """Do something in a transaction of its own, as a thing that happens and not as a request."""
    with sandbox.store.transaction() as session:
        call = Call(sandbox=sandbox, session=session, now=int(sandbox.clock.now()))
        return act(call)


def _found(call: Call, given: Given, name: str, object_name: str) -> Row:
    row = call.find_any(str(given.get(name, "")))
    if row is None or row.get("object") != object_name:
        raise invalid(f"There is no such {object_name}: {given.get(name)!r}", name, "resource_missing")
    return row


def open_dispute(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    def act(call: Call) -> dict[str, Any]:
        charge = _found(call, given, "charge", "charge")
        body = {
            "charge": charge["id"],
            "reason": str(given.get("reason", "fraudulent")),
            "inquiry": given.get("inquiry") in (True, "yes"),
            "code": str(given.get("code") or "")[:10],
        }
        if given.get("amount"):
            body["amount"] = int(number(given, "amount"))
        if given.get("currency"):
            body["currency"] = money.known_currency(str(given["currency"]))
        disputes.open_dispute(call, body)
        return {"charge": charge["id"]}

    return _at_work(sandbox, act)


def decide_dispute(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    def act(call: Call) -> dict[str, Any]:
        dispute = _found(call, given, "dispute", "dispute")
        verdict = str(given.get("verdict"))
        if verdict not in disputes.STATES[dispute["status"]]:
            raise StripeError(f"A dispute that is {dispute['status']} cannot become {verdict}.", param="verdict")
        disputes.decide(call, {"dispute": dispute["id"], "verdict": verdict})
        return {"dispute": dispute["id"], "status": verdict}

    return _at_work(sandbox, act)


def warn_of_fraud(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    def act(call: Call) -> dict[str, Any]:
        charge = _found(call, given, "charge", "charge")
        early_fraud_warnings.arrive(call, {"charge": charge["id"]})
        return {"charge": charge["id"]}

    return _at_work(sandbox, act)


def fail_refund(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    def act(call: Call) -> dict[str, Any]:
        refund = _found(call, given, "refund", "refund")
        if "failed" not in refunds.STATES[refund["status"]]:
            raise StripeError(f"A refund that is {refund['status']} cannot fail.", param="refund")
        reason = str(given.get("reason") or refunds.FAILURE_REASONS[0])
        if reason not in refunds.FAILURE_REASONS:
            raise invalid(f"Unknown reason: {reason}. Known are {', '.join(refunds.FAILURE_REASONS)}.", "reason")
        refunds.fail(call, {"refund": refund["id"], "reason": reason})
        return {"refund": refund["id"]}

    return _at_work(sandbox, act)


def lag_refund(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    def act(call: Call) -> dict[str, Any]:
        refund = _found(call, given, "refund", "refund")
        refunds.lag(call, refund, number(given, "seconds", 3600))
        return {"refund": refund["id"]}

    return _at_work(sandbox, act)


def end_mandate(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    """Its holder tells their bank that nothing more may be debited."""

    def act(call: Call) -> dict[str, Any]:
        mandate = _found(call, given, "mandate", "mandate")
        mandates.end(call, mandate, "debit_not_authorized")
        return {"mandate": mandate["id"]}

    return _at_work(sandbox, act)


def pay_out(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    """Run the account's payout schedule once."""
    del given
    return _at_work(sandbox, lambda call: {"payouts": [payout["id"] for payout in payouts.pay_out_everything(call)]})


def fail_payout(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    def act(call: Call) -> dict[str, Any]:
        payout = _found(call, given, "payout", "payout")
        if "failed" not in payouts.STATES[payout["status"]]:
            raise StripeError(f"A payout that is {payout['status']} cannot fail.", param="payout")
        payouts.fail(call, {"payout": payout["id"]})
        return {"payout": payout["id"]}

    return _at_work(sandbox, act)


def renew_card(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    """The bank sends a new card for an attached one: a later expiry, and `payment_method.automatically_updated`."""

    def act(call: Call) -> dict[str, Any]:
        method = _found(call, given, "payment_method", "payment_method")
        if method["customer"] is None or method["type"] != "card":
            raise StripeError(
                "Only a card that is attached to a customer is renewed by its bank.", param="payment_method"
            )
        before = copied(method)
        method["card"]["exp_year"] += 3
        call.session.save(PAYMENT_METHOD, method)
        emit(call, "payment_method.automatically_updated", method, before)
        return {"payment_method": method["id"]}

    return _at_work(sandbox, act)


def put_in_wallet(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    """The holder pays with this card out of a wallet from now on; without a wallet they hold the card itself again."""

    def act(call: Call) -> dict[str, Any]:
        method = _found(call, given, "payment_method", "payment_method")
        wallet = str(given.get("wallet", ""))
        if method["type"] != "card" or wallet not in ("", *WALLETS):
            raise invalid(f"A card can be in one of {', '.join(WALLETS)}.", "wallet")
        method["card"]["wallet"] = in_wallet(method["card"], wallet) if wallet else None
        call.session.save(PAYMENT_METHOD, method)
        return {"payment_method": method["id"], "wallet": wallet}

    return _at_work(sandbox, act)


def fill_wallet(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    """What the customer's wallet holds, and how its sheet is answered from now on."""
    texts = {name: str(value) for name, value in given.items()}
    return _at_work(sandbox, lambda call: dict(wallets.fill(call.session, texts)))


def change_behaviour(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    """A saved card begins to behave like another test card, such as one that declines, or as no card of Stripe's does."""

    def act(call: Call) -> dict[str, Any]:
        method = _found(call, given, "payment_method", "payment_method")
        like = "".join(str(given.get("like", "")).split())
        if method["type"] != "card":
            return _like_account(call, method, like)
        if like in WITHOUT_A_NUMBER:
            behaviour = like
        elif like in BY_NUMBER:
            behaviour = BY_NUMBER[like].behaviour
        else:
            raise invalid("This is none of Stripe's test cards.", "like")
        method["_behaviour"] = behaviour
        call.session.save(PAYMENT_METHOD, method)
        return {"payment_method": method["id"], "behaviour": behaviour}

    return _at_work(sandbox, act)


def _like_account(call: Call, method: Row, like: str) -> dict[str, Any]:
    account = testaccounts.BY_NUMBER.get((method["type"], like))
    if account is None:
        raise invalid(f"This is none of Stripe's test accounts for {method['type']}.", "like")
    method["_behaviour"] = account.behaviour
    call.session.save(PAYMENT_METHOD, method)
    return {"payment_method": method["id"], "behaviour": account.behaviour}


def turn_on_methods(sandbox: Sandbox, given: Given) -> dict[str, Any]:
    """Turn exactly these payment methods on for the account, and all others off."""
    names = {name.strip() for name in str(given.get("on", "")).split(",") if name.strip()}
    unknown = names - set(payment_method_configurations.NAMES)
    if unknown or not names:
        raise invalid(f"on must name some of {', '.join(payment_method_configurations.NAMES)}.", "on")
    return _at_work(sandbox, lambda call: {"on": payment_method_configurations.turn_on(call, names)})
