"""What the API's scopes open, in words for an admin."""

from __future__ import annotations

from typing import Final

from portal.core.errors import N_

# What a key of another system opens, by scope.
SCOPES: Final[dict[str, str]] = {
    "customers:read": N_("See every customer’s details and people"),
    "customers:write": N_("Create customers, change their details, and invite their owners"),
    "customers:deactivate": N_("Deactivate customers, and bring them back"),
    "invoices:read": N_("See every customer’s invoices"),
    "invoices:write": N_("Issue invoices to every customer"),
    "payments:read": N_("See every customer’s payments"),
    "payments:cancel": N_("Cancel payments that their customers have not finished"),
    "refunds:read": N_("See every customer’s refunds"),
    "portal_sessions:write": N_("Sign customers’ people in to the portal, without their password"),
    "receipts:read": N_("See and download every customer’s documents"),
}
