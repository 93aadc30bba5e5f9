"""A pack years later: whole and signed, or the first file that does not fit."""

from __future__ import annotations

import hashlib
import io
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from portal.books import verifying
from portal.core import db, signing_keys
from portal.core.audit import AuditEvent
from tests.books.conftest import issue, made, save


def test_a_pack_is_verified_by_the_command_and_by_openssl(
    user: str, november: None, app: Flask, tmp_path: Path
) -> None:
    issue()
    file = save(made(user), tmp_path)
    result = app.test_cli_runner().invoke(args=["books", "verify-pack", str(file)])
    assert (result.exit_code, result.output.splitlines()[0]) == (
        0, "Nordlicht Energie GmbH, 2026-10: 8 files, all as they were made.",
    )  # fmt: skip
    with zipfile.ZipFile(file) as pack:
        pack.extractall(tmp_path)
    command = "openssl pkeyutl -verify -pubin -inkey public-key.pem -rawin -in manifest.json -sigfile manifest.sig"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    published = app.test_client().get("/.well-known/books-signing-key.pem").get_data()
    assert published == (tmp_path / "public-key.pem").read_bytes()
    with db.reading() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "pack.made")).one()
    assert event.facts["manifest"] == hashlib.sha256((tmp_path / "manifest.json").read_bytes()).hexdigest()
    assert event.facts["key"] in result.output


def rewritten(content: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The pack with its files changed, as someone with a ZIP program would do it."""
    with zipfile.ZipFile(io.BytesIO(content)) as pack:
        files = {name: pack.read(name) for name in pack.namelist()}
    change(files)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as pack:
        for name, inside in files.items():
            pack.writestr(name, inside)
    return written.getvalue()


def edited(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


def test_the_first_file_that_does_not_fit_is_named(user: str, november: None, app: Flask, tmp_path: Path) -> None:
    number = issue()
    whole = made(user)
    receipt = f"receipts/{number}.pdf"
    cases: list[tuple[Callable[[dict[str, bytes]], object], str]] = [
        (edited("postings.csv", b"100.00", b"200.00"), "postings.csv is not the one that was packed"),
        (edited("postings.csv", b"100.00", b"1000.00"), "postings.csv has"),
        (edited("manifest.json", b"2026-10", b"2026-11"), "manifest.json is not what was signed"),
        (lambda files: files.pop(receipt), f"{receipt} is missing"),
        (lambda files: files.update({"receipts/more.pdf": b"%PDF"}), "receipts/more.pdf is not in manifest.json"),
        (lambda files: files.pop("manifest.sig"), "manifest.sig is missing"),
        (lambda files: files.update({"manifest.sig": b"x"}), "manifest.json is not what was signed"),
    ]
    for change, words in cases:
        file = save(rewritten(whole, lambda files, change=change: change(files) and None), tmp_path)  # type: ignore[misc]
        result = app.test_cli_runner().invoke(args=["books", "verify-pack", str(file)])
        assert result.exit_code == 1, words
        assert words in result.output
    for broken in (whole[:-100], whole[: len(whole) // 2], b"", b"no zip at all"):
        with pytest.raises(verifying.BadPack):
            verifying.verify(save(broken, tmp_path), verifying.our_key())


@pytest.mark.database("sqlite")
def test_every_byte_of_a_document_counts(user: str, november: None, tmp_path: Path) -> None:
    number = issue()
    whole = made(user)
    at = whole.index(b"%PDF-1.7 of a receipt")
    for place in range(at, at + 21):
        altered = bytearray(whole)
        altered[place] ^= 1
        with pytest.raises(verifying.BadPack, match=number):
            verifying.verify(save(bytes(altered), tmp_path), verifying.our_key())


def test_a_pack_of_an_earlier_secret_key_is_held_against_its_public_half(
    user: str, november: None, app: Flask, tmp_path: Path
) -> None:
    file = save(made(user), tmp_path)
    old = verifying.our_key()
    other = signing_keys.derived("another purpose").public_key()
    with pytest.raises(verifying.BadPack, match=signing_keys.fingerprint(old)):
        verifying.verify(file, other)
    pem = tmp_path / "old.pem"
    pem.write_bytes(signing_keys.pem(old))
    run = app.test_cli_runner().invoke
    assert run(args=["books", "verify-pack", str(file), "--key", str(pem)]).exit_code == 0
    assert run(args=["books", "verify-pack", str(file), "--key", str(file)]).exit_code == 2
