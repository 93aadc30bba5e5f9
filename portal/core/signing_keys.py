"""Ed25519 keys that are derived from the secret key of the settings, one for each purpose: none has to be kept anywhere.

Whoever changes the secret key changes all of them.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from portal.core import config


def derived(purpose: str) -> Ed25519PrivateKey:
    """The key of this purpose. Two purposes have nothing in common, and none tells anything of the secret key.

    Source: RFC 5869 (HKDF), "info".
    """
    return _derived(config.current().secret_key.get_secret_value(), purpose)


@lru_cache(maxsize=16)
def _derived(secret: str, purpose: str) -> Ed25519PrivateKey:
    seed = HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)


def pem(key: Ed25519PublicKey) -> bytes:
    """The public half as a text that every tool reads (SubjectPublicKeyInfo)."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: Ed25519PublicKey) -> str:
    """64 hexadecimal digits by which people tell keys apart: the SHA-256 of the key's DER form, as `openssl` makes it, too."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
