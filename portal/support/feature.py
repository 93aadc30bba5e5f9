"""The staff's desk: the search, a customer's page, a payment's page."""

from __future__ import annotations

from portal.core.errors import N_
from portal.identity.models import Role
from portal.support import views
from portal.web.features import Feature, NavigationEntry

FEATURE = Feature(
    blueprints=(views.bp,),
    navigation=(
        NavigationEntry("support.index", "search", N_("Search"), 10, frozenset({Role.SUPPORT}), for_staff=True),
    ),
)
