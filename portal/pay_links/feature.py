"""Paying an invoice by its link."""

from __future__ import annotations

from portal.pay_links import invoice_views, views
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp, invoice_views.bp, invoice_views.staff_bp))
