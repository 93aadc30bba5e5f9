"""What the tests of receipts share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import text, update

from portal.core import clock, config, db
from portal.documents import facts
from portal.documents.facts import (
    CorrectionFacts,
    CreditNoteFacts,
    Facts,
    Line,
    Method,
    MoneyFacts,
    Party,
    ReceiptFacts,
    Reference,
    TaxTotal,
    Verification,
    taxes_of,
)
from portal.documents.models import Document
from portal.invoices import totals
from portal.payments.models import Payment
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from tests import factories

Pay = Callable[..., str]
GiveBack = Callable[..., str]


@pytest.fixture
def pay(settings: config.Settings) -> Pay:
    """Make a succeeded payment and return its id: of an invoice with these lines, or without lines of none."""

    def pay(*lines: tuple[str, int, int, int], customer: dict[str, Any] | None = None, **values: Any) -> str:
        with db.transaction() as session:
            payer = factories.customer(session, **(customer or {}))
            invoice = factories.invoice(session, payer, lines, status="paid", paid_at=clock.now()) if lines else None
            return factories.payment(session, payer, invoice, **values).id

    return pay


@pytest.fixture
def give_back(settings: config.Settings) -> GiveBack:
    """Make a succeeded refund of this payment, of all of it or of `amount_minor`, and return its id."""

    def give_back(payment_id: str, **values: Any) -> str:
        with db.transaction() as session:
            return factories.refund(session, session.get_one(Payment, payment_id), **values).id

    return give_back


def fail(refund_id: str) -> None:
    """The bank sends the money of a succeeded refund back."""
    with db.transaction() as session:
        refund = session.get_one(Refund, refund_id)
        refund.status, refund.failed_at = RefundStatus.FAILED, clock.now()


def alter_pdf(document_id: str, content: bytes) -> None:
    """Write another PDF over the one that is stored, as only one who may change the tables can."""
    with db.transaction() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("ALTER TABLE documents DISABLE TRIGGER USER"))
        else:
            session.execute(text("DROP TRIGGER documents_pdf_once"))
        session.execute(update(Document).where(Document.id == document_id).values(pdf=content))


CODE = "7K3M-9QXA-0B1C-2D4E-5F6G"
NORDLICHT = Party("Nordlicht Energie GmbH", ("Hafenstraße 1", "20457 Hamburg"), "DE", "DE123456789")
EGLISE = Party("Église & Fils SARL", ("Rue de l’Église 12", "75011 Paris"), "FR", "FR40303265045")


def example(
    *lines: tuple[str, int, int, int | None],
    language: str = "en",
    currency: str = "eur",
    seller: Party = NORDLICHT,
    buyer: Party = EGLISE,
    logo: str = "",
) -> ReceiptFacts:
    """Facts of a receipt without a database; each line is (description, quantity in thousandths, unit price, rate)."""
    written = tuple(
        Line(words, quantity, price, rate, price * quantity // 1000, price * quantity // 1000 * (rate or 0) // 10_000)
        for words, quantity, price, rate in lines or (("Green electricity", 1_000, 100_00, 1900),)
    )
    net, tax = sum(line.net_minor for line in written), sum(line.tax_minor for line in written)
    return ReceiptFacts(
        version=facts.VERSION,
        number="R-2026-000123",
        issued_at=datetime(2026, 11, 23, 4, 30, 15, 250_000, tzinfo=UTC),
        issued_on=date(2026, 11, 23),
        paid_on=date(2026, 11, 22),
        language=language,
        currency=currency,
        seller=seller,
        seller_contact="help@portal.test",
        buyer=buyer,
        lines=written,
        taxes=facts.taxes_of(written),
        net_minor=net,
        tax_minor=tax,
        total_minor=net + tax,
        method=Method("visa", "4242", ""),
        reference=Reference(
            "INV-2026-0042", {"reference": "PO 7781"}, "pay_01kb4xw9k2v7j3f8e5m6n0p1qr", "ch_3SQ0aBcDeFgHiJkL"
        ),
        verification=Verification(CODE, f"http://127.0.0.1:8000/verify/{CODE}"),
        logo=logo,
        colour="#0b5fff",
    )


def example_note(*taxes: tuple[int, int, int], untaxed: int = 0, language: str = "en") -> CreditNoteFacts:
    """Facts of a credit note for `example`'s receipt; each tax is (rate, net, tax), `untaxed` a part without a stated one."""
    receipt = example(language=language)
    totals = tuple(TaxTotal(*tax) for tax in taxes)
    net, tax = sum(total.net_minor for total in totals) + untaxed, sum(total.tax_minor for total in totals)
    common = {field.name: getattr(receipt, field.name) for field in fields(MoneyFacts)} | {
        "kind": "credit_note",
        "number": "CN-2026-000012",
        "taxes": totals,
        "net_minor": net,
        "tax_minor": tax,
        "total_minor": net + tax,
    }
    return CreditNoteFacts(
        **common,
        corrects="receipt",
        corrects_number=receipt.number,
        corrects_issued_on=receipt.issued_on,
        refunded_on=date(2026, 11, 23),
        reason="product_not_received",
        refund_id="ref_01kb4xw9k2v7j3f8e5m6n0p1qr",
        stripe_refund_id="re_3SQ0aBcDeFgHiJkL",
        acquirer_reference_number="74208480330000123456789",
    )


def example_correction(*lines: tuple[str, int, int, int], language: str = "en") -> CorrectionFacts:
    """Facts of a credit note of an invoice that was not paid; each line is (description, quantity in thousandths, unit price, rate)."""
    receipt = example(language=language)
    reckoned = totals.reckon([(price, quantity, rate) for _, quantity, price, rate in lines])
    credited = tuple(
        Line(words, quantity, price, rate, amounts.net_minor, amounts.tax_minor)
        for (words, quantity, price, rate), amounts in zip(lines, reckoned.lines, strict=True)
    )
    common = {field.name: getattr(receipt, field.name) for field in fields(Facts)} | {
        "kind": "correction",
        "number": "CN-2026-000013",
        "taxes": taxes_of(credited),
        "net_minor": reckoned.net_minor,
        "tax_minor": reckoned.tax_minor,
        "total_minor": reckoned.total_minor,
    }
    return CorrectionFacts(
        **common,
        lines=credited,
        corrects_number="INV-2026-000042",
        corrects_issued_on=date(2026, 11, 20),
        reason="Two panels came back",
        left_minor=50_00,
    )
