"""Fixtures for every test: databases, the portal's application, the sandbox, a mailbox, a whole running portal, a browser.

Tests talk to real things: SQLite and PostgreSQL, the Stripe SDK against the sandbox, SMTP, Chromium. Nothing leaves this machine.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import stripe
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright

from deploy.dev.processes import ROOT, end_with_clean_up_on_sigterm, ending_waits
from portal.core import audit, config, db
from portal.core.db import EVERYONE, REACH
from portal.web import static_build
from tests import by_directory, card_data, postgres
from tests.browsing import Chromium, Console, context_options
from tests.forked import ForkServer
from tests.kept import keep_statements
from tests.live import Clock, LivePortal, SandboxServer
from tests.pages import CheckingClient
from tests.preloading import keep_routes, keep_templates
from tests.run import SETTINGS, FirstProcess, Run
from tests.smtp import Mailbox

RUN = pytest.StashKey[Run]()
# When the garbage collector looks: seldom, for a test makes a hundred thousand objects that go by themselves.
GARBAGE = (20_000, 20, 20)
DATABASES = ("sqlite", "postgresql")
ARTIFACTS = ROOT / "var" / "test-artifacts"
# The longest first, as `make test` tells them.
LONG = (
    "/simulation/test_every_line.py",
    "/simulation/test_chaos.py",
    "/simulation/test_state_machine.py",
    "/simulation/",
    "/test_fuzz.py",
    "/test_every_page.py",
    "/test_access.py",
    "/test_demo.py",
    "/test_clean_up.py",
    "/recovery/",
    "/flows/",
    "/test_guide.py",
    "/test_sdk_types.py",
)

# More than half of what collecting the tests takes would be looking for garbage among what stays to the end.
gc.disable()
for name in [name for name in os.environ if name.startswith(("PORTAL_", "STRIPE_"))]:
    del os.environ[name]  # a developer's own settings change no test
# Many tests start processes of the portal, and compiling it anew is two thirds of such a start: where Python is told to keep no
# compiled files, as in many images, it is told otherwise for the tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ.update(SETTINGS)
os.environ["PORTAL_DATABASE_URL"] = (
    "sqlite://"  # for what needs settings and no database; `database` connects to a real one
)


# The same examples in every run, so that a red run is red again; and no deadline, since two cores may be busy.
hypothesis_settings.register_profile("portal", derandomize=True, deadline=None)
hypothesis_settings.load_profile("portal")


# Between two tries the SDK sleeps half a second, which hundreds of lost answers would wait for.
stripe.HTTPClient.INITIAL_DELAY = 0.01

keep_routes()
keep_statements()


def _only_this_machine(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a text or bytes is a socket file
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host and host not in {"localhost", "::1", "0.0.0.0"} and not host.startswith("127."):  # noqa: S104
        raise PermissionError(f"a test reached for {host}: tests talk to this machine only")


if not os.environ.get("CONTRACT_KEY"):  # `make contract KEY=…` is the one run that speaks to Stripe
    sys.addaudithook(_only_this_machine)


# One run: the first process starts PostgreSQL, and xdist's workers are told where it is.


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--by-directory", action="store_true", help="print how many seconds the tests of each directory took"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.by_directory:
        reports = (report for kind in terminalreporter.stats.values() for report in kind)
        lines = by_directory.table(report for report in reports if isinstance(report, pytest.TestReport))
        terminalreporter.write("\n".join(["", *lines, ""]))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "database(*names): run on these of sqlite and postgresql instead of on both")
    config.addinivalue_line("markers", "owner: use PostgreSQL as the owner of its tables, whom no policy binds")
    config.addinivalue_line("markers", "settings(**variables): environment variables for this test's settings")
    config.addinivalue_line("markers", "own_context: a context of the browser that serves this test alone")
    if not config.option.collectonly:
        end_with_clean_up_on_sigterm()
    given = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[RUN] = Run(Path(given["run_directory"]))
    elif not config.option.collectonly:
        shutil.rmtree(ARTIFACTS, ignore_errors=True)
        static_build.build()
        with ending_waits():
            config.stash[RUN] = FirstProcess()
    if RUN in config.stash:
        # Each test has an application of its own, and compiling its templates would take half of the test.
        keep_templates(config.stash[RUN].templates)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["run_directory"] = str(node.config.stash[RUN].directory)


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash.get(RUN, None)
    if run is not None:
        run.end()


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the garbage collector need not look through it again and again."""
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long ones first, so that no process is left with one of them at the end: each is given its share of them, as xdist cuts
    the list into as many pieces as there are processes, and whoever is done takes from the end of another's.
    """
    items.sort(key=lambda item: next((place for place, part in enumerate(LONG) if part in item.nodeid), len(LONG)))
    processes = getattr(config, "workerinput", {}).get("workercount", 1)
    items[:] = [item for share in range(processes) for item in items[share::processes]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that needs the database runs once on each; a whole portal is started on SQLite unless the test is marked."""
    if "database" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("database")
        usual = DATABASES if {"live_portal", "clock"}.isdisjoint(metafunc.fixturenames) else ("sqlite",)
        metafunc.parametrize("database", marker.args if marker else usual, indirect=True)


# Databases


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh, migrated database, which `portal.db` is connected to; the test runs once on each kind."""
    yield from _database(request, request.param)


@pytest.fixture
def sqlite_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Like `database`, for what concerns SQLite alone."""
    yield from _database(request, "sqlite")


@pytest.fixture
def postgresql_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Like `database`, for what concerns PostgreSQL alone."""
    yield from _database(request, "postgresql")


def _database(request: pytest.FixtureRequest, kind: str) -> Iterator[str]:
    run = request.config.stash[RUN]
    url = run.fresh_sqlite() if kind == "sqlite" else run.fresh_postgresql()
    if not request.node.get_closest_marker("owner"):
        url = url.replace(f"//{postgres.OWNER}@", f"//{postgres.BOUND}@")
    REACH.set(EVERYONE)
    audit.set_actor(audit.SYSTEM)  # a request of the test before may have left its own here
    try:
        db.connect(url)
        yield url
        if kind == "sqlite":
            card_data.check_sqlite(Path(url.removeprefix("sqlite:///")))
        else:
            card_data.check_postgresql(run.connection(url))
    finally:
        db.disconnect()
        run.drop(url)


# The application in this process


def _settings_asked_for(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the marker `settings` says; what stands nearest to the test wins."""
    markers = reversed(list(request.node.iter_markers("settings")))
    return {name: value for marker in markers for name, value in marker.kwargs.items()}


@pytest.fixture
def settings(
    request: pytest.FixtureRequest, database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[config.Settings]:
    """The settings in use. `sandbox` and `smtp` stand in them when the test asks for these fixtures, too."""
    monkeypatch.setenv("PORTAL_DATABASE_URL", database)
    if "sandbox" in request.fixturenames:
        sandbox = request.getfixturevalue("sandbox")
        monkeypatch.setenv("STRIPE_API_BASE", sandbox.url)
        monkeypatch.setenv("STRIPE_JS_URL", sandbox.js_url)
    if "smtp" in request.fixturenames:
        monkeypatch.setenv("PORTAL_MAIL_PORT", str(request.getfixturevalue("smtp").port))
    for name, value in _settings_asked_for(request).items():
        monkeypatch.setenv(name, value)
    config.forget()
    yield config.current()
    config.forget()


@pytest.fixture
def app(settings: config.Settings) -> Flask:
    """The portal's application on `database`."""
    from portal.app import create_app

    application = create_app(settings)
    application.test_client_class = CheckingClient
    inner = application.wsgi_app

    def keeping_reach(environ: Any, start_response: Any) -> Any:
        before = REACH.get()
        try:
            return inner(environ, start_response)
        finally:
            REACH.set(before)  # what a request reaches is not what the test does

    application.wsgi_app = keeping_reach  # type: ignore[method-assign]
    return application


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without a screen, which checks every page it is given: see tests/pages.py."""
    return app.test_client()


# The world outside


@pytest.fixture
def smtp() -> Iterator[Mailbox]:
    """A mailbox that takes the portal's mail over SMTP."""
    mailbox = Mailbox()
    try:
        yield mailbox
        card_data.check_mails(mailbox.messages)
    finally:
        mailbox.stop()


@pytest.fixture(scope="session")
def sandbox_server(pytestconfig: pytest.Config) -> Iterator[SandboxServer]:
    """One sandbox a worker; ask for `sandbox`, which empties it for each test."""
    server = SandboxServer(pytestconfig.stash[RUN].directory)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[Clock]:
    """The clock of the portal's and the sandbox's processes: `.move(days=8)` while they run. On SQLite only."""
    clock = Clock(tmp_path)
    yield clock
    clock.clean_up()


def _clock_asked_for(request: pytest.FixtureRequest) -> Clock | None:
    return request.getfixturevalue("clock") if "clock" in request.fixturenames else None


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[SandboxServer]:
    """An empty Stripe: `.url`, `.js_url`, and `.client`, the official SDK speaking to it."""
    clock = _clock_asked_for(request)
    if clock is None:
        shared: SandboxServer = request.getfixturevalue("sandbox_server")
        shared.reset()
        yield shared
        return
    # Its signatures carry its real time, which the portal compares with its own: both must move.
    server = SandboxServer(request.getfixturevalue("tmp_path"), clock)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def fork_server(pytestconfig: pytest.Config) -> Iterator[ForkServer]:
    """One a worker; it starts when the first portal does."""
    run = pytestconfig.stash[RUN]
    server = ForkServer(run.directory, run.templates)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def live_portal(
    request: pytest.FixtureRequest, database: str, sandbox: SandboxServer, smtp: Mailbox
) -> Iterator[LivePortal]:
    """The whole portal, running. `portal.db` in the test is connected to the same database."""
    directory = request.config.stash[RUN].directory
    clock = _clock_asked_for(request)
    fork_server = request.getfixturevalue("fork_server") if clock is None else None
    portal = LivePortal(directory, database, sandbox, smtp, clock, _settings_asked_for(request), fork_server)
    try:
        yield portal.start()
    finally:
        portal.stop()
    for log in portal.logs:
        card_data.check_log(log)


# The browser: pytest-playwright's fixtures, on Debian's Chromium


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """The browser that all tests of this process share; it is opened with the first one that asks for a `browser`."""
    chromium = Chromium()
    yield chromium
    chromium.close()


@pytest.fixture
def playwright(chromium: Chromium, browser: Browser) -> Playwright:
    """The plugin keeps one for the whole session, and so a closed connection for all later tests."""
    return chromium.playwright


@pytest.fixture
def browser(chromium: Chromium) -> Browser:
    """Likewise: one that answers now."""
    return chromium.browser()


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return context_options()


@pytest.fixture
def context(
    chromium: Chromium, browser_context_args: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[BrowserContext]:
    """A browser without a past; `browser_context_args` is the plugin's marker."""
    marker = request.node.get_closest_marker("browser_context_args")
    options = browser_context_args | (marker.kwargs if marker else {})
    if request.node.get_closest_marker("own_context"):
        context = chromium.browser().new_context(**options)
        yield context
        context.close()
        return
    with chromium.context(options) as context:
        yield context


@pytest.fixture(scope="session", autouse=True)
def delete_output_dir() -> None:
    """pytest-playwright would let each worker delete the others' screenshots; the first process does it once."""


@pytest.fixture
def console() -> Console:
    """What the browser complained about; a test may `expect` a complaint."""
    return Console()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test tells what its browser showed at that moment, and leaves a picture of it."""
    report = yield
    context = getattr(item, "funcargs", {}).get("context")
    if report.when == "call" and report.failed and isinstance(context, BrowserContext):
        pages = [page for page in context.pages if page.url != "about:blank"]
        folder = ARTIFACTS / re.sub(r"\W+", "-", item.nodeid)[-180:]
        for number, page in enumerate(pages, 1):
            with suppress(Error):  # one that shows nothing any more
                shown = f"{page.url}\n{page.locator('body').inner_text(timeout=5_000)}"
                report.sections.insert(number - 1, ("The browser's page", shown))
                page.screenshot(path=folder / f"{number}.png", timeout=5_000)
    return report


@pytest.fixture
def page(context: BrowserContext, console: Console) -> Iterator[Page]:
    """A page in a browser without a past; at the end nothing may have been complained about."""
    console.listen(context)
    yield context.new_page()
    console.leave(context)
    console.check()
