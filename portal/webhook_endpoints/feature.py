"""Events sent to customers' systems."""

from __future__ import annotations

from portal.web.features import Feature
from portal.webhook_endpoints import jobs

FEATURE = Feature(jobs=(jobs,))
