"""Who works for the company, for admins: their roles, and whether they may sign in."""

from __future__ import annotations

from portal.accounts import access
from portal.api import representations, schemas, staff_schemas
from portal.api.callers import Caller
from portal.api.operations import blueprint, operation

bp = blueprint("staff")


def _shown(member: access.StaffMember) -> staff_schemas.StaffMember:
    return staff_schemas.StaffMember.model_validate(
        {
            "id": member.id,
            "name": member.name,
            "email": member.email,
            "role": member.role,
            "status": member.status,
            "has_second_factor": member.has_second_factor,
            "last_sign_in_at": member.last_sign_in_at,
        }
    )


@bp.get("/staff")
@operation("staff:read", tag="Staff", answer=schemas.Page[staff_schemas.StaffMember])
def list_staff(caller: Caller) -> schemas.Page[staff_schemas.StaffMember]:  # noqa: ARG001  # all admins see the same
    """List everyone who works for the company, also those whose access has ended."""
    return representations.whole([_shown(member) for member in access.of_staff()])


@bp.post("/staff/<user_id>/role")
@operation(
    "staff:write",
    tag="Staff",
    answer=staff_schemas.StaffMember,
    body=staff_schemas.NewStaffRole,
    refusals=(404, 409),
    limit="changes",
)
def change_staff_role(caller: Caller, user_id: str, body: staff_schemas.NewStaffRole) -> staff_schemas.StaffMember:
    """Give someone another role.

    It holds from their next request on, in browsers and apps. The last admin keeps theirs. A second call changes nothing.
    """
    caller.require_recent_proof()
    access.change_role(user_id, body.role, by=caller.id)
    return _shown(access.member(user_id))


@bp.delete("/staff/<user_id>/access")
@operation("staff:write", tag="Staff", answer=staff_schemas.StaffMember, refusals=(404, 409), limit="changes")
def end_staff_access(caller: Caller, user_id: str) -> staff_schemas.StaffMember:
    """End someone's access.

    They are signed out everywhere at once, in browsers and apps, and the API keys that they made are revoked. The last admin stays.
    A second call changes nothing.
    """
    caller.require_recent_proof()
    access.end(user_id, by=caller.id)
    return _shown(access.member(user_id))


@bp.post("/staff/<user_id>/access")
@operation("staff:write", tag="Staff", answer=staff_schemas.StaffMember, refusals=(404, 409), limit="changes")
def restore_staff_access(caller: Caller, user_id: str) -> staff_schemas.StaffMember:
    """Let someone sign in again, in the role they had. API keys that were revoked stay revoked. A second call changes nothing."""
    caller.require_recent_proof()
    access.restore(user_id, by=caller.id)
    return _shown(access.member(user_id))
