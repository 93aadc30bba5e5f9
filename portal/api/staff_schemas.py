"""Those who work for the company. See portal.api.schemas."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from portal.accounts.access import AccessStatus
from portal.api.schemas import Answer, Sent
from portal.core.permissions import Role

StaffRole = Literal[Role.SUPPORT, Role.FINANCE, Role.APPROVER, Role.ADMIN]


class StaffMember(Answer):
    """One of those who work for the company."""

    id: str
    name: str
    email: str
    role: StaffRole
    status: AccessStatus = Field(
        description="Whether they can sign in; “lapsed” is an invitation that nobody accepted in time."
    )
    has_second_factor: bool
    last_sign_in_at: datetime | None


class NewStaffRole(Sent):
    role: StaffRole
