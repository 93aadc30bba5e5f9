"""The audit trail as staff read it: a sentence an event, instead of its name and facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from portal.core import money
from portal.core.errors import N_

# What happened, by the event's name. What is in brackets comes from the event's facts.
WORDS: Final[dict[str, str]] = {
    "upkeep.backup": N_("Backup recorded: %(note)s"),
    "upkeep.restore_drill": N_("Trial of a restore recorded: %(note)s"),
    "service.silent": N_("The identity provider stopped answering"),
    "service.answers": N_("The identity provider answers again"),
    "webhooks.missing": N_("Stripe’s webhooks stopped arriving"),
    "webhooks.arrive": N_("Stripe’s webhooks arrive again"),
    "recovery.begun": N_("Recovery mode begun: the database was restored from a backup"),
    "recovery.finished": N_("Recovery mode ended"),
    "numbering.gap": N_("Numbers without a document after a restore (%(series)s): %(numbers)s"),
    "numbering.given_twice": N_("Number %(number)s was issued twice"),
    "customer.created": N_("Customer created"),
    "customer.changed": N_("Billing details changed"),
    "customer.deactivated": N_("Customer deactivated: %(reason)s"),
    "customer.reactivated": N_("Customer reactivated"),
    "customer.linked": N_("Created at Stripe"),
    "customer.unlinked": N_("Deleted at Stripe"),
    "customer.detail_refused": N_("Created at Stripe without a detail that Stripe does not accept: %(detail)s"),
    "stripe_customer.new_attempt": N_("Creating the customer at Stripe restarted"),
    "stripe_customer.held_for_review": N_("Customer at Stripe held for review: %(review_reason)s"),
    "customer.noted": N_("Note added"),
    "sign_up.asked": N_("Account requested"),
    "user.created": N_("Person added"),
    "user.invited": N_("Invitation sent to %(email)s"),
    "user.invitation_taken_up": N_("Invitation accepted"),
    "user.invitation_refused": N_("Invitation refused: someone already signs in with this address"),
    "user.invitation_withdrawn": N_("Invitation of %(email)s withdrawn"),
    "user.changed": N_("Person changed"),
    "user.email_change_asked": N_("Change of a person’s e-mail address requested"),
    "user.email_changed": N_("E-mail address of a person changed"),
    "user.email_change_stopped": N_("Change of a person’s e-mail address stopped"),
    "user.role_changed": N_("Role of a person changed"),
    "user.inactivity_warned": N_("Warned: access ends on %(ends_on)s unless this person signs in"),
    "user.provider_linked": N_("Account linked to the company’s sign-in"),
    "user.access_ended": N_("Access removed"),
    "user.access_restored": N_("Access restored"),
    "password.changed": N_("Password changed"),
    "password.change_refused": N_("Password not changed: the old one was wrong"),
    "password.confirmation_refused": N_("Password not confirmed: it was wrong"),
    "password.reset": N_("Password reset"),
    "password.reset_asked": N_("Link for a new password requested"),
    "password.set": N_("Password set"),
    "second_factor.enabled": N_("Two-step verification turned on"),
    "second_factor.disabled": N_("Two-step verification turned off"),
    "second_factor.recovery_used": N_("Recovery code used to sign in; left: %(left)s"),
    "second_factor.recovery_codes_renewed": N_("New recovery codes created"),
    "second_factor.refused": N_("Sign-in refused: the code was wrong"),
    "second_factor.change_refused": N_("Two-step verification not changed: wrong password or code"),
    "second_factor.given_up": N_("Two-step verification removed, to be set up again"),
    "second_factor.reset_asked": N_("Reset of two-step verification asked for"),
    "second_factor.reset_withdrawn": N_("Reset of two-step verification withdrawn"),
    "second_factor.reset": N_("Two-step verification reset by an admin or operator"),
    "passkey.added": N_("Passkey added: %(name)s"),
    "passkey.removed": N_("Passkey removed: %(name)s"),
    "passkey.refused": N_("Sign-in with a passkey refused"),
    "session.started": N_("Signed in"),
    "session.refused": N_("Sign-in refused"),
    "session.proved_again": N_("Password confirmed"),
    "session.ended": N_("Signed out"),
    "session.ended_by_admin": N_("Signed out of one browser by an admin"),
    "session.others_ended": N_("Signed out everywhere else"),
    "app.signed_in": N_("Signed in with an app"),
    "app.signed_out": N_("Signed out of an app"),
    "api_client.created": N_("API key created: %(name)s"),
    "api_client.secret_rotated": N_("Secret of an API key changed: %(name)s"),
    "api_client.revoked": N_("API key revoked: %(name)s"),
    "invoice.issued": N_("Invoice %(number)s issued"),
    "invoice.paid": N_("Invoice %(number)s paid"),
    "invoice.paid_outside": N_("Invoice %(number)s recorded as paid outside Stripe"),
    "invoice.voided": N_("Invoice %(number)s voided: %(reason)s"),
    "payment.started": N_("Payment of %(amount)s started"),
    "payment.brought_back": N_("Payment of %(amount)s recovered from Stripe after a restore"),
    "payment.intent_stored": N_("Payment created at Stripe"),
    "payment.cancel_asked": N_("Canceling the payment was requested"),
    "payment.new_attempt": N_("Payment restarted at Stripe"),
    "payment.confirmation_begun": N_("Card ending in %(last4)s is being charged"),
    "payment.held_for_review": N_("Payment held for review: %(review_reason)s"),
    "receipt.held": N_("Receipt held back: no font has these characters: %(missing)s"),
    "receipt.accepted": N_("Receipt %(number)s sent despite missing characters"),
    "receipt.retried": N_("Receipt %(number)s created again, to find its missing characters"),
    "credit_note.held": N_("Credit note held back: no font has these characters: %(missing)s"),
    "credit_note.accepted": N_("Credit note %(number)s sent despite missing characters"),
    "credit_note.retried": N_("Credit note %(number)s created again, to find its missing characters"),
    "invoice.held": N_("Invoice held back: no font has these characters: %(missing)s"),
    "invoice.accepted": N_("Invoice %(number)s sent despite missing characters"),
    "invoice.retried": N_("Invoice %(number)s created again, to find its missing characters"),
    "invoice.brought_back": N_("Invoice %(number)s issued again after a restore, with its number"),
    "invoice.rendered": N_("PDF of the invoice created"),
    "invoice.mailed": N_("Invoice sent to %(to)s"),
    "invoice.sent_again": N_("Invoice %(number)s sent again to %(to)s"),
    "payment_confirmation.held": N_("Payment confirmation held back: no font has these characters: %(missing)s"),
    "payment_confirmation.accepted": N_("Payment confirmation %(number)s sent despite missing characters"),
    "payment_confirmation.retried": N_("Payment confirmation %(number)s created again, to find its missing characters"),
    "payment_confirmation.brought_back": N_(
        "Payment confirmation %(number)s issued again after a restore, with its number"
    ),
    "payment_confirmation.issued": N_("Payment confirmation %(number)s issued"),
    "payment_confirmation.rendered": N_("PDF of the payment confirmation created"),
    "payment_confirmation.mailed": N_("Payment confirmation sent to %(to)s"),
    "payment_confirmation.sent_again": N_("Payment confirmation %(number)s sent again to %(to)s"),
    "refund_confirmation.held": N_("Refund confirmation held back: no font has these characters: %(missing)s"),
    "refund_confirmation.accepted": N_("Refund confirmation %(number)s sent despite missing characters"),
    "refund_confirmation.retried": N_("Refund confirmation %(number)s created again, to find its missing characters"),
    "refund_confirmation.brought_back": N_(
        "Refund confirmation %(number)s issued again after a restore, with its number"
    ),
    "refund_confirmation.issued": N_("Refund confirmation %(number)s issued"),
    "refund_confirmation.rendered": N_("PDF of the refund confirmation created"),
    "refund_confirmation.mailed": N_("Refund confirmation sent to %(to)s"),
    "refund_confirmation.sent_again": N_("Refund confirmation %(number)s sent again to %(to)s"),
    "refund_confirmation.revoked": N_("Refund confirmation %(number)s canceled, because its refund failed"),
    "refund_confirmation.revocation_mailed": N_("E-mail about the canceled refund confirmation sent to %(to)s"),
    "document_archive.requested": N_("ZIP file of %(documents)s documents requested"),
    "document_archive.made": N_("ZIP file of documents created"),
    "document_archive.downloaded": N_("ZIP file of documents downloaded"),
    "receipt.brought_back": N_("Receipt %(number)s issued again after a restore, with its number"),
    "credit_note.brought_back": N_("Credit note %(number)s issued again after a restore, with its number"),
    "receipt.issued": N_("Receipt %(number)s issued"),
    "receipt.rendered": N_("PDF of the receipt created"),
    "receipt.mailed": N_("Receipt sent to %(to)s"),
    "receipt.sent_again": N_("Receipt %(number)s sent again to %(to)s"),
    "credit_note.issued": N_("Credit note %(number)s issued"),
    "credit_note.rendered": N_("PDF of the credit note created"),
    "credit_note.mailed": N_("Credit note sent to %(to)s"),
    "credit_note.sent_again": N_("Credit note %(number)s sent again to %(to)s"),
    "credit_note.revoked": N_("Credit note %(number)s canceled, because its refund failed"),
    "credit_note.revocation_mailed": N_("E-mail about the canceled credit note sent to %(to)s"),
    "refund.claimed": N_("Refund claimed by staff"),
    "refund.approval_undone": N_("Approval of the refund undone"),
    "staff.mails_chosen": N_("Chose which e-mails to get"),
    "refunds.exported": N_("Queue of refunds exported"),
    "list.exported": N_("List exported"),
    "view.saved": N_("View of a list saved"),
    "view.removed": N_("View of a list removed"),
    "refund.assigned": N_("Refund assigned"),
    "refund.customer_asked": N_("Customer asked about the refund"),
    "refund.customer_answered": N_("Customer answered the question about the refund"),
    "refund.amount_changed": N_("Amount of the refund changed from %(before)s to %(after)s"),
    "refund.known_at_stripe": N_("Refund created at Stripe"),
    "refund.brought_back": N_("Refund of %(amount)s recovered from Stripe after a restore"),
    "refund.made_at_stripe": N_("Refund of %(amount)s made in Stripe’s dashboard"),
    "refund.acquirer_reference_number": N_("Reference number (ARN) of the refund: %(reference)s"),
    "refund.searched": N_("Stripe failed at the refund; its list is searched for the refund"),
    "refund.new_attempt": N_("Refund sent to Stripe again"),
    "refund.sent_again": N_("Failed refund sent again as a new one: %(replaced_by)s"),
    "refund.paid_outside": N_("Failed refund paid another way on %(paid_on)s: %(note)s"),
    "refund.nothing_owed": N_("Nothing is owed for the failed refund: %(note)s"),
    "refund.held_for_review": N_("Refund held for review: %(review_reason)s"),
    "refund.review_lifted": N_("Hold on the refund removed. It had been held for review: %(review_reason)s"),
    "dispute.opened": N_("Payment disputed: %(amount)s"),
    "dispute.changed": N_("Details of the dispute changed"),
    "dispute.money": N_("Dispute amount moved: %(amount)s, fee %(fee)s"),
    "dispute.discrepancy": N_("Dispute differs from its payment: %(discrepancy)s"),
    "dispute.discrepancy_gone": N_("Dispute matches its payment again"),
    "evidence.gathered": N_("Evidence gathered from our own records"),
    "evidence.changed": N_("Evidence changed"),
    "evidence.staged": N_("Evidence laid ready at Stripe"),
    "evidence.proposed": N_("Evidence proposed"),
    "evidence.taken_back": N_("Proposed evidence taken back"),
    "evidence.approved": N_("Evidence approved for the bank"),
    "evidence.sent": N_("Evidence sent to the bank"),
    "evidence.refused": N_("Evidence not taken by Stripe: %(said)s"),
    "dispute.held_for_review": N_("Dispute held for review: %(review_reason)s"),
    "fraud_warning.received": N_("The card issuer warned of fraud"),
    "fraud_warning.changed": N_("Fraud warning changed"),
    "fraud_warning.held_for_review": N_("Fraud warning held for review: %(review_reason)s"),
    "payment_method.saved": N_("Card saved"),
    "payment_method.renewed": N_("Card renewed"),
    "payment_method.updated": N_("Card updated"),
    "payment_method.duplicate": N_("Card was already saved"),
    "payment_method.default_set": N_("Default card chosen"),
    "payment_method.removed": N_("Card removed"),
    "payment_method.expiry_reminder": N_("Reminder that the card expires on %(last_day)s"),
    "payment_method_setup.started": N_("Card setup started"),
    "payment_method_setup.intent_stored": N_("Card setup created at Stripe"),
    "payment_method_setup.new_attempt": N_("Card setup restarted at Stripe"),
    "payment_method_setup.held_for_review": N_("Card setup held for review: %(review_reason)s"),
    "mandate.given": N_("Automatic payment turned on"),
    "mandate.ended": N_("Automatic payment turned off"),
    "collection.announced": N_("Automatic payment of invoice %(invoice)s announced"),
    "collection.attempt": N_("Automatic payment: attempt %(number)s"),
    "collection.attempt_failed": N_("Automatic payment: attempt %(number)s failed"),
    "collection.paid": N_("Automatic payment succeeded"),
    "collection.given_up": N_("Automatic payment failed permanently"),
    "collection.canceled": N_("Automatic payment canceled"),
    "endpoint.added": N_("Webhook endpoint added: %(url)s"),
    "endpoint.removed": N_("Webhook endpoint removed: %(url)s"),
    "endpoint.secret_rotated": N_("Signing secret of a webhook endpoint changed: %(url)s"),
    "endpoint.enabled": N_("Webhook endpoint turned on again: %(url)s"),
    "endpoint.turned_off": N_("Webhook endpoint turned off by its owner: %(url)s"),
    "endpoint.disabled": N_("Webhook endpoint turned off, because it accepts nothing: %(url)s"),
    "endpoint.tested": N_("Test webhook sent to %(url)s"),
    "delivery.failed": N_("Event %(type)s could not be delivered"),
    "delivery.sent_again": N_("Event %(type)s sent again"),
    "viewing.begun": N_("Account viewed as the customer sees it: %(reason)s"),
    "viewing.ended": N_("View of the account ended"),
    "staff.viewed": N_("Viewed by staff"),
    "invoice_file.uploaded": N_("File of invoices uploaded: %(filename)s"),
    "invoice_file.imported": N_("File of invoices imported, %(issued)s issued"),
    "job.revived": N_("Job %(job)s retried"),
    "jobs.revived": N_("Jobs of one kind retried: %(number)s"),
    "webhook.replayed": N_("Event %(type)s applied again"),
    "audit.anchored": N_("Audit log checkpoint at event %(number)s"),
    "proxy.not_configured": N_("Requests come through a proxy that is not configured"),
    "access.refused": N_("Not allowed: %(method)s %(path)s"),
    "audit.exported": N_("Audit log exported"),
    "books.exported": N_("Books exported"),
    "discrepancy.found": N_("Reconciliation found a discrepancy (%(code)s)"),
    "discrepancy.gone": N_("Discrepancy no longer found (%(code)s)"),
    "discrepancy.resolved": N_("Discrepancy resolved manually: %(note)s"),
    "payment.stray_canceled": N_("Stray payment intent of %(payment)s canceled at Stripe"),
    "pack.requested": N_("Month-end package of %(month)s requested"),
    "pack.made": N_("Month-end package of %(month)s created"),
    "pack.downloaded": N_("Month-end package of %(month)s downloaded"),
}

# Events whose outcome stands in their facts as `after`.
OUTCOMES: Final[dict[str, dict[str, str]]] = {
    "payment.status": {
        "requires_payment_method": N_("Payment needs a card"),
        "requires_confirmation": N_("Payment is waiting for its confirmation"),
        "requires_action": N_("The bank asks the customer to confirm the payment"),
        "processing": N_("The bank is processing the payment"),
        "requires_capture": N_("The bank has reserved the amount"),
        "succeeded": N_("Payment succeeded"),
        "canceled": N_("Payment canceled"),
    },
    "refund.status": {
        "requested": N_("Refund of %(amount)s requested"),
        "approved_once": N_("Refund of %(amount)s approved by the first of two people"),
        "approved": N_("Refund of %(amount)s approved"),
        "rejected": N_("Refund of %(amount)s rejected"),
        "withdrawn": N_("Refund of %(amount)s withdrawn"),
        "executing": N_("Refund of %(amount)s being sent to Stripe"),
        "unknown": N_("Refund of %(amount)s: Stripe’s answer was lost"),
        "pending": N_("Refund of %(amount)s pending"),
        "requires_action": N_("Refund of %(amount)s is waiting for the customer"),
        "succeeded": N_("Refund of %(amount)s completed"),
        "failed": N_("Refund of %(amount)s failed"),
        "canceled": N_("Refund of %(amount)s canceled"),
    },
    "dispute.status": {
        "warning_needs_response": N_("The bank asks about the payment"),
        "warning_under_review": N_("The bank has our answer about the payment"),
        "warning_closed": N_("The bank closed its question"),
        "needs_response": N_("The dispute needs our evidence"),
        "under_review": N_("The bank has our evidence for the dispute"),
        "appeal_needs_response": N_("The appeal of the dispute needs our evidence"),
        "appeal_under_review": N_("The bank has our evidence for the appeal"),
        "won": N_("Dispute won"),
        "lost": N_("Dispute lost"),
        "prevented": N_("Settled before it became a dispute"),
    },
    "payment_method_setup.status": {
        "requires_payment_method": N_("Card not added"),
        "requires_action": N_("The bank asks the customer to confirm the card"),
        "processing": N_("The bank is checking the card"),
        "succeeded": N_("Card added"),
        "canceled": N_("Card setup canceled"),
    },
}

# Who did it, when it was not a person with a name.
ACTORS: Final[dict[str, str]] = {
    "worker": N_("Automatically"),
    "stripe": N_("Stripe"),
    "cli": N_("On the server"),
    "api_client": N_("API client"),
    "outside": N_("Someone who signed in elsewhere"),
    "anonymous": N_("Someone who was not signed in"),
}


# How facts hold an amount (`str(Money)`) and a day.
_AMOUNT: Final = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ([A-Z]{3})")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def sentence(action: str, facts: Mapping[str, Any]) -> tuple[str, dict[str, object]]:
    """The text of an event and what fills its places, both for gettext; amounts are Money there and days dates (language.shown).

    An event that has no words here, or lacks a fact that they need, is told by its name.
    """
    words = OUTCOMES.get(action, {}).get(str(facts.get("after"))) or WORDS.get(action)
    told = {name: _fact(str(value)) for name, value in facts.items()}
    try:
        if words is not None and words % told:
            return words, told
    except KeyError:
        pass
    return "%(action)s", {"action": action.replace("_", " ").replace(".", ": ")}


def _fact(text: str) -> object:
    try:
        if amount := _AMOUNT.fullmatch(text):
            return money.from_decimal(Decimal(amount[1]), amount[2].lower())
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    return text
