"""What an app is told before anybody has signed in."""

from __future__ import annotations

import pytest

from portal.core import config
from tests.api.conftest import World
from tests.certain import present

pytestmark = pytest.mark.database("sqlite")


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="card,sepa_debit,ideal")
def test_it_tells_of_stripes_key_methods_and_limits_without_a_token(world: World) -> None:
    answer = world.bare().get("/api/config")
    told = present(answer.json)
    assert told["publishable_key"] == config.current().stripe_publishable_key
    assert [(one["name"], one["currencies"], one["redirects"]) for one in told["payment_methods"]] == [
        ("card", None, False),
        ("sepa_debit", ["eur"], False),
        ("ideal", ["eur"], True),
    ]
    assert told["payment_methods"][1]["working_days"] > 0
    limits = {one["currency"]: one for one in told["currencies"]}
    assert limits["eur"] == {"currency": "eur", "decimals": 2, "least": 50, "most": 99_999_999, "step": 1}
    assert (limits["jpy"]["decimals"], limits["bhd"]["decimals"], limits["bhd"]["step"]) == (0, 3, 10)
    assert "sk_" not in answer.text


@pytest.mark.settings(PORTAL_PAYMENT_METHODS="pmc_1Pq2Rs3Tu4")
def test_where_stripe_decides_it_names_no_methods(world: World) -> None:
    assert present(world.bare().get("/api/config").json)["payment_methods"] is None
