"""What the Content-Security-Policy forbids stands in no template, and nothing vendored lacks its licence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Mail is read in programs that know no other style than the one on the element, and the PDFs' documents are drawn by
# ours: neither is a page under the policy.
PAGES = sorted(
    path
    for path in (ROOT / "templates").rglob("*.html")
    if "mail" not in str(path.relative_to(ROOT)) and path.parent != ROOT / "templates" / "documents" / "pdf"
)

FORBIDDEN = {
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*="),
    "a style element": re.compile(r"<style\b"),
    "a script without src": re.compile(r"<script(?![^>]*\bsrc=)"),
    "an event attribute": re.compile(r"<[^>]*\son[a-z]+\s*="),
    "htmx code": re.compile(r"\bhx-on\b|[\"']js:|\bhx-trigger=\"[^\"]*\["),
}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_page_holds_nothing_inline(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    assert [what for what, pattern in FORBIDDEN.items() if pattern.search(text)] == []


def test_every_vendored_file_has_its_version_and_its_licence() -> None:
    vendor = ROOT / "static" / "vendor"
    for path in vendor.iterdir():
        named = re.match(r"[a-z]+-\d+\.\d+\.\d+", path.name)
        assert named, path.name
        assert (vendor / f"{named.group()}.LICENSE.txt").is_file(), path.name


def test_our_scripts_evaluate_nothing() -> None:
    for path in (ROOT / "static" / "js").glob("*.js"):
        assert not re.search(r"\beval\(|new Function|innerHTML|document\.write|insertAdjacentHTML", path.read_text()), (
            path.name
        )
