"""`Sandbox`: the parts that every call shares, and the queue of things that happen later."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from portal.sandbox.calls import Call
from portal.sandbox.clock import SandboxClock
from portal.sandbox.disturbances import Disturbances
from portal.sandbox.events import ENDPOINT
from portal.sandbox.kinds import Kind
from portal.sandbox.settings import SandboxSettings
from portal.sandbox.store import Store

log = logging.getLogger(__name__)

Effect = Callable[[Call, dict[str, Any]], None]
Beginning = Callable[[Call], None]
"""Makes what an account has from the start; where it is there already nothing changes."""

EFFECTS_AT_ONCE = 100


class Sandbox:
    """One sandbox: its store, clock and settings, the kinds of objects it knows, and what may happen later."""

    def __init__(
        self,
        db_path: str | Path,
        settings: SandboxSettings,
        kinds: Iterable[Kind],
        effects: Mapping[str, Effect],
        beginnings: Iterable[Beginning] = (),
    ) -> None:
        self._started_with = settings
        self.kinds: dict[str, Kind] = {kind.object: kind for kind in kinds}
        self.kinds_by_prefix = {
            prefix: kind for kind in self.kinds.values() for prefix in (kind.prefix, *kind.other_prefixes)
        }
        self.store = Store(db_path, self.kinds.values())
        self.clock = SandboxClock(self.store, settings.clock_offset_seconds)
        self.disturbances = Disturbances(self.store)
        self.work_waiting = threading.Condition()
        self._effects = dict(effects)
        self._beginnings = tuple(beginnings)
        self._begin()

    def _begin(self) -> None:
        self.settings = self._kept_settings()
        self.card_salt = self._kept_secret("card_salt")
        with self.store.transaction() as session:
            call = Call(sandbox=self, session=session, now=int(self.clock.now()))
            for begin in self._beginnings:
                begin(call)

    def _kept_settings(self) -> SandboxSettings:
        """What the sandbox was started with, and what was changed of the account since."""
        with self.store.reading() as session:
            kept = session.fact("account_settings")
        return replace(self._started_with, **json.loads(kept)) if kept else self._started_with

    def change_account(self, changes: Mapping[str, Any]) -> None:
        """Change settings of the account from now on, as `account_settings.read` gives them; a reset takes them back."""
        with self.store.transaction() as session:
            kept = json.loads(session.fact("account_settings") or "{}")
            session.keep_fact("account_settings", json.dumps({**kept, **changes}))
        self._begin()

    def _kept_secret(self, name: str) -> str:
        """A random value that stays the same for the life of the file."""
        with self.store.transaction() as session:
            kept = session.fact(name)
            if kept is None:
                kept = secrets.token_hex(16)
                session.keep_fact(name, kept)
        return kept

    def wake(self) -> None:
        """Tell the background threads that there is something to do."""
        with self.work_waiting:
            self.work_waiting.notify_all()

    def run_due_effects(self) -> int:
        """Carry out what is due by the sandbox's clock, each in its own transaction; returns how many were."""
        done = 0
        while done < EFFECTS_AT_ONCE and self._run_one_effect():
            done += 1
        return done

    def _run_one_effect(self) -> bool:
        now = self.clock.now()
        with self.store.transaction() as session:
            found = session.run(
                "SELECT seq, name, body FROM effects WHERE due <= ? ORDER BY due, seq LIMIT 1", (now,)
            ).fetchone()
            if found is None:
                return False
            seq, name, body = found
            session.run("DELETE FROM effects WHERE seq = ?", (seq,))
            call = Call(sandbox=self, session=session, now=int(now))
            session.run("SAVEPOINT effect")
            try:
                self._effects[name](call, json.loads(body))
            except Exception:
                # One that cannot be carried out must not hold up all that come after it.
                log.exception("the sandbox could not carry out %s %s", name, body)
                session.run("ROLLBACK TO effect")
            session.run("RELEASE effect")
        if call.queued:
            self.wake()
        return True

    def seconds_to_next_effect(self) -> float | None:
        with self.store.reading() as session:
            due = session.run("SELECT min(due) FROM effects").fetchone()[0]
        return None if due is None else max(0.0, float(due) - self.clock.now())

    def reset(self) -> None:
        """Forget everything: objects, events, deliveries, keys, mails, faults. The clock returns to real time.

        What was asked for when the sandbox was started stays: the endpoint that is told of every event.
        """
        with self.store.reading() as session:
            started_with = [endpoint for endpoint in session.all(ENDPOINT) if endpoint.get("_from_start")]
        self.store.clear()
        with self.store.transaction() as session:
            for endpoint in started_with:
                session.insert(ENDPOINT, endpoint)
        self.clock.set_offset(0.0)
        self.disturbances.reload()
        self._begin()
