"""Controls of the sandbox itself: its clock, its faults, its webhooks, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.sandbox import account_settings, slowness
from portal.sandbox.calls import Call
from portal.sandbox.disturbances import Disturbance
from portal.sandbox.errors import StripeError, invalid
from portal.sandbox.events import ENDPOINT
from portal.sandbox.faults import Fault, Faults
from portal.sandbox.ids import new_webhook_secret
from portal.sandbox.resources import customers
from portal.sandbox.resources.webhook_endpoints import ensure
from portal.sandbox.settings import HOUR_SECONDS
from portal.sandbox.world import Sandbox

Given = Mapping[str, Any]

MOST_TIMES = 10_000


def number(given: Given, name: str, default: float | None = None) -> float:
    value = given.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError) as problem:
        raise invalid(f"{name} must be a number.", name) from problem


def _times(given: Given) -> int:
    times = int(number(given, "times", 1))
    if not 1 <= times <= MOST_TIMES:
        raise invalid(f"times must be between 1 and {MOST_TIMES}.", "times")
    return times


def _text(given: Given, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{name} is missing.", name)
    return value


def move_clock(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults
    sandbox.clock.move(number(given, "seconds"))
    done = sandbox.run_due_effects()
    return {"clock": sandbox.clock.now(), "offset_seconds": sandbox.clock.offset_seconds, "effects": done}


def finish(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults, given
    with sandbox.store.transaction() as session:
        session.run("UPDATE effects SET due = 0 WHERE due <= ?", (sandbox.clock.now() + HOUR_SECONDS,))
    return {"effects": sandbox.run_due_effects()}


def fail_calls(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del sandbox
    fault = Fault(
        fault=str(given.get("fault", "")),
        method=str(given.get("method", "*")).upper(),
        path=str(given.get("path", "*")),
        seconds=number(given, "seconds", 1.0),
    )
    faults.add(fault, _times(given))
    return {"fault": fault.fault, "path": fault.path, "times": _times(given)}


def clear_faults(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del sandbox, given
    faults.clear()
    return {}


def disturb(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults
    disturbance = Disturbance(
        action=str(given.get("action", "")),
        share=number(given, "share", 1.0),
        remaining=_times(given) if "times" in given else None,
        seconds=number(given, "seconds", 5.0),
        seed=int(number(given, "seed")) if "seed" in given else None,
    )
    sandbox.disturbances.add(disturbance)
    return {"disturbances": sandbox.disturbances.active()}


def calm(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults, given
    sandbox.disturbances.clear()
    return {}


def slow_down(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults
    with sandbox.store.transaction() as session:
        slowness.slow_down(session, _times(given), number(given, "seconds", 5.0))
    return {}


def set_account(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    """Change settings of the account; those that are not named stay as they are."""
    del faults
    changes = account_settings.read(given)
    sandbox.change_account(changes)
    return {name: getattr(sandbox.settings, name) for name in account_settings.READERS}


def seed(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    """Customers to begin with: `customers` is a list of hashes with `email`, `name` and perhaps `payment_method`."""
    del faults
    wanted = given.get(
        "customers", [{"email": "jenny.rosen@example.com", "name": "Jenny Rosen", "payment_method": "pm_card_visa"}]
    )
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise invalid("customers must be a list of objects.", "customers")
    made = []
    with sandbox.store.transaction() as session:
        for one in wanted:
            params = customers.CREATE.read(dict(one))
            made.append(
                customers.create(Call(sandbox=sandbox, session=session, now=int(sandbox.clock.now()), params=params))[
                    "id"
                ]
            )
    return {"customers": made}


def reset(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del given
    sandbox.reset()
    faults.reload()
    return {}


def endpoint(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults
    with sandbox.store.transaction() as session:
        endpoint = ensure(session, _text(given, "url"), _text(given, "secret"), int(sandbox.clock.now()))
    return {"id": endpoint["id"], "url": endpoint["url"]}


def roll_secret(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    """A new secret; the old one goes on signing beside it for as long as asked. Source: Stripe, "Roll endpoint secrets"."""
    del faults
    hours = number(given, "hours", 24)
    secret = str(given.get("secret") or new_webhook_secret())
    with sandbox.store.transaction() as session:
        endpoint = session.find(ENDPOINT, _text(given, "endpoint"))
        if endpoint is None:
            raise invalid("There is no such endpoint.", "endpoint")
        now = sandbox.clock.now()
        still = [old for old in endpoint["_old_secrets"] if old["expires"] > now]
        endpoint["_old_secrets"] = [{"secret": endpoint["_secret"], "expires": now + hours * 3600}, *still]
        endpoint["_secret"] = secret
        session.save(ENDPOINT, endpoint)
    return {"endpoint": endpoint["id"], "secret": secret}


def resend(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    """Send an event again to every endpoint it went to, or to the enabled ones when it went to none."""
    del faults
    event_id = _text(given, "event")
    with sandbox.store.transaction() as session:
        call = Call(sandbox=sandbox, session=session, now=int(sandbox.clock.now()))
        if call.find_any(event_id) is None:
            raise StripeError(f"No such event: '{event_id}'", status=404, code="resource_missing", param="event")
        told = [
            endpoint
            for (endpoint,) in session.run("SELECT DISTINCT endpoint FROM deliveries WHERE event = ?", (event_id,))
        ]
        for endpoint in told or [row["id"] for row in session.all(ENDPOINT) if row["status"] == "enabled"]:
            session.run(
                "INSERT INTO deliveries (event, endpoint, due, state) VALUES (?, ?, ?, 'waiting')",
                (event_id, endpoint, sandbox.clock.now()),
            )
    return {"event": event_id, "endpoints": len(told)}
