"""The endpoint at Stripe: what the handlers know, what the documentation lists and what Stripe sends are the same."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from deploy.dev.processes import ROOT
from portal import gateway
from portal.stripe_events import endpoint
from portal.stripe_events.handlers import HANDLERS
from tests.certain import as_sent
from tests.live import SandboxServer

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def terminal(app: Flask, sandbox: SandboxServer) -> Flask:
    gateway.forget()
    return app


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["stripe", "webhook", *arguments])
    return result.exit_code, result.output


def test_the_documentation_lists_what_the_handlers_know() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    part = text[text.index("The events to subscribe to") :].partition("Any other is stored")[0]
    listed = set()
    for line in re.findall(r"^- .*", part, re.MULTILINE):
        family = ""
        for name in re.findall(r"`([a-z_.]+)`", line):
            family = family if name.startswith(".") else name.rpartition(".")[0]
            listed.add(family + name if name.startswith(".") else name)
    assert listed == HANDLERS.keys()


def test_the_endpoint_is_made_with_its_types_and_its_secret_is_told_once(
    terminal: Flask, sandbox: SandboxServer
) -> None:
    assert run(terminal, "--check")[0] == 1
    status, output = run(terminal)
    (made,) = (one for one in sandbox.client.v1.webhook_endpoints.list().data if one.url.endswith(endpoint.PATH))
    assert (set(made.enabled_events), made.status) == (set(HANDLERS), "enabled")
    assert made.api_version == gateway.current().api_version
    assert status == 0 and "whsec_" in output
    status, again = run(terminal)
    assert "Nothing differs." in again and "whsec_" not in again
    assert run(terminal, "--check")[0] == 0


def test_what_differs_is_told_and_put_right(terminal: Flask, sandbox: SandboxServer) -> None:
    run(terminal)
    (made,) = (one for one in sandbox.client.v1.webhook_endpoints.list().data if one.url.endswith(endpoint.PATH))
    types = [*sorted(HANDLERS.keys() - {"refund.failed", "charge.refunded"}), "payout.paid"]
    sandbox.client.v1.webhook_endpoints.update(made.id, as_sent({"enabled_events": types, "disabled": True}))
    status, output = run(terminal, "--check")
    assert status == 1
    for told in ("missing: charge.refunded", "missing: refund.failed", "not used: payout.paid", "It is disabled."):
        assert told in output
    assert f"Updated: {made.id}" in run(terminal)[1]
    now = sandbox.client.v1.webhook_endpoints.retrieve(made.id)
    assert (set(now.enabled_events), now.status) == (set(HANDLERS), "enabled")


def test_one_of_another_version_stays_until_its_successor_is_known(terminal: Flask, sandbox: SandboxServer) -> None:
    url = endpoint.standing().url
    old = sandbox.client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]}).id
    status, output = run(terminal)
    assert status == 0 and "whsec_" in output and f"another one of this address: {old}" in output
    assert run(terminal, "--check")[0] == 1
    assert f"Removed: {old}" in run(terminal, "--remove-others")[1]
    assert run(terminal, "--check")[0] == 0
