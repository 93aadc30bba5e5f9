"""What a discrepancy says to a bookkeeper, and what there is to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from portal.core.errors import N_
from portal.core.money import Money
from portal.reconciliation.models import Discrepancy


@dataclass(frozen=True, slots=True)
class Words:
    """`title` says what was found, `what_to_do` what helps."""

    title: str
    what_to_do: str


_DASHBOARD: Final = N_(
    "Open it in Stripe’s dashboard. If it belongs to something else that uses this account, resolve "
    "the discrepancy here: the money is then booked as other. If it should be a customer’s payment, "
    "ask your developers before anything is refunded."
)
_NOT_BY_HAND: Final = N_(
    "Somebody or something has changed a row that must never change. Find out who could write to the "
    "database, compare the audit log with its checkpoints (flask audit verify), and restore the row "
    "from a backup; do not write another journal entry over it."
)
_WORKER: Final = N_(
    "Check under Operations whether the worker runs and the job has failed; retry it there. The "
    "books need no correction."
)

_LOST: Final = N_(
    "This was paid after the backup that the database was restored from. If it can be put right "
    "(docs/backups.md says how), compare again with flask restore compare; otherwise resolve the "
    "discrepancy here: the money is then booked as other."
)

# Facts that end in _minor are shown as money in the discrepancy's currency, by their name without it.
WORDS: Final[dict[str, tuple[str, str]]] = {
    "orphan_charge": (N_("Stripe charged %(amount)s (%(charge)s) that no payment here knows of"), _DASHBOARD),
    "payment_amount": (
        N_("Payment %(payment)s: %(ours)s here, %(stripe)s at Stripe, difference %(difference)s"),
        _NOT_BY_HAND,
    ),
    "payment_differs": (
        N_("Payment %(payment)s does not match Stripe: %(difference)s"),
        N_(
            "The payment is held for review and no longer changes automatically. Compare it with Stripe’s "
            "dashboard; what Stripe says about money counts. Correct the customer’s side (refund, or a new "
            "invoice), then resolve the discrepancy here."
        ),
    ),
    "payment_missing": (
        N_("Payment %(payment)s: Stripe does not know its payment intent %(intent)s"),
        N_(
            "Check that the portal uses the key of the same Stripe account and mode as before. Nothing can "
            "be charged with this payment any more; the customer can pay again once it is canceled."
        ),
    ),
    "refund_amount": (
        N_("Refund %(refund)s: %(ours)s here, %(stripe)s at Stripe, difference %(difference)s"),
        _NOT_BY_HAND,
    ),
    "refund_status": (
        N_("Refund %(refund)s is “%(ours)s” here and “%(stripe)s” at Stripe"),
        N_("The refund needs a decision at the refund desk."),
    ),
    "refund_missing": (
        N_("Refund %(refund)s: Stripe does not know %(stripe_refund)s"),
        N_(
            "Check that the portal uses the key of the same Stripe account and mode as before, then decide at the refund desk."
        ),
    ),
    "dispute_missing": (
        N_("Dispute %(dispute)s: Stripe does not know %(stripe_dispute)s"),
        N_(
            "Check that the portal uses the key of the same Stripe account and mode as before. What became of the dispute is only "
            "known to the account that it was opened in."
        ),
    ),
    "unposted": (
        N_(
            "Stripe moved %(amount)s (%(transaction)s, %(type)s), and the journal entry %(reference)s for it is missing"
        ),
        _NOT_BY_HAND,
    ),
    "posting_differs": (
        N_("Ledger: %(ours)s (%(posting)s). Stripe: %(stripe)s (%(transaction)s). Difference: %(difference)s"),
        _NOT_BY_HAND,
    ),
    "posting_misplaced": (
        N_("Journal entry %(posting)s is %(ours)s and should be %(stripe)s (%(transaction)s)"),
        _NOT_BY_HAND,
    ),
    "posting_alone": (
        N_("Journal entry %(posting)s of %(amount)s (%(reference)s) has no balance transaction at Stripe"),
        _NOT_BY_HAND,
    ),
    "payment_fee": (
        N_("Payment %(payment)s: a fee of %(ours)s here, %(stripe)s at Stripe, difference %(difference)s"),
        _NOT_BY_HAND,
    ),
    "unknown_transaction": (
        N_("Stripe moved %(amount)s (%(transaction)s, %(type)s) for something that is not the portal’s"),
        _DASHBOARD,
    ),
    "payout_differs": (
        N_("Payout %(payout)s is %(stripe)s, its parts add up to %(ours)s, difference %(difference)s"),
        N_(
            "Download the payout’s report in Stripe’s dashboard and compare the lines; ask Stripe’s support "
            "if they do not add up."
        ),
    ),
    "payout_missing": (
        N_("Stripe no longer knows the payout %(payout)s"),
        N_(
            "Check that the portal uses the key of the same Stripe account and mode as before, and check on "
            "the bank statement whether the money has arrived."
        ),
    ),
    "paid_unposted": (
        N_("Payment %(payment)s of %(amount)s counts as paid, but has no journal entry"),
        _NOT_BY_HAND,
    ),
    "over_refunded": (
        N_("Payment %(payment)s: %(given)s of %(amount)s was refunded"),
        N_(
            "Check the payment’s refunds at the desk and in Stripe’s dashboard; one of them may have failed, "
            "or was made twice. Recover the excess amount."
        ),
    ),
    "receipt_missing": (N_("Payment %(payment)s has no receipt yet"), _WORKER),
    "credit_note_missing": (N_("Refund %(refund)s has no credit note yet"), _WORKER),
    "document_unsent": (
        N_("%(document)s was not e-mailed yet"),
        N_(
            "Check under Operations whether e-mail goes out at all, and whether the address is right; then "
            "send the document again from the payment’s page."
        ),
    ),
    "stuck": (N_("Payment %(payment)s is stuck (%(status)s)"), _WORKER),
    "stuck_refund": (N_("Refund %(refund)s was approved and has not reached Stripe (%(status)s)"), _WORKER),
    "charged_twice": (
        N_(
            "Payment %(payment)s of %(amount)s looks like a duplicate of %(first)s: same customer, amount "
            "and text within a day"
        ),
        N_(
            "Ask the customer or check what they ordered. If it was a mistake, propose a refund as a "
            "duplicate; if it was intended, resolve the discrepancy here."
        ),
    ),
    "invoice_total": (
        N_("Invoice %(invoice)s, billed: ledger %(ours)s, invoice %(stated)s, difference %(difference)s"),
        _NOT_BY_HAND,
    ),
    "invoice_due": (
        N_("Invoice %(invoice)s, due: ledger %(ours)s, invoice %(stated)s, difference %(difference)s"),
        _NOT_BY_HAND,
    ),
    "invoice_credited": (
        N_("Invoice %(invoice)s, credited: ledger %(ours)s, invoice %(stated)s, difference %(difference)s"),
        _NOT_BY_HAND,
    ),
    "invoice_written_off": (
        N_("Invoice %(invoice)s, written off: ledger %(ours)s, invoice %(stated)s, difference %(difference)s"),
        _NOT_BY_HAND,
    ),
    "totals_differ": (
        N_("%(currency)s: ledger %(ours)s, Stripe %(stripe)s, difference %(difference)s"),
        N_(
            "The lines that differ are found with it, or by flask reconcile --nightly. The month is not to be closed before."
        ),
    ),
    "lost_customer": (N_("%(amount)s (%(charge)s) was paid by a customer whom the backup does not have yet"), _LOST),
    "lost_invoice": (
        N_("%(amount)s (%(charge)s) was paid for “%(description)s”, an invoice that the backup does not have yet"),
        _LOST,
    ),
    "lost_amount": (
        N_("%(amount)s (%(charge)s) was paid for “%(description)s”, whose invoice has another amount in the backup"),
        _LOST,
    ),
    "lost_second": (
        N_(
            "%(amount)s (%(charge)s) was paid for “%(description)s”, for which another payment is still being processed"
        ),
        _LOST,
    ),
    "lost_stripe_customer": (
        N_("%(amount)s (%(charge)s) belongs to another customer at Stripe than in the backup"),
        _LOST,
    ),
    "audit_broken": (N_("The audit log was tampered with: %(what)s"), _NOT_BY_HAND),
}

# What the facts are called; those that the sentence tells in full are left out.
FACTS: Final = {
    "payment": N_("Payment"),
    "first": N_("First payment"),
    "refund": N_("Refund"),
    "document": N_("Document"),
    "invoice": N_("Invoice"),
    "posting": N_("Journal entry"),
    "reference": N_("Reference"),
    "ours": N_("Our books"),
    "stripe": N_("Stripe"),
    "difference": N_("Difference"),
    "amount": N_("Amount"),
    "given": N_("Refunded"),
    "status": N_("Status"),
    "intent": N_("Payment intent"),
    "charge": N_("Stripe charge"),
    "stripe_refund": N_("Stripe’s refund"),
    "dispute": N_("Dispute"),
    "stripe_dispute": N_("Stripe’s dispute"),
    "transaction": N_("Balance transaction"),
    "type": N_("Type"),
    "source": N_("Source"),
    "description": N_("Description"),
    "payout": N_("Payout"),
}


def of(
    discrepancy: Discrepancy,
    translate: Callable[[str], str] = str,
    money: Callable[[Money], str] = str,
) -> Words:
    """In the language of `translate`, with amounts as `money` writes them; English without."""
    title, what_to_do = WORDS[discrepancy.code]
    return Words(translate(title) % shown(discrepancy.facts, money), translate(what_to_do))


def facts_of(
    discrepancy: Discrepancy,
    translate: Callable[[str], str] = str,
    money: Callable[[Money], str] = str,
) -> list[tuple[str, str]]:
    """The discrepancy's facts as names and texts, in the order in which one looks for them."""
    facts = shown(discrepancy.facts, money)
    return [(translate(name), str(facts[key])) for key, name in FACTS.items() if facts.get(key)]


def shown(facts: Mapping[str, Any], money: Callable[[Money], str] = str) -> dict[str, Any]:
    """The facts, with amounts as text under their plain names."""
    words: dict[str, Any] = {}
    currency = facts.get("currency", "")
    for name, value in facts.items():
        if name.endswith("_minor"):
            plain = name.removesuffix("_minor")
            of_currency = facts.get(f"{plain}_currency", currency)
            words[plain] = money(Money(value, of_currency))
        elif name not in words:
            words[name] = value
    return words | {"currency": currency.upper()}
