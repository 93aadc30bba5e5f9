"""What an id names, and where staff see it."""

from __future__ import annotations

from typing import Any, Final

from flask import current_app, url_for

# The beginning of an id, the page about it, and the page's argument.
_PAGES: Final = {
    "pay": ("support_payments.show", "payment_id"),
    "cus": ("support.customer", "customer_id"),
    "inv": ("support_invoices.show", "invoice_id"),
    "rfd": ("support_refunds.show", "refund_id"),
    "dsp": ("support_disputes.show", "dispute_id"),
    "evt": ("operations.event", "event_id"),
    "dlv": ("operations.delivery", "delivery_id"),
}


def address_of(subject: str) -> str | None:
    """The staff's page about this id; None when there is none."""
    endpoint, argument = _PAGES.get(subject.partition("_")[0], ("", ""))
    values: dict[str, Any] = {argument: subject}
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None
