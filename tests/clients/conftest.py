"""A sandbox for clients that strangers wrote, and a year of a shop's small life in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browsing import context_options
from tests.sandbox.conftest import FAST, RunningSandbox, start


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    return context_options(locale="en-US")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    running = start(tmp_path / "sandbox.db", FAST)
    try:
        yield running
    finally:
        running.server.stop()
