"""`Call`: one request (or one thing that happens later) at work inside its transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from portal.sandbox.errors import no_such
from portal.sandbox.kinds import Kind, Row, public
from portal.sandbox.store import Session

if TYPE_CHECKING:
    from portal.sandbox.clock import SandboxClock
    from portal.sandbox.disturbances import Disturbances
    from portal.sandbox.settings import SandboxSettings


class Surroundings(Protocol):
    """What a call needs of the sandbox around it, which makes the calls and so comes after them."""

    @property
    def settings(self) -> SandboxSettings: ...
    @property
    def kinds(self) -> dict[str, Kind]: ...
    @property
    def kinds_by_prefix(self) -> dict[str, Kind]: ...
    @property
    def clock(self) -> SandboxClock: ...
    @property
    def disturbances(self) -> Disturbances: ...
    @property
    def card_salt(self) -> str: ...


@dataclass
class Call:
    """What a handler works with. `now` is the sandbox's time in whole Unix seconds, the same for everything in the call."""

    sandbox: Surroundings
    session: Session
    now: int
    params: dict[str, Any] = field(default_factory=dict)
    publishable: bool = False
    request_id: str | None = None
    idempotency_key: str | None = None
    base_url: str = ""
    """The sandbox's own address as the caller sees it, without a slash at its end."""
    queued: bool = False
    """Whether this call left work for the background threads."""
    endpoints: list[Row] | None = None
    """The webhook endpoints, once an event has asked for them."""

    @property
    def settings(self) -> SandboxSettings:
        return self.sandbox.settings

    @property
    def kinds(self) -> dict[str, Kind]:
        return self.sandbox.kinds

    def need(self, kind: Kind, row_id: str, param: str = "id", *, in_path: bool = False) -> Row:
        """The object with this id; raises `resource_missing` when there is none or it was deleted."""
        row = self.session.find(kind, row_id)
        if row is None or row.get("deleted"):
            raise no_such(kind, row_id, param, in_path=in_path)
        return row

    def find_any(self, row_id: str) -> Row | None:
        """An object of any kind, known by the prefix of its id."""
        kind = self.sandbox.kinds_by_prefix.get(row_id.split("_", maxsplit=1)[0])
        return None if kind is None else self.session.find(kind, row_id)

    def shown(self, row: Row) -> Row:
        """An object as a response shows it, before expansion."""
        kind = self.kinds.get(str(row.get("object")))
        if kind is not None and kind.view is not None and not row.get("deleted"):
            row = kind.view(self, row)
        return public(row)

    def later(self, effect: str, delay_seconds: float, **body: Any) -> None:
        """Have something happen after a delay on the sandbox's clock."""
        self.session.run(
            "INSERT INTO effects (due, name, body) VALUES (?, ?, ?)",
            (self.sandbox.clock.now() + delay_seconds, effect, json.dumps(body)),
        )
        self.queued = True
