"""API keys: which are taken, and what each may do.

Source: Stripe, "API keys". Any `sk_test_…`, `rk_test_…` or `pk_test_…` is taken; live keys never are. A restricted key whose name starts
with `rk_test_read` may only read, so that a refusal for want of a permission can be seen.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from portal.sandbox.errors import unauthorized

_KEY = re.compile(r"(sk|rk|pk)_test_[A-Za-z0-9_]+", re.ASCII)


@dataclass(frozen=True)
class ApiKey:
    text: str

    @property
    def publishable(self) -> bool:
        return self.text.startswith("pk_")

    @property
    def reads_only(self) -> bool:
        return self.text.startswith("rk_test_read")

    @property
    def shown(self) -> str:
        """The key as an error may show it: its kind and its last four characters."""
        kind = "_".join(self.text.split("_")[:2])
        return f"{kind}_{'*' * 12}{self.text[-4:]}"


def read_key(authorization: str | None, given: str | None) -> ApiKey:
    """The key of a request: a bearer token, the user name of basic authentication, or (in a browser) the parameter `key`."""
    text = _from_header(authorization) if authorization else given
    if not text:
        raise unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. "
            "'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at "
            "https://support.stripe.com/."
        )
    key = ApiKey(text)
    if not _KEY.fullmatch(text):
        raise unauthorized(f"Invalid API Key provided: {key.shown}")
    return key


def _from_header(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
