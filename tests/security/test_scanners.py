"""Scanners over the code, and attacks on a running portal, on both databases. Only 127.0.0.1 is attacked.

What they find and is no hole stands here with its reason; anything else fails. docs/explanation/security.md tells what came of it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

import pytest

from portal.core import db
from tests import factories
from tests.api.test_fuzz import NO_LIMITS, token_for
from tests.live import LivePortal
from tests.security import scanners

# What bandit names and is no hole: in which files, and why.
NO_HOLES = {
    "B310": ("deploy/dev/", "the address is one of this machine's own processes"),
    "B108": ("deploy/gunicorn.conf.py", "in memory lie empty files by which gunicorn sees that its workers live"),
    "B608": ("migrations/", "names of tables and columns, which stand in the migration itself"),
    "B704": ("portal/", "what is marked as markup was made by Jinja, which has escaped it"),
}
# Files in which a scanner of secrets sees some: examples and tests, worth nothing anywhere.
EXAMPLES = re.compile(
    r"^(tests/|docs/|bench/|deploy/dev/|portal/sandbox/|portal/translations/|requirements/|static/vendor/|\.env\.example|\.ci/|\.github/"
    r"|portal/identity/common_passwords\.txt)"
)
NO_SECRETS = {
    "portal/accounts/portal_sessions.py": "the name of a purpose",
    "portal/api/examples.py": "an example of the documentation",
    "portal/core/db.py": "an alphabet",
    "portal/documents/codes.py": "an alphabet",
    "portal/identity/models.py": "names of purposes",
    "portal/operations/setting_effects.json": "how an address with a password is written",
    "portal/privacy/inventory.py": "what a column is for",
    "templates/api/guide.html": "an example of the documentation",
}
pytestmark = [
    pytest.mark.skipif(
        os.environ.get("SECURITY") != "1", reason="only `make security` brings tools of others and attacks with them"
    ),
    pytest.mark.timeout(900),
    pytest.mark.settings(PORTAL_API_LIMITS=NO_LIMITS, PORTAL_STAFF_SECOND_FACTOR="optional"),
]
both = pytest.mark.database("sqlite", "postgresql")
# What wapiti names and is no hole.
NO_FLAWS = {
    "Secure Flag cookie": "the tests' portal speaks HTTP; with HTTPS cookies are bound to it (tests/core/test_pages.py)",
    "Strict-Transport-Security": "likewise",
    "X-Frame-Options": "frame-ancestors of the policy says it, and goes before this header (CSP 3, 6.4.2)",
}
SECONDS_OF_WAPITI = 90
SECONDS_OF_SQLMAP = 60


def test_bandit_finds_nothing_of_medium_or_high_severity() -> None:
    begin = scanners.command(scanners.BANDIT)
    said = scanners.run(
        [*begin, "-q", "-ll", "-ii", "-r", "portal", "deploy", "migrations", "wsgi.py", "-f", "json"], seconds=300
    )
    found = json.loads(said[said.index("{") : said.rindex("}") + 1])["results"]
    open_ones = [
        f"{one['filename']}:{one['line_number']} {one['test_id']} {one['issue_text']}"
        for one in found
        if one["test_id"] not in NO_HOLES
    ]
    assert open_ones == []


def test_no_secret_lies_in_the_repository() -> None:
    begin = scanners.command(scanners.SECRETS)
    found = json.loads(scanners.run([*begin, "scan"], seconds=300))["results"]
    assert sorted(name for name in found if not EXAMPLES.match(name) and name not in NO_SECRETS) == []


def test_nginx_is_there_for_the_tests_of_the_proxy() -> None:
    if word := scanners.unpack_nginx():
        pytest.skip(word)


# Attacks


@dataclass
class Attacked:
    """A running portal, and the cookies of a customer's owner and of a member of staff in it."""

    url: str
    customer: str
    staff: str
    bearer: str
    invoice: str


def signed_in(url: str, email: str) -> str:
    """The cookie of a browser that has signed in, as a header's value."""
    jar = CookieJar()
    browser: OpenerDirector = build_opener(HTTPCookieProcessor(jar))
    page = browser.open(f"{url}/sign-in", timeout=30).read().decode()
    token = re.search(r'"X-CSRFToken": "([^"]+)"', page)
    assert token is not None
    form = urlencode({"email": email, "password": factories.PASSWORD, "csrf_token": token[1]}).encode()
    browser.open(Request(f"{url}/sign-in", form, {"Origin": url}), timeout=30).read()  # noqa: S310  # our own server
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


@pytest.fixture
def attacked(live_portal: LivePortal) -> Attacked:
    with db.transaction() as session:
        customer = factories.customer(session)
        owner, staff = factories.user(session, customer), factories.staff(session, "admin")
        for _number in range(3):
            factories.payment(session, customer, factories.invoice(session, customer, status="paid"))
        invoice = factories.invoice(session, customer)
    who = {"grant_type": "password", "email": owner.email, "password": factories.PASSWORD}
    url = live_portal.url
    bearer, _scopes = token_for(url, who)
    return Attacked(url, signed_in(url, owner.email), signed_in(url, staff.email), bearer, invoice.id)


@both
@pytest.mark.parametrize("who", ["customer", "staff"])
def test_wapiti_finds_no_hole(attacked: Attacked, tmp_path: Path, who: str) -> None:
    begin = scanners.command(scanners.WAPITI)
    report = tmp_path / "report.json"
    words = [*begin, "-u", f"{attacked.url}/", "--scope", "folder", "-H", f"Cookie: {getattr(attacked, who)}"]
    words += [
        "-x",
        f"{attacked.url}/sign-out",
        "-x",
        f"{attacked.url}/csp-reports",
        "--no-bugreport",
        "--flush-session",
    ]
    words += [
        "-m",
        "sql,xss,permanentxss,redirect,exec,file,crlf,ssrf,csp,http_headers,cookieflags",
        "--max-scan-time",
        str(SECONDS_OF_WAPITI),
    ]
    words += ["--max-attack-time", "20", "-t", "5", "--store-session", str(tmp_path), "-f", "json", "-o", str(report)]
    said = scanners.run(words, seconds=SECONDS_OF_WAPITI + 120)
    assert report.is_file(), said[-2000:]
    found = {kind: hits for kind, hits in json.loads(report.read_text())["vulnerabilities"].items() if hits}
    left = {
        kind: [hit["info"] for hit in hits]
        for kind, hits in found.items()
        if not all(any(known in f"{kind}: {hit['info']}" for known in NO_FLAWS) for hit in hits)
    }
    assert left == {}


@both
def test_sqlmap_finds_no_parameter_that_becomes_sql(attacked: Attacked, database: str, tmp_path: Path) -> None:
    begin = scanners.command(scanners.SQLMAP)
    cookie = {"customer": f"--cookie={attacked.customer}", "staff": f"--cookie={attacked.staff}"}
    asked = [
        ("/payments?text=a&status=succeeded&since=2026-01-01", cookie["customer"]),
        ("/invoices?status=open", cookie["customer"]),
        (f"/invoices/{attacked.invoice}*", cookie["customer"]),
        ("/support/search?q=a", cookie["staff"]),
        ("/support/invoices?q=a&status=open&customer=a", cookie["staff"]),
        ("/api/payments/history?limit=5&status=succeeded", f"--headers=Authorization: Bearer {attacked.bearer}"),
    ]
    kind = "SQLite" if database.startswith("sqlite") else "PostgreSQL"
    for address, who in asked:
        words = [
            *begin,
            "-u",
            attacked.url + address,
            who,
            "--batch",
            "--level=1",
            "--risk=1",
            f"--dbms={kind}",
            "--technique=BEU",
        ]
        words += [
            "--timeout=10",
            "--retries=0",
            "--flush-session",
            "--disable-coloring",
            "--ignore-code=*",
            f"--output-dir={tmp_path}",
        ]
        said = scanners.run(words, seconds=SECONDS_OF_SQLMAP)
        assert "injectable" in said, said[-1500:]
        assert "identified the following injection point" not in said, said[-3000:]
        assert "is vulnerable" not in said.replace("might not be", ""), said[-3000:]
