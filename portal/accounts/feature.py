"""Who signs in: customers, their people, staff, and the keys of API clients."""

from __future__ import annotations

from portal.accounts import api_client_views, jobs, people_views, second_factor_views, staff_views, views
from portal.accounts.cli import customer, staff, user
from portal.web.features import Feature

FEATURE = Feature(
    commands=(staff, user, customer),
    blueprints=(views.bp, people_views.bp, second_factor_views.bp, staff_views.bp, api_client_views.bp),
    jobs=(jobs,),
)
