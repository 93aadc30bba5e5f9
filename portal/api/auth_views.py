"""Getting access tokens, and giving them back."""

from __future__ import annotations

from flask import request

from portal.api import auth_schemas, end_users, tokens
from portal.api.operations import blueprint, count_failure, operation
from portal.identity import api_clients, app_grants

bp = blueprint("auth")


@bp.post("/auth/token")
@operation(
    tag="Signing in",
    answer=auth_schemas.Token,
    refusals=(401, 403),
    body=auth_schemas.TokenRequest,
    limit="sign_in",
)
def get_token(body: auth_schemas.TokenRequest) -> auth_schemas.Token:
    """Get an access token.

    With a password (and a code, with two-step verification on), with the refresh token of the last answer, or with an API client's
    id and secret. Access tokens live ten minutes. A refresh token is good once; one that comes a second time ends the whole sign-in, for
    it was stolen.
    """
    wanted = body.scope.split() if body.scope is not None else None
    if body.grant_type == "client_credentials":
        client, scopes = api_clients.authenticate(body.client_id or "", body.client_secret or "", wanted)
        return _token(tokens.sign(client.id, scopes), scopes, None)
    if body.grant_type == "refresh_token":
        grant = app_grants.refresh(body.refresh_token or "")
    else:
        grant = app_grants.sign_in(
            body.email or "",
            body.password or "",
            code=body.code,
            wanted=wanted,
            ip=end_users.address(),
            user_agent=request.user_agent.string,
        )
    return _token(tokens.sign(grant.user.id, grant.scopes, grant=grant.id), grant.scopes, grant.refresh_token)


def _token(access_token: str, scopes: frozenset[str], refresh_token: str | None) -> auth_schemas.Token:
    return auth_schemas.Token(
        access_token=access_token,
        token_type="Bearer",  # noqa: S106  # how it is sent
        expires_in=int(tokens.LIFETIME.total_seconds()),
        scope=" ".join(sorted(scopes)),
        refresh_token=refresh_token,
    )


@bp.post("/auth/revoke")
@operation(tag="Signing in", answer=auth_schemas.Revoked, body=auth_schemas.RevokeRequest, limit="sign_in")
def revoke_token(body: auth_schemas.RevokeRequest) -> auth_schemas.Revoked:
    """Sign out.

    Ends the sign-in of this refresh token: no token of it opens anything from now on. An unknown token gets the same answer.
    """
    if not app_grants.sign_out(body.refresh_token):
        count_failure("sign_in")
    return auth_schemas.Revoked()
