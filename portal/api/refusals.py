"""Every code that a problem document of the API may carry, with what it means to whoever writes an app.

Codes and statuses come from the tree of PortalError as it is loaded; what stands here is what they mean. Where a code is given at the
place that raises it, its status stands here, too. tests/api/test_docs.py fails for a code that has no meaning here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from portal import gateway
from portal.core.errors import PortalError

# What only pages, mails' links and Stripe's webhooks are answered with.
NOT_OF_THE_API: Final = frozenset(
    {
        "sign_in_required",
        "link_expired",
        "not_yet",
        "payment_record_decided",
        "too_many_recipients",
        "datev_not_set_up",
        "look_at_each",
        "made_already",
        "last_owner",
        "too_many_people",
        "no_default_payment_method",
        "terms_changed",
        "bad_webhook",
        "wrong_mode",
        "address_not_reachable",
        "proof_outdated",
        "bad_client_key",
        "wrong_passkey",
        "wrong_link_code",
        "evidence_refused",
        "no_reset_asked",
        "own_reset",
        "second_admin",
        "refund_needs_two",
        "refund_sent",
        "refunds_not_together",
        "no_access",
        "provider_not_proved",
        "identity_provider_unavailable",
        "by_provider",
        "vies_off",
        "no_network",
        "no_bounce",
        "erasure_decided",
        "erasure_hindered",
        "files_being_read",
    }
)

# Given where they are raised, or by the web server's own refusals; and where an app is told another status than a form.
STATUSES: Final = {
    "bad_request": 400,
    "wrong_credentials": 401,
    "method_not_allowed": 405,
    "request_entity_too_large": 413,
    "unknown_customer": 422,
    "unknown_scope": 422,
    "scope_not_allowed": 422,
    "nothing_left": 422,
    "too_much": 422,
    "bad_cursor": 422,
    "bad_name": 422,
    "name_taken": 422,
    "amount_too_small": 422,
    "amount_too_large": 422,
    "charge_disputed": 409,
    "endpoint_disabled": 409,
    "too_many_endpoints": 409,
    "charge_already_refunded": 409,
    "invoice_void": 409,
    "invoice_credited": 409,
    "partly_credited": 409,
    "credit_waits": 409,
    "written_off": 409,
    "write_off_waits": 409,
    "write_off_decided": 409,
    "credit_decided": 409,
    "more_than_due": 409,
    "amount_changed": 409,
    "payment_being_recorded": 409,
    "rest_not_chargeable": 409,
    "duplicate_reference": 409,
}

MEANINGS: Final = {
    "confirmation_being_made": "Ask again after the seconds in Retry-After.",
    "bad_request": "The request cannot be read at all. Look at its encoding, and at characters that no text has, such as NUL.",
    "malformed_json": "The body is not one JSON object, is nested deeper than 8 levels, or has a key twice.",
    "idempotency_key_missing": "This operation needs one Idempotency-Key, of 8 to 255 visible ASCII characters. Nothing was done.",
    "missing_token": "There is no access token in the Authorization header. Cookies and parameters are not looked at.",
    "invalid_token": "The access token is too old, was altered, or its sign-in has ended. Use the refresh token once, then sign in again.",
    "grant_over": "The refresh token is unknown, too old, or was used before, which ends the whole sign-in. Let the person sign in again.",
    "wrong_client": "The API client's id and secret do not match, or they were revoked. Trying again will not help.",
    "code_needed": "The password is right, and two-step verification is on: send its code as `code`, with the password.",
    "wrong_code": "The code of two-step verification is wrong or was used already. Ask for the next one.",
    "second_factor_unreadable": "Two-step verification must be set up again, because the portal's secret key has changed: staff can help.",
    "second_factor_required": "Staff must turn on two-step verification first, on the portal's pages.",
    "insufficient_scope": "The access token lacks the scope that WWW-Authenticate names. Sign in with it, if the person may have it.",
    "recent_sign_in_required": "For this the person must have signed in within ten minutes: let them sign in again, then repeat it.",
    "last_admin": "Nobody would be left who can decide about the others. Make someone else an admin first.",
    "signs_in_elsewhere": "Staff sign in at the company's identity provider alone: a password or a passkey here counts for nothing.",
    "own_role": "Nobody changes their own role. Ask another admin.",
    "customer_deactivated": "The customer is deactivated. Staff can bring it back at the desk.",
    "cannot_sign_in": "Nobody, or not this person, can sign in for the customer: no invitation was accepted, or access has "
    "ended. Invite an owner, or name another person.",
    "staff_only": "Only staff, and API clients where it says so, may do this.",
    "customers_only": "Only a customer may do this: the token belongs to staff or to an API client, who act for no customer.",
    "forbidden": "The person may not do this. Hide what leads here.",
    "four_eyes": "The refund needs a colleague: this person proposed it, or has approved it already.",
    "role_too_low": "This person's role may not approve that amount. Leave it to an approver.",
    "not_found": "There is no such thing, or it is another customer's: the two are never told apart.",
    "missing_at_stripe": "Stripe does not know what this is about. Read it again; if it stays, write to us with the request_id.",
    "method_not_allowed": "The path exists, but not with this method: Allow names those that do.",
    "conflict": "What it is about has changed in the meantime. Read it again, then decide.",
    "request_in_flight": "The first request with this Idempotency-Key is still being worked on. Send the same again after Retry-After.",
    "already_paid": "It is paid. Nothing was charged again: show the payment.",
    "invoice_void": "The invoice was voided: nobody has to pay it. Show that, and offer no payment.",
    "invoice_credited": "The invoice was credited in full: nobody has to pay it. Show that, and offer no payment.",
    "partly_credited": "A part of the invoice is credited, so it cannot be voided. Credit the rest.",
    "credit_waits": "Another credit of the invoice waits for a second person. Approve or reject that first.",
    "credit_decided": "A colleague has decided about the credit. Read it again.",
    "written_off": "The invoice is closed, and nothing is asked for. Offer no payment; staff can open it again.",
    "write_off_waits": "The invoice waits to be written off. Approve or reject that first.",
    "write_off_decided": "A colleague has decided about the write-off. Read it again.",
    "more_than_due": "Less is due of the invoice than would be credited. What is paid is given back by a refund.",
    "amount_changed": "More is due of the invoice than its customer was shown. Nothing was charged: read the invoice again, and show it.",
    "payment_being_recorded": "A payment of the invoice that arrived in another way is being recorded. Offer no payment meanwhile.",
    "rest_not_chargeable": "What is left of the invoice is less than Stripe charges: it is paid in another way.",
    "duplicate_reference": "The customer already has an invoice with this external_reference, issued before: `existing_id` is its id. Read "
    "it instead of issuing another one.",
    "customer_erased": "What told of this customer was erased. It does not come back: create a new one.",
    "external_id_taken": "Another customer has this external_id: `existing_id` is its id. Read it instead of creating another one.",
    "stale_details": "Somebody has changed the customer since you read it, so nothing was written. Read it again, then change it.",
    "email_taken": "Somebody signs in with this address already, perhaps for another customer. Create the customer without an invitation, "
    "or invite another address.",
    "payment_in_progress": "The bank is still working on this payment. Wait for it; do not begin another one.",
    "payment_unresolved": "A payment of the same amount and description may still be charged; `payment` shows it. Wait until its status is "
    "no longer processing, then decide; with `allow_duplicate` and a new key both are paid.",
    "payment_under_review": "Something about this payment does not fit, and staff are looking at it. Do not pay again.",
    "payment_method_already_added": "This setup is finished: list the payment methods.",
    "customer_under_review": "Something about this customer does not fit at Stripe, and staff are looking at it. Try again in a moment.",
    "payment_method_under_review": "Something about this payment method does not fit, and staff are looking at it.",
    "payment_not_refundable": "This payment cannot be refunded now: it has not succeeded, or its bank is disputing it.",
    "refund_window_over": "The days in which a refund for this reason may be asked for are over.",
    "refund_already_decided": "Someone has decided already. Read the refund again.",
    "refund_claimed": "A colleague is looking at this refund. Leave it to them, or try again in some minutes.",
    "refund_needs_review": "The refund was set aside and must be released at the desk first.",
    "refund_not_failed": "Only a refund that has failed, and that nobody has dealt with, can be sent again, paid another way or closed.",
    "refund_found": "Stripe shows this refund after all. It was not sent again.",
    "charge_not_refundable": "Stripe gives this money back no more.",
    "charge_already_refunded": "It was given back already.",
    "charge_disputed": "The customer's bank has asked for this money back: a refund would pay it twice.",
    "unexpected_state": "At Stripe it is in a state that does not allow this. Read it again.",
    "idempotency_misuse": "An error of ours: it was set aside for staff. Do not repeat it under a new key; write to us.",
    "endpoint_disabled": "This endpoint is switched off, because nothing arrived there. Switch it on again first.",
    "too_many_endpoints": "The customer has as many endpoints as there may be. Remove one first.",
    "request_entity_too_large": "The body is larger than 256,000 bytes.",
    "unsupported_media_type": "The body is not sent as Content-Type: application/json.",
    "invalid": "A value cannot be used: `errors` names its field and says why.",
    "invalid_request": "The body or the parameters do not fit their schema: `errors` has each field and why.",
    "card_number": "A text holds what looks like a card number; `errors` names its field. Nothing was done: leave the number out.",
    "wrong_credentials": "E-mail and password do not match, or this person may not sign in: never told which.",
    "unknown_scope": "There is no such scope.",
    "scope_not_allowed": "This person or API client may not have that scope.",
    "idempotency_key_reused": "The Idempotency-Key was used for another request. Take a new key for a new request.",
    "key_reused": "The Idempotency-Key was used for something else, more than two days ago. Take a new key for a new request.",
    "unusable_payment_method": "Stripe does not take this payment method: unknown, used up, or of another customer.",
    "mandate_missing": "A bank account is debited with its holder’s consent alone: send `mandate`. Nothing was charged.",
    "payment_method_not_accepted": "The company does not take this kind of payment method, or not in this way: an app may have cards, "
    "Link and bank accounts charged by their reference, and cards kept. Nothing was charged or kept. For the other kinds leave "
    "payment_method_id out, and let the customer confirm with the client_secret.",
    "unknown_payment_method": "We do not know this payment method. Let the customer choose or enter a card again.",
    "card_expired": "The saved card has expired.",
    "mandate_revoked": "The mandate of the saved bank account has ended: let the customer add it again, or choose another payment method.",
    "card_gone": "The card is no longer saved here. Nothing was charged: list the cards again.",
    "unknown_customer": "There is no customer with this id.",
    "nothing_left": "Everything of this payment was given back, or is being given back.",
    "too_much": "More than what is left of this payment.",
    "bad_cursor": "The cursor is none that this list has given out. Begin with the first page.",
    "bad_name": "A key of metadata has other than 1 to 40 letters, digits, dots, hyphens or underscores.",
    "name_taken": "The portal uses this key of metadata itself. Choose another one.",
    "amount_too_small": "Less than Stripe charges in this currency.",
    "amount_too_large": "More than Stripe charges in this currency.",
    "end_user_address_not_allowed": "The header End-User-Address came without a token of a system whose key may name addresses.",
    "rate_limited": "Too many requests or attempts. Wait for the seconds of Retry-After.",
    "error": "Something went wrong on our side. Send the same request with the same Idempotency-Key again.",
    "receipt_damaged": "The document's PDF is not what it was made as: it is held back, and staff were told.",
    "unavailable": "Stripe, the identity provider or the database does not answer. After Retry-After, send the same request with the "
    "same Idempotency-Key again: nothing happens twice.",
    "recovery_mode": "The portal was restored from a backup and holds everything that moves money until it is compared with Stripe. "
    "Reading works. After Retry-After, send the same request with the same Idempotency-Key again; do not pay in another way.",
    "payment_provider_misconfigured": "A setting on our side is wrong; we were told. Try again later.",
    "pdf_being_made": "The PDF is not made yet. Ask again after Retry-After.",
    "statement_being_made": "The PDF of the statement is not made yet. Ask again after Retry-After.",
    "statement_too_long": "The period has more than 3,000 entries in the books. Ask for a shorter one.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    code: str
    status: int
    meaning: str


def every() -> list[Refusal]:
    """All of the API's codes, by status and then by code."""
    statuses = {code: status for code, status in codes().items() if code not in NOT_OF_THE_API}
    found = [Refusal(code, status, MEANINGS.get(code, "")) for code, status in (statuses | STATUSES).items()]
    cards = [Refusal(code, 402, words) for code, words in gateway.ADVICE.items()]
    kept = [refusal for refusal in found if refusal.status != 402]
    return sorted([*kept, *cards], key=lambda refusal: (refusal.status, refusal.code))


def codes() -> dict[str, int]:
    """Code → status of every class in the tree of PortalError that is loaded, with the root's own."""
    return {kind.code: kind.status for kind in _with_kin(PortalError) if kind.__module__.startswith("portal.")}


def _with_kin(kind: type[PortalError]) -> Iterator[type[PortalError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _with_kin(child)
