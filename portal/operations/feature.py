"""What whoever runs the portal looks at, and the mails that tell of trouble."""

from __future__ import annotations

from typing import Final

from portal.content import anchors
from portal.core.errors import N_
from portal.core.permissions import Permission
from portal.operations import alerts, cli, views
from portal.operations.waiting import waiting
from portal.web.features import Feature, NavigationEntry

# Their pages are found from here.
_COVERED: Final = ("operations", "support_api_clients", "support_staff")

FEATURE = Feature(
    blueprints=(views.bp,),
    jobs=(anchors, alerts),
    commands=(cli.record, cli.mails),
    waiting=(waiting,),
    navigation=(
        NavigationEntry(
            "operations.index",
            "check-circle",
            N_("Operations"),
            50,
            frozenset(_COVERED),
            permission=Permission.VIEW_OPERATIONS,
        ),
    ),
)
