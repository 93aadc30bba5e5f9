"""What the owner of an account sets: by the control `/_sandbox/account` while it is in use, or by a file when it is opened.

A setting is a field of `SandboxSettings` that is named here with the reader of its values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from portal.sandbox import money
from portal.sandbox.errors import StripeError, invalid
from portal.sandbox.resources.payment_method_configurations import NAMES
from portal.sandbox.resources.payment_method_types import Tariff
from portal.sandbox.settings import DAY_SECONDS, SandboxSettings

INTERVALS = ("manual", "daily", "weekly", "monthly")
_TARIFF_FIELDS = frozenset(field.name for field in fields(Tariff))
_MOST_CALLS = 100_000


class SettingsRefused(Exception):
    """A file of account settings that cannot be used; says which and why."""


def _yes_or_no(value: Any, name: str) -> bool:
    known = {True: True, "yes": True, False: False, "no": False}
    if not isinstance(value, str | bool) or value not in known:
        raise invalid(f"{name} must be yes or no.", name)
    return known[value]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > 22:
        raise invalid(f"{name} must be a text of at most 22 characters.", name)
    return value


def _currency(value: Any, name: str) -> str:
    if value not in ("", *money.EUROS):
        raise invalid(f"{name} must be empty or one of {', '.join(sorted(money.EUROS))}.", name)
    return str(value)


def _country(value: Any, name: str) -> str:
    if value != "" and not (isinstance(value, str) and len(value) == 2 and value.isalpha() and value.isupper()):
        raise invalid(f"{name} must be empty or a country's two letters.", name)
    return str(value)


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not str(value).isdecimal() or int(value) > _MOST_CALLS:
        raise invalid(f"{name} must be a whole number from 0 to {_MOST_CALLS}.", name)
    return int(value)


def _seconds(value: Any, name: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1
    if isinstance(value, bool) or not 0 <= seconds <= DAY_SECONDS:
        raise invalid(f"{name} must be a number of seconds from 0 to {DAY_SECONDS}.", name)
    return seconds


def _interval(value: Any, name: str) -> str:
    if value not in INTERVALS:
        raise invalid(f"{name} must be one of {', '.join(INTERVALS)}.", name)
    return str(value)


def _tariffs(value: Any, name: str) -> dict[str, dict[str, int]]:
    """JSON or the object itself: by payment method, the fields of a `Tariff` that differ from the usual."""
    try:
        given = json.loads(value) if isinstance(value, str) else value
        tariffs = {str(method): {str(key): int(fee) for key, fee in parts.items()} for method, parts in given.items()}
    except (AttributeError, TypeError, ValueError) as problem:
        raise invalid(f"{name} must be like {{'card': {{'basis_points': 150, 'fixed': 25}}}}.", name) from problem
    for method, parts in tariffs.items():
        if method not in NAMES or not _TARIFF_FIELDS.issuperset(parts):
            raise invalid(f"{name} knows {', '.join(NAMES)}, each with {', '.join(sorted(_TARIFF_FIELDS))}.", name)
    return tariffs


def _methods(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or not value or not set(value).issubset(NAMES):
        raise invalid(f"{name} must be a list of some of {', '.join(NAMES)}.", name)
    return [method for method in NAMES if method in value]


Reader = Callable[[Any, str], Any]
READERS: Mapping[str, Reader] = {
    "bank_day_seconds": _seconds,
    "blocks_failed_cvc": _yes_or_no,
    "blocks_failed_postal_code": _yes_or_no,
    "browser_country": _country,
    "debits_negative_balance": _yes_or_no,
    "payout_interval": _interval,
    "reads_per_second": _count,
    "returns_dispute_fee": _yes_or_no,
    "settlement_currency": _currency,
    "statement_descriptor": _text,
    "tariffs": _tariffs,
    "writes_per_second": _count,
}
"""What may be changed while the account is in use."""

FILE_READERS: Mapping[str, Reader] = {**READERS, "business_name": _text, "payment_methods": _methods}
"""What a file may say; methods of an account in use are turned on in its configurations."""


def read(given: Mapping[str, Any], readers: Mapping[str, Reader] = READERS) -> dict[str, Any]:
    """The settings that are named, checked. Raises the error of the first that is unknown or wrong."""
    for name in given:
        if name not in readers:
            raise invalid(f"Unknown setting: {name}. Known are {', '.join(readers)}.", name)
    return {name: readers[name](value, name) for name, value in given.items()}


def from_file(path: Path, settings: SandboxSettings) -> SandboxSettings:
    """Settings with what a JSON file says of the account. Raises `SettingsRefused`."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(given, dict):
            raise SettingsRefused(f"{path} must hold an object.")
        return replace(settings, **read(given, FILE_READERS))
    except (OSError, ValueError, StripeError) as problem:
        raise SettingsRefused(f"{path} cannot be used: {problem}") from problem
