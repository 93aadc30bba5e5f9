"""What evidence may say, each part declared once, by Stripe's name for it: the form, the page and what is sent are made from these.

Source: Stripe's API reference, "The Dispute object", evidence; and "Dispute categories", which says what decides in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from portal.core.errors import N_

LONG: Final = 20_000
SHORT: Final = 1_000
# Of all texts together. Source: Stripe's API reference, "Update a dispute".
MOST_CHARACTERS: Final = 150_000


@dataclass(frozen=True, slots=True)
class EvidenceField:
    """`reasons` are Stripe's words for those disputes that the part is for, empty for all."""

    name: str
    label: str
    hint: str = ""
    longest: int = SHORT
    reasons: frozenset[str] = frozenset()

    @property
    def is_long(self) -> bool:
        return self.longest > SHORT


STATEMENT: Final = "uncategorized_text"
RECEIPT: Final = "receipt"

FIELDS: Final = (
    EvidenceField(
        STATEMENT,
        N_("Statement to the bank"),
        N_("Why the payment was rightful, in short sentences. Banks read English."),
        LONG,
    ),
    EvidenceField("product_description", N_("What was sold"), longest=LONG),
    EvidenceField("service_date", N_("Date of supply")),
    EvidenceField(
        "duplicate_charge_explanation",
        N_("Why it was not paid twice"),
        N_("What each of the two payments was for."),
        LONG,
        frozenset({"duplicate"}),
    ),
    EvidenceField(
        "cancellation_rebuttal",
        N_("Why it was not canceled"),
        longest=LONG,
        reasons=frozenset({"subscription_canceled"}),
    ),
    EvidenceField("refund_refusal_explanation", N_("What was refunded or offered"), longest=LONG),
    EvidenceField("access_activity_log", N_("What the customer did"), N_("Sign-ins and payments, newest first."), LONG),
    EvidenceField("customer_name", N_("Customer’s name")),
    EvidenceField("customer_email_address", N_("Customer’s e-mail address")),
    EvidenceField("billing_address", N_("Billing address")),
    EvidenceField("customer_purchase_ip", N_("Network address of the payment")),
)


def for_reason(reason: str) -> tuple[EvidenceField, ...]:
    """The parts for a dispute with this reason of Stripe's."""
    return tuple(field for field in FIELDS if not field.reasons or reason in field.reasons)
