"""Disputes and fraud warnings."""

from __future__ import annotations

from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.disputes import job_handlers, staff_views, views
from portal.disputes.staff_list import LIST
from portal.disputes.waiting import waiting
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, staff_views.bp),
    jobs=(job_handlers,),
    waiting=(waiting,),
    lists=(LIST,),
    navigation=(
        NavigationEntry(
            "support_disputes.index",
            "shield",
            N_("Disputes"),
            30,
            frozenset({"support_disputes"}),
            permission=Permission.LOOK_UP,
        ),
    ),
)
