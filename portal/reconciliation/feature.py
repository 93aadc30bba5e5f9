"""Comparing the books with Stripe, and restoring from a backup."""

from __future__ import annotations

from portal.reconciliation import jobs
from portal.reconciliation.cli import reconcile
from portal.reconciliation.restore_cli import backup, restore
from portal.web.features import Feature

FEATURE = Feature(jobs=(jobs,), commands=(reconcile, backup, restore))
