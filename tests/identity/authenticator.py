"""An authenticator of our own making, which signs what it is told to: also what a real one never would."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, HAS_KEY = 0x01, 0x04, 0x40


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(encoded: str) -> bytes:
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


class Authenticator:
    """One with a single passkey, of the site at `origin`. `count` rises with each signature."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.host = origin.partition("//")[2].partition(":")[0]
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = secrets.token_bytes(32)
        self.count = 0

    def create(self, options: str, **wrong: Any) -> str:
        """Answer to what begins the adding of a passkey."""
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        data = self._data(wrong, HAS_KEY) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options, wrong)
        return self._answer({"attestationObject": text(attestation), "clientDataJSON": text(client)})

    def get(self, options: str, **wrong: Any) -> str:
        """Answer to what asks for a passkey."""
        self.count += 1
        data, client = self._data(wrong), self._client("webauthn.get", options, wrong)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        said = {"authenticatorData": data, "clientDataJSON": client, "signature": signature}
        return self._answer({name: text(value) for name, value in said.items()})

    def _client(self, kind: str, options: str, wrong: dict[str, Any]) -> bytes:
        challenge = wrong.get("challenge", json.loads(options)["challenge"])
        said = {"type": kind, "challenge": challenge, "origin": wrong.get("origin", self.origin), "crossOrigin": False}
        return json.dumps(said).encode()

    def _data(self, wrong: dict[str, Any], flags: int = 0) -> bytes:
        flags |= USER_PRESENT | (USER_VERIFIED if wrong.get("verified", True) else 0)
        host = hashlib.sha256(str(wrong.get("host", self.host)).encode()).digest()
        return host + bytes([flags]) + int(wrong.get("count", self.count)).to_bytes(4, "big")

    def _answer(self, response: dict[str, str]) -> str:
        parts = {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}
        return json.dumps(parts | {"clientExtensionResults": {}})
