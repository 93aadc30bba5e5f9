"""Tokens put together by hand, for no library signs what a forger would; and what an answer to one looks like."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from werkzeug.test import TestResponse

Signer = Callable[[bytes], bytes]


def packed(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def put_together(header: dict[str, Any], claims: Any, sign: Signer) -> str:
    claims = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{packed(json.dumps(header).encode())}.{packed(claims)}"
    return f"{signed}.{packed(sign(signed.encode()))}"


def hs256(secret: bytes) -> Signer:
    return lambda signed: hmac.digest(secret, signed, hashlib.sha256)


def refused(answer: TestResponse, token: str = "") -> None:
    assert answer.status_code == 401, answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None
    assert answer.json["code"] in {"invalid_token", "missing_token"}
    assert answer.json["status"] == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not token or token not in answer.text
