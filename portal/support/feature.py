"""The staff's desk: the search, and a customer's page."""

from __future__ import annotations

from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.support import job_handlers, mail_views, views
from portal.support.staff_list import SENT_LIST, UNSENT_LIST
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, mail_views.bp),
    jobs=(job_handlers,),
    lists=(SENT_LIST, UNSENT_LIST),
    navigation=(
        NavigationEntry(
            "support.index",
            "home",
            N_("Home"),
            10,
            frozenset({"support"}),
            permission=Permission.LOOK_UP,
        ),
    ),
)
