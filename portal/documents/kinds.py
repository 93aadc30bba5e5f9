"""Which document money gets: tax is stated once for each supply, on its invoice, and a price that changes is corrected there.

A payment with an invoice has its tax stated by that; a receipt beside it would state it a second time. What was paid twice goes back
without a change of price, so there is no tax to correct.

Source: §§ 14, 14c and 17 UStG; articles 203 and 219 of directive 2006/112/EC. The reasons are data: portal.refunds.policy.
"""

from __future__ import annotations

from portal.documents.models import DocumentKind
from portal.payments.models import Payment
from portal.refunds import policy
from portal.refunds.models import Refund


def of_payment(payment: Payment) -> DocumentKind:
    """A confirmation beside an invoice, and of money too much; else the receipt, which is the invoice."""
    if not payment.has_invoices and payment.duplicate is None:
        return DocumentKind.RECEIPT
    return DocumentKind.PAYMENT_CONFIRMATION


def of_refund(refund: Refund, payment: Payment) -> DocumentKind:
    """A credit note where the price is lowered, or where a receipt is an invoice of its own and is taken back; else a confirmation."""
    lowers = policy.lowers_price(refund.reason, refund.invoice_id, payment)
    return DocumentKind.CREDIT_NOTE if lowers else DocumentKind.REFUND_CONFIRMATION
