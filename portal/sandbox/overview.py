"""What the sandbox holds, for its pages and their JSON."""

from __future__ import annotations

from typing import Any

from portal.sandbox import money
from portal.sandbox.calls import Call
from portal.sandbox.events import ENDPOINT, EVENT
from portal.sandbox.faults import waiting
from portal.sandbox.kinds import Row, public
from portal.sandbox.resources.payment_intents import PAYMENT_INTENT
from portal.sandbox.world import Sandbox

MOST_SHOWN = 100


def state(sandbox: Sandbox) -> dict[str, Any]:
    """Counts of everything, the clock, and the faults still to come."""
    with sandbox.store.reading() as session:
        counts = {name: session.count(kind) for name, kind in sorted(sandbox.kinds.items())}
        by_state = dict(session.run("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
        effects = session.run("SELECT count(*) FROM effects").fetchone()[0]
        mails = session.run("SELECT count(*) FROM mails").fetchone()[0]
        faults = [
            {"fault": fault.fault, "method": fault.method, "path": fault.path, "remaining": remaining}
            for _, fault, remaining in waiting(session)
        ]
    return {
        "clock": sandbox.clock.now(),
        "clock_offset_seconds": sandbox.clock.offset_seconds,
        "objects": counts,
        "deliveries": by_state,
        "effects_to_come": effects,
        "faults": faults,
        "disturbances": sandbox.disturbances.active(),
        "mails": mails,
    }


def payments(sandbox: Sandbox) -> list[dict[str, Any]]:
    with sandbox.store.reading() as session:
        rows = session.page(PAYMENT_INTENT, limit=MOST_SHOWN).rows
    return [{**public(row), "shown_amount": money.shown(row["amount"], row["currency"])} for row in rows]


def deliveries(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The newest deliveries, each with the last answer it got."""
    with sandbox.store.reading() as session:
        found = session.run(
            "SELECT seq, event, endpoint, due, attempts, state, note FROM deliveries ORDER BY seq DESC LIMIT ?",
            (MOST_SHOWN,),
        ).fetchall()
        shown = []
        for seq, event_id, endpoint_id, due, attempts, delivery_state, note in found:
            event = session.find(EVENT, event_id)
            endpoint = session.find(ENDPOINT, endpoint_id)
            answers = session.run(
                "SELECT at, status, answer FROM delivery_answers WHERE delivery = ? ORDER BY seq", (seq,)
            ).fetchall()
            shown.append(
                {
                    "delivery": seq,
                    "event": event_id,
                    "type": event["type"] if event else None,
                    "object": event["data"]["object"].get("id") if event else None,
                    "url": endpoint["url"] if endpoint else None,
                    "due": due,
                    "attempts": attempts,
                    "state": delivery_state,
                    "note": note,
                    "answers": [{"at": at, "status": status, "answer": answer} for at, status, answer in answers],
                }
            )
    return shown


def endpoints(sandbox: Sandbox) -> list[Row]:
    with sandbox.store.reading() as session:
        return [public(row) for row in session.all(ENDPOINT)]


def any_object(sandbox: Sandbox, object_id: str) -> Row | None:
    with sandbox.store.reading() as session:
        call = Call(sandbox=sandbox, session=session, now=int(sandbox.clock.now()))
        row = call.find_any(object_id)
        return None if row is None else call.shown(row)
