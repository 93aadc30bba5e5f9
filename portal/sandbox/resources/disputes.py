"""Disputes: a card's holder asks the bank for the money back, and evidence decides.

Source: Stripe's API reference, "Disputes"; "How disputes work"; and "Testing", evidence: `winning_evidence`, `losing_evidence` and
`escalate_inquiry_evidence` as `uncategorized_text` decide a dispute, any other evidence leaves it under review.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import StripeError
from portal.sandbox.events import emit
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, copied
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import (
    Boolean,
    Choice,
    Hash,
    Metadata,
    Parameters,
    Reference,
    Text,
    merge_metadata,
    unsupported,
)
from portal.sandbox.resources import balance_transactions, enhanced_evidence, fees, files, mandates, method_details
from portal.sandbox.resources.charges import CHARGE, settle_now
from portal.sandbox.resources.payment_method_types import TYPES
from portal.sandbox.routes import get, post
from portal.sandbox.settings import DAY_SECONDS

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

ANSWER_SECONDS = 9 * DAY_SECONDS
"""How long there is to answer with evidence; networks give 7 to 21 days."""

DISPUTE = Kind(
    object="dispute",
    table="disputes",
    prefix="du",
    url="/v1/disputes",
    columns=("charge", "payment_intent"),
    expandable={"charge": "charge", "payment_intent": "payment_intent"},
)

STATES: dict[str, frozenset[str]] = {
    "warning_needs_response": frozenset({"warning_under_review", "warning_closed", "needs_response"}),
    "warning_under_review": frozenset({"warning_closed", "needs_response"}),
    "warning_closed": frozenset(),
    "needs_response": frozenset({"under_review", "won", "lost"}),
    "under_review": frozenset({"won", "lost"}),
    "won": frozenset(),
    "lost": frozenset(),
}
OPEN = frozenset({"warning_needs_response", "warning_under_review", "needs_response", "under_review"})
ANSWERABLE = frozenset({"warning_needs_response", "needs_response"})

_FILES = (
    "cancellation_policy customer_communication customer_signature duplicate_charge_documentation receipt refund_policy "
    "service_documentation shipping_documentation uncategorized_file"
).split()
_LONG_TEXTS = (
    "access_activity_log cancellation_policy_disclosure cancellation_rebuttal duplicate_charge_explanation product_description "
    "refund_policy_disclosure refund_refusal_explanation uncategorized_text"
).split()
_SHORT_TEXTS = (
    "billing_address customer_email_address customer_name customer_purchase_ip duplicate_charge_id service_date shipping_address "
    "shipping_carrier shipping_date shipping_tracking_number"
).split()
_TEXTS = (*_LONG_TEXTS, *_SHORT_TEXTS)
MOST_EVIDENCE = 150_000
"""Characters of all evidence together. Source: Stripe's API reference, "Update a dispute"."""

LIST = list_parameters({"charge": Reference(), "payment_intent": Reference()})
UPDATE = Parameters(
    {
        "evidence": Hash(
            {
                **{name: Text(20_000) for name in _LONG_TEXTS},
                **{name: Text() for name in (*_FILES, *_SHORT_TEXTS)},
                "enhanced_evidence": enhanced_evidence.PARAMETER,
            },
            unsupported=unsupported("appeal"),
        ),
        "intended_submission_method": Choice(("manual", "prefer_manual", "prefer_smart_disputes", "smart_disputes")),
        "metadata": Metadata(),
        "submit": Boolean(),
    }
)


def _due_by(now: int) -> int:
    """The last second of the ninth day, as recorded at 2023-10-16."""
    last_day = (now + ANSWER_SECONDS) // DAY_SECONDS
    return (last_day + 1) * DAY_SECONDS - 1


def open_dispute(call: Call, body: dict[str, Any]) -> None:
    """The bank tells of a dispute; an inquiry asks first and takes no money.

    Without an `amount` and a `currency` of its own it is over what is left of the charge, and without a `code` the network's reason code
    is the one that the network has for the reason.
    """
    charge = call.session.find(CHARGE, body["charge"])
    if charge is None or charge["disputed"] or not charge["captured"] or not charge["paid"]:
        return
    method = charge["payment_method_details"]["type"]
    rules = TYPES[method].dispute if method != "card" else None
    if method != "card" and (rules is None or call.now > charge["created"] + rules.days * DAY_SECONDS):
        return
    final = rules is not None and not rules.contestable
    settle_now(call, charge)
    inquiry = bool(body.get("inquiry")) and not final
    dispute: Row = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": body.get("amount") or charge["amount_captured"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.now,
        "currency": body.get("currency") or charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys((*_FILES, *_TEXTS)), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": None if final else _due_by(call.now),
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": _details(charge, body["reason"], str(body.get("code") or ""), inquiry=inquiry),
        "reason": body["reason"],
        "status": "warning_needs_response" if inquiry else "needs_response",
        "_method": method,
    }
    dispute["enhanced_eligibility_types"] = enhanced_evidence.types_of(dispute["payment_method_details"])
    call.session.insert(DISPUTE, dispute)
    before = copied(charge)
    charge["disputed"] = True
    call.session.save(CHARGE, charge)
    emit(call, "charge.dispute.created", dispute)
    if not inquiry:
        _withdraw(call, dispute)
    emit(call, "charge.updated", charge, before)
    if final:
        # A bank gives a debit back without asking for evidence, and the permission to debit is gone with it.
        _move(call, dispute, "lost")
        mandates.end_of_charge(call, charge, "debit_not_authorized")
        return
    call.later("dispute.expire", _due_by(call.now) - call.now, dispute=dispute["id"])


def _details(charge: Row, reason: str, code: str, *, inquiry: bool) -> Row | None:
    card = charge["payment_method_details"].get("card")
    if card is None:
        return method_details.of_dispute(charge["payment_method_details"]["type"])
    return {
        "card": {
            "brand": card["brand"],
            "case_type": "inquiry" if inquiry else "chargeback",
            "network": card["network"],
            "network_reason_code": code or ("10" if inquiry else _reason_code(reason, card["network"])),
        },
        "type": "card",
    }


# Source: Stripe, "Dispute reason codes and defense requirements": fraud without the card at hand, and services not received.
_FRAUD = {"visa": enhanced_evidence.REASON_CODE, "mastercard": "4837", "amex": "F29"}


def _reason_code(reason: str, network: str) -> str:
    return _FRAUD.get(network, "83") if reason == "fraudulent" else "13.1"


def _withdraw(call: Call, dispute: Row) -> None:
    """The disputed amount and a fee leave the balance."""
    before = copied(dispute)
    _post(call, dispute, -dispute["amount"], fees.of_dispute(call, dispute["_method"], dispute["currency"]), "dispute")
    call.session.save(DISPUTE, dispute)
    emit(call, "charge.dispute.funds_withdrawn", dispute, before)


def _reinstate(call: Call, dispute: Row) -> None:
    """The amount comes back when the dispute is won, and its fee where the account's terms say so."""
    before = copied(dispute)
    fee = fees.of_dispute(call, dispute["_method"], dispute["currency"])
    returned = fee if call.settings.returns_dispute_fee else 0
    _post(call, dispute, dispute["amount"], -returned, "dispute_reversal")
    call.session.save(DISPUTE, dispute)
    emit(call, "charge.dispute.funds_reinstated", dispute, before)


def _post(call: Call, dispute: Row, amount: int, fee: int, category: str) -> None:
    transaction = balance_transactions.record(
        call,
        kind="adjustment",
        amount=amount,
        currency=dispute["currency"],
        source=dispute["id"],
        fee=fee,
        fee_description="Dispute fee",
        description=f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute['charge']}",
        reporting_category=category,
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], call.shown(transaction)]


def _move(call: Call, dispute: Row, status: str) -> None:
    if status not in STATES[dispute["status"]]:
        raise AssertionError(f"a dispute cannot go from {dispute['status']} to {status}")
    before = copied(dispute)
    dispute["status"] = status
    if status in ("won", "lost", "warning_closed"):
        # Recorded at 2023-10-16: a won dispute gives its charge free again, although the reference speaks of inquiries alone.
        dispute["is_charge_refundable"] = status != "lost"
    call.session.save(DISPUTE, dispute)
    emit(call, "charge.dispute.closed" if status not in OPEN else "charge.dispute.updated", dispute, before)


def decide(call: Call, body: dict[str, Any]) -> None:
    """The bank's verdict on submitted evidence: `won`, `lost`, `warning_closed`, or an inquiry that becomes a dispute."""
    dispute = call.session.find(DISPUTE, body["dispute"])
    verdict = str(body["verdict"])
    if dispute is None or verdict not in STATES[dispute["status"]]:
        return
    if verdict == "needs_response":
        card = dispute["payment_method_details"].get("card", {})
        card |= {"case_type": "chargeback"}
        if "network" in card:
            card["network_reason_code"] = _reason_code(dispute["reason"], card["network"])
        dispute["enhanced_eligibility_types"] = enhanced_evidence.types_of(dispute["payment_method_details"])
        dispute["is_charge_refundable"] = False
    _move(call, dispute, verdict)
    if verdict == "needs_response":
        _withdraw(call, dispute)
    if verdict == "won":
        _reinstate(call, dispute)


def expire(call: Call, body: dict[str, Any]) -> None:
    """Nobody answered in time."""
    dispute = call.session.find(DISPUTE, body["dispute"])
    if dispute is None or dispute["status"] not in ANSWERABLE:
        return
    dispute["evidence_details"]["past_due"] = True
    _move(call, dispute, "warning_closed" if dispute["status"].startswith("warning") else "lost")


def retrieve(call: Call, dispute_id: str) -> Row:
    return call.need(DISPUTE, dispute_id, "dispute", in_path=True)


def update(call: Call, dispute_id: str) -> Row:
    """Stage evidence, or submit it: without `submit=false` it goes to the bank at once."""
    dispute = call.need(DISPUTE, dispute_id, "dispute", in_path=True)
    params = call.params
    before = copied(dispute)
    if "metadata" in params:
        dispute["metadata"] = merge_metadata(dispute["metadata"], params["metadata"])
    submits = params.get("submit", "evidence" in params)
    if submits or "evidence" in params:
        if dispute["status"] not in ANSWERABLE:
            raise _not_answerable(dispute)
        given = params.get("evidence") or {}
        for name in _FILES:
            if given.get(name):
                files.need_evidence(call, given[name], f"evidence[{name}]")
        dispute["evidence"] |= {name: value for name, value in given.items() if name != "enhanced_evidence"}
        if "enhanced_evidence" in given:
            enhanced_evidence.take(call, dispute, given["enhanced_evidence"])
            dispute["evidence_details"]["enhanced_eligibility"] = enhanced_evidence.eligibility(
                dispute, submitted=False
            )
        if sum(len(text) for text in dispute["evidence"].values() if isinstance(text, str)) > MOST_EVIDENCE:
            raise StripeError(
                f"The combined evidence must be at most {MOST_EVIDENCE} characters.", param="evidence", began=False
            )
        dispute["evidence_details"]["has_evidence"] = any(dispute["evidence"].values())
    call.session.save(DISPUTE, dispute)
    if submits:
        _submit(call, dispute)
    else:
        emit(call, "charge.dispute.updated", dispute, before)
    return dispute


def _not_answerable(dispute: Row) -> StripeError:
    """The words for one that is closed are as recorded at 2026-08-26.dahlia."""
    if dispute["status"] not in OPEN:
        return StripeError("This dispute is already closed")
    return StripeError(f"This dispute can no longer be answered: its status is {dispute['status']}.")


def _submit(call: Call, dispute: Row) -> None:
    inquiry = dispute["status"] == "warning_needs_response"
    details = dispute["evidence_details"]
    details |= {"submission_count": details["submission_count"] + 1, "submission_method": "manual"}
    details["enhanced_eligibility"] = enhanced_evidence.eligibility(dispute, submitted=True)
    _move(call, dispute, "warning_under_review" if inquiry else "under_review")
    verdicts = {
        "winning_evidence": "warning_closed" if inquiry else "won",
        "losing_evidence": "warning_closed" if inquiry else "lost",
        "escalate_inquiry_evidence": "needs_response",
    }
    verdict = verdicts.get(dispute["evidence"]["uncategorized_text"] or "")
    if verdict is not None:
        call.later("dispute.decide", call.settings.verdict_delay_seconds, dispute=dispute["id"], verdict=verdict)


def close(call: Call, dispute_id: str) -> Row:
    """Give a dispute up, for good."""
    dispute = call.need(DISPUTE, dispute_id, "dispute", in_path=True)
    if dispute["status"] not in ANSWERABLE:
        raise _not_answerable(dispute)
    _move(call, dispute, "warning_closed" if dispute["status"].startswith("warning") else "lost")
    return dispute


def list_disputes(call: Call) -> Row:
    return list_of(call, DISPUTE, equal=("charge", "payment_intent"))


EFFECTS = {"dispute.open": open_dispute, "dispute.decide": decide, "dispute.expire": expire}

ROUTES = (
    get("/v1/disputes", list_disputes, LIST),
    get("/v1/disputes/<dispute_id>", retrieve),
    post("/v1/disputes/<dispute_id>", update, UPDATE),
    post("/v1/disputes/<dispute_id>/close", close),
)
