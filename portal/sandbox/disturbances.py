"""Webhooks that go wrong on purpose: lost, late, doubled, out of order; the next few or a share of all."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import asdict, dataclass, replace

from portal.sandbox.errors import invalid
from portal.sandbox.store import Session, Store

ACTIONS = ("drop", "delay", "double", "shuffle")
MOST_SECONDS = 7 * 24 * 3600.0

_FACT = "disturbances"


@dataclass(frozen=True)
class Disturbance:
    """What happens to some deliveries.

    `share` is the part of deliveries it happens to, from 0 to 1; with `remaining` it ends after that many. `seconds` is how late a
    delayed delivery is, and the longest that a shuffled one may be. The same `seed` chooses the same deliveries.
    """

    action: str
    share: float = 1.0
    remaining: int | None = None
    seconds: float = 5.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise invalid(f"Unknown action: {self.action}. Known are {', '.join(ACTIONS)}.", "action")
        if not 0 <= self.share <= 1:
            raise invalid("share must be between 0 and 1.", "share")
        if not 0 <= self.seconds <= MOST_SECONDS:
            raise invalid(f"seconds must be between 0 and {MOST_SECONDS:.0f}.", "seconds")


@dataclass(frozen=True)
class Plan:
    """One delivery to be made; `state` is `waiting` or `dropped`."""

    due: float
    state: str = "waiting"
    note: str | None = None


class Disturbances:
    """The disturbances in force, kept in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._active: list[tuple[Disturbance, random.Random]] = []
        self.reload()

    def reload(self) -> None:
        with self._store.reading() as session:
            kept = session.fact(_FACT)
        with self._lock:
            self._active = [_with_chance(Disturbance(**given)) for given in json.loads(kept or "[]")]

    def add(self, disturbance: Disturbance) -> None:
        with self._store.transaction() as session:
            with self._lock:
                self._active.append(_with_chance(disturbance))
            self._keep(session)

    def clear(self) -> None:
        with self._store.transaction() as session:
            with self._lock:
                self._active = []
            self._keep(session)

    def active(self) -> list[dict[str, object]]:
        with self._lock:
            return [asdict(disturbance) for disturbance, _ in self._active]

    def plan(self, session: Session, now: float) -> list[Plan]:
        """How one delivery is to be made: once and at once, unless something is to go wrong."""
        if not self._active:
            return [Plan(now)]
        plans = [Plan(now)]
        with self._lock:
            still: list[tuple[Disturbance, random.Random]] = []
            for disturbance, chance in self._active:
                hit = chance.random() < disturbance.share
                if hit:
                    plans = [changed for plan in plans for changed in _disturbed(plan, disturbance, chance)]
                remaining = disturbance.remaining
                left = remaining - 1 if hit and remaining is not None else remaining
                if left != 0:
                    still.append((replace(disturbance, remaining=left), chance))
            self._active = still
        self._keep(session)
        return plans

    def _keep(self, session: Session) -> None:
        session.keep_fact(_FACT, json.dumps(self.active()))


def _with_chance(disturbance: Disturbance) -> tuple[Disturbance, random.Random]:
    return disturbance, random.Random(disturbance.seed)  # noqa: S311 - chance for tests, not a secret


def _disturbed(plan: Plan, disturbance: Disturbance, chance: random.Random) -> list[Plan]:
    match disturbance.action:
        case "drop":
            return [replace(plan, state="dropped", note="lost on purpose")]
        case "double":
            return [plan, replace(plan, note="sent twice on purpose")]
        case "delay":
            return [replace(plan, due=plan.due + disturbance.seconds, note="late on purpose")]
    return [replace(plan, due=plan.due + chance.random() * disturbance.seconds, note="out of order on purpose")]
