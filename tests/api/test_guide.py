"""docs/api.md does what it says: its examples run in order, in a shell and in Python, against the whole running portal."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pyotp
import pytest
import time_machine
from sqlalchemy import select

from deploy.dev.processes import ROOT
from portal.core import clock, db
from portal.core.config import Settings
from portal.identity import api_clients, second_factor
from portal.payments.models import Payment
from portal.webhook_endpoints import signing
from portal.webhook_endpoints.models import WebhookEndpoint
from tests import factories
from tests.live import LivePortal, SandboxServer

GUIDE = ROOT / "docs" / "api.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTS = re.compile(r"# prints (.+)$", re.MULTILINE)
ANYTHING = "…"
# Printed between two examples, so that each is known by its own output.
MARK = "--- the next example ---"
COMMANDS = {"sh": ["sh", "-eu"], "python": [sys.executable, "-"]}
NEXT = {"sh": f"\necho\necho '{MARK}'\n", "python": f"\nprint({MARK!r}, flush=True)\n"}
SHELL_TOOLS = ("sh", "curl", "python3")


@dataclass
class Example:
    """A piece of code, what its comments say it prints, and the parts of a JSON answer that the text shows for it."""

    code: str
    lines: list[str]
    answers: list[Any] = field(default_factory=list)


def examples(language: str) -> list[Example]:
    found: list[Example] = []
    for written, code in BLOCK.findall(GUIDE.read_text()):
        if written == language:
            found.append(Example(code, PRINTS.findall(code)))
        elif written == "json":
            found[-1].answers.append(json.loads(code))
    return found


def fits(shown: Any, printed: Any) -> bool:
    """Whether the text shows a part of what was printed; "…" stands for anything, also within a text."""
    if isinstance(shown, dict):
        return isinstance(printed, dict) and all(
            name in printed and fits(value, printed[name]) for name, value in shown.items()
        )
    if isinstance(shown, list):
        return isinstance(printed, list) and len(shown) == len(printed) and all(map(fits, shown, printed))
    if isinstance(shown, str) and ANYTHING in shown:
        parts = ".+".join(map(re.escape, shown.split(ANYTHING)))
        return isinstance(printed, str) and re.fullmatch(parts, printed, re.DOTALL) is not None
    return bool(shown == printed)


# Longer than an answer takes on its way to the app, also on a busy machine: nobody confirms what they have not been asked yet.
TOLD_AFTER = timedelta(seconds=4)


def _was_told(intent_id: str) -> bool:
    """Whether the app has certainly been answered that the bank asks."""
    with db.reading() as session:
        payment = session.scalar(select(Payment).where(Payment.stripe_intent_id == intent_id))
        return (
            payment is not None
            and payment.status == "requires_action"
            and payment.updated_at < clock.now() - TOLD_AFTER
        )


@contextmanager
def a_customer_who_answers_the_bank(sandbox: SandboxServer) -> Iterator[None]:
    """Someone at a phone, while the examples run: what a bank asks is answered with yes."""
    gone = threading.Event()

    def answer() -> None:
        while not gone.wait(0.3):
            for intent in sandbox.client.v1.payment_intents.list({"limit": 10}).data:
                if intent.status == "requires_action" and _was_told(intent.id):
                    assert intent.next_action is not None and intent.next_action.use_stripe_sdk is not None
                    urlopen(Request(str(intent.next_action.use_stripe_sdk["stripe_js"]), b"outcome=complete")).close()  # noqa: S310

    phone = threading.Thread(target=answer)
    phone.start()
    try:
        yield
    finally:
        gone.set()
        phone.join()


@pytest.fixture
def variables(settings: Settings, live_portal: LivePortal) -> dict[str, str]:
    """What the guide has its reader put into the environment."""
    with db.transaction() as session:
        customer = factories.customer(session)
        owner = factories.user(session, customer)
        factories.invoice(session, customer)
        staff = factories.staff(session, "approver")
        admin = factories.staff(session, "admin")
    client, secret = api_clients.create(
        "Books",
        ["customers:read", "customers:write", "invoices:read", "invoices:write", "portal_sessions:write"],
        admin.id,
    )
    cards = {
        "PAYMENT_METHOD": "visa",
        "PAYMENT_METHOD_NEW": "amex",
        "PAYMENT_METHOD_SAVED": "mastercard",
        "PAYMENT_METHOD_3DS": "authenticationRequired",
    }
    methods = live_portal.sandbox.client.v1.payment_methods
    return {
        "PORTAL": live_portal.url,
        "EMAIL": owner.email,
        "PASSWORD": factories.PASSWORD,
        "CODE": _code(owner.id),
        "STAFF_EMAIL": staff.email,
        "STAFF_PASSWORD": factories.PASSWORD,
        "CLIENT_ID": client.id,
        "CLIENT_SECRET": secret,
        "CUSTOMER": customer.id,
    } | {name: methods.create({"type": "card", "card": {"token": f"tok_{card}"}}).id for name, card in cards.items()}


def _code(user_id: str) -> str:
    """What the authenticator app shows of a second factor that was set up a minute ago, and has not been used since."""
    second_factor.begin(user_id)
    begun = second_factor.setting_up(user_id)
    assert begun is not None
    app = pyotp.TOTP(begun.typed.replace(" ", ""))
    with time_machine.travel(clock.now() - timedelta(minutes=1)):
        second_factor.confirm(user_id, factories.PASSWORD, app.at(clock.now()), ip="127.0.0.1")
    return app.at(clock.now())


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "language",
    [
        pytest.param(
            "sh", marks=pytest.mark.skipif(not all(map(shutil.which, SHELL_TOOLS)), reason="curl is not installed")
        ),
        "python",
    ],
)
def test_the_guide_does_what_it_says(
    variables: dict[str, str], live_portal: LivePortal, tmp_path: Path, language: str
) -> None:
    written = examples(language)
    with a_customer_who_answers_the_bank(live_portal.sandbox):
        done = subprocess.run(
            COMMANDS[language],
            input=NEXT[language].join(example.code for example in written),
            env={"PATH": os.environ["PATH"], **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    outputs = done.stdout.split(MARK)
    assert done.returncode == 0, f"{written[len(outputs) - 1].code}\n{outputs[-1]}\n{done.stderr}"
    assert len(outputs) == len(written)
    for example, output in zip(written, outputs, strict=True):
        for line in example.lines:
            assert line in output, f"{example.code}\nprints\n{output}"
        for answer in example.answers:
            assert fits(answer, json.loads(output)), f"{example.code}\nprints\n{output}\nand not\n{answer}"


def test_both_languages_show_the_same_tasks() -> None:
    order = [language for language, _code in BLOCK.findall(GUIDE.read_text()) if language in COMMANDS]
    assert order == ["sh", "python"] * (len(order) // 2)


def test_what_the_guide_verifies_with_takes_our_signatures_and_no_others(settings: Settings) -> None:
    code = next(code for language, code in BLOCK.findall(GUIDE.read_text()) if "def verified" in code)
    known: dict[str, Any] = {"json": json}
    exec(code.partition("\nwanted =")[0], known)  # noqa: S102  # our own guide
    endpoint = WebhookEndpoint(id="wep_1", secret_number=1, old_secret_until=None)
    now, body = clock.now(), b'{"type":"invoice.paid"}'
    at = int(now.timestamp())
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(at),
        "webhook-signature": signing.signature(endpoint, "evt_1", at, body, now),
    }
    verified, secret = known["verified"], signing.secret(endpoint)
    assert verified(secret, headers, body, at) == {"type": "invoice.paid"}
    for altered in ((secret, headers, body + b" ", at), (secret, headers, body, at + 301)):
        with pytest.raises(ValueError, match=r"not from the portal|too old"):
            verified(*altered)
