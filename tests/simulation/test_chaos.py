"""Short storms, in every run of the tests; `make chaos` is the long one. Seeds that were red once stay here."""

import pytest

from tests.simulation import campaign

# A quarter of a campaign's storm: it fits among the other tests.
SIZE = 0.25


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("seed", "kind"), [("1", "sqlite"), ("2", "postgresql")])
def test_every_promise_holds_after_a_storm(seed: str, kind: str) -> None:
    report = campaign.one(seed, kind, SIZE)
    assert report.violations == [], report
