"""The JSON API and its documentation."""

from __future__ import annotations

from portal.api import (
    app_requests,
    auth_views,
    config_views,
    confirmation_views,
    customer_views,
    docs_views,
    endpoint_views,
    method_views,
    payment_views,
    portal_session_views,
    receipt_views,
    refund_views,
    staff_views,
    write_off_views,
)
from portal.web.features import Feature

FEATURE = Feature(
    blueprints=(
        auth_views.bp,
        config_views.bp,
        customer_views.bp,
        portal_session_views.bp,
        write_off_views.bp,
        payment_views.bp,
        method_views.bp,
        refund_views.bp,
        receipt_views.bp,
        confirmation_views.bp,
        endpoint_views.bp,
        staff_views.bp,
        docs_views.bp,
    ),
    jobs=(app_requests,),
)
