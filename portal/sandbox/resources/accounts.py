"""The account the keys belong to.

Source: Stripe's API reference, "Accounts"; of it only what describes the account itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import no_access_to
from portal.sandbox.kinds import Row
from portal.sandbox.routes import get

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


def current(call: Call) -> Row:
    settings = call.settings
    return {
        "id": settings.account,
        "object": "account",
        "business_profile": {
            "mcc": None,
            "name": settings.business_name,
            "product_description": None,
            "support_address": None,
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": None,
        },
        "business_type": None,
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": settings.country,
        "default_currency": "eur",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "bacs_debit_payments": {"display_name": None, "service_user_number": None},
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
            "card_payments": {
                "statement_descriptor_prefix": None,
                "statement_descriptor_prefix_kana": None,
                "statement_descriptor_prefix_kanji": None,
            },
            "dashboard": {"display_name": settings.business_name, "timezone": "Etc/UTC"},
            "payments": {
                "statement_descriptor": settings.business_name.upper()[:22],
                "statement_descriptor_kana": None,
                "statement_descriptor_kanji": None,
            },
            "sepa_debit_payments": {},
        },
        "type": "standard",
    }


def retrieve(call: Call, account_id: str) -> Row:
    if account_id != call.settings.account:
        raise no_access_to(account_id)
    return current(call)


ROUTES = (get("/v1/account", current), get("/v1/accounts/<account_id>", retrieve))
