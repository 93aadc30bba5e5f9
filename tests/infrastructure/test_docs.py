"""What the documents say can be done, can be: their commands, addresses, files, settings, figures and labels exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module

import click
import pytest
from babel.messages.pofile import read_po
from flask import Flask
from prometheus_client import REGISTRY

from deploy.dev import reference
from deploy.dev.processes import ROOT
from portal.core import config
from portal.jobs import outbox
from portal.jobs.job import declared, periodic
from portal.operations import settings_in_force
from portal.privacy import walls

# Decisions tell of what was; all others of what is.
DECISIONS = ROOT / "docs/decisions"
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
DOCUMENTS = [*TOP, *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent != DECISIONS)]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
# What the sandbox serves stands in its own page.
PORTALS_OWN = [name for name in NAMES if name != "docs/sandbox.md"]
# An address of somebody else's, or one that stands for any.
ELSEWHERE = (
    "/v1",
    "/v2",
    "/_sandbox",
    "/var",
    "/dev",
    "/etc",
    "/archive",
    "/backup",
    "/metrics",
    "/path",
    "/usr",
    "/run",
    "/proc",
    "/srv",
    "/js",
    "/decide",
    "/portal",
)

pytestmark = pytest.mark.database("sqlite")


def _text(name: str) -> str:
    return (ROOT / name).read_text()


def _code(name: str) -> Iterator[str]:
    """The lines of code blocks, put together where a backslash breaks them, and what stands between backticks."""
    text = _text(name)
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def _flask_commands(name: str) -> Iterator[tuple[str, bool]]:
    """What follows `flask`, and whether it stands in a block, to be typed as it is."""
    text = _text(name)
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    for code in _code(name):
        match = re.search(r"(?:^|[\s/])flask (?:--app \S+ )?([a-z].*?)(?:(?:\s+(?:#|\||>|&&)|;\s).*)?$", code)
        if match is not None:
            yield match[1].replace("…", "x"), code in blocks


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_flask_is_one_and_takes_what_it_is_given(app: Flask, name: str) -> None:
    for line, is_typed in _flask_commands(name):
        words = shlex.split(line)
        command: click.Command | None = app.cli
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.commands.get(words.pop(0))
        assert command is not None, f"{name}: there is no `flask {line}`"
        options = {option: part for part in command.params for option in (*part.opts, *part.secondary_opts)}
        for word in words:
            assert not word.startswith("--") or word.partition("=")[0] in options, f"{name}: `flask {line}`: no {word}"
        needed = [part for part in command.params if isinstance(part, click.Argument) and part.required]
        given = [word for index, word in enumerate(words) if not _is_of_an_option(words, index, options)]
        assert not is_typed or len(given) >= len(needed), f"{name}: `flask {line}` needs {[one.name for one in needed]}"


def _is_of_an_option(words: list[str], index: int, options: dict[str, click.Parameter]) -> bool:
    if words[index].startswith("--"):
        return True
    option = options.get(words[index - 1]) if index else None
    return isinstance(option, click.Option) and not option.is_flag


@pytest.mark.parametrize("name", PORTALS_OWN)
def test_every_address_leads_somewhere(app: Flask, name: str) -> None:
    adapter = app.url_map.bind("127.0.0.1")
    for code in _code(name):
        for address in re.findall(
            r"(?:^|(?<=[ `(\"]))(?:GET |POST |DELETE |PATCH |PUT )?(/[a-z](?:\{[^}]*\}|[A-Za-z0-9_<>…./-])*)", code
        ):
            if address.startswith(ELSEWHERE) or ("." in address.rpartition("/")[2] and address.startswith("/static")):
                continue
            if address.endswith("/") and any(rule.rule.startswith(address) for rule in app.url_map.iter_rules()):
                continue
            an_id = "cus_1" if "/api/customers/" in address else "pay_1"
            plain = re.sub(r"<[^>]+>|\{[^}]+\}|…|\.\.\.", an_id, address).rstrip(".").rstrip("/") or "/"
            assert adapter.allowed_methods(plain), f"{name}: nothing is at {address}"


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_there(name: str) -> None:
    for code in _code(name):
        for path in re.findall(
            r"(?<![\w/.])((?:portal|tests|deploy|docs|bench|static|templates|migrations|requirements)/[\w./-]+)", code
        ):
            assert (ROOT / path.rstrip(".")).exists(), f"{name}: there is no {path}"


def test_every_function_on_a_way_is_there(app: Flask) -> None:
    """Architecture names modules and functions as they are: `payments.settling.apply`. What else has a dot there is a job's name."""
    for code in _code("docs/architecture.md"):
        package, _, rest = code.partition(".")
        if not re.fullmatch(r"[a-z_]+\.[\w.]+", code) or not (ROOT / "portal" / package).is_dir() or code in declared():
            continue
        module, _, function = rest.partition(".")
        assert (ROOT / "portal" / package / f"{module}.py").exists(), f"there is no module {code}"
        found = import_module(f"portal.{package}.{module}")
        assert not function or hasattr(found, function), f"there is no function {code}"


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_one(name: str) -> None:
    known = {f"PORTAL_{field.upper()}" for field in config.Settings.model_fields}
    known |= {"PORTAL_SANDBOX_WEBHOOK_SECRET"}  # of the sandbox alone
    known |= {f"PORTAL_COMPANY_{field.upper()}" for field in config.Company.model_fields}
    for setting in set(re.findall(r"\bPORTAL_[A-Z_]+[A-Z]\b", _text(name))):
        assert setting in known, f"{name}: there is no setting {setting}"


@pytest.mark.parametrize("name", NAMES)
def test_every_word_of_make_is_one(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", _text("Makefile"), re.MULTILINE))
    for code in _code(name):
        for target in re.findall(r"(?:^|[; ])make ([a-z-]+)", code):
            assert target in targets, f"{name}: there is no `make {target}`"


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_counted(app: Flask, name: str) -> None:
    counted = {metric.name for metric in REGISTRY.collect()}
    for figure in set(re.findall(r"\b(portal_[a-z_]+)(?:\{|`)", _text(name))):
        if figure in walls.ROLES:
            continue
        plain = re.sub(r"_(total|bucket|count|sum)$", "", figure)
        assert plain in counted or figure in counted, f"{name}: nothing counts {figure}"


@pytest.mark.parametrize("name", NAMES)
def test_every_label_is_on_a_page(name: str) -> None:
    """What stands in italics and begins with a capital letter is what a page calls it: *Operations, Jobs, Failed*."""
    with (ROOT / "portal/translations/de/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = {message.id for message in read_po(file) if isinstance(message.id, str)}
    for label in re.findall(r"(?<![*\w])\*([A-Z][^*\n]+)\*(?![*\w])", re.sub(r"`[^`]*`", "", _text(name))):
        if label not in catalogue:
            for part in label.split(", "):
                assert part in catalogue, f"{name}: no page says “{part}”"


def test_operators_read_all_that_the_worker_does_by_itself(app: Flask) -> None:
    named = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", _text("docs/how-to/monitor.md")))
    assert set(outbox.periodic_names()) - named == set()


def test_operators_read_how_often_the_worker_does_what() -> None:
    periods = {60: "1 min", 300: "5 min", 3_600: "1 h", 86_400: "1 day"}
    part = _text("docs/how-to/monitor.md").partition("## What the worker does by itself")[2].partition("\n## ")[0]
    told: dict[str, set[str]] = {}
    for _what, how_often, jobs in re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", part, re.MULTILINE):
        for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", jobs):
            told[name] = set(how_often.split(", "))
    for job in periodic():
        assert periods[job.every_seconds or 0] in told[job.name], job.name


def test_operators_read_how_long_a_job_is_tried() -> None:
    assert outbox.MOST_ATTEMPTS == 12 and outbox.HOURS_OF_ATTEMPTS == 8
    assert "tried twelve times within about eight hours" in _text("docs/how-to/monitor.md")


UNTRUE = (
    r"(tried|retried|retries)[^.]* about a day",  # eight hours
    r"address (that )?the invoice goes to",  # none is mailed
    r"[Ee]very page works without JavaScript",  # a new card is typed into Stripe's own script
    r"(not|never) been charged twice",  # told in an outage to people who were only reading
    r"Jobs, Dead|Betrieb, Aufträge|Operations, Aufträge",  # pages with other names
)


def test_what_was_not_true_is_said_nowhere() -> None:
    with (ROOT / "portal/translations/de/LC_MESSAGES/messages.po").open("rb") as file:
        texts = [str(text) for message in read_po(file) for text in (message.id, message.string)]
    said = {**{name: _text(name) for name in NAMES}, "a page or a mail": "\n".join(texts)}
    for name, text in said.items():
        for untrue in UNTRUE:
            assert re.search(untrue, text) is None, f"{name}: {untrue}"


@pytest.mark.parametrize("name", [*NAMES, *(str(page.relative_to(ROOT)) for page in sorted(DECISIONS.glob("*.md")))])
def test_every_link_leads_to_a_file_and_a_heading(name: str) -> None:
    for target in re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", _text(name)):
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), f"{name}: there is no {target}"
        if anchor:
            assert anchor in _anchors(page.read_text()), f"{name}: no heading of {path or name} is #{anchor}"


def _anchors(text: str) -> set[str]:
    """The headings of a page as a link names them: lower case, words joined by hyphens, marks left out."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_reference_is_what_the_code_says(app: Flask) -> None:
    assert settings_in_force.EFFECTS.read_text() == reference.setting_effects(), "old: run `make reference`"
    for name, text in reference.pages(app).items():
        assert (reference.FOLDER / name).read_text() == text, f"docs/reference/{name} is old: run `make reference`"


def test_index_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w/-]+\.md)", _text("docs/README.md")))
    pages = {str(page.relative_to(ROOT / "docs")) for page in DOCUMENTS if page.is_relative_to(ROOT / "docs")}
    assert pages - linked == {"README.md"}


def test_decisions_are_numbered_once_and_without_gaps() -> None:
    files = sorted(DECISIONS.glob("0*.md"))
    assert [file.name[:4] for file in files] == [f"{number:04d}" for number in range(1, len(files) + 1)]
    for number, file in enumerate(files, 1):
        title, _, rest = file.read_text().partition("\n\n")
        assert title.startswith(f"# {number}. "), file.name
        assert re.match(r"Date: \d{4}-\d\d-\d\d · Status: (in force|replaced by \d+)\n", rest), file.name
        assert f"]({file.name})" in _text("docs/decisions/README.md"), (
            f"docs/decisions/README.md does not list {file.name}"
        )
