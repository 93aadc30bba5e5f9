"""The company's identity provider: what OpenID Connect says of who signs in there.

Authorization code with PKCE, state and nonce. The ID token is verified here: signature by the provider's keys, issuer, audience, times and
nonce. Nothing here touches the database: what the portal makes of it is in `provider_sign_in`.
Source: OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9700.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypedDict
from urllib.parse import urlsplit

import jwt
import structlog

from portal.core import clock, config
from portal.core.breaker import Breaker, LeftAlone
from portal.core.errors import N_, NotFound, PortalError, Unavailable

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session

log = structlog.get_logger(__name__)

SCOPE: Final = "openid email profile"
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
# A provider that hangs holds a page for so long at most, in seconds, for each of the two questions of a sign-in.
TIMEOUT_SECONDS: Final = 3
LEEWAY_SECONDS: Final = 30
# What the provider says of itself, and its keys, are asked for again after this long; a key id that is not among them once a minute.
KEPT_SECONDS: Final = 3_600
PAUSE_SECONDS: Final = 60
LARGEST_ANSWER_BYTES: Final = 262_144
# Between leaving for the provider and coming back: long enough for a password, a second factor and a telephone call.
ATTEMPT_LASTS: Final = timedelta(minutes=10)


class ProviderUnavailable(Unavailable):
    code = "identity_provider_unavailable"
    message = N_("Your company’s sign-in is not responding. Please try again in a minute.")


class NotProved(PortalError):
    """What came back proves nothing: another browser's, too late, altered, or of someone else. The log says which."""

    code = "provider_not_proved"
    status = 403
    message = N_("This sign-in could not be verified. Please start it again.")


class Attempt(TypedDict):
    """What a browser keeps in its signed session between leaving and coming back. `at` is in seconds since 1970.

    `again` tells that they were asked to prove once more who they are.
    """

    state: str
    nonce: str
    verifier: str
    at: int
    again: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Who has signed in at the provider. `subject` names them there for good; `roles` are the words of the role claim.

    `proved_at` is when they proved who they are, if the provider says so: it may have been for another application, hours ago.
    """

    subject: str
    email: str
    email_verified: bool
    name: str
    roles: frozenset[str]
    proved_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Provider:
    authorization_endpoint: str
    token_endpoint: str
    keys: jwt.PyJWKClient
    until: datetime


_lock: Final = threading.Lock()
_breaker: Final = Breaker("identity_provider")
_known: dict[str, _Provider] = {}


def begin(*, again: bool) -> tuple[str, Attempt]:
    """Where the browser goes, and what it keeps. `again` asks the provider to have them prove who they are once more.

    Raises NotFound without a provider in the settings, and ProviderUnavailable.
    """
    if not config.current().staff_oidc_issuer:
        raise NotFound
    attempt: Attempt = {
        "state": secrets.token_urlsafe(24),
        "nonce": secrets.token_urlsafe(24),
        "verifier": secrets.token_urlsafe(48),
        "at": int(clock.now().timestamp()),
        "again": again,
    }
    asked = {"prompt": "login", "max_age": "0"} if again else {}
    with _session() as session:
        address, _state = session.create_authorization_url(
            _provider().authorization_endpoint,
            state=attempt["state"],
            code_verifier=attempt["verifier"],
            nonce=attempt["nonce"],
            **asked,
        )
    return str(address), attempt


def finish(kept: object, answered: dict[str, str]) -> Person:
    """Who came back with this query, to the browser that `kept` this. Raises NotProved, NotFound and ProviderUnavailable."""
    import requests
    from authlib.common.errors import AuthlibBaseError

    if not config.current().staff_oidc_issuer:
        raise NotFound
    attempt = _attempt(kept)
    if attempt is None or not _same(attempt["state"], answered.get("state", "")):
        raise _refusal("state")
    if "code" not in answered:
        raise _refusal(f"provider said {answered.get('error', '')[:40]}")
    provider = _provider()
    try:
        with _session() as session, _breaker.calling(requests.RequestException):
            token = session.fetch_token(
                provider.token_endpoint,
                code=answered["code"],
                code_verifier=attempt["verifier"],
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
    except (AuthlibBaseError, ValueError, KeyError) as error:
        raise _refusal("code", error) from error
    except (requests.RequestException, LeftAlone) as error:
        raise _outage(error) from error
    person = person_of(str(token.get("id_token", "")), attempt["nonce"])
    begun = clock.from_epoch(attempt["at"] - LEEWAY_SECONDS)
    if attempt["again"] and (person.proved_at is None or person.proved_at < begun):
        raise _refusal("proved long ago")
    return person


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogatepass"))


def person_of(id_token: str, nonce: str) -> Person:
    """What an ID token says. Raises NotProved unless it is this provider's, for this portal, of now and with this nonce."""
    settings = config.current()
    keys = _provider().keys
    try:
        key = _key_of(id_token, keys)
    except (jwt.exceptions.PyJWKClientConnectionError, jwt.PyJWKSetError, json.JSONDecodeError) as error:
        raise _outage(error) from error
    except (jwt.PyJWTError, ValueError) as error:
        raise _refusal("key", error) from error
    try:
        said = jwt.decode(
            id_token,
            key,
            algorithms=list(ALGORITHMS),
            audience=settings.staff_oidc_client_id,
            issuer=settings.staff_oidc_issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "sub", "exp", "iat"], "enforce_minimum_key_length": True},
        )
    except (jwt.PyJWTError, ValueError, RecursionError, OverflowError) as error:
        raise _refusal("token", error) from error
    audiences = said["aud"] if isinstance(said["aud"], list) else [said["aud"]]
    if said.get("azp", settings.staff_oidc_client_id) != settings.staff_oidc_client_id or len(audiences) > 1:
        raise _refusal("audience")
    if not _same(nonce, str(said.get("nonce", ""))):
        raise _refusal("nonce")
    return _person(said)


def _key_of(id_token: str, keys: jwt.PyJWKClient) -> jwt.PyJWK:
    """The provider's key that a token names; a provider with a single key need not name it."""
    named = jwt.get_unverified_header(id_token).get("kid")
    if named:
        return keys.get_signing_key(str(named))
    all_keys = keys.get_signing_keys()
    if len(all_keys) != 1:
        raise jwt.InvalidTokenError("names no key")
    return all_keys[0]


def _person(said: dict[str, Any]) -> Person:
    roles = said.get(config.current().staff_oidc_role_claim, [])
    subject, email, name = (str(said.get(claim, "")) for claim in ("sub", "email", "name"))
    if not f"{subject}{email}{name}".isprintable():  # no database keeps a NUL, or a half of a surrogate pair
        raise _refusal("claims")
    return Person(
        subject=subject[:200],
        email=email,
        email_verified=said.get("email_verified") is True,
        name=name or email,
        roles=frozenset(str(one) for one in (roles if isinstance(roles, list) else [roles])),
        proved_at=_moment(said.get("auth_time")),
    )


def _moment(seconds: object) -> datetime | None:
    """Nobody has signed in tomorrow."""
    now = clock.now().timestamp()
    if isinstance(seconds, int | float) and 0 < seconds <= now + LEEWAY_SECONDS:
        return clock.from_epoch(int(min(seconds, now)))
    return None


def _attempt(kept: object) -> Attempt | None:
    match kept:
        case {"state": str(state), "nonce": str(nonce), "verifier": str(verifier), "at": int(at), "again": bool(again)}:
            age = clock.now() - clock.from_epoch(at)
            fresh = timedelta(seconds=-LEEWAY_SECONDS) < age < ATTEMPT_LASTS
            if not fresh:
                return None
            return {"state": state, "nonce": nonce, "verifier": verifier, "at": at, "again": again}
        case _:
            return None


def _session() -> OAuth2Session:
    from authlib.integrations.requests_client import OAuth2Session

    settings = config.current()
    return OAuth2Session(
        settings.staff_oidc_client_id,
        settings.staff_oidc_client_secret.get_secret_value(),
        scope=SCOPE,
        redirect_uri=f"{settings.base_url}/sign-in/provider/return",
        code_challenge_method="S256",
    )


def _provider() -> _Provider:
    """What the provider says of itself. Kept for an hour; while it is asked anew, others wait no longer than the timeout."""
    issuer = config.current().staff_oidc_issuer
    found = _known.get(issuer)
    if found is not None and clock.now() < found.until:
        return found
    if not _lock.acquire(timeout=TIMEOUT_SECONDS):
        raise ProviderUnavailable
    try:
        found = _known.get(issuer)
        if found is None or clock.now() >= found.until:
            with _breaker.calling(ProviderUnavailable):
                found = _discover(issuer)
            _known.clear()
            _known[issuer] = found
    except LeftAlone as error:
        raise ProviderUnavailable from error
    finally:
        _lock.release()
    return found


def _discover(issuer: str) -> _Provider:
    import requests

    try:
        with requests.get(
            f"{issuer.rstrip('/')}/.well-known/openid-configuration",
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
            stream=True,
        ) as answer:
            body = answer.raw.read(LARGEST_ANSWER_BYTES + 1, decode_content=True)
        said = json.loads(body) if answer.status_code == requests.codes.ok and len(body) <= LARGEST_ANSWER_BYTES else {}
        places = [str(said[name]) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    except (requests.RequestException, OSError, ValueError, KeyError, TypeError) as error:
        raise _outage(error) from error
    if said.get("issuer") != issuer or any(urlsplit(place).scheme != urlsplit(issuer).scheme for place in places):
        log.error("identity_provider_is_another", issuer=issuer)
        raise ProviderUnavailable
    keys = jwt.PyJWKClient(places[2], lifespan=KEPT_SECONDS, timeout=TIMEOUT_SECONDS, cooldown_duration=PAUSE_SECONDS)
    return _Provider(places[0], places[1], keys, clock.now() + timedelta(seconds=KEPT_SECONDS))


def _refusal(why: str, error: Exception | None = None) -> NotProved:
    log.warning("provider_sign_in_refused", why=why, error=type(error).__name__ if error else "")
    return NotProved()


def _outage(error: Exception) -> ProviderUnavailable:
    log.error("identity_provider_unreachable", exc_info=error)
    return ProviderUnavailable()
