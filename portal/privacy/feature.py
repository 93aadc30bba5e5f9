"""Personal data: a copy of them, and their erasure, for customers and at the desk."""

from __future__ import annotations

from portal.privacy import cli, job_handlers, views, walls
from portal.privacy.waiting import waiting
from portal.web.features import Feature

__all__ = ["FEATURE", "cli", "walls"]

FEATURE = Feature(blueprints=(views.bp, views.staff_bp), jobs=(job_handlers,), waiting=(waiting,))
