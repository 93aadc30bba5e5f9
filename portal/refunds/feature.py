"""Refunds: asking for one, and deciding at the desk."""

from __future__ import annotations

from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.refunds import job_handlers, staff_views, views
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, staff_views.bp),
    jobs=(job_handlers,),
    navigation=(
        NavigationEntry(
            staff_views.QUEUE,
            "refund",
            N_("Refunds"),
            20,
            frozenset({"support_refunds"}),
            permission=Permission.DECIDE_REFUNDS,
            waiting=staff_views.number_waiting,
        ),
    ),
)
