"""The parameters of the calls to payment intents."""

from __future__ import annotations

from portal.sandbox.lists import list_parameters
from portal.sandbox.params import (
    SHIPPING,
    Boolean,
    Choice,
    Either,
    Email,
    Hash,
    Integer,
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
    PAYMENT_OPTIONS,
    TYPES_ALLOWED,
    TYPES_EXCLUDED,
    TYPES_GONE,
)
from portal.sandbox.resources.payment_method_parameters import PAYMENT_METHOD_DATA

_PAYMENT_DETAILS = Hash({"customer_reference": Text(25), "order_reference": Text(25)}, clearable=True)
_AMOUNT = Integer(
    1,
    too_small="The amount must be greater than or equal to the minimum charge amount allowed for your account and the currency set "
    "(https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).  If you want to save a Payment Method for future use without "
    "an immediate payment, use a Setup Intent instead: https://docs.stripe.com/payments/setup-intents",
)
"""As recorded at 2026-03-25.dahlia; versions until 2024 said that the value must be at least 1."""
_SFU = Choice(("off_session", "on_session"), clearable=True)
_FIELDS: dict[str, Reader] = {
    "allowed_payment_method_types": TYPES_ALLOWED,
    "capture_method": Choice(("automatic", "automatic_async", "manual")),
    "currency": Text(3, clearable=False),
    "customer": Reference(),
    "description": Text(1000),
    "excluded_payment_method_types": TYPES_EXCLUDED,
    "metadata": Metadata(),
    "payment_details": _PAYMENT_DETAILS,
    "payment_method": Reference(),
    "payment_method_configuration": Reference(),
    "payment_method_data": PAYMENT_METHOD_DATA,
    "payment_method_options": PAYMENT_OPTIONS,
    "payment_method_types": TYPES_GONE,
    "receipt_email": Email(),
    "setup_future_usage": _SFU,
    "shipping": SHIPPING,
    "statement_descriptor": Text(22),
    "statement_descriptor_suffix": Text(22),
    "transfer_group": Text(),
}
_CONFIRMING: dict[str, Reader] = {
    "confirmation_token": Reference(),
    "error_on_requires_action": Boolean(),
    "mandate": Reference(),
    "mandate_data": MANDATE_DATA,
    "off_session": Either(Boolean(), Choice(("one_off", "recurring"))),
    "return_url": Url(),
    "use_stripe_sdk": Boolean(),
}
_ELSEWHERE = "amount_details application_fee_amount customer_account hooks transfer_data"
CREATE = Parameters(
    {
        **_FIELDS,
        **_CONFIRMING,
        "amount": _AMOUNT,
        "automatic_payment_methods": AUTOMATIC_PAYMENT_METHODS,
        "confirm": Boolean(),
        "confirmation_method": Choice(("automatic", "manual")),
    },
    required=("amount", "currency"),
    unsupported=unsupported(f"{_ELSEWHERE} on_behalf_of radar_options"),
)
UPDATE = Parameters({**_FIELDS, **CLIENT_FIELDS, "amount": _AMOUNT}, unsupported=unsupported(_ELSEWHERE))
CONFIRM = Parameters(
    {
        **{
            name: _FIELDS[name]
            for name in (
                "allowed_payment_method_types capture_method excluded_payment_method_types payment_details "
                "payment_method payment_method_data "
                "payment_method_options payment_method_types receipt_email setup_future_usage shipping"
            ).split()
        },
        **_CONFIRMING,
        **CLIENT_FIELDS,
        "amount_to_confirm": Integer(1),
    },
    unsupported=unsupported("amount_details hooks radar_options"),
)
CANCEL = Parameters(
    {"cancellation_reason": Choice(("abandoned", "duplicate", "fraudulent", "requested_by_customer")), **CLIENT_FIELDS}
)
CAPTURE = Parameters(
    {
        "amount_to_capture": Integer(1),
        "final_capture": Boolean(),
        "metadata": Metadata(),
        "payment_details": _PAYMENT_DETAILS,
        "statement_descriptor": Text(22),
        "statement_descriptor_suffix": Text(22),
    },
    unsupported=unsupported("amount_details application_fee_amount hooks transfer_data"),
)
INCREMENT = Parameters(
    {
        "amount": Integer(1),
        "description": Text(1000),
        "metadata": Metadata(),
        "payment_details": _PAYMENT_DETAILS,
        "statement_descriptor": Text(22),
    },
    required=("amount",),
    unsupported=unsupported("amount_details application_fee_amount hooks transfer_data"),
)
LIST = list_parameters({"customer": Reference()}, unsupported=unsupported("customer_account"))
RETRIEVE = Parameters(CLIENT_FIELDS)
