"""Stripe's SDK for Node, where Node is installed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.clients.installing import NODE_SDK, npm
from tests.sandbox.conftest import RunningSandbox

PROGRAM = Path(__file__).with_name("node_sdk.mjs")


def test_stripes_sdk_for_node_pays_declines_refunds_and_lists(sandbox: RunningSandbox) -> None:
    command = ["node", str(PROGRAM), sandbox.url, str(npm("node", NODE_SDK))]
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
