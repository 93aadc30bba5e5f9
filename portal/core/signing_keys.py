"""Keys that are derived from the secret key of the settings, one for each purpose: none has to be kept anywhere.

Whoever changes the secret key changes all of them; what those before have signed is verified as long as their secret key is accepted.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from portal.core import secret_keys

# Source: SEC 2, 2.4.2 (secp256r1).
_ORDER_OF_P256: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def derived(purpose: str) -> Ed25519PrivateKey:
    """The key of this purpose that signs."""
    return _derived(secret_keys.newest(), purpose)


def accepted(purpose: str) -> list[Ed25519PrivateKey]:
    """Every key of this purpose whose signatures count, the one that signs first."""
    return [_derived(secret, purpose) for secret in secret_keys.every()]


@lru_cache(maxsize=32)
def _derived(secret: str, purpose: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(secret_keys.derived(secret, purpose.encode()))


def derived_p256(secret: str, purpose: str) -> ec.EllipticCurvePrivateKey:
    """Likewise, on the curve P-256, for whoever does not read Ed25519.

    64 bits more than the curve's order make every key as likely as another. Source: FIPS 186-5, A.2.1.
    """
    number = int.from_bytes(secret_keys.derived(secret, purpose.encode(), 40)) % (_ORDER_OF_P256 - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def pem(key: PublicKeyTypes) -> bytes:
    """The public half as a text that every tool reads (SubjectPublicKeyInfo)."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: PublicKeyTypes) -> str:
    """64 hexadecimal digits by which people tell keys apart: the SHA-256 of the key's DER form, as `openssl` makes it, too."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
