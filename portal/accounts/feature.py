"""Customers, their people, and staff."""

from __future__ import annotations

from portal.accounts import job_handlers, people_views, staff_views, views
from portal.accounts.cli import customer, staff, user
from portal.web.features import Feature

FEATURE = Feature(
    commands=(staff, user, customer),
    blueprints=(views.bp, people_views.bp, staff_views.bp),
    jobs=(job_handlers,),
)
