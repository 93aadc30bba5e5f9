"""Saved payment methods."""

from __future__ import annotations

from portal.core.errors import N_
from portal.payment_methods import job_handlers, views
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp, views.former),
    jobs=(job_handlers,),
    navigation=(
        NavigationEntry(
            "payment_methods.index", "card", N_("Payment methods"), 40, frozenset({"payment_methods", "mandates"})
        ),
    ),
)
