"""E-invoices for networks."""

from __future__ import annotations

from portal.edelivery import job_handlers, views
from portal.edelivery.waiting import waiting
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp,), jobs=(job_handlers,), waiting=(waiting,))
