"""The parameters of the calls to setup intents."""

from __future__ import annotations

from portal.sandbox.lists import list_parameters
from portal.sandbox.params import (
    Boolean,
    Choice,
    ListOf,
    Metadata,
    Parameters,
    Reader,
    Reference,
    Text,
    Url,
    unsupported,
)
from portal.sandbox.resources.intents import (
    AUTOMATIC_PAYMENT_METHODS,
    CLIENT_FIELDS,
    MANDATE_DATA,
    SETUP_OPTIONS,
    TYPES_ALLOWED,
    TYPES_EXCLUDED,
    TYPES_GONE,
)
from portal.sandbox.resources.payment_method_parameters import PAYMENT_METHOD_DATA

_FIELDS: dict[str, Reader] = {
    "allowed_payment_method_types": TYPES_ALLOWED,
    "customer": Reference(),
    "description": Text(1000),
    "excluded_payment_method_types": TYPES_EXCLUDED,
    "flow_directions": ListOf(Choice(("inbound", "outbound"))),
    "metadata": Metadata(),
    "payment_method": Reference(),
    "payment_method_configuration": Reference(),
    "payment_method_data": PAYMENT_METHOD_DATA,
    "payment_method_options": SETUP_OPTIONS,
    "payment_method_types": TYPES_GONE,
}
_CONFIRMING: dict[str, Reader] = {
    "confirmation_token": Reference(),
    "mandate_data": MANDATE_DATA,
    "return_url": Url(),
    "use_stripe_sdk": Boolean(),
}
_ELSEWHERE = "attach_to_self customer_account on_behalf_of single_use"
CREATE = Parameters(
    {
        **_FIELDS,
        **_CONFIRMING,
        "automatic_payment_methods": AUTOMATIC_PAYMENT_METHODS,
        "confirm": Boolean(),
        "usage": Choice(("off_session", "on_session")),
    },
    unsupported=unsupported(_ELSEWHERE),
)
UPDATE = Parameters(_FIELDS, unsupported=unsupported("attach_to_self customer_account"))
CONFIRM = Parameters(
    {
        **_CONFIRMING,
        **CLIENT_FIELDS,
        "allowed_payment_method_types": TYPES_ALLOWED,
        "payment_method": Reference(),
        "payment_method_data": PAYMENT_METHOD_DATA,
        "payment_method_options": SETUP_OPTIONS,
    }
)
CANCEL = Parameters(
    {"cancellation_reason": Choice(("abandoned", "duplicate", "requested_by_customer")), **CLIENT_FIELDS}
)
LIST = list_parameters(
    {"customer": Reference(), "payment_method": Reference()}, unsupported=unsupported("attach_to_self customer_account")
)
