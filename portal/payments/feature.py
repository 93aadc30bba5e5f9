"""Paying, the overview of what is owed, and the history of payments."""

from __future__ import annotations

from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.payments import job_handlers, pay_views, selection_views, staff_views, views
from portal.payments.staff_list import LIST
from portal.web.features import Feature, NavigationEntry

# Their pages are found from one of the lists.
_LISTS = (
    *("support_customers.index", "support_payments", "support_invoices", "support_documents"),
    *("support_refund_list", "support_mails"),
)

FEATURE = Feature(
    blueprints=(views.bp, pay_views.bp, selection_views.bp, staff_views.bp),
    jobs=(job_handlers,),
    lists=(LIST,),
    navigation=(
        NavigationEntry("payments.overview", "home", N_("Overview"), 10, frozenset({"payments.overview"})),
        NavigationEntry(
            "payments.history", "list", N_("Payments"), 30, frozenset({"payments", "pay", "pay_together", "refunds"})
        ),
        NavigationEntry(
            "support_payments.index", "list", N_("Lists"), 40, frozenset(_LISTS), permission=Permission.LOOK_UP
        ),
    ),
)
