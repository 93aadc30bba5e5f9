"""The pages that tell whether a document is genuine."""

from __future__ import annotations

from portal.verification import views
from portal.web.features import Feature

FEATURE = Feature(blueprints=(views.bp,))
