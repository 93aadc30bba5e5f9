"""Stripe's SDK for Python, in both of its manners: the one that waits, and the one that does not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import stripe

from tests.clients.installing import PYTHON_SDK, only_on_request, pip
from tests.sandbox.conftest import RunningSandbox

PROGRAM = Path(__file__).with_name("python_sdk.py")


def test_the_module_itself_is_a_client_too(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older programs set keys on the module and call methods of its classes."""
    monkeypatch.setattr(stripe, "api_key", "sk_test_module")
    monkeypatch.setattr(stripe, "api_base", sandbox.url)
    customer = stripe.Customer.create(email="module@example.com")
    stripe.Customer.modify(customer.id, name="Ada")
    assert stripe.Customer.retrieve(customer.id).name == "Ada"
    for _ in range(3):
        stripe.Customer.create(email="module@example.com")
    assert len(list(stripe.Customer.list(email="module@example.com", limit=2).auto_paging_iter())) == 4
    assert customer.delete().deleted


@pytest.mark.timeout(300)  # the first time brings packages
def test_stripes_sdk_for_python_does_many_things_at_once(sandbox: RunningSandbox) -> None:
    only_on_request()
    command = [str(pip("python-sdk", PYTHON_SDK)), str(PROGRAM), sandbox.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "statuses": ["succeeded"],
        "different": 8,
        "declined": ["card_declined", 402],
        "once": True,
        "listed": 9,
    }
