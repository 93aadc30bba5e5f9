"""Payment method domains: the domains of an account on which Elements show wallets.

Source: Stripe's API reference, "Payment Method Domains", and "Register domains for payment methods". The sandbox visits no domain: Apple
Pay is active on every one but those that no browser reaches from outside, on which it is inactive, with a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import invalid
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import Boolean, Parameters, Text
from portal.sandbox.routes import get, post

if TYPE_CHECKING:
    from portal.sandbox.calls import Call

DOMAIN = Kind(
    object="payment_method_domain",
    table="payment_method_domains",
    prefix="pmd",
    url="/v1/payment_method_domains",
    columns=("domain_name", "enabled"),
)

METHODS = ("amazon_pay", "apple_pay", "google_pay", "klarna", "link", "paypal")
CREATE = Parameters({"domain_name": Text(clearable=False), "enabled": Boolean()}, required=("domain_name",))
UPDATE = Parameters({"enabled": Boolean()})
LIST = list_parameters({"domain_name": Text(clearable=False), "enabled": Boolean()}, created=False)
NOTHING = Parameters({})
_UNREACHABLE = ("localhost", "127.0.0.1", ".test", ".example", ".invalid")


def create(call: Call) -> Row:
    """Register a domain; one that is registered already is returned as it is."""
    name = call.params["domain_name"].lower()
    if "/" in name or ":" in name or not name.strip():
        raise invalid(f"Invalid domain name: {name}", "domain_name")
    known = call.session.all(DOMAIN, domain_name=name)
    if known:
        return known[0]
    domain: Row = {
        "id": new_id("pmd"),
        "object": "payment_method_domain",
        "created": call.now,
        "domain_name": name,
        "enabled": call.params.get("enabled", True),
        "livemode": False,
        **{method: {"status": "active"} for method in METHODS},
    }
    _verify(domain)
    call.session.insert(DOMAIN, domain)
    return domain


def _verify(domain: Row) -> None:
    is_reached = not domain["domain_name"].endswith(_UNREACHABLE)
    domain["apple_pay"] = (
        {"status": "active"}
        if is_reached
        else {
            "status": "inactive",
            "status_details": {"error_message": f"Could not reach https://{domain['domain_name']} to verify it."},
        }
    )


def retrieve(call: Call, domain_id: str) -> Row:
    return call.need(DOMAIN, domain_id, "payment_method_domain", in_path=True)


def update(call: Call, domain_id: str) -> Row:
    domain = retrieve(call, domain_id)
    if "enabled" in call.params:
        domain["enabled"] = call.params["enabled"]
    call.session.save(DOMAIN, domain)
    return domain


def validate(call: Call, domain_id: str) -> Row:
    domain = retrieve(call, domain_id)
    _verify(domain)
    call.session.save(DOMAIN, domain)
    return domain


def list_domains(call: Call) -> Row:
    return list_of(call, DOMAIN, equal=("domain_name", "enabled"), ranges=())


ROUTES = (
    post("/v1/payment_method_domains", create, CREATE),
    get("/v1/payment_method_domains", list_domains, LIST),
    get("/v1/payment_method_domains/<domain_id>", retrieve),
    post("/v1/payment_method_domains/<domain_id>", update, UPDATE),
    post("/v1/payment_method_domains/<domain_id>/validate", validate, NOTHING),
)
