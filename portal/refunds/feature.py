"""Refunds: asking for one, and deciding at the desk."""

from __future__ import annotations

from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.refunds import block_views, job_handlers, list_views, queue_views, staff_views, views
from portal.refunds.staff_list import LIST
from portal.refunds.waiting import waiting
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, staff_views.bp, queue_views.bp, list_views.bp, block_views.bp),
    jobs=(job_handlers,),
    waiting=(waiting,),
    lists=(queue_views.VIEWED, LIST),
    navigation=(
        NavigationEntry(
            staff_views.QUEUE,
            "refund",
            N_("Refunds"),
            20,
            frozenset({"support_refunds", "support_refund_queue", "support_answer_blocks"}),
            permission=Permission.DECIDE_REFUNDS,
            waiting=queue_views.number_waiting,
        ),
    ),
)
