"""Comparing the books with Stripe, and restoring from a backup."""

from __future__ import annotations

from portal.reconciliation import job_handlers, staff_views
from portal.reconciliation.cli import reconcile
from portal.reconciliation.restore_cli import backup, restore
from portal.web.features import Feature

FEATURE = Feature(blueprints=(staff_views.bp,), jobs=(job_handlers,), commands=(reconcile, backup, restore))
