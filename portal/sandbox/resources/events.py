"""Events, to read. They are written by `portal.sandbox.events`.

Source: Stripe's API reference, "Events"; they can be read for 30 days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import invalid
from portal.sandbox.events import EVENT, failed
from portal.sandbox.kinds import Row
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Boolean, ListOf, Text
from portal.sandbox.routes import get

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

MOST_TYPES = 20

LIST = list_parameters(
    {
        "delivery_success": Boolean(),
        "type": Text(clearable=False),
        "types": ListOf(Text(clearable=False), most=MOST_TYPES),
    }
)


def retrieve(call: Call, event_id: str) -> Row:
    return call.need(EVENT, event_id, "id", in_path=True)


def list_events(call: Call) -> Row:
    """Filters: one type (which may end in `.*`), some types, or whether every delivery succeeded (pending and failed ones did not)."""
    params = call.params
    if "type" in params and "types" in params:
        raise invalid("You cannot provide both type and types.", "types")
    among: dict[str, list[str]] | None = None
    if "types" in params:
        among = {"type": params["types"]}
    elif params.get("type", "").endswith("*"):
        found = call.session.run("SELECT DISTINCT type FROM events WHERE type GLOB ?", (params["type"],)).fetchall()
        among = {"type": [name for (name,) in found]}
    elif "type" in params:
        among = {"type": [params["type"]]}
    without = None
    if params.get("delivery_success") is True:
        without = {"id": failed(call.session)}
    elif params.get("delivery_success") is False:
        among = {**(among or {}), "id": failed(call.session)}
    return list_of(call, EVENT, among=among, without=without)


ROUTES = (
    get("/v1/events", list_events, LIST),
    get("/v1/events/<event_id>", retrieve),
)
