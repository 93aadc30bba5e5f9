"""VAT IDs and their checks."""

from __future__ import annotations

from portal.vat import job_handlers, views
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp,), jobs=(job_handlers,))
