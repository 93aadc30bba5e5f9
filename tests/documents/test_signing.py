"""The signature of a document: whose it is, that one changed byte breaks it, and that nothing else of the file has changed."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import facturx
import pypdf
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from flask import Flask
from flask.testing import FlaskClient
from pydantic import SecretStr
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from portal.core import config, db
from portal.documents import certificates, pdf, queries, service, signing
from tests.documents.conftest import Pay, example
from tests.documents.test_e_invoices import invoice_of

pytestmark = pytest.mark.database("sqlite")
AT = datetime(2026, 11, 23, 4, 30, 15, tzinfo=UTC)


def judged(content: bytes, certificate: bytes) -> Any:
    """What pyHanko's own validator says of a file's only signature, trusting the published certificate and nothing else."""
    [signature] = PdfFileReader(io.BytesIO(content)).embedded_signatures
    roots = list(load_certs_from_pemder_data(certificate))
    context = ValidationContext(trust_roots=roots, allow_fetching=False)
    # pyHanko begins a loop of events, and a test with a browser may have left one running in this thread.
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(validate_pdf_signature, signature, context).result()


def without_readers(found: Any) -> str:
    """An object of a file in words, but for which reader it came by, which pypdf tells of each reference."""
    return re.sub(r", \d{9,}\)", ")", str(found.get_object()))


def test_a_stored_document_is_the_companys_by_its_published_certificate(
    client: FlaskClient, settings: config.Settings, pay: Pay
) -> None:
    document_id = service.issue(pay(("Green electricity", 1_000, 100_00, 1900)))
    assert document_id is not None
    service.render(document_id)
    with db.reading() as session:
        document = queries.with_pdf(session, document_id)
    assert document.pdf is not None
    published = client.get("/.well-known/document-signing-certificate.pem").get_data()
    found = judged(document.pdf, published)
    assert (found.bottom_line, found.coverage.name) == (True, "ENTIRE_FILE")
    assert found.signer_reported_dt == document.issued_at.replace(microsecond=0)
    assert settings.company.name in found.signing_cert.subject.human_friendly
    shown = client.get("/verify").get_data(as_text=True)
    assert certificates.fingerprint(x509.load_pem_x509_certificate(published)) in shown


def test_one_changed_byte_or_another_certificate_breaks_it(settings: config.Settings) -> None:
    signed, ours = signing.sign(pdf.render(example()).pdf, AT), certificates.pem()
    assert judged(signed, ours).bottom_line
    # In a packed stream of the page, and in what describes it.
    for place in (signed.index(b"stream\n") + 100, signed.rindex(b"/TrimBox")):
        changed = bytearray(signed)
        changed[place + 1] ^= 1
        assert not judged(bytes(changed), ours).intact
    config.use(settings.model_copy(update={"secret_key": SecretStr("another-secret-key-of-an-impostor-0123456789")}))
    assert not judged(signed, certificates.pem()).trusted


def test_what_is_appended_later_is_told_as_a_change(settings: config.Settings) -> None:
    writer: Any = IncrementalPdfFileWriter(io.BytesIO(signing.sign(pdf.render(example()).pdf, AT)))
    writer.root["/Lang"] = generic.TextStringObject("fr")
    writer.update_root()
    added = io.BytesIO()
    writer.write(added)
    assert not judged(added.getvalue(), certificates.pem()).bottom_line


def test_the_pages_the_data_and_what_pdf_a_asks_for_stay_to_the_byte(settings: config.Settings) -> None:
    plain = pdf.render(invoice_of([("Green electricity", 1_500, 100_00, 1900)])).pdf
    signed = signing.sign(plain, AT)
    assert signed.startswith(plain)
    assert signing.sign(plain, AT) == signed, "the same document, key and moment give the same bytes"
    assert facturx.get_xml_from_pdf(signed, check_xsd=False) == facturx.get_xml_from_pdf(plain, check_xsd=False)
    before, after = pypdf.PdfReader(io.BytesIO(plain)), pypdf.PdfReader(io.BytesIO(signed))
    assert after.metadata == before.metadata
    was: Any = before.trailer["/Root"]
    root: Any = after.trailer["/Root"]
    for name in ("/Metadata", "/OutputIntents", "/StructTreeRoot", "/AF", "/Lang"):
        assert without_readers(root[name]) == without_readers(was[name])
    form: Any = root["/AcroForm"].get_object()
    assert "/NeedAppearances" not in form
    [field] = form["/Fields"]
    widget = field.get_object()
    assert (int(widget["/F"]) & 4, [float(side) for side in widget["/Rect"]]) == (4, [0, 0, 0, 0])
    assert after.pages[0].extract_text() == before.pages[0].extract_text()


def test_a_key_of_the_companys_own_signs_and_one_that_cannot_be_read_is_named(
    settings: config.Settings, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Nordlicht Seal")])
    usage = dict.fromkeys(
        ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only"), False
    )
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, AT - timedelta(days=1), AT + timedelta(days=9_000))
        .add_extension(
            x509.KeyUsage(digital_signature=True, content_commitment=True, decipher_only=False, **usage), critical=True
        )
        .sign(key, SHA256())
    )
    file = tmp_path / "seal.p12"
    file.write_bytes(
        pkcs12.serialize_key_and_certificates(b"seal", key, certificate, None, BestAvailableEncryption(b"pw"))
    )
    given = {"document_signing_key": SecretStr(str(file)), "document_signing_password": SecretStr("pw")}
    config.use(settings.model_copy(update=given))
    found = judged(signing.sign(pdf.render(example()).pdf, AT), certificates.pem())
    assert (found.bottom_line, found.signing_cert.subject.human_friendly) == (True, "Common Name: Nordlicht Seal")
    config.use(settings.model_copy(update=given | {"document_signing_password": SecretStr("wrong")}))
    with pytest.raises(config.WrongSettings, match="PORTAL_DOCUMENT_SIGNING_KEY"):
        certificates.identity()


def test_the_command_shows_and_writes_the_certificate(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "ours.pem"
    told = app.test_cli_runner().invoke(args=["documents", "certificate", "--to", str(file)])
    assert told.exit_code == 0
    assert certificates.fingerprint(x509.load_pem_x509_certificate(file.read_bytes())) in told.output
