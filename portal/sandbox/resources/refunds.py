"""Refunds: money on its way back to a card.

Source: Stripe's API reference, "Refunds", and "Refund and cancel payments" for refunds that fail after they succeeded.
"""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Any

from portal.sandbox import money
from portal.sandbox.errors import StripeError, invalid
from portal.sandbox.events import emit
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, copied
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Choice, Email, Integer, Metadata, Parameters, Reference, merge_metadata, unsupported
from portal.sandbox.resources import balance_transactions, method_details
from portal.sandbox.resources.charges import CHARGE, release, settle_now
from portal.sandbox.resources.disputes import DISPUTE
from portal.sandbox.resources.payment_intents import PAYMENT_INTENT
from portal.sandbox.resources.payment_method_types import TYPES, PaymentMethodType
from portal.sandbox.resources.payment_states import STATES as INTENT_STATES
from portal.sandbox.routes import get, post
from portal.sandbox.settings import DAY_SECONDS

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

REFUND = Kind(
    object="refund",
    table="refunds",
    prefix="re",
    other_prefixes=("pyr",),
    url="/v1/refunds",
    columns=("charge", "payment_intent"),
    expandable={
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "customer": "customer",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
        "payment_method": "payment_method",
        "source_transfer_reversal": "transfer_reversal",
        "transfer_reversal": "transfer_reversal",
    },
)

OTHER_PREFIX = "pyr"
"""Begins the id of a refund to any other method than a card."""

_CARD_DESTINATION: Row = {
    "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
    "type": "card",
}

STATES: dict[str, frozenset[str]] = {
    "pending": frozenset({"succeeded", "failed", "canceled"}),
    "requires_action": frozenset({"pending", "succeeded", "failed", "canceled"}),
    "succeeded": frozenset({"failed"}),
    "failed": frozenset(),
    "canceled": frozenset(),
}

CREATE = Parameters(
    {
        "amount": Integer(1),
        "charge": Reference(),
        "instructions_email": Email(),
        "metadata": Metadata(),
        "payment_intent": Reference(),
        "reason": Choice(("duplicate", "fraudulent", "requested_by_customer")),
    },
    unsupported=unsupported("currency customer origin refund_application_fee reverse_transfer"),
)
CREATE_OF_CHARGE = Parameters(
    {name: reader for name, reader in CREATE.fields.items() if name not in ("charge", "payment_intent")},
    unsupported=CREATE.unsupported,
)
UPDATE = Parameters({"metadata": Metadata()})
FAILURE_REASONS = (
    "expired_or_canceled_card",
    "lost_or_stolen_card",
    "charge_for_pending_refund_disputed",
    "declined",
    "insufficient_funds",
    "merchant_request",
    "unknown",
)
"""Source: Stripe's API reference, "The Refund object", failure_reason."""
REFERENCE_DIGITS = 16
"""As recorded in test mode; banks know numbers of 23 digits."""
LIST = list_parameters({"charge": Reference(), "payment_intent": Reference()})


def create(call: Call) -> Row:
    params: dict[str, Any] = call.params
    charge = _charge(call, params)
    left = charge["amount"] - charge["amount_refunded"]
    if any(not dispute["is_charge_refundable"] for dispute in call.session.all(DISPUTE, charge=charge["id"])):
        raise StripeError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if left == 0:
        raise StripeError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = params.get("amount", left)
    money.check_step(amount, charge["currency"])
    if amount > left:
        of_what = "unrefunded amount on charge" if charge["amount_refunded"] else "charge amount"
        raise invalid(
            f"Refund amount ({money.shown(amount, charge['currency'])}) is greater than {of_what} "
            f"({money.shown(left, charge['currency'])})",
            "amount",
        )
    if not charge["captured"]:
        return _release_hold(call, charge, amount, params)
    settle_now(call, charge)
    facts = TYPES.get(charge["payment_method_details"]["type"])
    _check_in_time(call, charge, facts)
    pends = charge["_refund"] == "pends"
    refund = _new(call, charge, amount, params, "pending" if pends else "succeeded")
    refund["balance_transaction"] = balance_transactions.record(
        call,
        kind="payment_refund" if facts else "refund",
        amount=-amount,
        currency=charge["currency"],
        source=refund["id"],
        description=f"REFUND FOR CHARGE ({charge['description'] or charge['id']})",
    )["id"]
    call.session.insert(REFUND, refund)
    emit(call, "refund.created", refund)
    fraudulent = params.get("reason") == "fraudulent"
    _count(call, charge, amount, **({"fraud_details": {"user_report": "fraudulent"}} if fraudulent else {}))
    delay = facts.refund_days * call.settings.bank_day_seconds if facts else call.settings.refund_delay_seconds
    if pends:
        call.later("refund.succeed", delay, refund=refund["id"])
    elif charge["_refund"] == "fails":
        call.later("refund.fail", delay, refund=refund["id"])
    if not pends:
        _expect_reference(call, refund)
    return refund


def _check_in_time(call: Call, charge: Row, facts: PaymentMethodType | None) -> None:
    """Source: Stripe, "Refund and cancel payments": most methods send money back for half a year."""
    if facts is not None and call.now > charge["created"] + facts.refundable_days * DAY_SECONDS:
        raise StripeError(
            f"Charge {charge['id']} is too old to be refunded: payments by {facts.label} can be refunded for {facts.refundable_days} days.",
            code="charge_not_refundable",
        )


def _charge(call: Call, params: dict[str, Any]) -> Row:
    """The charge to refund: named itself, or the successful one of a payment intent."""
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    if "charge" in params:
        charge = call.need(CHARGE, params["charge"], in_path=True)  # as recorded: 404, and `id`
    else:
        intent = call.need(PAYMENT_INTENT, params["payment_intent"], "payment_intent")
        found = call.session.find(CHARGE, intent["latest_charge"] or "")
        if found is None or not found["paid"]:
            raise StripeError(
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
                param="payment_intent",
            )
        charge = found
    if not charge["paid"]:
        raise StripeError(
            f"The charge {charge['id']} is unsuccessful and cannot be refunded.",
            code="charge_not_refundable",
            param="charge",
        )
    return charge


def _new(call: Call, charge: Row, amount: int, params: dict[str, Any], status: str) -> Row:
    pending = status == "pending"
    method = charge["payment_method_details"]["type"]
    refund: Row = {
        "id": new_id("re" if method == "card" else OTHER_PREFIX),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "metadata": merge_metadata({}, params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
    destination = _CARD_DESTINATION if method == "card" else method_details.of_refund(method)
    if destination is not None:
        refund["destination_details"] = destination
    if pending:
        refund["pending_reason"] = "processing"
    if params.get("instructions_email"):
        refund["instructions_email"] = params["instructions_email"]
    return refund


def _release_hold(call: Call, charge: Row, amount: int, params: dict[str, Any]) -> Row:
    """Refunding a hold gives all of it up and cancels its payment intent; no money moves."""
    if amount != charge["amount"]:
        raise invalid(
            "You cannot partially refund an uncaptured charge. Instead, capture the charge for the amount you want.",
            "amount",
        )
    refund = _new(call, charge, amount, params, "succeeded")
    if _goes_to_card(refund):
        refund["destination_details"] = {"card": {**_CARD_DESTINATION["card"], "type": "reversal"}, "type": "card"}
    call.session.insert(REFUND, refund)
    emit(call, "refund.created", refund)
    release(call, charge)
    intent = call.need(PAYMENT_INTENT, charge["payment_intent"])
    if "canceled" in INTENT_STATES[intent["status"]]:
        intent |= {
            "status": "canceled",
            "canceled_at": call.now,
            "cancellation_reason": "automatic",
            "amount_capturable": 0,
        }
        call.session.save(PAYMENT_INTENT, intent)
        emit(call, "payment_intent.canceled", intent)
    return refund


def _count(call: Call, charge: Row, amount: int, **changes: Any) -> None:
    """Add to what a charge has given back, or take from it when a refund failed."""
    before = copied(charge)
    charge |= changes
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    call.session.save(CHARGE, charge)
    emit(call, "charge.refunded" if amount > 0 else "charge.updated", charge, before)


def _move(call: Call, refund: Row, status: str, **changes: Any) -> None:
    if status not in STATES[refund["status"]]:
        raise AssertionError(f"a refund cannot go from {refund['status']} to {status}")
    before = copied(refund)
    refund |= {"status": status, **changes}
    refund.pop("pending_reason", None)
    call.session.save(REFUND, refund)
    if status == "failed":
        emit(call, "refund.failed", refund)
    emit(call, "refund.updated", refund, before)
    emit(call, "charge.refund.updated", refund, before)


def succeed(call: Call, body: dict[str, Any]) -> None:
    """A pending refund goes through."""
    refund = call.session.find(REFUND, body["refund"])
    if refund is not None and refund["status"] == "pending":
        _move(call, refund, "succeeded", **method_details.refund_arrived(refund))
        _expect_reference(call, refund)


def _goes_to_card(refund: Row) -> bool:
    return "card" in refund.get("destination_details", {})


def _expect_reference(call: Call, refund: Row) -> None:
    if _goes_to_card(refund):
        call.later("refund.trace", call.settings.refund_reference_delay_seconds, refund=refund["id"])


def trace(call: Call, body: dict[str, Any]) -> None:
    """The number by which the card's bank finds the money (ARN) is known. Source: Stripe, "Trace a refund": within some days."""
    refund = call.session.find(REFUND, body["refund"])
    if refund is None or refund["status"] != "succeeded":
        return
    before = copied(refund)
    # No network's cards begin with a 1: whoever looks for card numbers must not find one here.
    number = "1" + "".join(secrets.choice(string.digits) for _ in range(REFERENCE_DIGITS - 1))
    refund["destination_details"]["card"] |= {"reference": number, "reference_status": "available"}
    call.session.save(REFUND, refund)
    emit(call, "refund.updated", refund, before)
    emit(call, "charge.refund.updated", refund, before)


def fail(call: Call, body: dict[str, Any]) -> None:
    """The bank sends a refund back: the money returns to the balance, and the charge counts it as not refunded."""
    refund = call.session.find(REFUND, body["refund"])
    if refund is not None and refund["status"] in ("pending", "succeeded"):
        reason = body.get("reason") or (FAILURE_REASONS[0] if _goes_to_card(refund) else "unknown")
        _undo(call, refund, "failed", "refund_failure", failure_reason=reason)


def _undo(call: Call, refund: Row, status: str, kind: str, **changes: Any) -> None:
    transaction = balance_transactions.record(
        call,
        kind=kind,
        amount=refund["amount"],
        currency=refund["currency"],
        source=refund["id"],
        description=f"REFUND FAILURE ({refund['charge']})",
    )
    _move(call, refund, status, failure_balance_transaction=transaction["id"], **changes)
    _count(call, call.need(CHARGE, refund["charge"]), -refund["amount"])


def retrieve(call: Call, refund_id: str) -> Row:
    return call.need(REFUND, refund_id, "id", in_path=True)


def update(call: Call, refund_id: str) -> Row:
    refund = call.need(REFUND, refund_id, "id", in_path=True)
    before = copied(refund)
    if "metadata" in call.params:
        refund["metadata"] = merge_metadata(refund["metadata"], call.params["metadata"])
    call.session.save(REFUND, refund)
    emit(call, "refund.updated", refund, before)
    emit(call, "charge.refund.updated", refund, before)
    return refund


def cancel(call: Call, refund_id: str) -> Row:
    """Only refunds that wait for their customer to act can be canceled, and cards never ask for that."""
    refund = call.need(REFUND, refund_id, "id", in_path=True)
    if refund["status"] != "requires_action":
        raise StripeError("Canceling this refund is unsupported.")
    _undo(call, refund, "canceled", "refund_failure")
    return refund


def lag(call: Call, refund: Row, seconds: float) -> None:
    """The list of a payment's refunds does not show this one for a while; its charge counts it already."""
    refund["_listed_from"] = call.now + seconds
    call.session.save(REFUND, refund)


def list_refunds(call: Call) -> Row:
    page = list_of(call, REFUND, equal=("charge", "payment_intent"))
    if "payment_intent" in call.params:
        of_intent = call.session.all(REFUND, payment_intent=call.params["payment_intent"])
        lagging = {row["id"] for row in of_intent if row.get("_listed_from", 0) > call.now}
        page["data"] = [row for row in page["data"] if row["id"] not in lagging]
    return page


def create_of_charge(call: Call, charge_id: str) -> Row:
    """The older address of the same: the refund of the charge that it names."""
    call.params["charge"] = charge_id
    return create(call)


def list_of_charge(call: Call, charge_id: str) -> Row:
    call.need(CHARGE, charge_id, "charge", in_path=True)
    return list_of(call, REFUND, fixed={"charge": charge_id}, url=f"/v1/charges/{charge_id}/refunds")


EFFECTS = {"refund.succeed": succeed, "refund.fail": fail, "refund.trace": trace}

ROUTES = (
    post("/v1/refunds", create, CREATE),
    get("/v1/refunds", list_refunds, LIST),
    get("/v1/refunds/<refund_id>", retrieve),
    post("/v1/refunds/<refund_id>", update, UPDATE),
    post("/v1/refunds/<refund_id>/cancel", cancel),
    get("/v1/charges/<charge_id>/refunds", list_of_charge, list_parameters()),
    post("/v1/charges/<charge_id>/refunds", create_of_charge, CREATE_OF_CHARGE),
)
