"""Early fraud warnings: the card's issuer suspects fraud before anybody disputes.

Source: Stripe's API reference, "Early fraud warnings": one that can still be acted on is `actionable`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from portal.sandbox.events import emit
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Reference
from portal.sandbox.resources.charges import CHARGE
from portal.sandbox.routes import get

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def _with_actionable(call: Call, row: Row) -> Row:
    charge = call.session.find(CHARGE, row["charge"])
    return {**row, "actionable": charge is not None and not charge["refunded"] and not charge["disputed"]}


WARNING = Kind(
    object="radar.early_fraud_warning",
    table="early_fraud_warnings",
    prefix="issfr",
    url="/v1/radar/early_fraud_warnings",
    columns=("charge", "payment_intent"),
    expandable={"charge": "charge", "payment_intent": "payment_intent"},
    view=_with_actionable,
)
LIST = list_parameters({"charge": Reference(), "payment_intent": Reference()})


def arrive(call: Call, body: dict[str, Any]) -> None:
    charge = call.session.find(CHARGE, body["charge"])
    if charge is None:
        return
    warning: Row = {
        "id": new_id("issfr"),
        "object": WARNING.object,
        "actionable": True,
        "charge": charge["id"],
        "created": call.now,
        "fraud_type": str(body.get("fraud_type", "unauthorized_use_of_card")),
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    call.session.insert(WARNING, warning)
    emit(call, "radar.early_fraud_warning.created", warning)


def retrieve(call: Call, warning_id: str) -> Row:
    return call.need(WARNING, warning_id, "early_fraud_warning", in_path=True)


def list_warnings(call: Call) -> Row:
    return list_of(call, WARNING, equal=("charge", "payment_intent"))


EFFECTS = {"early_fraud_warning.arrive": arrive}

ROUTES = (
    get("/v1/radar/early_fraud_warnings", list_warnings, LIST),
    get("/v1/radar/early_fraud_warnings/<warning_id>", retrieve),
)
