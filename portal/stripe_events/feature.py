"""Stripe's webhooks."""

from __future__ import annotations

from portal.stripe_events import jobs, views
from portal.stripe_events.cli import stripe
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp,), jobs=(jobs,), commands=(stripe,))
