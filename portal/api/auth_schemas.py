"""How apps sign in and out. See portal.api.schemas."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, model_validator

from portal.api.schemas import Answer, Sent, Text

NEEDED: Final = {
    "password": ("email", "password"),
    "refresh_token": ("refresh_token",),
    "client_credentials": ("client_id", "client_secret"),
}


def _with(grant_type: str, needed: tuple[str, ...]) -> Any:
    texts: dict[str, dict[str, str]] = {name: {"type": "string"} for name in needed}
    return {"properties": {"grant_type": {"const": grant_type}, **texts}, "required": list(needed)}


class TokenRequest(Sent):
    """How to get an access token: with a password, with the refresh token of the last answer, or as an API client."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_with(name, needed) for name, needed in NEEDED.items()]})

    grant_type: Literal["password", "refresh_token", "client_credentials"]
    email: Text | None = Field(default=None, max_length=254)
    password: Text | None = Field(default=None, max_length=1_000)
    code: Text | None = Field(max_length=40, default=None, description="Of two-step verification, where it is on.")
    refresh_token: Text | None = Field(default=None, max_length=200)
    client_id: Text | None = Field(default=None, max_length=60)
    client_secret: Text | None = Field(default=None, max_length=200)
    scope: Text | None = Field(
        max_length=500,
        default=None,
        description="Scopes parted by spaces; without it, all that one may have. Not with a refresh token.",
    )

    @model_validator(mode="after")
    def _complete(self) -> TokenRequest:
        needed = NEEDED[self.grant_type]
        allowed = {*needed, "grant_type"} | {"password": {"code", "scope"}, "client_credentials": {"scope"}}.get(
            self.grant_type, set()
        )
        if missing := [name for name in needed if not getattr(self, name)]:
            raise ValueError(f"{missing[0]} is needed for grant_type {self.grant_type}")
        if beyond := sorted(name for name in self.model_fields_set - allowed if getattr(self, name) is not None):
            raise ValueError(f"{beyond[0]} does not belong to grant_type {self.grant_type}")
        return self


class Token(Answer):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.")
    scope: str
    refresh_token: str | None = Field(description="Good once: it brings the next one. Null for API clients.")


class RevokeRequest(Sent):
    refresh_token: Text = Field(max_length=200)


class Revoked(Answer):
    revoked: Literal[True] = True
