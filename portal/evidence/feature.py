"""Evidence for disputes."""

from portal.evidence import job_handlers, staff_views
from portal.web.features import Feature

FEATURE = Feature(blueprints=(staff_views.bp,), jobs=(job_handlers,))
