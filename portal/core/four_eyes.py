"""When two people must agree, whatever it is about: who decides, from which amount on, and how a second look is refused.

Refunds and payments that staff record or reverse take all three from here; what counts as one amount is each one's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from portal.core import config, permissions
from portal.core.errors import N_, Forbidden
from portal.core.money import Money
from portal.core.permissions import Permission


class FourEyes(Forbidden):
    code = "four_eyes"
    message = N_("You proposed this, so it cannot be approved by you. Please ask a colleague.")


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A member of staff who decides."""

    id: str
    role: str

    def may(self, permission: Permission) -> bool:
        return permissions.may(self.role, permission)


def are_needed(amount: Money) -> bool:
    """Whether one more person must approve. A currency without a threshold always needs two."""
    threshold = config.current().refund_four_eyes.get(amount.currency)
    return threshold is None or amount.decimal >= threshold
