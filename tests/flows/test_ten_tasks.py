"""The ten most common tasks at the desk, each walked from the home as docs/how-to/ten-tasks.md says, and its clicks counted.

make pictures        takes the pictures of that page anew
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from deploy.dev.processes import ROOT
from portal.core import clock, db
from portal.identity.models import User
from tests import factories
from tests.browsing import Console, context_options
from tests.flows.conftest import PATIENCE_MS
from tests.front.signing_in import sign_in
from tests.live import LivePortal

pytestmark = pytest.mark.database("sqlite")

PAGE: Final = ROOT / "docs/how-to/ten-tasks.md"
PICTURES: Final = ROOT / "docs/images/tasks"
MOST_CLICKS: Final = 3
MOST_PICTURE_BYTES: Final = 40_000
_ROW: Final = re.compile(r"^\| \d+ \| \[(.+?)\]\(#(.+?)\) \| (.+?) \| (.+?) \|$", re.MULTILINE)
_STEP: Final = re.compile(r"\*\*(.+?)\*\*|`(.+?)`")


@dataclass(frozen=True)
class Task:
    """A row of the page's table: `steps` are clicks, on what begins with these words, and what is typed into the search."""

    anchor: str
    steps: tuple[tuple[str, str], ...]
    goal: str

    @property
    def clicks(self) -> int:
        return sum(1 for click, _typed in self.steps if click)

    @property
    def picture(self) -> Path:
        return PICTURES / f"{self.anchor}.webp"


TASKS: Final = [
    Task(anchor, tuple(_STEP.findall(steps)), goal) for _title, anchor, steps, goal in _ROW.findall(PAGE.read_text())
]


def test_the_page_tells_of_ten_tasks_with_a_picture_each() -> None:
    text = PAGE.read_text()
    assert len({task.anchor for task in TASKS}) == 10
    for task in TASKS:
        assert 1 <= task.clicks <= MOST_CLICKS, task.anchor
        assert f"\n## {task.anchor.replace('-', ' ').capitalize()}\n" in text.replace(",", ""), task.anchor
        assert f"](../images/tasks/{task.picture.name})" in text, task.anchor
        assert 0 < task.picture.stat().st_size < MOST_PICTURE_BYTES, task.anchor


def a_busy_desk() -> User:
    """What the tasks are about; who does them is an admin."""
    now = clock.now()
    with db.transaction() as session:
        jule = factories.staff(session, "admin", name="Jule Petersen", email="jule@nordlicht.example")
        tom = factories.staff(session, "support", name="Tom Weber", email="tom@nordlicht.example")
        bakery = factories.customer(session, name="Bakery Sternschanze", email="post@sternschanze.example")
        factories.user(session, bakery, name="Alex Baker", email="alex@sternschanze.example")
        boats = factories.customer(session, name="Boatyard Elbe", email="office@boatyard.example")
        studio = factories.customer(session, name="Studio Altona", email="hello@studio-altona.example")
        due = {"number": "INV-2026-000042", "reference": "PO 4711"}
        factories.invoice(session, bakery, [("Energy monitoring, November", 1_000, 38_40, 1900)], **due)
        paid = factories.payment(session, studio, description="Energy monitoring, November", amount_minor=48_00)
        made = {"pdf": b"%PDF-1.7", "pdf_sha256": "0" * 64, "mailed_at": now}
        factories.receipt(session, paid, number="R-2026-000007", **made)
        kept = {"stripe_refund_id": None, "succeeded_at": None, "asked_at": now - timedelta(days=2)}
        returned = factories.payment(session, bakery, description="Printed handbook", amount_minor=26_00)
        factories.refund(
            session, returned, status="requested", amount_minor=19_00, explanation="It never came.", **kept
        )  # fmt: skip
        large = factories.payment(session, studio, description="Installation", amount_minor=900_00)
        once = {"status": "approved_once", "first_approved_by": tom.id, "first_approved_at": now - timedelta(hours=3)}
        factories.refund(session, large, amount_minor=640_00, reason="product_unacceptable", **once, **kept)
        disputed = factories.payment(session, boats, description="Mooring, summer", amount_minor=310_00)
        in_five_days = now + timedelta(days=5, hours=1)
        waits = {"status": "needs_response", "evidence_due_by": in_five_days, "deadline": in_five_days}
        factories.evidence(session, factories.dispute(session, disputed, reason="fraudulent", **waits))
    return jule


def ready(page: Page) -> None:
    """All parts are there, and scripts listen."""
    page.wait_for_load_state("networkidle")


def walk(page: Page, task: Task) -> int:
    """The clicks that it took, each of which was made."""
    made = 0
    for click, typed in task.steps:
        if typed:
            page.locator("#q").press_sequentially(typed)
            expect(page.locator("#live")).to_have_text(re.compile(r"\d+ results?"), timeout=PATIENCE_MS)
            continue
        made += 1
        if click == "Enter":
            page.keyboard.press("Enter")
            page.wait_for_url(re.compile(r"/support/\w+/\w+"))
        else:
            called = re.compile(rf"^\s*{re.escape(click)}")
            page.locator("a, button").filter(has_text=called, visible=True).first.click(timeout=PATIENCE_MS)
        ready(page)
    return made


@pytest.mark.timeout(300)
@pytest.mark.settings(PORTAL_REFUND_FOUR_EYES="eur:500")
def test_each_of_ten_tasks_is_three_clicks_from_the_home(
    live_portal: LivePortal, browser: Browser, console: Console
) -> None:
    live_portal.stop_worker()  # Stripe knows nothing of these, and nothing of it is to change meanwhile
    jule = a_busy_desk()
    context = browser.new_context(**context_options(viewport={"width": 1180, "height": 780}, color_scheme="light"))
    console.listen(context)
    page = context.new_page()
    sign_in(page, live_portal.url, jule)
    for task in TASKS:
        page.goto(f"{live_portal.url}/support")
        ready(page)
        assert walk(page, task) == task.clicks <= MOST_CLICKS
        goal = page.get_by_role("heading", name=re.compile(rf"^{re.escape(task.goal)}")).first
        expect(goal).to_be_visible(timeout=PATIENCE_MS)
        if os.environ.get("PICTURES"):
            take(page, task)
    context.close()


def take(page: Page, task: Task) -> None:
    """The picture of a task, small enough to travel with the repository."""
    page.mouse.move(0, 0)
    PICTURES.mkdir(parents=True, exist_ok=True)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(task.picture, "WEBP", quality=60, method=6)
