"""What each role within a customer may do. All of them see all invoices, payments, cards and receipts of the customer."""

from __future__ import annotations

from portal.accounts.models import OWNER, PAYER


def may_pay(customer_role: str | None) -> bool:
    """Pay, add and remove cards, and have payments made automatically."""
    return customer_role in {OWNER, PAYER}


def may_manage(customer_role: str | None) -> bool:
    """Change the billing details, and decide who else signs in for the customer."""
    return customer_role == OWNER
