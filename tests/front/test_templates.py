"""What the Content-Security-Policy forbids stands in no template, and nothing vendored lacks its licence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import Environment, nodes

from portal.content.templates import BUILT
from portal.web import pages

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


# Names that Jinja and Flask give to every template.
GIVEN = {
    "_",
    "loop",
    "caller",
    "varargs",
    "kwargs",
    "self",
    "super",
    "range",
    "dict",
    "namespace",
    "get_flashed_messages",
}


def test_each_name_that_a_template_reads_is_written_by_our_code() -> None:
    """So that a value that gets another name gets it in the templates, too, also in mails that are seldom sent."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    code = set(re.findall(r"\w+", "\n".join(path.read_text() for path in (ROOT / "portal").rglob("*.py"))))
    unknown = []
    for path in sorted(path for path in (ROOT / "templates").rglob("*.*") if path.parent != BUILT):
        tree = environment.parse(path.read_text())
        written = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
        written |= {macro.name for macro in tree.find_all(nodes.Macro)} | {
            one.target for one in tree.find_all(nodes.Import)
        }
        for taken in tree.find_all(nodes.FromImport):
            written |= {name if isinstance(name, str) else name[1] for name in taken.names}
        read = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "load"}
        unknown += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(read - written - code - GIVEN)]
    assert unknown == []


@pytest.mark.database("sqlite")
def test_a_pages_values_never_take_the_names_of_its_frame(app: Flask) -> None:
    """The foot once showed the languages of a list instead of those that the reader can choose."""
    with app.test_request_context("/"):
        shared: dict[str, object] = {}
        app.update_template_context(shared)
        for name in shared:
            with pytest.raises(ValueError, match=name):
                pages.render("errors/error.html", **{name: "something else"})
