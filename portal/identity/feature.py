"""Who someone is: signing in, passwords, second factors, and the keys of API clients."""

from __future__ import annotations

from portal.identity import (
    api_client_views,
    email_views,
    job_handlers,
    passkey_views,
    second_factor_views,
    sign_in_link_views,
    views,
)
from portal.identity.cli import secret_key
from portal.web.features import Feature

FEATURE = Feature(
    blueprints=(
        views.bp,
        sign_in_link_views.bp,
        second_factor_views.bp,
        email_views.bp,
        passkey_views.bp,
        api_client_views.bp,
    ),
    jobs=(job_handlers,),
    commands=(secret_key,),
)
