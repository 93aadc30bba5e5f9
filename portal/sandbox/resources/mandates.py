"""Mandates: a customer's permission to debit them, given once, good for one payment or for many.

Source: Stripe's API reference, "Mandates", and the pages on SEPA, ACH and Bacs Direct Debit. A mandate of Bacs waits a day for the bank;
the others hold from the moment they are accepted. A dispute, or a bank that says the debit was not allowed, ends one.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import missing_parameter
from portal.sandbox.events import emit
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, copied
from portal.sandbox.resources.bank_accounts import behaviour_of
from portal.sandbox.routes import get

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

MANDATE = Kind(
    object="mandate",
    table="mandates",
    prefix="mandate",
    url="/v1/mandates",
    columns=("payment_method", "status"),
    expandable={"payment_method": "payment_method"},
)


def acceptance(call: Call) -> Row | None:
    """How the customer accepted, as the request says; in a browser Stripe.js tells of it by itself."""
    given: dict[str, Any] | None = (call.params.get("mandate_data") or {}).get("customer_acceptance")
    if given is None:
        if not call.publishable:
            return None
        given = {"type": "online", "online": {"ip_address": "127.0.0.1", "user_agent": None}}
    if given["type"] == "online" and not call.publishable:
        online = given.get("online") or {}
        for name in ("ip_address", "user_agent"):
            if not online.get(name):
                raise missing_parameter(f"mandate_data[customer_acceptance][online][{name}]")
    accepted: Row = {"accepted_at": given.get("accepted_at", call.now), "type": given["type"]}
    accepted["offline"] = {} if given["type"] == "offline" else None
    online = given.get("online") if given["type"] == "online" else None
    accepted["online"] = online and {name: online.get(name) for name in ("ip_address", "user_agent")}
    return accepted


def made_on_page(call: Call) -> Row:
    """The acceptance of a holder who agreed on a page of their bank's."""
    return {
        "accepted_at": call.now,
        "offline": None,
        "online": {"ip_address": None, "user_agent": None},
        "type": "online",
    }


def make(call: Call, method: Row, accepted: Row, intent: Row, *, many: bool) -> Row:
    """A new mandate: for `many` payments, or for this one alone."""
    kind = method["type"]
    waits = kind == "bacs_debit"
    refused = behaviour_of(method).refuses_mandate
    mandate: Row = {
        "id": new_id("mandate"),
        "object": "mandate",
        "customer_acceptance": accepted,
        "livemode": False,
        "multi_use": {} if many else None,
        "on_behalf_of": None,
        "payment_method": method["id"],
        "payment_method_details": {kind: _details(call, kind, intent), "type": kind},
        "single_use": None,
        "status": "pending" if waits else "active",
        "type": "multi_use" if many else "single_use",
    }
    if not many:
        mandate["single_use"] = {"amount": intent.get("amount", 0), "currency": intent.get("currency", "eur")}
    call.session.insert(MANDATE, mandate)
    if refused:
        end(call, mandate, "could_not_process", network_status="refused")
    elif waits:
        call.later("mandate.accept", call.settings.bank_day_seconds, mandate=mandate["id"])
    return mandate


def _details(call: Call, kind: str, intent: Row) -> Row:
    options = intent["payment_method_options"].get(kind) or {}
    prefix = (options.get("mandate_options") or {}).get("reference_prefix") or ""
    reference = f"{prefix}{secrets.token_hex(8).upper()}"[:18]
    url = f"{call.base_url or 'http://127.0.0.1'}/_sandbox/objects/{intent['id']}"
    details: dict[str, Row] = {
        "sepa_debit": {"reference": reference, "url": url},
        "bacs_debit": {
            "display_name": call.settings.business_name,
            "network_status": "pending",
            "reference": reference,
            "revocation_reason": None,
            "service_user_number": None,
            "url": url,
        },
        "paypal": {"billing_agreement_id": f"B-{secrets.token_hex(8).upper()}", "payer_id": "SANDBOXPAYER"},
    }
    return details.get(kind, {})


def standing(call: Call, method: Row) -> Row | None:
    """The mandate by which a saved method may be debited again."""
    found = call.session.all(MANDATE, payment_method=method["id"])
    usable = [one for one in found if one["type"] == "multi_use" and one["status"] in ("active", "pending")]
    return usable[-1] if usable else None


def accept(call: Call, body: dict[str, Any]) -> None:
    """The customer's bank takes a mandate that waited for it."""
    mandate = call.session.find(MANDATE, body["mandate"])
    if mandate is not None and mandate["status"] == "pending":
        before = copied(mandate)
        mandate["status"] = "active"
        mandate["payment_method_details"]["bacs_debit"]["network_status"] = "accepted"
        call.session.save(MANDATE, mandate)
        emit(call, "mandate.updated", mandate, before)


def end(call: Call, mandate: Row, reason: str | None = None, *, network_status: str = "revoked") -> None:
    """A mandate that may not be used again; a second end changes nothing."""
    before = copied(mandate)
    mandate["status"] = "inactive"
    bacs = mandate["payment_method_details"].get("bacs_debit")
    if bacs is not None and reason is not None and bacs["revocation_reason"] is None:
        bacs |= {"network_status": network_status, "revocation_reason": reason}
    call.session.save(MANDATE, mandate)
    emit(call, "mandate.updated", mandate, before)


def end_of_charge(call: Call, charge: Row, reason: str) -> None:
    """The bank says that the debit of this charge was not allowed."""
    details = charge["payment_method_details"][charge["payment_method_details"]["type"]]
    found = call.session.find(MANDATE, details.get("mandate") or "")
    if found is not None:
        end(call, found, reason)


def retrieve(call: Call, mandate_id: str) -> Row:
    return call.need(MANDATE, mandate_id, "mandate", in_path=True)


EFFECTS = {"mandate.accept": accept}

ROUTES = (get("/v1/mandates/<mandate_id>", retrieve),)
