"""What holds for the files of the repository, whatever they are about."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from deploy.dev.processes import ROOT
from portal.core import config

# What is made here and never committed: see .gitignore.
MADE = {
    ".git",
    ".boot",
    ".venv",
    "node_modules",
    "var",
    "built",
    "__pycache__",
    ".hypothesis",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".env",
}
TOP_LEVEL = {
    *("portal", "templates", "static", "migrations", "tests", "wsgi.py", "pyproject.toml"),
    *(
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE",
        "Makefile",
        "requirements",
        ".env.example",
        "Dockerfile",
        ".dockerignore",
        "compose.yaml",
    ),
    *("deploy", "docs", "bench", ".ci", ".github", ".gitignore", ".gitattributes"),
    *(".editorconfig", ".pre-commit-config.yaml"),
}
# Ours, and a module that exists for type checkers only.
OWN = {"portal", "_typeshed"}
BINARY = {".png", ".woff2", ".ico", ".pdf", ".jpg", ".webp", ".mo", ".icc", ".ttf", ".gz"}

# A letter stands in brackets, so that this file does not hold what it looks for.
REGISTRIES = re.compile(r"\b(pyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.(org|com)|yarnpk[g]\.com|debia[n]\.org)\b")
UNFINISHED = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|lorem ipsu[m])\b")
THIS_MACHINE = re.compile(r"(?<![\w.~-])/(roo[t]|hom[e]/\w+|wor[k])/")
LIVE_SECRET = re.compile(r"\b(sk|rk)_liv[e]_\w{24,}|\bwhsec_[A-Za-z0-9+/]{32,}")


def files(*folders: str) -> list[Path]:
    """The repository's files, below these folders or everywhere."""
    tops = [ROOT / folder for folder in folders] or [path for path in ROOT.iterdir() if path.name not in MADE]
    return sorted(file for top in tops for file in _below(top))


def _below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for inner in path.iterdir():
            if inner.name not in MADE:
                yield from _below(inner)
    else:
        yield path


def lines(file: Path) -> Iterator[tuple[str, str]]:
    """Each line with the place it stands at ("portal/core/db.py:12")."""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        yield f"{file.relative_to(ROOT)}:{number}", line


def found(pattern: re.Pattern[str], where: list[Path]) -> list[str]:
    texts = (file for file in where if file.suffix not in BINARY)
    return [f"{place}: {match[0]}" for file in texts for place, line in lines(file) if (match := pattern.search(line))]


def test_top_level_is_the_agreed_one() -> None:
    assert {path.name for path in ROOT.iterdir()} - MADE <= TOP_LEVEL


def test_nothing_that_is_made_here_is_kept_in_git() -> None:
    """Neither a link, which leads to a place of one machine: `.venv/` in .gitignore would leave out folders only."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a working copy of git")
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    assert [path for mode, _id, _stage, path in files if mode == "120000"] == []
    assert [path for *_more, path in files if not MADE.isdisjoint(Path(path).parts)] == []


def test_every_text_is_utf_8() -> None:
    for file in files():
        if file.suffix not in BINARY:
            file.read_text(encoding="utf-8")


def test_no_registry_is_named() -> None:
    assert found(REGISTRIES, files()) == []


def test_nothing_is_left_unfinished() -> None:
    assert found(UNFINISHED, [file for file in files() if "vendor" not in file.parts]) == []


def test_no_path_of_one_machine() -> None:
    assert found(THIS_MACHINE, files()) == []


def test_no_real_secret() -> None:
    assert found(LIVE_SECRET, files()) == []


@pytest.mark.parametrize("name", ["boot", "app", "dev"])
def test_requirements_are_locked_with_hashes(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", text) if not entry.startswith(("#", "    "))]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert not re.search(r"^(-|--)[a-z]|://", text, re.MULTILINE), "an option or an address"


def test_tests_and_portal_agree_on_versions() -> None:
    def versions(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        return dict(re.findall(r"^([a-z0-9._-]+(?:\[[a-z,]+\])?)==(\S+)", text, re.MULTILINE))

    app, dev = versions("app"), versions("dev")
    assert {name: dev.get(name) for name in app} == app


def test_all_that_the_portal_imports_is_installed_with_it() -> None:
    """`make run` and a server install app.txt alone; the tests' own packages must not fill a gap there."""
    imported = {
        name.partition(".")[0] for file in files("portal", "wsgi.py") if file.suffix == ".py" for name in _imports(file)
    }
    names = packages_distributions()
    needed = {names[name][0].lower().replace("_", "-") for name in imported - set(sys.stdlib_module_names) - OWN}
    text = (ROOT / "requirements" / "app.txt").read_text()
    assert needed - set(re.findall(r"^([a-z0-9._-]+)", text, re.MULTILINE)) == set()


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def test_one_lock_only() -> None:
    assert not (ROOT / "uv.lock").exists()
    assert "dependencies" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_vendored_files_have_their_version_and_licence() -> None:
    vendored = files("static/vendor")
    licences = [file.name.removesuffix(".LICENSE.txt") for file in vendored if file.name.endswith(".LICENSE.txt")]
    for file in vendored:
        if not file.name.endswith(".LICENSE.txt"):
            assert re.match(r"[a-z0-9]+-\d+(\.\d+)+", file.name), f"{file.name} does not say its version"
            assert any(file.name.startswith(licence) for licence in licences), f"{file.name} has no licence beside it"


# The Content-Security-Policy runs no inline code; mails and documents are no pages: they bring their style along.
INLINE = re.compile(
    r"<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|\bhx-on|javascript:|[\"']js:|<script\b(?![^>]*\bsrc=)(?![^>]*application/json)",
    re.IGNORECASE,
)


NO_PAGES = re.compile(r"layout/mail\.html|documents/pdf/")


def _is_page(template: Path) -> bool:
    name = str(template.relative_to(ROOT / "templates"))
    return name != "components/mail.html" and not NO_PAGES.search(name) and not NO_PAGES.search(template.read_text())


def test_templates_hold_no_inline_code() -> None:
    assert found(INLINE, [file for file in files("templates") if file.suffix == ".html" and _is_page(file)]) == []


def _setting_names() -> set[str]:
    names = set()
    for settings, prefix in ((config.Settings, "PORTAL_"), (config.Company, "PORTAL_COMPANY_")):
        for name, field in settings.model_fields.items():
            names.add(field.alias or f"{prefix}{name.upper()}")
    return names - {"PORTAL_COMPANY"}


def test_example_explains_every_setting_and_no_other() -> None:
    text = (ROOT / ".env.example").read_text()
    explained = re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)
    assert sorted(explained) == sorted(_setting_names())


def test_readme_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
