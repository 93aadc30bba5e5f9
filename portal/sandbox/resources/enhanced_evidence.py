"""Visa's Compelling Evidence 3.0: what a dispute says about it, and what Stripe finds missing.

Source: Stripe, "Visa Compelling Evidence 3.0 disputes": the network's reason code is 10.4; the status is told once the object is filled,
and after a submission it is `qualified` or `not_qualified`. As in Stripe's test mode any two charges count as earlier ones, whatever
their card and day, and the elements that must match are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from portal.sandbox.errors import invalid
from portal.sandbox.kinds import Row
from portal.sandbox.params import Choice, Hash, ListOf, Reader, Reference, Text, unsupported
from portal.sandbox.resources.charges import CHARGE

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

TYPE = "visa_compelling_evidence_3"
REASON_CODE = "10.4"
PRIOR = 2

_MAIN = (("customer_purchase_ip",), ("customer_device_fingerprint", "customer_device_id"))
_SECONDARY = (("customer_email_address",), ("customer_account_id",), ("shipping_address",))
_ELEMENTS: Mapping[str, Reader] = {
    **{
        name: Text()
        for name in (
            "customer_account_id customer_device_fingerprint customer_device_id customer_email_address customer_purchase_ip"
        ).split()
    },
    "product_description": Text(20_000),
    "shipping_address": Hash(
        {name: Text() for name in ("city", "country", "line1", "line2", "postal_code", "state")}, clearable=True
    ),
}
PARAMETER = Hash(
    {
        TYPE: Hash(
            {
                "disputed_transaction": Hash(
                    {**_ELEMENTS, "merchandise_or_services": Choice(("merchandise", "services"), clearable=True)}
                ),
                "prior_undisputed_transactions": ListOf(
                    Hash({**_ELEMENTS, "charge": Reference()}, required=("charge",)), most=PRIOR
                ),
            }
        )
    },
    unsupported=unsupported("mastercard_compliance visa_compliance"),
    clearable=True,
)


def types_of(details: Row | None) -> list[str]:
    """What a dispute with these details of its method is eligible for."""
    card = (details or {}).get("card") or {}
    fits = (card.get("brand"), card.get("network_reason_code")) == ("visa", REASON_CODE)
    return [TYPE] if fits and card.get("case_type") != "inquiry" else []


def take(call: Call, dispute: Row, given: dict[str, Any] | None) -> None:
    """Keep what was given, whole as Stripe shows it; none takes away what was there. Raises for a charge that is not there."""
    found = (given or {}).get(TYPE)
    if found is None:
        dispute["evidence"]["enhanced_evidence"] = {}
        return
    if TYPE not in dispute["enhanced_eligibility_types"]:
        raise invalid("This dispute is not eligible for Visa Compelling Evidence 3.0.", "evidence[enhanced_evidence]")
    prior = found.get("prior_undisputed_transactions") or []
    for place, one in enumerate(prior):
        where = f"evidence[enhanced_evidence][{TYPE}][prior_undisputed_transactions][{place}][charge]"
        call.need(CHARGE, one["charge"], where)
    disputed = found.get("disputed_transaction") or {}
    dispute["evidence"]["enhanced_evidence"] = {
        TYPE: {
            "disputed_transaction": {
                **_whole(disputed),
                "merchandise_or_services": disputed.get("merchandise_or_services"),
            },
            "prior_undisputed_transactions": [{**_whole(one), "charge": one["charge"]} for one in prior],
        }
    }


def _whole(given: dict[str, Any]) -> dict[str, Any]:
    return {name: given.get(name) for name in _ELEMENTS}


def eligibility(dispute: Row, *, submitted: bool) -> dict[str, Any]:
    """What `evidence_details.enhanced_eligibility` says; empty while the object is not filled."""
    found = dispute["evidence"]["enhanced_evidence"].get(TYPE)
    if found is None:
        return {}
    missing = _missing(found["disputed_transaction"], found["prior_undisputed_transactions"])
    status = "qualified" if not missing else "not_qualified" if submitted else "requires_action"
    return {TYPE: {"required_actions": missing, "status": status}}


def _missing(disputed: dict[str, Any], prior: list[dict[str, Any]]) -> list[str]:
    everything = [disputed, *prior]
    main, secondary = (sum(_matches(one, everything) for one in elements) for elements in (_MAIN, _SECONDARY))
    lacks = {
        "missing_customer_identifiers": not (main > 1 or (main and secondary)),
        "missing_disputed_transaction_description": not disputed["product_description"],
        "missing_merchandise_or_services": not disputed["merchandise_or_services"],
        "missing_prior_undisputed_transaction_description": not all(one["product_description"] for one in prior),
        "missing_prior_undisputed_transactions": len(prior) < PRIOR,
    }
    return [action for action, is_missing in lacks.items() if is_missing]


def _matches(names: tuple[str, ...], transactions: list[dict[str, Any]]) -> bool:
    """Whether one of these names is the same in all of them."""
    return any(
        transactions[0][name] and all(one[name] == transactions[0][name] for one in transactions) for name in names
    )
