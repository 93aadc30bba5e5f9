"""What a finding says to a bookkeeper, and what there is to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from portal.core.errors import N_
from portal.core.money import Money
from portal.reconciliation.models import BookFinding


@dataclass(frozen=True, slots=True)
class Words:
    """`title` says what was found, `what_to_do` what helps."""

    title: str
    what_to_do: str


_DASHBOARD: Final = N_(
    "Open it in Stripe’s dashboard. If it belongs to something else that uses this account, explain "
    "it here: it is then in the books as something else. If it should be a payment of a customer, "
    "ask your developers before anything is given back."
)
_NOT_BY_HAND: Final = N_(
    "Somebody or something has changed a row that is never changed. Find out who could write to the "
    "database, hold the audit log against its anchors (flask audit verify), and restore the row from "
    "a backup; do not write another posting over it."
)
_WORKER: Final = N_(
    "See at the operations desk whether the worker runs and the job has failed; try it again there. It needs no correction of the books."
)

_LOST: Final = N_(
    "It was paid after the backup that the database was restored from. If it can be put right (docs/backups.md says how), have it compared "
    "again with flask restore compare; else explain it here: the money is then in the books as something else."
)

# Facts that end in _minor are shown as money in the finding's currency, by their name without it.
WORDS: Final[dict[str, tuple[str, str]]] = {
    "orphan_charge": (N_("Stripe has taken %(amount)s (%(charge)s) that no payment here knows of"), _DASHBOARD),
    "payment_amount": (
        N_("Payment %(payment)s: %(ours)s here, %(stripe)s at Stripe, a difference of %(difference)s"),
        _NOT_BY_HAND,
    ),
    "payment_differs": (
        N_("Payment %(payment)s does not fit what Stripe says: %(difference)s"),
        N_(
            "The payment is set aside and changes no more automatically. Compare it with Stripe’s dashboard; "
            "what Stripe says about money counts. Correct the customer’s side (refund, or a new invoice), "
            "then explain this here."
        ),
    ),
    "payment_missing": (
        N_("Payment %(payment)s: Stripe does not know its payment intent %(intent)s"),
        N_(
            "Check that the portal uses the key of the same Stripe account and mode as before. Nothing can be charged with it any more; "
            "the customer may pay anew once the payment is canceled."
        ),
    ),
    "refund_amount": (
        N_("Refund %(refund)s: %(ours)s here, %(stripe)s at Stripe, a difference of %(difference)s"),
        _NOT_BY_HAND,
    ),
    "refund_state": (
        N_("Refund %(refund)s is “%(ours)s” here and “%(stripe)s” at Stripe"),
        N_("The refund waits for a person at the refund desk: decide there what becomes of it."),
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
        N_("Stripe moved %(amount)s (%(transaction)s, %(type)s), and the posting %(reference)s for it is missing"),
        _NOT_BY_HAND,
    ),
    "posting_differs": (
        N_("Posting %(posting)s says %(ours)s, Stripe %(stripe)s (%(transaction)s), a difference of %(difference)s"),
        _NOT_BY_HAND,
    ),
    "posting_misplaced": (
        N_("Posting %(posting)s says %(ours)s, and should say %(stripe)s (%(transaction)s)"),
        _NOT_BY_HAND,
    ),
    "posting_alone": (
        N_("Posting %(posting)s over %(amount)s (%(reference)s) has no movement at Stripe"),
        _NOT_BY_HAND,
    ),
    "payment_fee": (
        N_("Payment %(payment)s: a fee of %(ours)s here, %(stripe)s at Stripe, a difference of %(difference)s"),
        _NOT_BY_HAND,
    ),
    "unknown_transaction": (
        N_("Stripe moved %(amount)s (%(transaction)s, %(type)s) for something that is not the portal’s"),
        _DASHBOARD,
    ),
    "payout_differs": (
        N_("Payout %(payout)s is %(stripe)s, what it is made of comes to %(ours)s, a difference of %(difference)s"),
        N_(
            "Download the payout’s report in Stripe’s dashboard and hold the lines against it; ask Stripe’s "
            "support if they do not add up."
        ),
    ),
    "payout_missing": (
        N_("Stripe does not know the payout %(payout)s any more"),
        N_(
            "Check that the portal uses the key of the same Stripe account and mode as before, and look on "
            "the bank’s statement whether the money has arrived."
        ),
    ),
    "paid_unposted": (
        N_("Payment %(payment)s over %(amount)s counts as paid, and no posting tells of it"),
        _NOT_BY_HAND,
    ),
    "over_refunded": (
        N_("Payment %(payment)s: %(given)s was given back of %(amount)s"),
        N_(
            "Look at its refunds at the desk and in Stripe’s dashboard; one of them may have failed, or was "
            "made twice. Ask for what is too much."
        ),
    ),
    "receipt_missing": (N_("Payment %(payment)s has no receipt yet"), _WORKER),
    "credit_note_missing": (N_("Refund %(refund)s has no credit note yet"), _WORKER),
    "document_unsent": (
        N_("%(document)s was not e-mailed yet"),
        N_(
            "See at the operations desk whether e-mail goes out at all, and whether the address is right; "
            "then send it again from the payment’s page."
        ),
    ),
    "stuck": (N_("Payment %(payment)s stands still (%(state)s)"), _WORKER),
    "stuck_refund": (N_("Refund %(refund)s was approved and has not reached Stripe (%(state)s)"), _WORKER),
    "charged_twice": (
        N_(
            "Payment %(payment)s over %(amount)s looks like a second one of %(first)s: same customer, amount and text within a day"
        ),
        N_(
            "Ask the customer, or look at what they ordered. If it was not meant, propose a refund as a duplicate; if it "
            "was, explain it here."
        ),
    ),
    "totals_differ": (
        N_(
            "%(currency)s: Stripe holds %(ours)s for us by the books and %(stripe)s by its movements, a difference of %(difference)s"
        ),
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
        N_(
            "%(amount)s (%(charge)s) was paid for “%(description)s”, whose invoice is over another amount in the backup"
        ),
        _LOST,
    ),
    "lost_second": (
        N_("%(amount)s (%(charge)s) was paid for “%(description)s”, for which another payment is still on its way"),
        _LOST,
    ),
    "lost_holder": (
        N_("%(amount)s (%(charge)s) belongs at Stripe to a customer whom the backup has as another one"),
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
    "posting": N_("Posting"),
    "reference": N_("Reference"),
    "ours": N_("Our books"),
    "stripe": N_("Stripe"),
    "difference": N_("Difference"),
    "amount": N_("Amount"),
    "given": N_("Given back"),
    "state": N_("State"),
    "intent": N_("Payment intent"),
    "charge": N_("Charge"),
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
    finding: BookFinding,
    translate: Callable[[str], str] = str,
    money: Callable[[Money], str] = str,
) -> Words:
    """In the language of `translate`, with amounts as `money` writes them; English without."""
    title, what_to_do = WORDS[finding.code]
    return Words(translate(title) % shown(finding.facts, money), translate(what_to_do))


def facts_of(
    finding: BookFinding,
    translate: Callable[[str], str] = str,
    money: Callable[[Money], str] = str,
) -> list[tuple[str, str]]:
    """The finding's facts as names and texts, in the order in which one looks for them."""
    facts = shown(finding.facts, money)
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
