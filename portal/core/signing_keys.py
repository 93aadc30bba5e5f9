"""Keys that are derived from the secret key of the settings, one for each purpose: none has to be kept anywhere.

Whoever changes the secret key changes all of them.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from portal.core import config

# Source: SEC 2, 2.4.2 (secp256r1).
_ORDER_OF_P256: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def derived(purpose: str) -> Ed25519PrivateKey:
    """The key of this purpose. Two purposes have nothing in common, and none tells anything of the secret key.

    Source: RFC 5869 (HKDF), "info".
    """
    return _derived(config.current().secret_key.get_secret_value(), purpose)


@lru_cache(maxsize=16)
def _derived(secret: str, purpose: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_seed(secret, purpose, 32))


def derived_p256(secret: str, purpose: str) -> ec.EllipticCurvePrivateKey:
    """Likewise, on the curve P-256, for whoever does not read Ed25519.

    64 bits more than the curve's order make every key as likely as another. Source: FIPS 186-5, A.2.1.
    """
    number = int.from_bytes(_seed(secret, purpose, 40)) % (_ORDER_OF_P256 - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def _seed(secret: str, purpose: str, size: int) -> bytes:
    return HKDF(SHA256(), size, salt=None, info=purpose.encode()).derive(secret.encode())


def pem(key: PublicKeyTypes) -> bytes:
    """The public half as a text that every tool reads (SubjectPublicKeyInfo)."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: PublicKeyTypes) -> str:
    """64 hexadecimal digits by which people tell keys apart: the SHA-256 of the key's DER form, as `openssl` makes it, too."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
