"""Customers, their people, and staff."""

from __future__ import annotations

from portal.accounts import (
    customer_views,
    job_handlers,
    people_views,
    portal_session_views,
    provider_views,
    recipient_views,
    staff_views,
    unsubscribing_views,
    viewing_views,
    views,
)
from portal.accounts.cli import customer, staff, user
from portal.accounts.staff_list import LIST
from portal.web.features import Feature

FEATURE = Feature(
    commands=(staff, user, customer),
    blueprints=(
        views.bp,
        people_views.bp,
        staff_views.bp,
        customer_views.bp,
        viewing_views.bp,
        provider_views.bp,
        portal_session_views.bp,
        recipient_views.bp,
        unsubscribing_views.bp,
        recipient_views.staff_bp,
    ),
    jobs=(job_handlers,),
    lists=(LIST,),
)
