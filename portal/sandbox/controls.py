"""The controls: what may be done to the sandbox from outside Stripe's API, each with its fields, for the page and for programs alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portal.sandbox import object_controls, slowness
from portal.sandbox.calls import Call
from portal.sandbox.disturbances import ACTIONS, Disturbance
from portal.sandbox.errors import StripeError, invalid
from portal.sandbox.events import ENDPOINT
from portal.sandbox.faults import FAULTS, Fault, Faults
from portal.sandbox.ids import new_webhook_secret
from portal.sandbox.resources import customers
from portal.sandbox.resources.webhook_endpoints import ensure
from portal.sandbox.settings import DAY_SECONDS, HOUR_SECONDS
from portal.sandbox.world import Sandbox

Given = Mapping[str, Any]
Act = Callable[[Sandbox, Faults, Given], dict[str, Any]]

MOST_TIMES = 10_000


@dataclass(frozen=True)
class Field:
    name: str
    label: str
    value: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Control:
    """One control; `page` is where its form leads back to."""

    title: str
    text: str
    act: Act
    fields: tuple[Field, ...] = ()
    page: str = "controls"


def _number(given: Given, name: str, default: float | None = None) -> float:
    value = given.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError) as problem:
        raise invalid(f"{name} must be a number.", name) from problem


def _times(given: Given) -> int:
    times = int(_number(given, "times", 1))
    if not 1 <= times <= MOST_TIMES:
        raise invalid(f"times must be between 1 and {MOST_TIMES}.", "times")
    return times


def _text(given: Given, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{name} is missing.", name)
    return value


def _move_clock(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults
    sandbox.clock.move(_number(given, "seconds"))
    done = sandbox.run_due_effects()
    return {"clock": sandbox.clock.now(), "offset_seconds": sandbox.clock.offset_seconds, "effects": done}


def _finish(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults, given
    with sandbox.store.transaction() as session:
        session.run("UPDATE effects SET due = 0 WHERE due <= ?", (sandbox.clock.now() + HOUR_SECONDS,))
    return {"effects": sandbox.run_due_effects()}


def _fail_calls(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del sandbox
    fault = Fault(
        fault=str(given.get("fault", "")),
        method=str(given.get("method", "*")).upper(),
        path=str(given.get("path", "*")),
        seconds=_number(given, "seconds", 1.0),
    )
    faults.add(fault, _times(given))
    return {"fault": fault.fault, "path": fault.path, "times": _times(given)}


def _clear_faults(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del sandbox, given
    faults.clear()
    return {}


def _disturb(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults
    disturbance = Disturbance(
        action=str(given.get("action", "")),
        share=_number(given, "share", 1.0),
        remaining=_times(given) if "times" in given else None,
        seconds=_number(given, "seconds", 5.0),
        seed=int(_number(given, "seed")) if "seed" in given else None,
    )
    sandbox.disturbances.add(disturbance)
    return {"disturbances": sandbox.disturbances.active()}


def _calm(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults, given
    sandbox.disturbances.clear()
    return {}


def _slow_down(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults
    with sandbox.store.transaction() as session:
        slowness.slow_down(session, _times(given), _number(given, "seconds", 5.0))
    return {}


def _seed(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
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


def _on_objects(act: Callable[[Sandbox, Given], dict[str, Any]]) -> Act:
    return lambda sandbox, faults, given: act(sandbox, given)  # noqa: ARG005 - faults are for controls of calls


def _reset(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del given
    sandbox.reset()
    faults.reload()
    return {}


def _endpoint(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    del faults
    with sandbox.store.transaction() as session:
        endpoint = ensure(session, _text(given, "url"), _text(given, "secret"), int(sandbox.clock.now()))
    return {"id": endpoint["id"], "url": endpoint["url"]}


def _roll_secret(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
    """A new secret; the old one goes on signing beside it for as long as asked. Source: Stripe, "Roll endpoint secrets"."""
    del faults
    hours = _number(given, "hours", 24)
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


def _resend(sandbox: Sandbox, faults: Faults, given: Given) -> dict[str, Any]:
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


CONTROLS: dict[str, Control] = {
    "clock": Control(
        "Move the clock",
        "Sandbox time goes on from where it is put. What becomes due happens at once.",
        _move_clock,
        (Field("seconds", "Seconds to move by", str(DAY_SECONDS)),),
    ),
    "finish": Control(
        "Finish what is under way",
        "Balance transactions, outcomes of refunds and disputes that would come within the hour come now.",
        _finish,
    ),
    "faults": Control(
        "Fail the next calls",
        "The next calls to the API that match fail as networks and servers do.",
        _fail_calls,
        (
            Field("fault", "Fault", options=FAULTS),
            Field("method", "Method", "*"),
            Field("path", "Path, with * for any part", "/v1/*"),
            Field("times", "How many calls", "1"),
            Field("seconds", "Seconds (for hanging and delay)", "1"),
        ),
    ),
    "faults/clear": Control("Stop failing", "Calls succeed again.", _clear_faults),
    "webhooks": Control(
        "Disturb webhooks",
        "Lose, delay, double or shuffle the next deliveries, or a share of all that follow.",
        _disturb,
        (
            Field("action", "What happens", options=ACTIONS),
            Field("share", "Share of deliveries, 0 to 1", "1"),
            Field("times", "How many (empty: until stopped)", ""),
            Field("seconds", "Seconds late", "5"),
        ),
    ),
    "webhooks/clear": Control("Stop disturbing", "Webhooks arrive once, at once and in order again.", _calm),
    "payments/slow": Control(
        "Slow payments down",
        "The next confirmations stay in processing for a while before the bank answers.",
        _slow_down,
        (Field("times", "How many", "1"), Field("seconds", "Seconds", "5")),
    ),
    "disputes": Control(
        "Dispute a charge",
        "The holder asks the bank for the money back.",
        _on_objects(object_controls.open_dispute),
        (
            Field("charge", "Charge (ch_…)"),
            Field("reason", "Reason", options=("fraudulent", "product_not_received", "duplicate", "general")),
            Field("inquiry", "Only an inquiry", options=("no", "yes")),
        ),
    ),
    "disputes/decide": Control(
        "Decide a dispute",
        "The bank's verdict.",
        _on_objects(object_controls.decide_dispute),
        (
            Field("dispute", "Dispute (du_…)"),
            Field("verdict", "Verdict", options=("won", "lost", "warning_closed", "needs_response")),
        ),
    ),
    "early_fraud_warnings": Control(
        "Warn of fraud",
        "The card's issuer suspects a charge.",
        _on_objects(object_controls.warn_of_fraud),
        (Field("charge", "Charge (ch_…)"),),
    ),
    "refunds/fail": Control(
        "Let a refund fail",
        "The bank sends the money back, also after the refund succeeded.",
        _on_objects(object_controls.fail_refund),
        (Field("refund", "Refund (re_…)"),),
    ),
    "payouts": Control(
        "Pay out",
        "What the payout schedule does each day: all available money goes to the bank.",
        _on_objects(object_controls.pay_out),
    ),
    "payouts/fail": Control(
        "Let a payout fail",
        "The bank returns the money.",
        _on_objects(object_controls.fail_payout),
        (Field("payout", "Payout (po_…)"),),
    ),
    "cards/renew": Control(
        "Renew a card",
        "The bank sends a new card with a later expiry.",
        _on_objects(object_controls.renew_card),
        (Field("payment_method", "Payment method (pm_…)"),),
    ),
    "cards/behave": Control(
        "Change how a card behaves",
        "A saved card begins to behave like another of Stripe's test cards.",
        _on_objects(object_controls.change_behaviour),
        (Field("payment_method", "Payment method (pm_…)"), Field("like", "Like the card", "4000 0000 0000 9995")),
    ),
    "seed": Control("Seed", "A customer with a saved card to begin with.", _seed),
    "endpoints": Control(
        "Tell an address of events",
        "An endpoint for every event, with a secret you choose.",
        _endpoint,
        (Field("url", "Address on this machine"), Field("secret", "Secret (whsec_…)")),
        page="deliveries",
    ),
    "endpoints/roll": Control(
        "Roll a webhook secret",
        "Deliveries are signed with the new secret and, for some hours, with the old one too.",
        _roll_secret,
        (Field("endpoint", "Endpoint (we_…)"), Field("hours", "Hours the old secret lives", "24")),
        page="deliveries",
    ),
    "resend": Control(
        "Send an event again",
        "To every endpoint that was told of it.",
        _resend,
        (Field("event", "Event (evt_…)"),),
        page="deliveries",
    ),
    "reset": Control(
        "Forget everything", "Objects, events, mails, keys and faults go; the clock returns to real time.", _reset
    ),
}
