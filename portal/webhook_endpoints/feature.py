"""Events sent to customers' systems."""

from __future__ import annotations

from portal.web.features import Feature
from portal.webhook_endpoints import job_handlers

FEATURE = Feature(jobs=(job_handlers,))
