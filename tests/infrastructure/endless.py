"""A test that never ends by itself: test_clean_up.py starts it in a run of its own and ends that run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from playwright.sync_api import Page

from tests.live import LivePortal


def test_until_its_run_is_ended(live_portal: LivePortal, page: Page) -> None:
    page.goto(live_portal.url)
    ready = Path(os.environ["READY"])
    ready.touch()
    signal.pause()
