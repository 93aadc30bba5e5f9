"""A second client: Stripe's SDK for Node, where Node is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sandbox.conftest import RunningSandbox

HERE = Path(__file__).parent
MODULES = HERE.parents[1] / "var" / "node"
VERSION = "23.1.0"
# A package of a few megabytes; where the registry cannot be reached, npm would wait for minutes.
NPM_SECONDS = 45


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """A folder that holds the SDK, installed once; without Node or npm's help the tests that need it are skipped."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed here")
    installed = MODULES / "node_modules" / "stripe" / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != VERSION:
        MODULES.mkdir(parents=True, exist_ok=True)
        command = [
            "npm",
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--fetch-retries=0",
            "--prefix",
            str(MODULES),
            f"stripe@{VERSION}",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=NPM_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("npm did not get Stripe's SDK for Node in time: is its registry within reach?")
        if done.returncode != 0 or not installed.exists():
            pytest.skip(
                "npm could not install Stripe's SDK for Node: "
                + (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            )
    return MODULES


def test_stripes_sdk_for_node_pays_declines_refunds_and_lists(sandbox: RunningSandbox, node_modules: Path) -> None:
    command = ["node", str(HERE / "node_smoke.mjs"), sandbox.url, str(node_modules)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "status": "succeeded",
        "last4": "4242",
        "declined": {
            "type": "StripeCardError",
            "code": "card_declined",
            "decline_code": "generic_decline",
            "status": 402,
        },
        "once": True,
        "listed": 6,
    }
