"""Events sent to customers' systems."""

from __future__ import annotations

from portal.web.features import Feature
from portal.webhook_endpoints import job_handlers, views

FEATURE = Feature(blueprints=(views.bp,), jobs=(job_handlers,))
