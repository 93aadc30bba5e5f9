"""A document's signature: PAdES (B-B), invisible, by the company; any reader of PDF shows whose it is, and that nothing was changed.

The only user of pyHanko, and never in the web process: it costs a third of a second and 30 MB, once a process. What is signed is appended,
so the pages, the e-invoice and what PDF/A asks for stay as they were made. The signature certifies: whatever is appended after it is
shown as a change that it does not allow. The same document, key and certificate give the same bytes: nothing is random, and the
moment is that of issue. Source: ETSI EN 319 142-1, 6; ISO 32000-1, 12.8.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from portal.core import db
from portal.documents import certificates
from portal.documents.certificates import Identity

FIELD: Final = "Signature"
_DIGEST: Final = "sha256"
# What surrounds the certificates and the signature in the file, of which each takes two characters.
_ROOM_BYTES: Final = 1_536


def sign(pdf: bytes, at: datetime) -> bytes:
    """The PDF with the company's signature, as of this moment. Raises config.WrongSettings."""
    db.refuse_inside_transaction("signing a PDF")
    from pyhanko.sign import fields
    from pyhanko.sign.signers import cms_embedder, constants, pdf_byterange

    identity = certificates.identity()
    writer = _revision_class()(io.BytesIO(pdf))
    writer.register_extension(constants.ESIC_EXTENSION_1)
    embedding = cms_embedder.PdfCMSEmbedder(fields.SigFieldSpec(FIELD)).write_cms(FIELD, writer)
    next(embedding)
    space = 2 * (_ROOM_BYTES + sum(len(one) for one in _encoded(identity)))
    placed = pdf_byterange.SignatureObject(
        subfilter=fields.SigSeedSubFilter.PADES,
        timestamp=at.replace(microsecond=0),
        bytes_reserved=space,
    )
    certified = cms_embedder.SigMDPSetup(_DIGEST, certify=True, docmdp_perms=fields.MDPPerm.NO_CHANGES)
    embedding.send(cms_embedder.SigObjSetup(placed, certified))
    prepared, output = embedding.send(cms_embedder.SigIOSetup(_DIGEST, in_place=False))
    signed = _done(_signer(identity).async_sign(prepared.document_digest, _DIGEST, use_pades=True))
    embedding.send(signed)
    return bytes(output.getvalue())


def _done(work: Coroutine[Any, Any, Any]) -> Any:
    """What came of it, in a thread of its own: pyHanko wants a loop of events, and this thread may run one already."""
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(asyncio.run, work).result()


def _encoded(identity: Identity) -> list[bytes]:
    return [one.public_bytes(Encoding.DER) for one in (identity.certificate, *identity.chain)]


def _signer(identity: Identity) -> Any:
    from asn1crypto import x509
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    own, *above = (x509.Certificate.load(one) for one in _encoded(identity))
    store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register_multiple(above)
    return _signer_class()(identity, signing_cert=own, cert_registry=store)


@cache
def _signer_class() -> Any:
    """Made on first use, because its base class is pyHanko's."""
    from pyhanko.sign.signers.pdf_cms import Signer

    class DeterministicSigner(Signer):
        """pyHanko's own draws a number for each signature on a curve. Source: RFC 6979; PKCS#1 v1.5 (RFC 8017, 8.2) draws none."""

        def __init__(self, identity: Identity, **values: Any) -> None:
            super().__init__(**values)
            self._identity = identity

        async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: ARG002
            key = self._identity.key
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
            return key.sign(data, padding.PKCS1v15(), SHA256())

    return DeterministicSigner


@cache
def _revision_class() -> Any:
    """Likewise."""
    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    class Revision(IncrementalPdfFileWriter):
        """An appended part that is the same each time: its id comes from what it is appended to, and the document keeps its own moment
        and its own words about itself."""

        @classmethod
        def _handle_id(cls, prev: Any) -> Any:
            first, _ = super()._handle_id(prev)  # type: ignore[no-untyped-call]
            prev.stream.seek(0)
            return generic.ArrayObject(
                [first, generic.ByteStringObject(hashlib.sha256(prev.stream.read()).digest()[:16])]
            )

        def _update_meta(self) -> None:
            pass

    return Revision
