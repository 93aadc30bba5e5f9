"""Stripe's webhooks."""

from __future__ import annotations

from portal.stripe_events import job_handlers, views
from portal.stripe_events.cli import stripe
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp,), light_routes=(views.LIGHT,), jobs=(job_handlers,), commands=(stripe,))
