"""The audit trail as staff read it: a sentence an event, instead of its name and facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portal.errors import N_

# What happened, by the event's name. What is in brackets comes from the event's facts.
WORDS: Final[dict[str, str]] = {
    "customer.created": N_("Customer created"),
    "customer.changed": N_("Billing details changed"),
    "customer.linked": N_("Made known to Stripe"),
    "customer.unlinked": N_("Deleted at Stripe"),
    "customer.detail_refused": N_("Made known to Stripe without a detail that Stripe does not take: %(detail)s"),
    "stripe_customer.new_attempt": N_("Begun anew to make the customer known to Stripe"),
    "stripe_customer.finding": N_("Customer at Stripe set aside for staff: %(finding)s"),
    "customer.noted": N_("Note written"),
    "sign_up.asked": N_("Account asked for"),
    "user.created": N_("Person added"),
    "user.invited": N_("Invitation sent to %(email)s"),
    "user.invitation_taken_up": N_("Invitation accepted"),
    "user.invitation_refused": N_("Invitation refused: someone signs in with this address already"),
    "user.invitation_withdrawn": N_("Invitation of %(email)s withdrawn"),
    "user.changed": N_("Person changed"),
    "user.role_changed": N_("Role of a person changed"),
    "user.access_ended": N_("Access of a person ended"),
    "user.access_restored": N_("Access of a person restored"),
    "password.changed": N_("Password changed"),
    "password.change_refused": N_("Password not changed: the old one was wrong"),
    "password.confirmation_refused": N_("Password asked for again, and it was wrong"),
    "password.reset": N_("Password reset"),
    "password.reset_asked": N_("Link for a new password asked for"),
    "password.set": N_("Password set"),
    "second_factor.enabled": N_("Second factor switched on"),
    "second_factor.disabled": N_("Second factor switched off"),
    "second_factor.recovery_used": N_("Recovery code used in place of the second factor; left: %(left)s"),
    "second_factor.recovery_codes_renewed": N_("New recovery codes made"),
    "second_factor.refused": N_("Sign-in refused: the code was wrong"),
    "second_factor.change_refused": N_("Second factor not changed: password or code was wrong"),
    "second_factor.given_up": N_("Second factor removed, to be set up again"),
    "second_factor.reset": N_("Second factor reset by an admin or operator"),
    "session.started": N_("Signed in"),
    "session.refused": N_("Sign-in refused"),
    "session.proved_again": N_("Password confirmed"),
    "session.ended": N_("Signed out"),
    "session.others_ended": N_("Signed out everywhere else"),
    "app.signed_in": N_("Signed in with an app"),
    "app.signed_out": N_("Signed out of an app"),
    "machine.created": N_("Key made for another system: %(name)s"),
    "machine.revoked": N_("Key of another system revoked: %(name)s"),
    "invoice.issued": N_("Invoice %(number)s issued"),
    "invoice.paid": N_("Invoice %(number)s paid"),
    "invoice.paid_outside": N_("Invoice %(number)s recorded as paid outside Stripe"),
    "invoice.voided": N_("Invoice %(number)s voided: %(reason)s"),
    "payment.started": N_("Payment of %(amount)s started"),
    "payment.intent_stored": N_("Payment made known to Stripe"),
    "payment.cancel_asked": N_("Cancelling the payment was requested"),
    "payment.new_attempt": N_("Payment begun anew at Stripe"),
    "payment.confirmation_begun": N_("Card ending in %(last4)s is being charged"),
    "payment.finding": N_("Payment set aside for staff: %(finding)s"),
    "receipt.issued": N_("Receipt %(number)s issued"),
    "receipt.rendered": N_("PDF of the receipt made"),
    "receipt.mailed": N_("Receipt sent to %(to)s"),
    "receipt.sent_again": N_("Receipt %(number)s sent again to %(to)s"),
    "credit_note.issued": N_("Credit note %(number)s issued"),
    "credit_note.rendered": N_("PDF of the credit note made"),
    "credit_note.mailed": N_("Credit note sent to %(to)s"),
    "credit_note.sent_again": N_("Credit note %(number)s sent again to %(to)s"),
    "credit_note.revoked": N_("Credit note %(number)s cancelled, because its refund failed"),
    "credit_note.revocation_mailed": N_("Mail about the cancelled credit note sent to %(to)s"),
    "refund.claimed": N_("Refund taken up by staff"),
    "refund.amount_changed": N_("Amount of the refund changed from %(before)s to %(after)s"),
    "refund.known_at_stripe": N_("Refund made known to Stripe"),
    "refund.made_at_stripe": N_("Refund of %(amount)s made in Stripe’s dashboard"),
    "refund.bank_reference": N_("Bank reference of the refund: %(reference)s"),
    "refund.searched": N_("Stripe failed at the refund; its list is searched for it"),
    "refund.new_attempt": N_("Refund sent to Stripe anew"),
    "refund.sent_again": N_("Failed refund sent again as a new one: %(replaced_by)s"),
    "refund.paid_outside": N_("Failed refund paid another way on %(paid_on)s: %(note)s"),
    "refund.nothing_owed": N_("Nothing is owed for the failed refund: %(note)s"),
    "refund.finding": N_("Refund set aside for staff: %(finding)s"),
    "refund.finding_lifted": N_("Refund released again. It had been set aside: %(finding)s"),
    "dispute.opened": N_("Payment disputed: %(amount)s"),
    "dispute.changed": N_("Details of the dispute changed"),
    "dispute.money": N_("Money of the dispute moved: %(amount)s, fee %(fee)s"),
    "dispute.discrepancy": N_("Dispute differs from its payment: %(discrepancy)s"),
    "dispute.discrepancy_gone": N_("Dispute fits its payment again"),
    "dispute.finding": N_("Dispute set aside for staff: %(finding)s"),
    "fraud_warning.received": N_("The card’s issuer warned of fraud"),
    "fraud_warning.changed": N_("Fraud warning changed"),
    "card.saved": N_("Card saved"),
    "card.renewed": N_("Card renewed"),
    "card.updated": N_("Card updated"),
    "card.duplicate": N_("Card was here already"),
    "card.default_set": N_("Default card chosen"),
    "card.removed": N_("Card removed"),
    "card.expiry_reminder": N_("Reminder that the card expires on %(last_day)s"),
    "card_setup.started": N_("Adding a card started"),
    "card_setup.intent_stored": N_("Adding a card made known to Stripe"),
    "card_setup.new_attempt": N_("Adding a card begun anew at Stripe"),
    "card_setup.finding": N_("Adding a card set aside for staff: %(finding)s"),
    "mandate.given": N_("Automatic payment switched on"),
    "mandate.ended": N_("Automatic payment switched off"),
    "collection.announced": N_("Automatic charge of invoice %(invoice)s announced"),
    "collection.try": N_("Automatic charge: try %(number)s"),
    "collection.try_failed": N_("Automatic charge: try %(number)s failed"),
    "collection.paid": N_("Automatic charge succeeded"),
    "collection.given_up": N_("Automatic charge given up"),
    "collection.called_off": N_("Automatic charge called off"),
    "endpoint.added": N_("Endpoint for events added: %(url)s"),
    "endpoint.removed": N_("Endpoint for events removed: %(url)s"),
    "endpoint.secret_rotated": N_("Signing secret of an endpoint changed: %(url)s"),
    "endpoint.enabled": N_("Endpoint for events switched on again: %(url)s"),
    "endpoint.disabled": N_("Endpoint for events switched off, because it takes none: %(url)s"),
    "endpoint.tested": N_("Test event sent to %(url)s"),
    "delivery.failed": N_("Event %(type)s could not be delivered"),
    "delivery.sent_again": N_("Event %(type)s sent again"),
    "staff.looked": N_("Looked at by staff"),
    "invoice_file.uploaded": N_("File of invoices uploaded: %(filename)s"),
    "invoice_file.imported": N_("File of invoices imported, %(issued)s issued"),
    "job.revived": N_("Job %(job)s tried again"),
    "webhook.replayed": N_("Event %(type)s applied again"),
    "audit.anchored": N_("Audit trail anchored at event %(number)s"),
    "proxy.not_configured": N_("Requests come through a proxy that is not configured"),
    "access.refused": N_("Not allowed: %(method)s %(path)s"),
    "audit.exported": N_("Audit trail exported"),
    "books.exported": N_("Books exported"),
    "books.finding": N_("Reconciliation found a difference (%(code)s)"),
    "books.finding_gone": N_("A difference was not found any more (%(code)s)"),
    "books.explained": N_("A difference was explained: %(note)s"),
    "payment.stray_canceled": N_("Stray payment intent of %(payment)s canceled at Stripe"),
    "pack.requested": N_("Month-end pack of %(month)s asked for"),
    "pack.made": N_("Month-end pack of %(month)s made"),
    "pack.downloaded": N_("Month-end pack of %(month)s downloaded"),
}

# Events whose outcome stands in their facts as `after`.
OUTCOMES: Final[dict[str, dict[str, str]]] = {
    "payment.status": {
        "requires_payment_method": N_("Payment not completed"),
        "requires_confirmation": N_("Payment waits for its confirmation"),
        "requires_action": N_("The bank asks the customer to confirm the payment"),
        "processing": N_("The bank is working on the payment"),
        "requires_capture": N_("The bank has reserved the amount"),
        "succeeded": N_("Payment succeeded"),
        "canceled": N_("Payment cancelled"),
    },
    "refund.state": {
        "requested": N_("Refund of %(amount)s asked for"),
        "approved_once": N_("Refund of %(amount)s approved by the first of two people"),
        "approved": N_("Refund of %(amount)s approved"),
        "rejected": N_("Refund of %(amount)s declined"),
        "withdrawn": N_("Refund of %(amount)s withdrawn"),
        "executing": N_("Refund of %(amount)s being sent to Stripe"),
        "unknown": N_("Refund of %(amount)s: Stripe’s answer was lost"),
        "pending": N_("Refund of %(amount)s on its way"),
        "requires_action": N_("Refund of %(amount)s waits for the customer"),
        "succeeded": N_("Refund of %(amount)s made"),
        "failed": N_("Refund of %(amount)s failed"),
        "canceled": N_("Refund of %(amount)s cancelled"),
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
    "card_setup.status": {
        "requires_payment_method": N_("Card not added"),
        "requires_action": N_("The bank asks the customer to confirm the card"),
        "processing": N_("The bank is checking the card"),
        "succeeded": N_("Card added"),
        "canceled": N_("Adding a card cancelled"),
    },
}

# Who did it, when it was not a person with a name.
ACTORS: Final[dict[str, str]] = {
    "worker": N_("Automatically"),
    "stripe": N_("Stripe"),
    "cli": N_("On the server"),
    "machine": N_("Another system of ours"),
    "outside": N_("Someone who signed in elsewhere"),
    "anonymous": N_("Someone who was not signed in"),
}

# What a key of another system opens, by scope.
SCOPES: Final[dict[str, str]] = {
    "invoices:read": N_("See every customer’s invoices"),
    "invoices:write": N_("Issue invoices to every customer"),
    "payments:read": N_("See every customer’s payments"),
    "payments:cancel": N_("Cancel payments that their customers have not finished"),
    "refunds:read": N_("See every customer’s refunds"),
    "receipts:read": N_("See and download every customer’s receipts and credit notes"),
}


def sentence(action: str, facts: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The text of an event and what fills its places, both for gettext.

    An event that has no words here, or lacks a fact that they need, is told by its name.
    """
    words = OUTCOMES.get(action, {}).get(str(facts.get("after"))) or WORDS.get(action)
    told = {name: str(value) for name, value in facts.items()}
    try:
        if words is not None and words % told:
            return words, told
    except KeyError:
        pass
    return "%(action)s", {"action": action.replace("_", " ").replace(".", ": ")}
