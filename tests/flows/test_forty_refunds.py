"""Forty refunds are decided by keyboard, one after the other: keys and loads are counted. In Chromium, before the running portal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import func, select

from portal.core import clock, db
from portal.refunds import queries
from portal.refunds.models import Refund
from portal.refunds.statuses import RefundStatus
from tests import factories
from tests.browsing import Console, context_options
from tests.flows.conftest import PATIENCE_MS
from tests.front.signing_in import sign_in
from tests.live import LivePortal

FORTY = 40
MOST_KEYS = 100
MOST_LOADS = 44


class Desk:
    """A page whose key presses and loads are counted."""

    def __init__(self, page: Page) -> None:
        self.page, self.keys, self.loads = page, 0, 0
        page.on("framenavigated", self._loaded)

    def _loaded(self, frame: object) -> None:
        self.loads += frame == self.page.main_frame

    def press(self, *keys: str) -> None:
        for key in keys:
            self.keys += 1
            self.page.keyboard.press(key)

    def sees(self, refund_id: str) -> None:
        """This refund is open, and listens to keys."""
        expect(self.page.locator(f"[data-refund='{refund_id}']")).to_be_visible(timeout=PATIENCE_MS)
        expect(self.page.locator("[data-decision] [data-keys-note]")).to_be_visible(timeout=PATIENCE_MS)


def waiting(number: int) -> list[str]:
    """So many requests of as many customers, oldest first; their ids."""
    with db.transaction() as session:
        at = clock.now() - timedelta(days=1)
        undecided = {"status": "requested", "succeeded_at": None, "stripe_refund_id": None, "amount_minor": 19_00}
        return [
            factories.refund(
                session,
                factories.payment(session, factories.customer(session)),
                asked_at=at + timedelta(seconds=place),
                **undecided,
            ).id
            for place in range(number)
        ]


def count(status: RefundStatus) -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).where(Refund.status == status)) or 0


@pytest.mark.settings(PORTAL_REFUND_UNDO_SECONDS="60", PORTAL_REFUND_DAY_OF_STAFF="eur:10000")
@pytest.mark.timeout(300)
def test_forty_refunds_take_two_keys_and_one_load_each(
    live_portal: LivePortal, browser: Browser, console: Console
) -> None:
    wishes = waiting(FORTY)
    with db.transaction() as session:
        tom = factories.staff(session, "support")
    context = browser.new_context(**context_options())
    console.listen(context)
    page = context.new_page()
    sign_in(page, live_portal.url, tom)
    page.goto(f"{live_portal.url}/support/refunds")
    expect(page.locator("[data-keys-note]")).to_be_visible(timeout=PATIENCE_MS)
    desk = Desk(page)
    desk.press("j", "Enter")
    for number, refund_id in enumerate(wishes):
        desk.sees(refund_id)
        assert count(RefundStatus.APPROVED) == number
        desk.press("a", "Enter")
    expect(page.get_by_text("No refund is waiting for you")).to_be_visible(timeout=PATIENCE_MS)
    assert count(RefundStatus.APPROVED) == FORTY
    assert desk.keys <= MOST_KEYS, desk.keys
    assert desk.loads <= MOST_LOADS, desk.loads

    # The last of them is undone, and stands open as it was.
    desk.press("u")
    desk.sees(wishes[-1])
    expect(page.get_by_text("Approval undone. Nothing was sent.")).to_be_visible()
    with db.reading() as session:
        assert queries.by_id(session, wishes[-1]).status == RefundStatus.REQUESTED
    context.close()
