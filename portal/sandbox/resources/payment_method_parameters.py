"""The parameters of the calls to payment methods, and of card details wherever they are given."""

from __future__ import annotations

from portal.sandbox.lists import list_parameters
from portal.sandbox.params import (
    ADDRESS,
    Choice,
    Email,
    Hash,
    Integer,
    Metadata,
    Parameters,
    Reader,
    Reference,
    Text,
    unsupported,
)
from portal.sandbox.resources.cards import CARD
from portal.sandbox.resources.payment_method_type_parameters import CHANGEABLE_DETAILS, DETAILS
from portal.sandbox.resources.payment_method_types import TYPES

OTHER_TYPES = (
    "acss_debit affirm afterpay_clearpay alipay alma amazon_pay au_becs_debit billie bizum blik boleto cashapp crypto "
    "customer_balance fpx giropay grabpay kakao_pay konbini kr_card mb_way mobilepay multibanco naver_pay "
    "nz_bank_account oxxo pay_by_bank payco paynow paypay payto pix promptpay revolut_pay samsung_pay satispay scalapay "
    "sequra sofort sunbit swish upi wechat_pay zip"
)
"""Types of payment method that Stripe knows and the sandbox does not."""

TYPE = Choice(("card", "custom", *TYPES, *OTHER_TYPES.split()))
DATA_TYPE = Choice(("card", *TYPES, *OTHER_TYPES.split()))
"""`payment_method_data[type]`; cards only come from a browser."""
REDISPLAY = Choice(("always", "limited", "unspecified"))
BILLING_DETAILS = Hash({"address": ADDRESS, "email": Email(), "name": Text(), "phone": Text(), "tax_id": Text()})

DATA_FIELDS: dict[str, Reader] = {
    "type": TYPE,
    "allow_redisplay": REDISPLAY,
    "billing_details": BILLING_DETAILS,
    "card": CARD,
    **DETAILS,
    "metadata": Metadata(),
}
PAYMENT_METHOD_DATA = Hash(
    {**DATA_FIELDS, "type": DATA_TYPE},
    required=("type",),
    unsupported=unsupported(f"{OTHER_TYPES} interac_present radar_options"),
)
"""`payment_method_data` of an intent or a confirmation token."""

CREATE = Parameters(
    DATA_FIELDS, unsupported=unsupported(f"{OTHER_TYPES} custom customer interac_present payment_method radar_options")
)
UPDATE = Parameters(
    {
        "allow_redisplay": REDISPLAY,
        "billing_details": BILLING_DETAILS,
        "card": Hash(
            {"exp_month": Integer(1, 12), "exp_year": Integer(2000, 2100)}, unsupported=unsupported("networks")
        ),
        **CHANGEABLE_DETAILS,
        "metadata": Metadata(),
    }
)
LIST = list_parameters(
    {"customer": Reference(), "type": TYPE, "allow_redisplay": REDISPLAY},
    created=False,
    unsupported=unsupported("customer_account"),
)
LIST_OF_CUSTOMER = list_parameters({"type": TYPE, "allow_redisplay": REDISPLAY}, created=False)
ATTACH = Parameters({"customer": Reference()}, required=("customer",), unsupported=unsupported("customer_account"))
