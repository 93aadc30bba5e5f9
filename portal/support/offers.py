"""What the page of a customer offers: by action, for whoever reads it."""

from __future__ import annotations

from portal.accounts import queries as accounts
from portal.accounts.models import Customer
from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.web.offers import Offer, offer


def of_customer(customer: Customer) -> dict[str, Offer]:
    """What portal.accounts and portal.invoices would refuse is not offered."""
    is_deactivated = customer.deactivated_at is not None
    erased = customer.erased_at is not None and accounts.Erased.message
    return {
        "view": offer(N_("View as the customer"), Permission.VIEW_AS_CUSTOMER, erased),
        "details": offer(N_("Edit details"), Permission.MANAGE_CUSTOMERS, erased),
        "invoice": offer(
            N_("New invoice"),
            Permission.ISSUE_INVOICES,
            is_deactivated and N_("This customer is deactivated, and gets no invoice."),
        ),
        "deactivate": offer(
            N_("Deactivate this customer"),
            Permission.DEACTIVATE_CUSTOMERS,
            is_deactivated and N_("This customer is deactivated already."),
        ),
        "reactivate": offer(N_("Reactivate the customer"), Permission.DEACTIVATE_CUSTOMERS, erased),
        "privacy": offer(N_("Personal data"), Permission.ANSWER_PRIVACY_REQUESTS),
        "note": offer(N_("Add note"), Permission.WRITE_NOTES),
        "invite": offer(
            N_("Invite an owner"),
            Permission.MANAGE_CUSTOMERS,
            is_deactivated and N_("This customer is deactivated: nobody signs in for it."),
        ),
        "invite_again": offer(N_("Send the invitation again"), Permission.MANAGE_CUSTOMERS),
        "address": offer(N_("Change e-mail address"), Permission.CHANGE_ADDRESSES),
        "mail": offer(N_("Send again"), Permission.SEND_DOCUMENTS),
    }
