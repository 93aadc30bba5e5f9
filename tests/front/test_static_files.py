"""What travels to a browser: style sheets, scripts and the font as they are built, and pages compressed."""

from __future__ import annotations

import gzip
import re
import shutil
import unicodedata
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from fontTools.ttLib import TTFont

from deploy.dev import cut_pico
from portal.core import languages
from portal.web import compression, static_build


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of static/ to work on, without what was built."""
    copy = tmp_path / "static"
    shutil.copytree(static_build.STATIC, copy, ignore=shutil.ignore_patterns(static_build.BUILT))
    monkeypatch.setattr(static_build, "STATIC", copy)
    return copy


def test_a_folder_is_built_once_and_changes_with_each_file(files: Path) -> None:
    folders = {static_build.build()}
    assert static_build.build() in folders
    for name in ("css/base.css", "css/print.css", "js/pay.js", "vendor/pico-2.1.1.cut.css", "vendor/htmx-4.0.1.min.js"):
        (files / name).write_text((files / name).read_text() + "\n")
        folders.add(static_build.build())
    assert len(folders) == 6
    assert len(list((files / static_build.BUILT).iterdir())) == 3, "only the last ones are kept"


def test_the_one_sheet_is_all_of_them_and_each_file_lies_compressed_beside_itself(files: Path) -> None:
    folder = static_build.build()
    whole = (folder / "css" / "portal.css").read_text()
    for mark in ("@layer pico{/*! Pico CSS", "--space-1:0.25rem", ".visually-hidden{", ".records", "@media print{"):
        assert mark in whole
    assert "MIT" in whole
    for address in re.findall(r'url\("(\.\.[^"]+)"\)', whole):
        assert (folder / "css" / address).resolve().is_file(), address
    for name in ("css/portal.css", "js/app.js", "js/pay.js", "vendor/htmx-4.0.1.min.js"):
        assert gzip.decompress((folder / f"{name}.gz").read_bytes()) == (folder / name).read_bytes()
        assert (folder / f"{name}.br").is_file()


@pytest.mark.database("sqlite")
def test_what_was_built_is_kept_by_browsers_for_ever(client: FlaskClient) -> None:
    page = client.get("/sign-in").get_data(as_text=True)
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert f"/static/built/{static_build.folder().name}/css/portal.css" in addresses
    assert len([address for address in addresses if address.endswith(".css")]) == 1
    for address in addresses:
        with client.get(address, headers={"Accept-Encoding": "br"}) as answer:
            assert answer.status_code == 200, address
            assert "immutable" in answer.headers["Cache-Control"], address
            assert answer.headers.get("Content-Encoding") == (None if address.endswith("woff2") else "br"), address
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_pico_was_cut_for_every_element_of_our_pages() -> None:
    [file] = static_build.STATIC.glob("vendor/pico-*.cut.css")
    missing = cut_pico.elements() - cut_pico.cut_for(file.read_text())
    assert not missing, f"cut Pico anew (deploy/dev/cut_pico.py says how): {missing}"


def test_the_font_has_the_letters_of_our_own_texts() -> None:
    [basic] = static_build.STATIC.glob("vendor/inter-*-basic.woff2")
    letters = set(TTFont(basic).getBestCmap())
    for catalogue in languages.CATALOGUES.glob("*/LC_MESSAGES/messages.po"):
        text = "".join(line for line in catalogue.read_text().splitlines() if line.startswith(("msg", '"')))
        lacking = {mark for mark in text if "LATIN" in unicodedata.name(mark, "") and ord(mark) not in letters}
        assert not lacking, f"{catalogue}: {lacking}"


@pytest.mark.database("sqlite")
def test_pages_and_answers_of_the_api_travel_compressed(app: Flask) -> None:
    client = app.test_client()
    for address in ("/sign-in", "/api/openapi.json"):
        plain = client.get(address)
        packed = client.get(address, headers={"Accept-Encoding": "gzip, br"})
        assert packed.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
        assert "Accept-Encoding" in packed.headers["Vary"] and "Accept-Encoding" in plain.headers["Vary"]
        assert len(packed.data) < len(plain.data) / 2 and int(packed.headers["Content-Length"]) == len(packed.data)
        assert gzip.decompress(packed.data)[:40] == plain.data[:40]


@pytest.mark.database("sqlite")
def test_what_is_short_or_wished_plain_is_not_compressed(app: Flask) -> None:
    client = app.test_client()
    assert "Content-Encoding" not in client.get("/healthz", headers={"Accept-Encoding": "gzip"}).headers
    assert "Content-Encoding" not in client.get("/sign-in", headers={"Accept-Encoding": "gzip;q=0, br"}).headers


def test_the_length_of_a_compressed_page_does_not_tell_its_content() -> None:
    content = b"<p>searched for: token=abc</p>" * 100
    lengths = {len(compression.gzipped(content)) for _ in range(200)}
    assert max(lengths) - min(lengths) > compression.LONGEST_PADDING // 2
    assert gzip.decompress(compression.gzipped(content)) == content
