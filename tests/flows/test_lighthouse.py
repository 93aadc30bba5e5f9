"""How fast pages are in a browser on a middling phone and line, as Lighthouse judges them. `make install-lighthouse` brings it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from portal.accounts.models import Customer
from portal.core import db
from tests import factories
from tests.flows.conftest import Shopper

LIGHTHOUSE = Path(__file__).parents[2] / "deploy" / "dev" / "lighthouse" / "node_modules" / ".bin" / "lighthouse"
LEAST = 95
# A machine that is busy with other tests is a slow phone: the best of so many looks counts.
LOOKS = 3
# Stripe's own script is Stripe's, and what stands in for it here is no measure of it: pages are looked at without it.
STRIPE_JS = "*/v3/*"
PAGES = ("/sign-in", "/", "/invoices/{invoice}", "/payments/invoices/{invoice}", "/payments")

pytestmark = [
    pytest.mark.database("sqlite"),
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no node"),
    pytest.mark.skipif(not LIGHTHOUSE.exists(), reason="`make install-lighthouse` brings Lighthouse"),
]


def _score(address: str, cookie: str, report: Path) -> int:
    """Of 100, for the page as who has this cookie sees it."""
    command = [
        *(
            str(LIGHTHOUSE),
            address,
            "--quiet",
            "--only-categories=performance",
            "--output=json",
            f"--output-path={report}",
        ),
        f"--extra-headers={json.dumps({'Cookie': cookie} if cookie else {})}",
        f"--blocked-url-patterns={STRIPE_JS}",
        "--chrome-flags=--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage",
    ]
    environment = os.environ | {"CHROME_PATH": "/usr/bin/chromium", "CI": "1"}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    found = json.loads(report.read_text())
    assert found["finalDisplayedUrl"] == address, "led elsewhere"
    score: float = found["categories"]["performance"]["score"]
    return round(100 * score)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.timeout(400)
def test_a_page_is_fast_on_a_phone(shopper: Shopper, tmp_path: Path, path: str) -> None:
    shopper.portal.stop_worker()  # it would write receipts meanwhile
    with db.transaction() as session:
        customer = session.get_one(Customer, shopper.customer_id)
        for _ in range(25):
            factories.payment(session, customer)
    page = path.format(invoice=shopper.invoice_id)
    cookie = ""
    if path != "/sign-in":
        shopper.sign_in()
        cookie = "; ".join(f"{one['name']}={one['value']}" for one in shopper.page.context.cookies())
    scores: list[int] = []
    while len(scores) < LOOKS and max(scores, default=0) < LEAST:
        scores.append(_score(shopper.portal.url + page, cookie, tmp_path / "report.json"))
    assert max(scores) >= LEAST, scores
