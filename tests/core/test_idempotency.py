"""Keys: how long Stripe surely remembers one, and what is awaited of another request under the same one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.core import idempotency
from portal.core.errors import Invalid
from portal.core.idempotency import KEY_SAFE_SECONDS, LONGEST_CLIENT_KEY, SHORTEST_CLIENT_KEY

NOW = datetime(2026, 10, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "is_safe"), [(0, True), (KEY_SAFE_SECONDS - 1, True), (KEY_SAFE_SECONDS, False)])
def test_a_key_is_safe_as_long_as_stripe_surely_remembers_it(seconds: int, is_safe: bool) -> None:
    assert idempotency.is_safe(NOW - timedelta(seconds=seconds), NOW) is is_safe


def test_what_another_request_stores_meanwhile_is_awaited() -> None:
    found = iter([None, None, "pi_1"])
    assert idempotency.stored_by_another(lambda: next(found)) == "pi_1"


def test_what_is_there_already_is_not_asked_for_again() -> None:
    found = iter(["pi_1"])
    assert idempotency.stored_by_another(lambda: next(found)) == "pi_1"


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "OTHERS_TAKE_SECONDS", 0.2)
    assert idempotency.stored_by_another(lambda: None) is None


@pytest.mark.parametrize("key", ["k" * SHORTEST_CLIENT_KEY, "k" * LONGEST_CLIENT_KEY, "key 1234"])
def test_a_form_s_key_may_be_so_short_and_so_long(key: str) -> None:
    idempotency.check_client_key(key)


@pytest.mark.parametrize(
    "key", ["", "k" * (SHORTEST_CLIENT_KEY - 1), "k" * (LONGEST_CLIENT_KEY + 1), "schlüssel-1", "key\n12345"]
)
def test_what_no_form_sends_is_refused(key: str) -> None:
    with pytest.raises(Invalid):
        idempotency.check_client_key(key)
