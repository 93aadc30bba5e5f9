"""What a test is certain of, told so that types are certain of it, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

Thing = TypeVar("Thing")


def present(value: Thing | None) -> Thing:
    """The value, which is there. Raises AssertionError when it is not."""
    assert value is not None, "it is missing"
    return value


def expanded(value: Thing | str | None) -> Thing:
    """The object of Stripe's that was asked for by `expand`, where there would be its id alone. Raises AssertionError when it is not."""
    assert value is not None and not isinstance(value, str), f"it is not expanded: {value!r}"
    return value


def as_sent(parameters: Mapping[str, Any]) -> Any:
    """Parameters for Stripe as a test puts them together, or wrong on purpose: Stripe judges them, and not the SDK's types."""
    return parameters
