"""The facts of documents from before, read in the shape of today (portal.documents.facts): documents outlive programs."""

from __future__ import annotations

from typing import Any, Final

from portal.documents.models import DocumentKind

# Without the invoices of a payment.
WITHOUT_PAID_INVOICES: Final = 10
# Without discounts.
WITHOUT_DISCOUNTS: Final = 9
# Without the company's account.
WITHOUT_TRANSFERS: Final = 8
# Without electronic addresses.
WITHOUT_ELECTRONIC_ADDRESSES: Final = 7
# Without post codes, cities, and whom to ask.
WITHOUT_CONTACTS: Final = 6
# With one reason for all that has no tax, and lines without units.
WITH_ONE_REASON: Final = 5
# Receipts of invoices, too, and credit notes that name a receipt and hope for a day.
WITHOUT_CONFIRMATIONS: Final = 4
# With the customer's order number alone of an invoice's details.
WITH_ORDERS: Final = 3
# With other words in credit notes.
WITH_OLD_WORDS: Final = 2
# Receipts only, and these without a code.
WITHOUT_CODES: Final = 1
VERSIONS: Final = frozenset(
    {
        *(WITHOUT_CODES, WITH_OLD_WORDS, WITH_ORDERS, WITHOUT_CONFIRMATIONS),
        *(WITH_ONE_REASON, WITHOUT_CONTACTS, WITHOUT_ELECTRONIC_ADDRESSES, WITHOUT_TRANSFERS, WITHOUT_DISCOUNTS),
        WITHOUT_PAID_INVOICES,
    }
)


def in_todays_shape(written: dict[str, Any]) -> dict[str, Any]:
    """What was written, in the shape of today; it keeps its version."""
    version = written.get("version")
    if version == WITHOUT_CODES:
        written = written | {"kind": DocumentKind.RECEIPT, "verification": None}
    elif version == WITH_OLD_WORDS and written.get("kind") == DocumentKind.CREDIT_NOTE:
        written = _renamed(written)
    if version in {WITHOUT_CODES, WITH_OLD_WORDS, WITH_ORDERS}:
        written = written | {"reference": _with_details(written["reference"])}
    later = {version for version in VERSIONS if version > WITHOUT_CONFIRMATIONS}
    if version in VERSIONS - later and written.get("kind") == DocumentKind.CREDIT_NOTE:
        written = _of_receipt(written)
    return _with_reasons(written) if version == WITH_ONE_REASON else written


_OLD_REASONS: Final = {
    "not_received": "product_not_received",
    "not_as_agreed": "product_unacceptable",
    "fraud": "fraudulent",
}


def _renamed(written: dict[str, Any]) -> dict[str, Any]:
    """The facts of a credit note WITH_OLD_WORDS in the words of today."""
    facts = dict(written)
    facts["acquirer_reference_number"] = facts.pop("bank_reference")
    facts["reason"] = _OLD_REASONS.get(facts["reason"], facts["reason"])
    return facts


def _of_receipt(written: dict[str, Any]) -> dict[str, Any]:
    """The facts of a credit note WITHOUT_CONFIRMATIONS, or from before: the day that was hoped for is no fact."""
    facts = {name: value for name, value in written.items() if name != "expected_by"}
    facts["corrects_number"] = facts.pop("receipt_number")
    facts["corrects_issued_on"] = facts.pop("receipt_issued_on")
    return facts | {"corrects": "receipt"}


def _with_reasons(written: dict[str, Any]) -> dict[str, Any]:
    """The facts of a document WITH_ONE_REASON: each line and each row of taxes that it was the reason of says it itself."""
    facts = dict(written)
    why = facts.pop("untaxed", None)
    for parts in {"lines", "taxes"} & facts.keys() if why else ():
        facts[parts] = [
            part | {"untaxed": why} if part["tax_rate_basis_points"] == 0 else part for part in facts[parts]
        ]
    return facts


def _with_details(reference: dict[str, str]) -> dict[str, Any]:
    """A reference WITH_ORDERS, or from before."""
    order = reference.get("order", "")
    others = {name: text for name, text in reference.items() if name != "order"}
    return others | {"details": {"reference": order} if order else {}}
