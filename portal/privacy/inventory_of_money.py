"""The part of the inventory that law asks to keep: invoices, payments, documents, and what was written about them."""

from __future__ import annotations

from typing import Final

from portal.privacy import kinds
from portal.privacy.held import Erase, Held

_ITEM: Final = "what is paid for"
_WHY: Final = "why it was decided so"
_DEFENCE: Final = "for claims of ours, and against fraud; a court decides what of it is shown (GDPR, article 15 (4))"
# What was sent to Stripe: with names, where a customer was made there.
_SENT: Final = frozenset({"sent", "key_used_at", "attempt", "phase"})
_AS_SENT: Final = {"sent": "the same is sent again when an answer is lost"}

MONEY: Final = (
    Held(
        "invoices",
        kinds.VOUCHERS,
        "customer_id",
        personal={
            "reference": "the customer's own word for it",
            "external_reference": "the company's own word for it",
            "note": "what the customer should know",
            "void_reason": "why it is void",
            "discount_reason": "why something is taken off",
            "payment_terms": "how the customer may pay it",
            **dict.fromkeys(
                (
                    *("delivery_name", "delivery_line_one", "delivery_line_two"),
                    *("delivery_postal_code", "delivery_city", "delivery_country"),
                ),
                "where it was delivered to",
            ),
        },
    ),
    Held("invoice_lines", kinds.VOUCHERS, "invoice_id", personal={"description": _ITEM, "discount_reason": _WHY}),
    Held("invoice_credits", kinds.VOUCHERS, "invoice_id", personal={"reason": _WHY, "rejection": _WHY}),
    Held(
        "outside_payments",
        kinds.VOUCHERS,
        "invoice_id",
        personal={"reason": _WHY, "rejection": _WHY, "reversal_reason": _WHY, "reference": "of the bank, or the payer"},
    ),
    Held(
        "write_offs",
        kinds.VOUCHERS,
        "invoice_id",
        personal={"reason": _WHY, "rejection": _WHY, "reversal_reason": _WHY},
    ),
    Held("invoice_reminders", kinds.VOUCHERS, "invoice_id"),
    Held("reminder_holds", kinds.VOUCHERS, "invoice_id", personal={"reason": _WHY}),
    Held("pay_links", kinds.VOUCHERS, "customer_id", secret=frozenset({"nonce", "token_hash"})),
    Held(
        "payments",
        kinds.VOUCHERS,
        "customer_id",
        Erase.REPLACE,
        {
            "description": _ITEM,
            "search_text": "the description, to be found by",
            "items": _ITEM,
            "extra": "what an app keeps with it",
            "receipt_to": "who wants the receipt besides",
            "card_last4": "what it was paid with",
            "verification_url": "where a bank account is verified; until it is",
            **_AS_SENT,
        },
        _SENT | {"verification_url"},
        replaced={"receipt_to": "", "extra": {}, "verification_url": ""},
    ),
    Held("payment_allocations", kinds.VOUCHERS, "payment_id"),
    Held("payment_steps", kinds.VOUCHERS, "payment_id"),
    Held(
        "payment_confirmations",
        kinds.VOUCHERS,
        "customer_id",
        Erase.REPLACE,
        {"mandate": "from where and with what a bank account’s holder agreed to be debited; until the bank is asked"},
        replaced={"mandate": None},
    ),
    Held("payment_orders", kinds.VOUCHERS, "customer_id"),
    Held(
        "refunds",
        kinds.LETTERS,
        "customer_id",
        personal={
            "explanation": "why the customer asks",
            "reason": _WHY,
            "rejection": _WHY,
            "staff_note": _WHY,
            "resolution_note": _WHY,
            **_AS_SENT,
        },
        secret=_SENT,
    ),
    Held("refund_steps", kinds.VOUCHERS, "refund_id"),
    Held("refund_messages", kinds.LETTERS, "refund_id", personal={"words": "what was asked and answered"}),
    Held("disputes", kinds.VOUCHERS, "customer_id", personal={"reason": "why the bank wants it back"}),
    Held("dispute_steps", kinds.VOUCHERS, "dispute_id"),
    Held(
        "dispute_evidence",
        kinds.LETTERS,
        "customer_id",
        personal={
            "texts": "what the bank is told",
            "documents": "what the bank is shown",
            "visa_ce3": "earlier payments that the bank is told of",
        },
        withheld=_DEFENCE,
    ),
    Held("early_fraud_warnings", kinds.VOUCHERS, "customer_id", withheld=_DEFENCE),
    Held(
        "documents",
        kinds.VOUCHERS,
        "customer_id",
        personal={"facts": "what stands on it", "pdf": "the document itself"},
        secret=frozenset({"pdf"}),  # a file of its own
    ),
    Held("document_downloads", kinds.VOUCHERS, "document_id"),
    Held("handovers", kinds.VOUCHERS, "customer_id", personal={"address": "where it went", "answer": "what came back"}),
    Held(
        "balance_confirmations",
        kinds.VOUCHERS,
        "customer_id",
        personal={"customer_name": "whose balance it is", "pdf": "the confirmation itself"},
        secret=frozenset({"pdf"}),
    ),
    Held(
        "vat_checks",
        kinds.VOUCHERS,
        "customer_id",
        personal={
            "tax_id": "what was asked about",
            "trader_name": "what VIES answered",
            "trader_address": "what VIES answered",
            "reason": "what VIES answered",
            "answer": "what VIES answered, word for word",
        },
    ),
    Held(
        "mandates",
        kinds.VOUCHERS,
        "customer_id",
        personal={"ip": "from where it was agreed to", "terms": "what was agreed to"},
    ),
    Held("collections", kinds.VOUCHERS, "customer_id"),
    Held(
        "payment_methods",
        kinds.CARDS,
        "customer_id",
        Erase.REPLACE,
        {
            "brand": "to tell one's payment methods apart",
            "bank_name": "to tell one's payment methods apart",
            "last4": "to tell one's payment methods apart",
            "country": "where the card or account is from",
            "fingerprint": "to know when a payment method is here already",
            "mandate_reference": "by what a bank knows the mandate of a debit",
        },
        replaced={"bank_name": "", "last4": "", "country": "", "fingerprint": "", "mandate_reference": ""},
    ),
    Held(
        "payment_method_setups",
        kinds.CARDS,
        "customer_id",
        Erase.REPLACE,
        {
            **_AS_SENT,
            "mandate": "from where and with what a bank account’s holder agreed to be debited; until the bank is asked",
            "verification_url": "where a bank account is verified; until it is",
        },
        _SENT | {"verification_url"},
        replaced={"mandate": None, "verification_url": ""},
    ),
    Held(
        "card_attempts",
        kinds.CARDS,
        "customer_id",
        Erase.REMOVE,
        {"network": "tries from one place are counted", "fingerprint": "tries of one card are counted"},
    ),
    Held(
        "stripe_customers",
        kinds.CARDS,
        "customer_id",
        Erase.REPLACE,
        _AS_SENT,
        _SENT,
        replaced={"sent": None},
    ),
    Held("former_stripe_customers", kinds.CARDS, "customer_id"),
    Held("postings", kinds.BOOKS, "customer_id"),
    Held(
        "erasures",
        kinds.ERASURES,
        "customer_id",
        personal={"reason": "why it is asked for", "rejection": "why not"},
    ),
)
