"""Reminders of invoices."""

from __future__ import annotations

from portal.reminders import job_handlers, views
from portal.reminders.waiting import waiting
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp,), jobs=(job_handlers,), waiting=(waiting,))
