"""Customers.

Source: Stripe's API reference, "Customers". A deleted customer stays retrievable as `deleted: true`, and its cards are detached.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from portal.sandbox import search
from portal.sandbox.errors import StripeError, no_such
from portal.sandbox.events import emit
from portal.sandbox.ids import new_id
from portal.sandbox.kinds import Kind, Row, copied
from portal.sandbox.lists import list_of, list_parameters
from portal.sandbox.params import (
    ADDRESS,
    CUSTOMER_SHIPPING,
    Choice,
    Email,
    Hash,
    Integer,
    ListOf,
    Metadata,
    Parameters,
    Reader,
    Reference,
    Text,
    merge_metadata,
    unsupported,
    whole_address,
    whole_shipping,
)
from portal.sandbox.resources.payment_methods import PAYMENT_METHOD, attach, detach_from_customer, find_or_make
from portal.sandbox.routes import delete, get, post
from portal.sandbox.wire import as_list

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def _none_of(name: str) -> Callable[[Call, Row], Row]:
    """An empty list: the sandbox has no sources, subscriptions and tax ids."""
    url = f"/v1/customers/{{}}/{name}"
    return lambda call, customer: as_list(url.format(customer["id"]), [], has_more=False) | {"total_count": 0}  # noqa: ARG005


def _tax(call: Call, customer: Row) -> Row:
    """Stripe Tax is not switched on. Source: Stripe's API reference, "The Customer object", tax."""
    del call
    country = (customer["address"] or {}).get("country")
    location = country and {"country": country, "source": "billing_address", "state": customer["address"]["state"]}
    return {
        "automatic_tax": "not_collecting" if country else "unrecognized_location",
        "ip_address": None,
        "location": location,
        "provider": "stripe",
    }


CUSTOMER = Kind(
    object="customer",
    table="customers",
    prefix="cus",
    url="/v1/customers",
    columns=("email",),
    expandable={
        "default_source": "source",
        "invoice_settings.default_payment_method": "payment_method",
        "test_clock": "test_helpers.test_clock",
    },
    included={
        "cash_balance": lambda call, customer: None,  # noqa: ARG005
        "invoice_credit_balance": lambda call, customer: {},  # noqa: ARG005
        "sources": _none_of("sources"),
        "subscriptions": _none_of("subscriptions"),
        "tax": _tax,
        "tax_ids": _none_of("tax_ids"),
    },
)

_FIELDS: dict[str, Reader] = {
    "address": ADDRESS,
    "balance": Integer(),
    "business_name": Text(150),
    "description": Text(),
    "email": Email(),
    "individual_name": Text(150),
    "invoice_prefix": Text(12),
    "invoice_settings": Hash(
        {"default_payment_method": Text(), "footer": Text()}, unsupported=unsupported("custom_fields rendering_options")
    ),
    "metadata": Metadata(),
    "name": Text(256),
    "next_invoice_sequence": Integer(1),
    "phone": Text(20),
    "preferred_locales": ListOf(Text(clearable=False), clearable=True),
    "shipping": CUSTOMER_SHIPPING,
    "tax_exempt": Choice(("exempt", "none", "reverse"), clearable=True),
}
CREATE = Parameters(
    {**_FIELDS, "payment_method": Reference()},
    unsupported=unsupported("cash_balance source tax tax_id_data test_clock validate"),
)
UPDATE = Parameters(_FIELDS, unsupported=unsupported("cash_balance default_source source tax validate"))
LIST = list_parameters({"email": Text(512, clearable=False)}, unsupported=unsupported("test_clock"))

_PLAIN = (
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
)


def create(call: Call) -> Row:
    customer: Row = {
        "id": new_id("cus").replace("_1", "_"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": call.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": None,
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    customer["invoice_prefix"] = customer["id"][-8:].upper()
    given_method = call.params.get("payment_method")
    default = (call.params.get("invoice_settings") or {}).get("default_payment_method")
    call.session.insert(CUSTOMER, customer)
    if given_method is not None:
        attached = _attach_given(call, given_method, customer["id"])
        if default == given_method:
            call.params["invoice_settings"]["default_payment_method"] = attached["id"]
    _apply(call, customer)
    call.session.save(CUSTOMER, customer)
    emit(call, "customer.created", customer)
    return customer


def _attach_given(call: Call, method_id: str, customer_id: str) -> Row:
    method = find_or_make(call, method_id, "payment_method")
    params, call.params = call.params, {"customer": customer_id}
    try:
        return attach(call, method["id"])
    finally:
        call.params = params


def _apply(call: Call, customer: Row) -> None:
    """Set what the parameters say, on a new customer or an old one."""
    params: dict[str, Any] = call.params
    customer |= {name: params[name] for name in _PLAIN if name in params}
    if "address" in params:
        customer["address"] = whole_address(params["address"])
    if "shipping" in params:
        customer["shipping"] = whole_shipping(params["shipping"])
    if "metadata" in params:
        customer["metadata"] = merge_metadata(customer["metadata"], params["metadata"])
    if "preferred_locales" in params:
        customer["preferred_locales"] = params["preferred_locales"] or []
    if "tax_exempt" in params:
        customer["tax_exempt"] = params["tax_exempt"] or "none"
    settings = params.get("invoice_settings") or {}
    if settings.get("default_payment_method") is not None:
        place = "invoice_settings[default_payment_method]"
        method = call.need(PAYMENT_METHOD, settings["default_payment_method"], place)
        if method["customer"] != customer["id"]:
            raise StripeError(
                f"The customer does not have a payment method with the ID {method['id']}. The payment method must be attached to the "
                "customer.",
                code="resource_missing",
                param=place,
                began=False,
            )
    customer["invoice_settings"] |= settings


def retrieve(call: Call, customer_id: str) -> Row:
    customer = call.session.find(CUSTOMER, customer_id)
    if customer is None:
        raise no_such(CUSTOMER, customer_id, "id", in_path=True)
    return customer


def update(call: Call, customer_id: str) -> Row:
    customer = call.need(CUSTOMER, customer_id, in_path=True)
    before = copied(customer)
    _apply(call, customer)
    call.session.save(CUSTOMER, customer)
    emit(call, "customer.updated", customer, before)
    return customer


def remove(call: Call, customer_id: str) -> Row:
    customer = call.need(CUSTOMER, customer_id, in_path=True)
    for method in call.session.all(PAYMENT_METHOD, customer=customer_id):
        detach_from_customer(call, method)
    gone = {"id": customer_id, "object": "customer", "deleted": True}
    # The row stays, so that references to it can be followed, but no list shows it.
    call.session.save(CUSTOMER, gone)
    call.session.hide(CUSTOMER, customer_id)
    emit(call, "customer.deleted", customer)
    return gone


def list_customers(call: Call) -> Row:
    return list_of(call, CUSTOMER, equal=("email",))


def remove_discount(call: Call, customer_id: str) -> Row:
    call.need(CUSTOMER, customer_id, "customer", in_path=True)
    raise StripeError(
        f"No active discount for customer: {customer_id}", status=404, code="resource_missing", began=False
    )


def list_nothing(call: Call, customer_id: str, name: str) -> Row:
    call.need(CUSTOMER, customer_id, "customer", in_path=True)
    return as_list(f"/v1/customers/{customer_id}/{name}", [], has_more=False)


EMPTY_LISTS = ("balance_transactions", "sources", "subscriptions", "tax_ids")

SEARCHED = {"created": "number", "email": "text", "metadata": "token", "name": "text", "phone": "text"}


def search_customers(call: Call) -> Row:
    return search.search(call, CUSTOMER, SEARCHED, "/v1/customers/search")


ROUTES = (
    get("/v1/customers/search", search_customers, search.PARAMETERS),
    post("/v1/customers", create, CREATE),
    get("/v1/customers", list_customers, LIST),
    get("/v1/customers/<customer_id>", retrieve),
    post("/v1/customers/<customer_id>", update, UPDATE),
    delete("/v1/customers/<customer_id>", remove),
    delete("/v1/customers/<customer_id>/discount", remove_discount),
    *(
        get(
            f"/v1/customers/<customer_id>/{name}", partial(list_nothing, name=name), list_parameters({"object": Text()})
        )
        for name in EMPTY_LISTS
    ),
)
