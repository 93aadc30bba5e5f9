"""Receipts and credit notes, and the page that tells whether one is genuine."""

from __future__ import annotations

from portal.documents import job_handlers, staff_views, verification_views, views
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp, staff_views.bp, verification_views.bp), jobs=(job_handlers,))
