"""Documents, and the page that tells whether one is genuine."""

from __future__ import annotations

from portal.core.errors import N_
from portal.documents import job_handlers, staff_views, verification_views, views
from portal.documents.staff_list import LIST
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, staff_views.bp, verification_views.bp),
    jobs=(job_handlers,),
    lists=(LIST,),
    navigation=(
        NavigationEntry(
            "documents.index", "receipt", N_("Documents"), 35, frozenset({"documents", "account_statements"})
        ),
    ),
)
