"""What is said of a table of the database: whose it is, what of it is about people, what its owner gets, and what an erasure does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from portal.privacy.kinds import Kind


class Erase(StrEnum):
    """What is done with a customer's rows."""

    REMOVE = "remove"
    REPLACE = "replace"  # see Held.replaced
    KEEP = "keep"


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """`by` is the column that leads to the customer: customer_id, or the key of a row that has an owner itself; "" where none does.

    `personal` are the columns that tell of a person, each with what it is for; all other texts of the table tell of none. Its owner gets
    all columns but those that are `secret`, or nothing, for the reason `withheld`. `replaced` says what is written in a column at an
    erasure; in texts "{id}" is the row's own id.
    """

    table: str
    kind: Kind
    by: str = ""
    erase: Erase = Erase.KEEP
    personal: Mapping[str, str] = field(default_factory=dict)
    secret: frozenset[str] = frozenset()
    withheld: str = ""
    replaced: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_exported(self) -> bool:
        return bool(self.by) and not self.withheld


# Texts of these names hold words of the program, keys, numbers and ids in every table that does not say otherwise.
PLAIN: Final = frozenset(
    {
        *(
            "acquirer_reference_number",
            "action",
            "actor_kind",
            "advice_code",
            "api_version",
            "arguments",
            "args",
            "browser_hash",
        ),
        *("attempt", "balances", "bank_reference", "card_brand", "card_wallet", "category", "client_key", "code"),
        *("code_hash", "challenge_hash", "company", "confirm_hash", "consultation_number", "content", "counts"),
        *(
            "currency",
            "cursor",
            "customer_id",
            "created_by",
            "debit_charge_id",
            "decimal_mark",
            "decline_code",
            "discrepancy",
            "draft",
        ),
        *("ended_why", "events", "external_reference_folded", "failure", "failure_code", "failure_reason"),
        *(
            "filename",
            "fingerprint",
            "fraud_type",
            "funding",
            "mandate_status",
            "stripe_mandate_id",
            "hash",
            "id",
            "intent_id",
            "item_id",
            "kept",
            "key",
            "key_name",
        ),
        *("kind", "language", "last_error", "lease_owner", "lines", "list_name", "mails", "method", "method_kind"),
        *("missing_glyphs", "name_folded", "network_reason_code", "nonce", "note", "number", "object_id", "outcome"),
        *("old_secret_by", "old_secret_hash", "overruled", "paid_by", "pay_link_id", "payout_id", "pdf_sha256"),
        *("phase", "previous_hash", "reconciliation_id", "reference", "reference_folded", "refusal", "request_id"),
        *("requester", "resolution", "review_reason", "scopes", "secret_hash", "series", "service", "sha256"),
        *("source_id", "status", "stop_hash", "stripe_attempt_id", "stripe_charge_id", "stripe_customer_id"),
        *("stripe_dispute_id", "stripe_intent_id", "stripe_payment_method_id", "stripe_refund_id", "subject"),
        *("stripe_setup_intent_id", "stripe_transaction_id", "stripe_warning_id", "supplies", "template", "terms"),
        *("texts", "title", "token_hash", "tried_method", "trigram", "type", "unique_key", "unit", "uploaded"),
        *("unwanted_mails", "visa_ce3_actions", "visa_ce3_status", "waits_for", "wanted", "what", "buyer_reference"),
    }
)
