"""Access tokens: JSON Web Tokens that we sign, and those of an outside identity provider that we take.

Ours are signed with Ed25519 keys that are derived from the secret key and the month, so every process of the portal has the same
ones, no private key is stored, and they change by themselves; their public halves stand in /.well-known/jwks.json. With a shared
secret in the settings, HMAC takes their place. Which algorithm counts is never taken from a token.
Source: RFC 9068, "JWT Profile for OAuth 2.0 Access Tokens"; RFC 8725, "JSON Web Token Best Current Practices".
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from portal.core import clock, config, signing_keys
from portal.core.errors import N_, SignInRequired, Unavailable

log = structlog.get_logger(__name__)

LIFETIME: Final = timedelta(minutes=10)
LONGEST_LIFETIME: Final = timedelta(minutes=15)
# Clocks of two machines may differ by so much, in seconds.
LEEWAY_SECONDS: Final = 10
# A new signing key each such period, counted from 1970.
KEY_PERIOD: Final = timedelta(days=30)
LONGEST_TOKEN: Final = 4_096
TYPE: Final = "at+jwt"
REQUIRED: Final = ("iss", "aud", "sub", "exp", "nbf", "iat", "jti")
REQUIRED_OF_OTHERS: Final = ("iss", "aud", "sub", "exp")

OUTSIDE_ALGORITHMS: Final = ("EdDSA", "ES256", "ES384", "PS256", "RS256", "RS384", "RS512")
# Their tokens cannot be taken back here, so they live no longer than this.
OUTSIDE_LONGEST_LIFETIME: Final = timedelta(hours=24)
OUTSIDE_TIMEOUT_SECONDS: Final = 3
# The keys of the identity provider are asked for again after this long, and for a key id that is not among them; for that not more
# often than once a minute, so that invented key ids bring it no load.
OUTSIDE_KEYS_SECONDS: Final = 3_600
OUTSIDE_PAUSE_SECONDS: Final = 60


class BadToken(SignInRequired):
    """The token is none of ours, is too old, or was altered: never told which."""

    code = "invalid_token"
    message = N_("This access token is not valid, or no longer valid. Please get a new one.")


class NoIdentityProvider(Unavailable):
    message = N_("We cannot check this token at the moment. Please try again in a minute.")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: `subject` is a user or an API client, `grant` the sign-in it came from; `outside` is another issuer's token."""

    subject: str
    grant: str | None
    scopes: frozenset[str]
    outside: bool = False
    customer_id: str | None = None
    proved_at: datetime | None = None


def issuer() -> str:
    return config.current().base_url


def audience() -> str:
    return config.current().base_url + "/api"


# Signing


def sign(subject: str, scopes: frozenset[str], *, grant: str | None = None) -> str:
    """A new access token for LIFETIME; `subject` is a user's or an API client's id."""
    now = clock.now()
    claims: dict[str, Any] = {
        "iss": issuer(),
        "aud": audience(),
        "sub": subject,
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "jti": secrets.token_urlsafe(16),
        "scope": " ".join(sorted(scopes)),
    }
    if grant is not None:
        claims["sid"] = grant
    shared = _shared_secret()
    if shared is not None:
        return jwt.encode(claims, shared, algorithm="HS256", headers={"typ": TYPE})
    period = _period_now()
    key = signing_keys.derived(_purpose(period))
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": TYPE, "kid": _key_id(period, key)})


def public_keys() -> list[dict[str, str]]:
    """The keys that a token may be signed with now, and the next one, as JSON Web Keys; none with a shared secret."""
    if _shared_secret() is not None:
        return []
    return [_public(period, key) for period, key in _accepted()]


def _public(period: int, key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": _key_id(period, key), "x": x}


def _shared_secret() -> str | None:
    secret = config.current().api_jwt_secret
    return secret.get_secret_value() if secret else None


def _period_now() -> int:
    return int(clock.now().timestamp() // KEY_PERIOD.total_seconds())


def _periods() -> tuple[int, int, int]:
    """The last one, whose tokens may still live; this one; and the next, for whoever keeps the list for a while."""
    now = _period_now()
    return now - 1, now, now + 1


def _purpose(period: int) -> str:
    return f"portal api signing key {period}"


def _accepted() -> Iterator[tuple[int, Ed25519PrivateKey]]:
    """Every key that counts with its period: more than one a period while the secret key is being changed."""
    for period in _periods():
        for key in signing_keys.accepted(_purpose(period)):
            yield period, key


def _key_id(period: int, key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"{period}-{base64.urlsafe_b64encode(raw[:6]).decode()}"


# Verifying


def verify(token: str) -> Claims:
    """What a token says, if it is ours or the identity provider's, and lives. Raises BadToken, NoIdentityProvider."""
    if len(token) > LONGEST_TOKEN:
        raise BadToken
    try:
        header = jwt.get_unverified_header(token)
        outside = config.current().api_outside_issuer
        if outside and jwt.decode(token, options={"verify_signature": False}).get("iss") == outside:
            return _of_outside(token, header)
        return _of_ours(token, header)
    # Also an InvalidKeyError, for a key that is too short to be believed; and what Python says of JSON that is nested too deep, and of
    # numbers that are none.
    except (jwt.PyJWTError, RecursionError, ValueError, OverflowError, OSError) as error:
        log.info("token_refused", why=type(error).__name__)
        raise BadToken from error


def _of_ours(token: str, header: dict[str, Any]) -> Claims:
    if header.get("typ") != TYPE:
        raise jwt.InvalidTokenError("not an access token")
    shared = _shared_secret()
    key: Any = shared
    if shared is None:
        key = next((key for period, key in _accepted() if _key_id(period, key) == header.get("kid")), None)
        if key is None:
            raise jwt.InvalidTokenError("unknown key")
        key = key.public_key()
    said = jwt.decode(
        token,
        key,
        algorithms=["EdDSA" if shared is None else "HS256"],
        audience=audience(),
        issuer=issuer(),
        leeway=LEEWAY_SECONDS,
        options={"require": list(REQUIRED)},
    )
    # Whoever shares the secret of the settings may sign tokens, too, and these live no longer than ours.
    _check_life(said, LONGEST_LIFETIME)
    return Claims(said["sub"], said.get("sid"), frozenset(str(said.get("scope", "")).split()))


def _check_life(said: dict[str, Any], longest: timedelta) -> None:
    if int(said["exp"]) > clock.now().timestamp() + longest.total_seconds() + LEEWAY_SECONDS:
        raise jwt.InvalidTokenError("lives too long")


def _of_outside(token: str, header: dict[str, Any]) -> Claims:
    settings = config.current()
    said = jwt.decode(
        token,
        _outside_key(str(header.get("kid", ""))),
        algorithms=list(OUTSIDE_ALGORITHMS),
        audience=settings.api_outside_audience,
        issuer=settings.api_outside_issuer,
        leeway=LEEWAY_SECONDS,
        options={"require": list(REQUIRED_OF_OTHERS), "enforce_minimum_key_length": True},
    )
    _check_life(said, OUTSIDE_LONGEST_LIFETIME)
    scopes = said.get("scope", "")
    words = scopes if isinstance(scopes, list) else str(scopes).split()
    customer_id = said.get(settings.api_outside_customer_claim)
    if (
        not f"{said['sub']}{customer_id}".isprintable()
    ):  # such as a NUL, or a half of a surrogate pair: no database keeps it
        raise jwt.InvalidTokenError("claims that are no text")
    return Claims(
        said["sub"],
        None,
        frozenset(str(word) for word in words),
        outside=True,
        customer_id=str(customer_id) if customer_id else None,
        proved_at=_signed_in_at(said.get("auth_time")),
    )


def _signed_in_at(seconds: object) -> datetime | None:
    """When the person signed in at the provider (OpenID Connect's auth_time), if it says so. Nobody has signed in tomorrow."""
    if not isinstance(seconds, int | float) or seconds > clock.now().timestamp() + LEEWAY_SECONDS:
        return None
    return clock.from_epoch(int(seconds))


def _outside_key(key_id: str) -> jwt.PyJWK:
    """The identity provider's public key with this id. Raises jwt.InvalidTokenError when there is none, NoIdentityProvider."""
    client = _outside_keys(config.current().api_outside_jwks_url)
    try:
        client.get_signing_keys()
    except _NO_KEYS as error:
        raise _outage(error) from error
    try:
        return client.get_signing_key(key_id)
    except _NO_ANSWER as error:
        raise _outage(error) from error
    except jwt.PyJWKClientError as error:
        raise jwt.InvalidTokenError("unknown key") from error


# It is down, or what answers in its place (an error page, an empty list) holds no keys.
_NO_ANSWER: Final = (jwt.exceptions.PyJWKClientConnectionError, jwt.PyJWKSetError, ValueError)
_NO_KEYS: Final = (*_NO_ANSWER, jwt.PyJWKClientError)


def _outage(error: Exception) -> NoIdentityProvider:
    log.error("identity_provider_unreachable", exc_info=error)
    return NoIdentityProvider()


@lru_cache(maxsize=2)
def _outside_keys(url: str) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(
        url,
        lifespan=OUTSIDE_KEYS_SECONDS,
        timeout=OUTSIDE_TIMEOUT_SECONDS,
        cooldown_duration=OUTSIDE_PAUSE_SECONDS,
    )
