"""Documents, for customers and at the desk."""

from __future__ import annotations

from portal.core.errors import N_
from portal.documents import certificate_views, job_handlers, staff_views, views
from portal.documents.cli import documents
from portal.documents.staff_list import LIST
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, staff_views.bp, certificate_views.bp),
    jobs=(job_handlers,),
    commands=(documents,),
    lists=(LIST,),
    navigation=(
        NavigationEntry(
            "documents.index", "receipt", N_("Documents"), 35, frozenset({"documents", "account_statements"})
        ),
    ),
)
