"""How what the portal knows is shown to apps. Every function reads in the caller's session and gives a schema of portal.api.schemas."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

from flask import url_for
from sqlalchemy.orm import Session

from portal import gateway, ledger
from portal.accounts.models import Customer
from portal.api import (
    customer_schemas,
    invoice_schemas,
    method_schemas,
    payment_schemas,
    receipt_schemas,
    refund_schemas,
    schemas,
)
from portal.api.callers import Caller
from portal.content import language
from portal.core import config, keyset
from portal.core.enums import Unknown, parse
from portal.documents import queries as receipts
from portal.documents import xrechnung
from portal.documents.models import Document
from portal.identity.models import User
from portal.invoices import crediting, details
from portal.invoices import queries as invoices
from portal.invoices.models import Invoice, InvoiceCredit, InvoiceLine
from portal.invoices.statuses import InvoiceStanding, InvoiceStatus, Standing
from portal.payment_methods.models import PaymentMethod
from portal.payment_methods.statuses import MandateStatus
from portal.payments import queries as payment_queries
from portal.payments.models import Allocation, Payment
from portal.refunds import messages as refund_messages
from portal.refunds import service as refunds
from portal.refunds import statuses as refund_statuses
from portal.refunds.models import Refund
from portal.vat.queries import VatIdStanding
from portal.web import pages

Shown = TypeVar("Shown")


def page(found: keyset.Page[Any], shown: list[Shown], total: int | None = None) -> schemas.Page[Shown]:
    """A page of a list, of which `shown` are the rows."""
    return schemas.Page[Shown](data=shown, has_more=found.older is not None, next_cursor=found.older, total=total)


def whole(shown: list[Shown]) -> schemas.Page[Shown]:
    """A list that is short by its nature, on one page."""
    return schemas.Page[Shown](data=shown, has_more=False, next_cursor=None)


def customer_status(row: Customer) -> customer_schemas.CustomerStatus:
    return customer_schemas.CustomerStatus("deactivated" if row.deactivated_at else "active")


def me(row: Customer, caller: Caller, person: User | None, vat_id: VatIdStanding | None) -> customer_schemas.Me:
    return customer_schemas.Me(
        **dict(customer(row, vat_id)),
        person=_person(person) if person else None,
        scopes=sorted(caller.scopes),
    )


def customer(row: Customer, vat_id: VatIdStanding | None) -> customer_schemas.Customer:
    return customer_schemas.Customer(
        **dict(customer_summary(row)), tax_id_check=_tax_id_check(vat_id) if vat_id else None
    )


def customer_summary(row: Customer) -> customer_schemas.CustomerSummary:
    return customer_schemas.CustomerSummary(
        id=row.id,
        external_id=row.external_id,
        status=customer_status(row),
        name=row.name,
        email=row.email,
        address=row.address_lines,
        country=row.country,
        postal_code=row.postal_code,
        city=row.city,
        tax_id=row.tax_id,
        buyer_reference=row.buyer_reference,
        electronic_address=row.electronic_address,
        language=row.language,
        reminders_off=row.reminders_off,
        version=row.version,
        created_at=row.created_at,
    )


def _tax_id_check(known: VatIdStanding) -> customer_schemas.TaxIdCheck:
    return customer_schemas.TaxIdCheck(
        status=known.result,
        checked_at=known.check.asked_at if known.check else None,
        consultation_number=known.check.consultation_number if known.check else "",
    )


def _person(row: User) -> customer_schemas.Person:
    return customer_schemas.Person.model_validate(
        {"id": row.id, "name": row.name, "email": row.email, "role": row.customer_role}
    )


def payment_method(row: PaymentMethod) -> method_schemas.PaymentMethod:
    kind = row.abilities
    return method_schemas.PaymentMethod(
        id=row.id,
        stripe_payment_method_id=row.stripe_payment_method_id,
        type=cast("method_schemas.SavedType", row.kind),
        label=pages.render("payment_methods/label.txt", method=row),
        card=_card(row),
        bank_account=method_schemas.BankAccountDetails(last4=row.last4, country=row.country, bank_name=row.bank_name)
        if row.last4 and not row.is_card
        else None,
        mandate=_mandate(row),
        can_be_charged=row.can_be_charged,
        abilities=method_schemas.MethodAbilities(
            currencies=None if kind.currencies is None else sorted(kind.currencies),
            partial_refunds=kind.refunds.in_part,
            refund_days=kind.refunds.days,
            dispute_days=kind.disputes.days if kind.disputes else None,
            disputes_are_final=kind.disputes is not None and kind.disputes.final,
            working_days=kind.working_days,
        ),
        is_default=row.is_default,
        created_at=row.created_at,
    )


def _card(row: PaymentMethod) -> method_schemas.CardDetails | None:
    if row.exp_month is None or row.exp_year is None:
        return None
    return method_schemas.CardDetails(
        brand=row.brand,
        last4=row.last4,
        exp_month=row.exp_month,
        exp_year=row.exp_year,
        country=row.country,
        funding=row.funding,
        is_expired=row.is_expired,
    )


def _mandate(row: PaymentMethod) -> method_schemas.MethodMandate | None:
    status = parse(MandateStatus, row.mandate_status)
    if isinstance(status, Unknown):
        return None
    return method_schemas.MethodMandate(reference=row.mandate_reference, status=status)


# Invoices


def _plain(value: Decimal) -> str:
    """19.00 as "19", 0.50 as "0.5"."""
    return f"{value.normalize():f}"


def _invoice_facts(row: Invoice, standing: Standing) -> dict[str, object]:
    return {
        "standing": standing.status,
        "charge_on": standing.on if standing.status != InvoiceStanding.PROCESSING else None,
        "expected_by": standing.on if standing.status == InvoiceStanding.PROCESSING else None,
        "id": row.id,
        "number": row.number,
        "customer_id": row.customer_id,
        "status": row.status,
        "is_overdue": row.is_overdue,
        "currency": row.currency,
        "net": row.net_minor,
        "tax": row.tax_minor,
        "total": row.total_minor,
        "amount_paid": row.paid_minor,
        "partially_paid": row.is_partly_paid,
        "amount_credited": row.credited_minor,
        "amount_due": row.amount_due.minor,
        "issued_on": row.issued_on,
        "due_on": row.due_on,
        "supplied_from": row.supplied_from,
        "supplied_to": row.supplied_to,
        **details.of(row),
        "external_reference": row.external_reference,
        "created_at": row.created_at,
        "paid_at": row.paid_at,
        "voided_at": row.voided_at,
    }


def invoice_summaries(session: Session, rows: Sequence[Invoice]) -> list[invoice_schemas.InvoiceSummary]:
    standings = invoices.standings(session, rows)
    return [invoice_schemas.InvoiceSummary.model_validate(_invoice_facts(row, standings[row.id])) for row in rows]


def invoice(session: Session, row: Invoice) -> invoice_schemas.Invoice:
    """`row` with its lines."""
    standing = invoices.standings(session, [row])[row.id]
    pay = (
        config.current().base_url + url_for("pay.invoice", selection=row.id)
        if row.status == InvoiceStatus.OPEN
        else None
    )
    document = receipts.of_issued_invoice(session, row.id)
    facts = _invoice_facts(row, standing) | {
        "note": row.note,
        "discount": row.discount_minor,
        "discount_percent": _plain(row.discount_percent),
        "discount_reason": row.discount_reason,
        "lines": [_line(line) for line in row.lines],
        "pay_url": pay,
        "document_id": document.id if document else None,
    }
    return invoice_schemas.Invoice.model_validate(facts)


def _line(row: InvoiceLine) -> invoice_schemas.InvoiceLine:
    return invoice_schemas.InvoiceLine(
        description=row.description,
        quantity=_plain(row.quantity),
        unit=row.unit,
        unit_price=row.unit_price_minor,
        tax_rate=_plain(row.tax_rate),
        supplies=row.supplies,
        discount=row.discount_minor,
        discount_percent=_plain(row.discount_percent),
        discount_reason=row.discount_reason,
        net=row.net_minor,
        tax=row.tax_minor,
    )


def credits_of(session: Session, rows: Sequence[InvoiceCredit]) -> list[invoice_schemas.Credit]:
    """Credits with the ids of their credit notes."""
    notes = receipts.notes_of_credits(session, [row.id for row in rows])
    return [_credit(row, notes.get(row.id)) for row in rows]


def _credit(row: InvoiceCredit, note_id: str | None) -> invoice_schemas.Credit:
    lines = [
        invoice_schemas.CreditLine(
            line=line.position,
            quantity=None if line.quantity is None else _plain(line.quantity),
            net=line.net_minor,
        )
        for line in crediting.lines_of(row)
    ]
    return invoice_schemas.Credit(
        id=row.id,
        invoice_id=row.invoice_id,
        status=row.status,
        amount=row.amount_minor,
        currency=row.currency,
        lines=lines,
        reason=row.reason,
        rejection=row.rejection or None,
        proposed_at=row.proposed_at,
        decided_at=row.decided_at,
        credit_note_id=note_id,
    )


# Payments


def payment(session: Session, row: Payment) -> payment_schemas.Payment:
    return payments(session, [row])[0]


def payments(session: Session, rows: Sequence[Payment]) -> list[payment_schemas.Payment]:
    """In three queries, however many they are."""
    ids = [row.id for row in rows]
    booked = ledger.sums_of(session, ids)
    receipt_ids = receipts.receipt_ids(session, ids)
    paid = payment_queries.allocations_of_all(session, [row.id for row in rows if row.has_invoices])
    return [
        payment_schemas.Payment.model_validate(
            _payment_facts(row, paid.get(row.id, []), booked.get(row.id, {}), receipt_ids.get(row.id))
        )
        for row in rows
    ]


def _payment_facts(
    row: Payment, paid: Sequence[Allocation], booked: dict[str, int], receipt_id: str | None
) -> dict[str, object]:
    return {
        "id": row.id,
        "stripe_payment_intent_id": row.stripe_intent_id,
        "customer_id": row.customer_id,
        "invoice_id": paid[0].invoice_id if len(paid) == 1 else None,
        "invoices": [{"invoice_id": one.invoice_id, "amount": one.amount_minor} for one in paid],
        "status": row.public_status,
        "amount": row.amount_minor,
        "amount_refunded": booked.get("refund", 0) - booked.get("refund_failed", 0) + booked.get("refund_outside", 0),
        "disputed": booked.get("dispute", 0) > booked.get("dispute_reinstated", 0),
        "currency": row.currency,
        "description": row.description,
        "items": [
            {"description": item.description, "quantity": _plain(item.quantity), "unit_amount": item.unit_amount_minor}
            for item in row.lines
        ],
        "metadata": row.extra,
        "card": {"brand": row.card_brand, "last4": row.card_last4, "wallet": row.card_wallet}
        if row.is_by_card
        else None,
        "expected_by": row.expected_by,
        "verification_url": row.verification_url or None,
        "payment_method_type": row.method_kind or ("card" if row.is_by_card else None),
        "error": failure(row),
        "receipt_id": receipt_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "succeeded_at": row.succeeded_at,
    }


def failure(row: Payment) -> payment_schemas.Failure | None:
    """Why the last try failed; None for a payment that has succeeded, was not refused, or is being charged once more."""
    if not row.failure_code or row.has_succeeded or row.may_move:
        return None
    code, decline_code = gateway.shown_codes(row.failure_code, row.decline_code)
    message = language.translate(
        gateway.advice(row.failure_code, row.decline_code, debit=row.is_by_debit), pages.reader_language()
    )
    return payment_schemas.Failure(code=code, decline_code=decline_code or None, message=message)


# Refunds and documents


def refunds_as_shown(session: Session, rows: Sequence[Refund]) -> list[refund_schemas.Refund]:
    notes = receipts.credit_note_ids(session, [row.id for row in rows])
    two = refunds.needs_two_among(session, rows)
    return [_refund(row, notes.get(row.id), needs_two=row.id in two) for row in rows]


def _refund(row: Refund, credit_note_id: str | None, *, needs_two: bool) -> refund_schemas.Refund:
    return refund_schemas.Refund.model_validate(
        {
            "id": row.id,
            "payment_id": row.payment_id,
            "invoice_id": row.invoice_id,
            "customer_id": row.customer_id,
            "status": refund_statuses.known(row.status),
            "amount": row.amount_minor,
            "amount_asked": row.asked_minor,
            "currency": row.currency,
            "reason": row.reason,
            "explanation": row.explanation,
            "rejection": row.rejection or None,
            "failure_reason": row.failure_reason or None,
            "message": refund_messages.for_customer(row, pages.reader_language()) or None,
            "needs_second_approval": needs_two,
            "resolution": row.resolution or None,
            "replaced_by": row.replaced_by,
            "asked_at": row.asked_at,
            "decided_at": row.decided_at,
            "sent_at": row.sent_at,
            "expected_by": row.expected_by,
            "succeeded_at": row.succeeded_at,
            "failed_at": row.failed_at,
            "acquirer_reference_number": row.acquirer_reference_number or None,
            "credit_note_id": credit_note_id,
        }
    )


def document(row: Document) -> receipt_schemas.Document:
    return receipt_schemas.Document.model_validate(
        {
            "id": row.id,
            "kind": row.kind,
            "number": row.number,
            "invoice_id": row.invoice_id,
            "payment_id": row.payment_id,
            "refund_id": row.refund_id,
            "credit_id": row.credit_id,
            "total": row.total_minor,
            "currency": row.currency,
            "issued_at": row.issued_at,
            "revoked_at": row.revoked_at,
            "verification_code": row.code_text,
            "pdf_ready": row.pdf_sha256 is not None,
            "e_invoice": bool(row.facts.get("e_invoice")),
            "xrechnung": xrechnung.is_ready(receipts.facts_of(row)) if row.facts.get("e_invoice") else False,
        }
    )
