"""Nothing that the tests start outlives them, however their run is ended; and a closed browser is opened again."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from deploy.dev.processes import ROOT, until_the_starter_dies
from tests.browsing import Chromium, context_options
from tests.processes import marked
from tests.waiting import eventually

START_SECONDS = 100.0
# pytest gives its workers ten seconds, and gunicorn's requests may take some more.
END_SECONDS = 40.0


class Nested:
    """A run of its own, in a session of its own; all of its processes carry the mark."""

    def __init__(self, directory: Path) -> None:
        mark = secrets.token_hex(8)
        self.variable = f"RUN_MARK={mark}"
        self.said = directory / "said"
        self.ready = directory / "ready"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "1",
            "-p",
            "no:cacheprovider",
            "tests/infrastructure/endless.py",
        ]
        with self.said.open("wb") as sink:
            self.process = subprocess.Popen(
                [*until_the_starter_dies("KILL"), *command],
                cwd=ROOT,
                env=os.environ | {"RUN_MARK": mark, "READY": str(self.ready)},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def commands(self) -> str:
        return "\n".join(marked(self.variable).values())

    def folder(self) -> Path:
        """What its processes share, read off PostgreSQL's command line."""
        found = re.search(r"bin/postgres\s+-D\s+(\S+)/postgresql/data", self.commands())
        assert found is not None, "PostgreSQL is not there yet"
        return Path(found[1])

    def leaves_nothing(self, folder: Path) -> None:
        eventually(lambda: self.process.poll() is not None, within=END_SECONDS, what=self.said.read_text())
        eventually(lambda: not self.commands(), within=END_SECONDS, what="every process to end")
        assert not folder.exists()

    def kill(self) -> None:
        for pid in marked(self.variable):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def nested(tmp_path: Path) -> Iterator[Nested]:
    nested = Nested(tmp_path)
    yield nested
    nested.kill()


@pytest.mark.timeout(200)
def test_sigterm_while_a_run_starts_leaves_nothing_behind(nested: Nested) -> None:
    folder = eventually(nested.folder, within=START_SECONDS)
    nested.process.terminate()
    nested.leaves_nothing(folder)


@pytest.mark.timeout(200)
def test_sigterm_in_the_midst_of_a_run_leaves_nothing_behind(nested: Nested) -> None:
    eventually(nested.ready.exists, within=START_SECONDS, what="the endless test to be in its midst")
    folder, commands = nested.folder(), nested.commands()
    # The fork server, gunicorn and its worker, and the portal's worker.
    assert commands.count("tests.fork_server") == 4 and "portal.sandbox" in commands
    os.killpg(nested.process.pid, signal.SIGTERM)
    nested.process.terminate()  # as from a shell and from make, which both hand it on
    nested.leaves_nothing(folder)


STARTS_A_CHILD = """
import signal
from deploy.dev.processes import end_with_clean_up_on_sigterm, ending_waits
end_with_clean_up_on_sigterm()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background ignores it
try:
    with ending_waits():
        signal.raise_signal(signal.{name})
        print("noted", flush=True)
    print("never", flush=True)
except KeyboardInterrupt:
    print("cleaned up", flush=True)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_child_that_is_being_started_is_noted_before_the_run_ends(name: str) -> None:
    program = STARTS_A_CHILD.format(name=name)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["noted", "cleaned up", ""]


def test_a_closed_browser_is_opened_again(chromium: Chromium) -> None:
    chromium.browser().close()
    assert _shows_a_page(chromium)


def test_a_lost_connection_to_the_browser_is_made_again(chromium: Chromium) -> None:
    chromium.browser()
    for driver in _drivers():
        os.kill(driver, signal.SIGKILL)
    assert _shows_a_page(chromium)


def test_the_next_test_has_a_page(page: Page) -> None:
    page.set_content("<h1>Here</h1>")
    assert page.inner_text("h1") == "Here"


def test_a_browser_that_served_a_test_has_no_past(chromium: Chromium) -> None:
    with chromium.context(context_options()) as context:
        page = _at_an_address(context)
        page.evaluate("document.cookie = 'who=ada'; localStorage.setItem('who', 'ada')")
        context.grant_permissions(["clipboard-read"])
        context.set_offline(True)
    with chromium.context(context_options()) as again:
        assert again is context
        page = _at_an_address(again)
        assert page.evaluate("[document.cookie, localStorage.length, navigator.onLine]") == ["", 0, True]
        granted = page.evaluate("navigator.permissions.query({name: 'clipboard-read'}).then((found) => found.state)")
        assert granted == "prompt"


def test_a_context_that_a_test_closed_serves_no_other(chromium: Chromium) -> None:
    with chromium.context(context_options()) as context:
        context.close()
    with chromium.context(context_options()) as again:
        assert again.new_page().evaluate("1 + 1") == 2


def _at_an_address(context: BrowserContext) -> Page:
    """A page of an origin, for which data can be stored."""
    context.route("**/*", lambda route: route.fulfill(body="<h1>Here</h1>", content_type="text/html"))
    page = context.new_page()
    page.goto("http://127.0.0.1:9/")
    return page


def _shows_a_page(chromium: Chromium) -> bool:
    context = chromium.browser().new_context()
    page = context.new_page()
    page.set_content("<h1>Here</h1>")
    shown = page.inner_text("h1")
    context.close()
    return shown == "Here"


def _drivers() -> list[int]:
    """Playwright's own process, a child of this one."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if b"playwright" in Path("/proc", pid, "cmdline").read_bytes()]
