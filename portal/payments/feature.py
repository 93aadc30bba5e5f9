"""Paying, the overview of what is owed, and the history of payments."""

from __future__ import annotations

from portal.core.errors import N_
from portal.payments import job_handlers, pay_views, staff_views, views
from portal.payments.staff_list import LIST
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, pay_views.bp, staff_views.bp),
    jobs=(job_handlers,),
    lists=(LIST,),
    navigation=(
        NavigationEntry("payments.overview", "home", N_("Overview"), 10, frozenset({"payments.overview"})),
        NavigationEntry("payments.history", "list", N_("Payments"), 30, frozenset({"payments", "pay", "refunds"})),
    ),
)
