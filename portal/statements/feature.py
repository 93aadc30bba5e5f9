"""A customer's payments as a file, and the statement of their account."""

from __future__ import annotations

from portal.statements import account_views, confirmation_views, job_handlers, views
from portal.web.features import Feature

FEATURE = Feature(
    blueprints=(views.bp, account_views.bp, account_views.staff_bp, confirmation_views.bp),
    jobs=(job_handlers,),
)
