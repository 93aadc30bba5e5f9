"""Charges: one attempt to move money, with the bank's answer.

Source: Stripe's API reference, "Charges"; "Asynchronous capture" for the balance transaction that comes later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portal.sandbox import search
from portal.sandbox.errors import StripeError
from portal.sandbox.events import emit
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, copied
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import (
    SHIPPING,
    Choice,
    Email,
    Hash,
    Integer,
    Metadata,
    Parameters,
    Reference,
    Text,
    merge_metadata,
    unsupported,
    whole_shipping,
)
from portal.sandbox.resources import balance_transactions, fees
from portal.sandbox.resources.bank_answers import card_details, descriptor, outcome
from portal.sandbox.resources.cards import behaviour_of
from portal.sandbox.resources.declines import Decline
from portal.sandbox.resources.testcards import Behaviour
from portal.sandbox.routes import get, post
from portal.sandbox.wire import as_list

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def _refunds(call: Call, charge: Row) -> Row:
    # By its name: refunds know charges, and not the other way round.
    all_of_them = call.session.all(call.kinds["refund"], charge=charge["id"])
    newest = [call.shown(row) for row in reversed(all_of_them)][:10]
    shown = as_list(f"/v1/charges/{charge['id']}/refunds", newest, has_more=len(all_of_them) > len(newest))
    # A list inside of an object says how long it is, as recorded at 2025-10-29.clover.
    return shown | {"total_count": len(all_of_them)}


OTHER_PREFIX = "py"
"""Begins the id of a charge by any other method than a card."""

CHARGE = Kind(
    object="charge",
    table="charges",
    prefix="ch",
    other_prefixes=(OTHER_PREFIX,),
    url="/v1/charges",
    columns=("customer", "payment_intent", "transfer_group"),
    expandable={
        "application": "application",
        "application_fee": "application_fee",
        "balance_transaction": "balance_transaction",
        "customer": "customer",
        "failure_balance_transaction": "balance_transaction",
        "on_behalf_of": "account",
        "payment_intent": "payment_intent",
        "payment_method_details.card.mandate": "mandate",
        "review": "review",
        "source_transfer": "transfer",
        "transfer": "transfer",
        "transfer_data.destination": "account",
    },
    included={"refunds": _refunds},
)

LIST = list_parameters({"customer": Reference(), "payment_intent": Reference(), "transfer_group": Text()})
UPDATE = Parameters(
    {
        "customer": Reference(),
        "description": Text(40_000),
        "fraud_details": Hash({"user_report": Choice(("fraudulent", "safe"), clearable=True)}),
        "metadata": Metadata(),
        "receipt_email": Email(),
        "shipping": SHIPPING,
        "transfer_group": Text(),
    }
)

CAPTURE = Parameters(
    {
        "amount": Integer(1),
        "receipt_email": Email(),
        "statement_descriptor": Text(22),
        "statement_descriptor_suffix": Text(22),
        "transfer_group": Text(),
    },
    unsupported=unsupported("application_fee application_fee_amount transfer_data"),
)


@dataclass(frozen=True)
class Attempt:
    """The outcome of trying to charge a card."""

    charge: Row
    decline: Decline | None


def blank(call: Call, intent: Row, method: Row) -> Row:
    """A charge for a payment intent before anything is known of its outcome. Other methods than cards have ids of their own shape."""
    return {
        "id": new_id("ch" if method["type"] == "card" else OTHER_PREFIX),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": copied(method["billing_details"]),
        "calculated_statement_descriptor": descriptor(call, intent),
        "captured": False,
        "created": call.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": None,
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
        "_refund": "succeeds",
        "_available_at_once": False,
    }


def attempt(call: Call, intent: Row, method: Row, *, decline: Decline | None, authenticated: str | None) -> Attempt:
    """Charge a card for a payment intent, or fail to: in both cases a charge remains, and its event.

    `authenticated` is how 3-D Secure went (`challenge`, `frictionless`) or None when it was not asked for.
    """
    held = intent["capture_method"] == "manual" and decline is None
    succeeded = decline is None
    amount = intent["amount"]
    charge = blank(call, intent, method) | {
        "amount_captured": amount if succeeded and not held else 0,
        "captured": succeeded and not held,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "outcome": outcome(method, decline),
        "paid": succeeded,
        "payment_method_details": {
            "card": card_details(call, intent, method, held=held, declined=not succeeded, authenticated=authenticated),
            "type": "card",
        },
        "status": "succeeded" if succeeded else "failed",
    }
    if succeeded:
        charge["receipt_url"] = receipt_url(call, charge)
    behaviour = behaviour_of(method)
    charge |= {"_refund": behaviour.refund, "_available_at_once": behaviour.available_at_once}
    if succeeded and intent["capture_method"] == "automatic":
        charge["balance_transaction"] = settlement(call, charge)["id"]
    call.session.insert(CHARGE, charge)
    emit(call, "charge.succeeded" if succeeded else "charge.failed", charge)
    if succeeded:
        _have_consequences(call, charge, behaviour)
        if intent["capture_method"] == "automatic_async":
            call.later("charge.settle", call.settings.settle_delay_seconds, charge=charge["id"])
    return Attempt(charge, decline)


def _have_consequences(call: Call, charge: Row, behaviour: Behaviour) -> None:
    """Some test cards bring a dispute or a warning after the charge."""
    if behaviour.dispute_reason is not None:
        call.later(
            "dispute.open",
            call.settings.dispute_delay_seconds,
            charge=charge["id"],
            reason=behaviour.dispute_reason,
            code=behaviour.dispute_code,
            inquiry=behaviour.inquiry,
        )
    if behaviour.early_fraud_warning:
        call.later("early_fraud_warning.arrive", call.settings.dispute_delay_seconds, charge=charge["id"])


def receipt_url(call: Call, charge: Row) -> str:
    return f"{call.base_url or 'http://127.0.0.1'}/_sandbox/objects/{charge['id']}"


def settlement(call: Call, charge: Row) -> Row:
    """The balance transaction of a captured charge."""
    amount = charge["amount_captured"]
    method = charge["payment_method_details"]["type"]
    return balance_transactions.record(
        call,
        kind="charge" if method == "card" else "payment",
        amount=amount,
        currency=charge["currency"],
        source=charge["id"],
        fee=fees.of_charge(call, method, amount, charge["currency"]),
        description=charge["description"],
        available_at_once=charge["_available_at_once"],
    )


def settle(call: Call, body: dict[str, Any]) -> None:
    """The balance transaction lands, some time after an asynchronous capture."""
    charge = call.session.find(CHARGE, body["charge"])
    if charge is None or charge["balance_transaction"] is not None or not charge["captured"]:
        return
    before = copied(charge)
    charge["balance_transaction"] = settlement(call, charge)["id"]
    call.session.save(CHARGE, charge)
    emit(call, "charge.updated", charge, before)


def settle_now(call: Call, charge: Row) -> None:
    """Give a captured charge its balance transaction before a refund or a dispute takes money back."""
    if charge["balance_transaction"] is None and charge["captured"]:
        before = copied(charge)
        charge["balance_transaction"] = settlement(call, charge)["id"]
        call.session.save(CHARGE, charge)
        emit(call, "charge.updated", charge, before)


def capture(call: Call, charge: Row, amount: int, *, asynchronously: bool) -> Row:
    """Take the money of a held charge; what is not taken is given back to the card."""
    before = copied(charge)
    charge |= {"captured": True, "amount_captured": amount, "amount_refunded": charge["amount"] - amount}
    if not asynchronously:
        charge["balance_transaction"] = settlement(call, charge)["id"]
    call.session.save(CHARGE, charge)
    emit(call, "charge.captured", charge, before)
    if asynchronously:
        call.later("charge.settle", call.settings.settle_delay_seconds, charge=charge["id"])
    return charge


def release(call: Call, charge: Row, event: str = "charge.refunded") -> None:
    """Let go of a hold that will not be captured: the charge reads as refunded, and no money ever moved."""
    before = copied(charge)
    charge |= {"amount_refunded": charge["amount"], "refunded": True}
    call.session.save(CHARGE, charge)
    emit(call, event, charge, before)


def raise_amount(call: Call, charge: Row, amount: int) -> None:
    """A hold grows to `amount`."""
    before = copied(charge)
    charge["amount"] = amount
    charge["payment_method_details"]["card"] |= {
        "amount_authorized": amount,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
    }
    call.session.save(CHARGE, charge)
    emit(call, "charge.updated", charge, before)


def retrieve(call: Call, charge_id: str) -> Row:
    return call.need(CHARGE, charge_id, "id", in_path=True)


def update(call: Call, charge_id: str) -> Row:
    charge = call.need(CHARGE, charge_id, "id", in_path=True)
    before = copied(charge)
    params = call.params
    if "customer" in params and charge["customer"] not in (None, params["customer"]):
        raise StripeError("You cannot change the customer of a charge that already has one.", param="customer")
    charge |= {
        name: params[name] for name in ("customer", "description", "receipt_email", "transfer_group") if name in params
    }
    if "metadata" in params:
        charge["metadata"] = merge_metadata(charge["metadata"], params["metadata"])
    if "shipping" in params:
        charge["shipping"] = whole_shipping(params["shipping"])
    if "fraud_details" in params:
        report = params["fraud_details"].get("user_report")
        charge["fraud_details"] = {"user_report": report} if report else {}
    call.session.save(CHARGE, charge)
    emit(call, "charge.updated", charge, before)
    return charge


def capture_directly(call: Call, charge_id: str) -> Row:
    """Every charge here is a payment intent's, which alone captures it. Words of 2020-12."""
    charge = call.need(CHARGE, charge_id, "charge", in_path=True)
    if charge["captured"]:
        raise StripeError(f"Charge {charge_id} has already been captured.", code="charge_already_captured")
    raise StripeError(
        f"This uncaptured Charge was created by a PaymentIntent ({charge['payment_intent']}). You must capture the PaymentIntent instead. "
        "For more information, see https://stripe.com/docs/payments/payment-intents"
    )


def list_charges(call: Call) -> Row:
    return list_of(call, CHARGE, equal=("customer", "payment_intent", "transfer_group"))


EFFECTS = {"charge.settle": settle}

SEARCHED = {
    "amount": "number",
    "billing_details.address.postal_code": "token",
    "created": "number",
    "currency": "token",
    "customer": "token",
    "disputed": "token",
    "metadata": "token",
    "payment_method_details.card.brand": "token",
    "payment_method_details.card.exp_month": "number",
    "payment_method_details.card.exp_year": "number",
    "payment_method_details.card.fingerprint": "token",
    "payment_method_details.card.last4": "token",
    "refunded": "token",
    "status": "token",
}


def search_charges(call: Call) -> Row:
    return search.search(call, CHARGE, SEARCHED, "/v1/charges/search")


ROUTES = (
    get("/v1/charges/search", search_charges, search.PARAMETERS),
    get("/v1/charges", list_charges, LIST),
    get("/v1/charges/<charge_id>", retrieve),
    post("/v1/charges/<charge_id>", update, UPDATE),
    post("/v1/charges/<charge_id>/capture", capture_directly, CAPTURE),
)
