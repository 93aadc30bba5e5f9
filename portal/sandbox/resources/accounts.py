"""The account the keys belong to.

Source: Stripe's API reference, "Accounts"; of it only what describes the account itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.sandbox.errors import no_access_to
from portal.sandbox.kinds import Row
from portal.sandbox.lists import list_parameters
from portal.sandbox.resources.bank_answers import statement_descriptor
from portal.sandbox.routes import get
from portal.sandbox.settings import DAY_SECONDS
from portal.sandbox.wire import as_list

if TYPE_CHECKING:
    from portal.sandbox.calls import Call


_ANCHORS: dict[str, Row] = {
    "manual": {},
    "daily": {},
    "weekly": {"weekly_anchor": "monday", "weekly_payout_days": ["monday"]},
    "monthly": {"monthly_anchor": 1, "monthly_payout_days": [1]},
}


def _schedule(call: Call) -> Row:
    settings = call.settings
    days = int(settings.available_delay_seconds // DAY_SECONDS)
    return {"delay_days": days, "interval": settings.payout_interval, **_ANCHORS[settings.payout_interval]}


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
        "default_currency": settings.settlement_currency or "eur",
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
                "statement_descriptor": statement_descriptor(call)[:22],
                "statement_descriptor_kana": None,
                "statement_descriptor_kanji": None,
            },
            "payouts": {
                "debit_negative_balances": settings.debits_negative_balance,
                "schedule": _schedule(call),
                "statement_descriptor": None,
            },
            "sepa_debit_payments": {},
        },
        "type": "standard",
    }


def retrieve(call: Call, account_id: str) -> Row:
    if account_id != call.settings.account:
        raise no_access_to(account_id)
    return current(call)


def list_accounts(call: Call) -> Row:
    """The accounts connected to this one, of which there are none."""
    del call
    return as_list("/v1/accounts", [], has_more=False)


ROUTES = (
    get("/v1/account", current),
    get("/v1/accounts", list_accounts, list_parameters()),
    get("/v1/accounts/<account_id>", retrieve),
)
