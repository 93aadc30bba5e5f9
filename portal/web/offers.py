"""What a page of the desk offers its reader to do: only what they may do and what can succeed, and for what is missing why, in words.

The page of a noun makes an `offer` of each action, with the conditions by which the noun's service would refuse it. The template draws the
action where the offer stands, and hands all of them to `why_not` (components/offers.html), which tells the reasons of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from flask_login import current_user

from portal.content import language
from portal.core.errors import N_, PortalError
from portal.core.permissions import STAFF_ROLES, Permission, Role, may
from portal.web.pages import reader_language

# A text of the catalogue, or what a service would refuse with; nothing where the condition does not hold.
Obstacle = str | PortalError | Literal[False] | None

ONLY_FOR: Final = N_("Only for these roles: %(roles)s.")
_ROLES: Final = {
    Role.SUPPORT: N_("Support"),
    Role.FINANCE: N_("Finance"),
    Role.APPROVER: N_("Approver"),
    Role.ADMIN: N_("Admin"),
}


@dataclass(frozen=True, slots=True)
class Offer:
    """An action as its button calls it, and why the reader cannot do it now: both in their language; no obstacles where it is offered."""

    label: str
    obstacles: tuple[str, ...] = ()

    @property
    def stands(self) -> bool:
        return not self.obstacles


def offer(label: str, permission: Permission | None, *obstacles: Obstacle) -> Offer:
    """An action of this page for whoever reads it. `label` is a text of the catalogue. Who lacks the permission is told that alone."""
    locale = reader_language()
    told: tuple[str, ...]
    if permission is not None and not current_user.may(permission):
        roles = [language.translate(_ROLES[role], locale) for role in STAFF_ROLES if may(role, permission)]
        told = (language.translate(ONLY_FOR, locale, roles=", ".join(roles)),)
    else:
        told = tuple(_told(obstacle, locale) for obstacle in obstacles if obstacle)
    return Offer(language.translate(label, locale), told)


def _told(obstacle: str | PortalError, locale: str) -> str:
    if isinstance(obstacle, PortalError):
        return language.error_text(obstacle, locale)
    return language.translate(obstacle, locale)
