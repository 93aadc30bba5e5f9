"""What the books' postings are about, in the numbers that people know: of the invoice, and of the document of the money that moved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.documents.models import Document, InvoiceDocument, PaymentDocument, RefundDocument
from portal.invoices.models import Invoice
from portal.ledger import Posting
from portal.ledger.revenue import REVERSED
from portal.payments.models import Allocation
from portal.refunds.models import Refund

# A database takes no question of any length.
_AT_ONCE: Final = 500
# Kinds of postings that have the document of their refund.
_OF_REFUNDS: Final = frozenset({"refund", "refund_failed", "refund_outside", "credit", "overpaid_returned"})
_OF_INVOICES: Final = frozenset({"invoice", "void", "outside", "outside_reversed", "write_off", "write_off_reversed"})


def base_kind(posting: Posting) -> str:
    """Its kind, whether it is of a net amount or of its tax."""
    return posting.kind.replace("_tax", "", 1)


def movement(posting: Posting) -> str:
    """Which thing that happened it belongs to: the id of a refund, here or at Stripe, of a credit, or what its reference ends with. An
    invoice and a sale have one for all of their rates.
    """
    parts = posting.reference.removeprefix("reversed:").split(":")
    if parts[0] in {"credit", "returned"}:
        return parts[2] if parts[1] == "outside" else parts[1]
    return "" if base_kind(posting) in {"invoice", "void", "sale"} else parts[-1]


class Numbers:
    """Of some postings, looked up at once."""

    def __init__(self, session: Session, posted: Sequence[Posting]) -> None:
        invoices = select(Invoice.id, Invoice.number)
        self._invoices = dict(_found(session, invoices, Invoice.id, (str(one.item_id) for one in posted)))
        payments = [one.subject for one in posted if one.subject.startswith("pay_")]
        owed = select(Allocation.payment_id, Invoice.number).join(Allocation.invoice).order_by(Allocation.position)
        several: dict[str, list[str]] = {}
        for payment_id, number in _found(session, owed, Allocation.payment_id, payments):
            several.setdefault(payment_id, []).append(number)
        self._invoices |= {payment_id: ", ".join(numbers) for payment_id, numbers in several.items()}
        column = PaymentDocument.payment_id
        self._of_payments = dict(_found(session, select(column, PaymentDocument.number), column, payments))
        moved = {movement(one) for one in posted if _is_of_refund(one)}
        column = Refund.stripe_refund_id
        ids = dict(_found(session, select(column, Refund.id), column, moved))
        noted = RefundDocument.refund_id
        numbers = dict(_found(session, select(noted, Document.number), noted, moved | set(ids.values())))
        noted = RefundDocument.credit_id
        numbers |= dict(_found(session, select(noted, Document.number), noted, moved))
        self._of_refunds = numbers | {stripe: numbers.get(refund, "") for stripe, refund in ids.items()}

    def invoice(self, posting: Posting) -> str:
        """The number of the invoice that it is about, or of all of its payment; "" for none."""
        return str(self._invoices.get(str(posting.item_id)) or self._invoices.get(posting.subject) or "")

    def document(self, posting: Posting) -> str:
        """The number of its own document; "" while there is none."""
        if _is_of_refund(posting):
            return str(self._of_refunds.get(movement(posting), ""))
        if base_kind(posting) in _OF_INVOICES:
            return self.invoice(posting)
        return str(self._of_payments.get(posting.subject, ""))


def why_untaxed(session: Session, posted: Iterable[Posting]) -> dict[str, str]:
    """Why the lines without tax of some invoices have none, as portal.vat.untaxed says it, by the invoice's id; "" where they have
    several reasons, or none.
    """
    items = {str(one.item_id) for one in posted if one.tax_rate_basis_points == 0}
    query = select(InvoiceDocument.invoice_id, InvoiceDocument.facts)
    return {invoice: _one_reason(facts) for invoice, facts in _found(session, query, InvoiceDocument.invoice_id, items)}


def _one_reason(facts: Mapping[str, Any]) -> str:
    """Facts of before have one for the whole document."""
    rows = [tax for tax in facts["taxes"] if tax["tax_rate_basis_points"] == 0]
    reasons = {str(tax.get("untaxed") or facts.get("untaxed") or "") for tax in rows}
    return next(iter(reasons)) if len(reasons) == 1 else ""


def _is_of_refund(posting: Posting) -> bool:
    return base_kind(posting).removesuffix(REVERSED) in _OF_REFUNDS


def _found(session: Session, query: Select[*tuple[Any, ...]], column: Any, wanted: Iterable[str]) -> Iterator[Any]:
    ids = sorted(set(wanted))
    for at in range(0, len(ids), _AT_ONCE):
        yield from session.execute(query.where(column.in_(ids[at : at + _AT_ONCE])))
