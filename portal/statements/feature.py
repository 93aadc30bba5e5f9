"""A customer's payments as a file."""

from __future__ import annotations

from portal.statements import views
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp,))
