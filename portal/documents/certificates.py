"""The key that documents are signed with, and the certificate that says whose it is.

A key of the company's own (PORTAL_DOCUMENT_SIGNING_KEY), such as one that an authority has certified; else one that is derived from the
secret key like those of packs, with a certificate that the company signs itself. Either is the same in every process and after every
restore, so nothing has to be kept: the certificate stands in each document that was signed with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, pkcs12
from cryptography.x509.oid import NameOID

from portal.core import config, signing_keys

PURPOSE: Final = "portal document signing key"
# A certificate that is derived needs days that are: it holds for every document of this portal, and longer than any is kept.
_NOT_BEFORE: Final = datetime(2020, 1, 1, tzinfo=UTC)
_NOT_AFTER: Final = datetime(2099, 12, 31, tzinfo=UTC)
# Of a name in a certificate. Source: RFC 5280, A.1 (ub-common-name, ub-organization-name).
_LONGEST_NAME: Final = 64
_BEGIN_PEM: Final = "-----BEGIN"


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key, its certificate, and those between it and an authority, nearest first."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()


def identity() -> Identity:
    """As whom documents are signed from now on. Raises config.WrongSettings for a key that cannot be read, without its text."""
    settings = config.current()
    given = settings.document_signing_key
    if given is None:
        return _derived(settings.secret_key.get_secret_value(), settings.company.name, settings.company.country)
    return _given(given.get_secret_value(), settings.document_signing_password.get_secret_value())


@lru_cache(maxsize=4)
def _derived(secret: str, name: str, country: str) -> Identity:
    key = signing_keys.derived_p256(secret, PURPOSE)
    named = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, name[:_LONGEST_NAME]),
        x509.NameAttribute(NameOID.COMMON_NAME, name[:_LONGEST_NAME]),
    ]
    if len(country) == 2 and country.isascii():
        named.insert(0, x509.NameAttribute(NameOID.COUNTRY_NAME, country.upper()))
    subject = x509.Name(named)
    public = key.public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # Of 159 bits at most. Source: RFC 5280, 4.1.2.2.
    serial = int.from_bytes(hashlib.sha256(der + subject.public_bytes()).digest()[:20]) >> 1
    usage = dict.fromkeys(
        (
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder(subject, subject, public, serial, _NOT_BEFORE, _NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, content_commitment=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return Identity(key, builder.sign(key, SHA256(), ecdsa_deterministic=True))


@lru_cache(maxsize=4)
def _given(text: str, password: str) -> Identity:
    """A PEM, or the path of a file with PEM or PKCS#12: the private key, its certificate, and those above."""
    try:
        content = text.replace("\\n", "\n").encode() if text.startswith(_BEGIN_PEM) else Path(text).read_bytes()
        secret = password.encode() or None
        if _BEGIN_PEM.encode() in content:
            key, certificates = load_pem_private_key(content, secret), x509.load_pem_x509_certificates(content)
        else:
            loaded = pkcs12.load_pkcs12(content, secret)
            found = (loaded.cert, *loaded.additional_certs)
            key, certificates = loaded.key, [one.certificate for one in found if one]  # type: ignore[assignment]
        certificate, *chain = certificates
    except (OSError, ValueError, TypeError) as error:
        raise config.WrongSettings(f"PORTAL_DOCUMENT_SIGNING_KEY: it cannot be read ({type(error).__name__})") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise config.WrongSettings("PORTAL_DOCUMENT_SIGNING_KEY: it is neither an RSA key nor one of an elliptic curve")
    if certificate.public_key() != key.public_key():
        raise config.WrongSettings("PORTAL_DOCUMENT_SIGNING_KEY: its first certificate is of another key")
    return Identity(key, certificate, tuple(chain))


def pem() -> bytes:
    """The certificate, and those above it, as readers of PDF import it."""
    found = identity()
    return b"".join(one.public_bytes(Encoding.PEM) for one in (found.certificate, *found.chain))


def fingerprint(certificate: x509.Certificate) -> str:
    """64 hexadecimal digits by which people tell certificates apart: the SHA-256 of its DER form, as readers of PDF show it, too."""
    return certificate.fingerprint(SHA256()).hex()
