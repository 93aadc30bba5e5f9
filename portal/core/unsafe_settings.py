"""Which settings cannot serve customers: they would start, and be wrong in silence. Each is told with its name and one sentence.

A staging is held to what a production is held to. What cannot be right anywhere is asked of every environment.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

if TYPE_CHECKING:
    from portal.core.config import Settings

STRIPE_ORIGIN: Final = "https://js.stripe.com"
LIVE_PUBLISHABLE: Final = "pk_live_"
SECRET_PREFIXES: Final = ("sk_", "rk_", "whsec_")

# Words that people leave in place when they copy an example file.
PLACEHOLDERS: Final = ("change-me", "changeme", "secret", "example", "default")
SECRET_LENGTH: Final = 32
WEBHOOK_SECRET_LENGTH: Final = 16
# What 32 random characters have at least, whichever way they are written: hexadecimal ones have about 115 by this measure.
LEAST_BITS: Final = 90
# Source: RFC 2606 and RFC 6761: names that are nobody's.
EXAMPLE_DOMAINS: Final = ("example", "example.com", "example.net", "example.org")
EXAMPLE_COMPANY: Final = "Your Company"
TLS_MODES: Final = ("require", "verify-ca", "verify-full")
PLAIN_REDIS: Final = ("redis", "redis+sentinel", "redis+cluster")


def anywhere(settings: Settings) -> Iterator[str]:
    """What is wrong in every environment."""
    publishable = settings.stripe_publishable_key
    if publishable.startswith(SECRET_PREFIXES):
        yield "STRIPE_PUBLISHABLE_KEY is a secret key, and every browser would get it: take the one that begins with pk_"
    elif publishable.startswith(LIVE_PUBLISHABLE) != settings.livemode:
        yield "STRIPE_PUBLISHABLE_KEY and STRIPE_SECRET_KEY are of different modes: take both from live, or both from test"
    if settings.livemode and settings.stripe_js_origin != STRIPE_ORIGIN:
        yield "STRIPE_SECRET_KEY is a live key, so STRIPE_JS_URL must be at https://js.stripe.com"


def for_customers(settings: Settings) -> Iterator[str]:
    """What is wrong in a staging and in production."""
    where = f"in {settings.environment}"
    yield from _secrets(settings, where)
    if settings.proxies is None:
        yield f"PORTAL_PROXIES must be said {where}: the number of reverse proxies in front, or none"
    if settings.private_endpoints:
        yield f"PORTAL_PRIVATE_ENDPOINTS must be false {where}: it opens this machine to customers"
    if not settings.base_url.startswith("https://"):
        yield f"PORTAL_BASE_URL must start with https:// {where}"
    if any(origin.startswith("http://") for origin in settings.api_cors_origins):
        yield f"PORTAL_API_CORS_ORIGINS must start with https:// {where}"
    if settings.web_processes > 1 and settings.limits_storage.startswith("memory:"):
        yield (
            f"PORTAL_LIMITS_STORAGE is memory://, but WEB_CONCURRENCY starts {settings.web_processes} processes, of which each would "
            "count by itself: take redis://…, or one process"
        )
    yield from _without_tls(settings, where)
    yield from _examples(settings, where)


def _secrets(settings: Settings, where: str) -> Iterator[str]:
    if not is_random(settings.secret_key.get_secret_value()):
        yield f"PORTAL_SECRET_KEY must be {SECRET_LENGTH} or more random characters {where}"
    if not all(is_random(key.get_secret_value()) for key in settings.accepted_secret_keys):
        yield f"PORTAL_ACCEPTED_SECRET_KEYS must each be {SECRET_LENGTH} or more random characters {where}"
    if settings.api_jwt_secret and not is_random(settings.api_jwt_secret.get_secret_value()):
        yield f"PORTAL_API_JWT_SECRET must be {SECRET_LENGTH} or more random characters {where}"
    for secret in (given.get_secret_value() for given in settings.stripe_webhook_secrets):
        if len(secret) < WEBHOOK_SECRET_LENGTH or _is_placeholder(secret):
            yield "STRIPE_WEBHOOK_SECRETS holds no real webhook secret"


def _without_tls(settings: Settings, where: str) -> Iterator[str]:
    if settings.mail_username and not settings.mail_use_tls and not is_this_machine(settings.mail_server):
        yield f"PORTAL_MAIL_USE_TLS must be true {where}: the mail server's password would cross the network for all to read"
    url = urlsplit(settings.database_url)
    if url.scheme.startswith("postgresql") and not _is_private(url):
        yield (
            f"PORTAL_DATABASE_URL crosses the network without TLS {where}: add ?sslmode=verify-full (or require), or connect through "
            "a socket of this machine"
        )
    limits = urlsplit(settings.limits_storage)
    if limits.scheme in PLAIN_REDIS and limits.password and not is_this_machine(limits.hostname or ""):
        yield f"PORTAL_LIMITS_STORAGE crosses the network with a password and without TLS {where}: take rediss://…"


def _is_private(url: SplitResult) -> bool:
    """Whether what is sent to this database cannot be read on the way. Any of several hosts may be the one that is reached."""
    query = parse_qs(url.query)
    modes = query.get("sslmode", [])
    if modes and all(mode in TLS_MODES for mode in modes):
        return True
    named = [host for name in ("host", "hostaddr") for value in query.get(name, []) for host in value.split(",")]
    hosts = [*named, *(part.rpartition(":")[0] or part for part in _hosts(url))]
    return all(is_this_machine(host) for host in hosts if host)


def _hosts(url: SplitResult) -> list[str]:
    return [host for host in url.netloc.rpartition("@")[2].split(",") if host]


def _examples(settings: Settings, where: str) -> Iterator[str]:
    if _is_example(settings.mail_sender):
        yield f"PORTAL_MAIL_SENDER must be an address of yours {where}"
    if _is_example(settings.company.support_email):
        yield f"PORTAL_COMPANY_SUPPORT_EMAIL must be an address of yours {where}: customers write to it"
    if settings.company.name.strip() in {"", EXAMPLE_COMPANY}:
        yield f"PORTAL_COMPANY_NAME must be your company's {where}: it stands on receipts"
    if _is_example(urlsplit(settings.base_url).hostname or ""):
        yield f"PORTAL_BASE_URL must be your own address {where}: links in mails lead there"


def _is_example(address: str) -> bool:
    domain = address.strip(" <>").rpartition("@")[2].lower()
    return any(domain == one or domain.endswith(f".{one}") for one in EXAMPLE_DOMAINS)


def is_this_machine(host: str) -> bool:
    """Whether what is sent to this host never leaves the machine: a loopback address, or the folder of a Unix socket."""
    host = host.strip("[]").lower()
    if host.startswith("/") or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_random(secret: str) -> bool:
    """Whether this looks as if a machine had drawn it: long enough, of many characters, and neither words, a row nor a repetition."""
    return (
        len(secret) >= SECRET_LENGTH
        and not _is_placeholder(secret)
        and _bits(secret) >= LEAST_BITS
        and not _is_phrase(secret)
        and secret not in (secret + secret)[1:-1]  # one piece, over and over
        and not _is_in_rows(secret)
    )


def _is_placeholder(secret: str) -> bool:
    return any(word in secret.lower() for word in PLACEHOLDERS)


def _is_phrase(secret: str) -> bool:
    """Whether it is words: letters without digits, hardly any of them capitals."""
    return not re.search(r"\d", secret) and min(len(re.findall("[A-Z]", secret)), len(re.findall("[a-z]", secret))) < 4


def _bits(secret: str) -> float:
    """How much there is to guess if each character were drawn by itself, as often as it stands here."""
    shares = [count / len(secret) for count in Counter(secret).values()]
    return len(secret) * -sum(share * math.log2(share) for share in shares)


def _is_in_rows(secret: str) -> bool:
    """Whether most characters follow the one before them, as in "abcdef" and "98765"."""
    steps = [ord(after) - ord(before) for before, after in pairwise(secret)]
    return sum(abs(step) == 1 for step in steps) > len(steps) / 2
