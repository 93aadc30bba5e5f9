"""What holds for every answer: its headers, its errors, its language, and who is sent to sign in."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import html5lib
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.wrappers import Response

from portal import app as portal_app
from portal.accounts.models import Customer
from portal.core import audit, clock, config, db
from portal.core.audit import AuditEvent
from portal.identity.models import User
from portal.web import pages, static_files, views
from tests import factories

pytestmark = pytest.mark.database("sqlite")

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# Of the length and check digit of a card's number.
CARD_NUMBER = re.compile(r"(?<!\d)(?:4\d{15}|5[1-5]\d{14}|3[47]\d{13})(?!\d)")
SECRET = re.compile(r"sk_(?:test|live)_\w+|whsec_\w+|_secret_\w+")


@pytest.fixture
def reader(app: Flask) -> FlaskClient:
    """A signed-in customer. `/crash` is a page with a mistake in it."""

    @app.get("/crash")
    def crash() -> str:
        raise RuntimeError("SELECT secret FROM users WHERE key = 'sk_test_tests'")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    with db.transaction() as session:
        person = factories.user(session, factories.customer(session))
    client = app.test_client()
    factories.sign_in(client, person)
    return client


def directives(answer: Response) -> dict[str, str]:
    policy = answer.headers["Content-Security-Policy"]
    return {name: rest for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}


def check_headers(answer: Response, *, static: bool = False) -> None:
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert "camera=()" in answer.headers["Permissions-Policy"] and "payment=()" in answer.headers["Permissions-Policy"]
    policy = directives(answer)
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == policy["frame-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "X-Powered-By" not in answer.headers
    if not static:
        assert re.fullmatch(r"[0-9a-zA-Z]{8,64}", answer.headers["X-Request-Id"])
        assert "Cache-Control" in answer.headers


def test_every_kind_of_answer_carries_the_headers(reader: FlaskClient, app: Flask) -> None:
    token = {"X-CSRFToken": factories.csrf_token(reader)}
    answers = {
        200: reader.get("/account"),
        303: app.test_client().get("/account"),
        308: reader.get("/receipts"),
        400: reader.post("/sign-out"),
        404: reader.get("/nothing-here"),
        405: reader.post("/account", headers=token),
        413: reader.post("/account/profile", data={"name": "x" * (portal_app.BODY_LIMIT_BYTES + 1)}, headers=token),
        422: reader.get("/payments?since=yesterday"),
        500: reader.get("/crash"),
    }
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    for answer in answers.values():
        check_headers(answer)
    assert set(answers[405].headers["Allow"].split(", ")) >= {"GET", "HEAD"}
    assert answers[200].headers["Cache-Control"] == "no-store"
    for path in ("/static/css/app.css", "/static/nothing.css", "/static/"):
        with reader.get(path) as file:
            check_headers(file, static=True)
    db.connect("sqlite:////nowhere/at/all/portal.db")
    for path in ("/account", "/sign-in", "/readyz"):
        answer = reader.get(path)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        check_headers(answer)
    assert reader.get("/healthz").status_code == 200


def test_without_https_nothing_promises_it(reader: FlaskClient) -> None:
    assert "Strict-Transport-Security" not in reader.get("/account").headers


@pytest.mark.settings(PORTAL_BASE_URL="https://billing.portal.test")
def test_with_https_cookies_are_bound_to_it_and_browsers_stay_with_it(client: FlaskClient) -> None:
    answer = client.get("/sign-in", base_url="https://billing.portal.test")
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    cookies = answer.headers.getlist("Set-Cookie")
    assert cookies
    for cookie in cookies:
        assert cookie.startswith("__Host-")
        flags = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= flags
        assert not any(flag.startswith("domain") for flag in flags)


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(client: FlaskClient) -> None:
    for cookie in client.get("/sign-in").headers.getlist("Set-Cookie"):
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


def test_stripe_is_let_in_only_where_a_card_is_asked_for(reader: FlaskClient, app: Flask) -> None:
    stripe = config.current().stripe_js_origin
    with db.reading() as session:
        customer = session.execute(db.Base.metadata.tables["customers"].select()).one()
    with db.transaction() as session:
        invoice_id = factories.invoice(session, session.get_one(Customer, customer.id)).id
    pay = directives(reader.get(f"/payments/invoices/{invoice_id}"))
    assert pay["script-src"] == pay["connect-src"] == f"'self' {stripe}"
    assert pay["frame-src"] == stripe
    for path in ("/", "/invoices", f"/invoices/{invoice_id}", "/payments", "/payment-methods", "/account", "/nothing"):
        assert stripe not in reader.get(path).headers["Content-Security-Policy"], path


def test_stripes_own_hosts_are_named_and_no_others(monkeypatch: pytest.MonkeyPatch, settings: config.Settings) -> None:
    config.use(settings.model_copy(update={"stripe_js_url": config.STRIPE_JS}))
    hosts = set(re.findall(r"https?://[^ ;]+", pages.security_headers(with_stripe=True)["Content-Security-Policy"]))
    assert hosts == {
        "https://js.stripe.com", "https://*.js.stripe.com", "https://hooks.stripe.com", "https://api.stripe.com",
    }  # fmt: skip
    assert "stripe" not in pages.security_headers(with_stripe=False)["Content-Security-Policy"]


# Errors


def test_a_mistake_of_ours_shows_a_number_to_quote_and_nothing_else(
    caplog: pytest.LogCaptureFixture, reader: FlaskClient
) -> None:
    answer = reader.get("/crash")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 500
    for inside in ("Traceback", "SELECT", "RuntimeError", "sk_test", "portal/"):
        assert inside not in page
    request_id = answer.headers["X-Request-Id"]
    assert request_id in page
    logged = str([record.msg for record in caplog.records])
    assert f"'request_id': '{request_id}'" in logged
    assert "RuntimeError" in logged


def test_programs_get_errors_as_problem_json(reader: FlaskClient) -> None:
    for path, status in (("/nothing", 404), ("/crash", 500), ("/api/nothing", 404)):
        answer = reader.get(path, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
        assert answer.json is not None
        assert set(answer.json) == {"type", "title", "status", "code", "detail", "request_id", "errors"}
        assert answer.json["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("given_id", ["a1b2c3d4", "A" * 64, "00-4bf92f3577b34da6-01", "ümläut-ids", "x" * 200])
def test_a_callers_request_id_stands_beside_ours(
    client: FlaskClient, given_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = {"Origin": "https://evil.test", "X-Request-Id": given_id.encode().decode("latin-1")}
    answer = client.post("/sign-in", headers=elsewhere)
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-Id"])
    (said,) = [record.msg for record in caplog.records if "refused_from_another_site" in str(record.msg)]
    assert isinstance(said, dict)
    assert said["request_id"] == answer.headers["X-Request-Id"]
    usable = given_id.isascii() and len(given_id) <= 128
    assert said.get("caller_request_id") == (given_id if usable else None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "http://127.0.0.1:8000"}, 303),  # the base URL of the settings
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Origin": "https://evil.test"}, 400),
        ({"Origin": "null"}, 400),
        ({"Origin": "http://localhost.evil.test"}, 400),
        ({"Origin": "https://localhost"}, 400),
        ({"Sec-Fetch-Site": "cross-site"}, 400),
        ({"Sec-Fetch-Site": "same-site"}, 400),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}, 400),
    ],
)
def test_changes_come_from_our_own_pages_alone(app: Flask, headers: dict[str, str], status: int) -> None:
    with db.transaction() as session:
        person = factories.user(session, factories.customer(session))
    browser = app.test_client()
    factories.sign_in(browser, person)
    token = factories.csrf_token(browser)
    form = {"profile-name": "Eve Lang", "profile-language": "en", "csrf_token": token}
    assert browser.post("/account/profile", data=form, headers=headers).status_code == status
    with db.reading() as session:
        assert (session.get_one(User, person.id).name == "Eve Lang") == (status == 303)
    assert browser.get("/account", headers=headers).status_code == 200  # reading is for whoever follows a link


def test_a_network_of_ipv6_counts_as_one(app: Flask) -> None:
    def ask(address: str) -> int:
        client = app.test_client()
        token = factories.csrf_token(client)
        return client.post(
            "/password/forgotten", headers={"X-CSRFToken": token}, environ_base={"REMOTE_ADDR": address}
        ).status_code

    told = [ask(f"2001:db8:1:2:{number:x}::{number:x}") for number in range(1, 13)]
    assert (told.count(422), told.count(429)) == (10, 2)
    assert ask("2001:db8:1:3::1") == 422


def test_what_someone_may_not_do_stands_in_the_trail_once_an_hour(app: Flask) -> None:
    with db.transaction() as session:
        viewer = factories.user(session, factories.customer(session), "viewer")
    browser = app.test_client()
    assert browser.get("/payments/other").status_code == 303  # nobody: led to the sign-in
    factories.sign_in(browser, viewer)
    for _ in range(3):
        assert browser.get("/payments/other").status_code == 403
    with db.reading() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "access.refused")).all()
    assert (event.actor_id, event.subject) == (viewer.id, "pay.other")
    assert event.facts == {"method": "GET", "path": "/payments/other", "code": "forbidden"}
    with time_machine.travel(clock.now() + timedelta(hours=1, minutes=1)):
        factories.sign_in(browser, viewer)
        browser.get("/payments/other")
    with db.reading() as session:
        assert len(session.scalars(select(AuditEvent).where(AuditEvent.action == "access.refused")).all()) == 2
        assert audit.verify(session) is None


def test_staff_who_ask_for_what_another_role_may_do_stand_in_the_trail(app: Flask) -> None:
    with db.transaction() as session:
        tom = factories.staff(session, "support")
        customer = factories.user(session, factories.customer(session))
    for person in (tom, customer):
        browser = app.test_client()
        factories.sign_in(browser, person)
        token = factories.csrf_token(browser)
        assert browser.get("/support/staff").status_code == 404
        there = f"/support/staff/{tom.id}/role"
        assert browser.post(there, data={"csrf_token": token}).status_code == 404
    with db.reading() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.action == "access.refused")).all()
    # To a customer there are no pages of staff.
    assert [(event.actor_id, event.subject) for event in events] == [
        (tom.id, "support_staff.index"),
        (tom.id, "support_staff.change_role"),
    ]


def test_a_refusal_in_the_trail_holds_no_card_number(app: Flask) -> None:
    with db.transaction() as session:
        viewer = factories.user(session, factories.customer(session), "viewer")
    browser = app.test_client()
    factories.sign_in(browser, viewer)
    assert browser.get("/payments/invoices/4242424242424242").status_code == 403
    with db.reading() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "access.refused")).all()
    assert event.facts["path"] == "/payments/invoices/••••••••••••••••"


def test_too_many_requests_say_when_to_come_back(client: FlaskClient) -> None:
    token = {"X-CSRFToken": factories.csrf_token(client)}
    for _ in range(200):
        answer = client.post("/payments/other", headers=token)
        if answer.status_code == 429:
            break
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "oo many attempts" in answer.get_data(as_text=True)
    check_headers(answer)


# Signing in


@pytest.mark.parametrize("path", ["/payments", "/payments?q=100%25+%26+more&status=succeeded", "/invoices/inv_1"])
def test_signing_in_leads_to_where_one_wanted_to_go(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 303
    target = urlsplit(answer.location)
    assert (target.path, parse_qs(target.query)["next"]) == ("/sign-in", [path])


def test_htmx_is_told_to_load_the_sign_in_page_as_a_whole(client: FlaskClient) -> None:
    answer = client.get("/payments", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith("/sign-in")
    assert answer.get_data() == b""


# Language


def test_a_choice_of_language_stays_with_the_browser(client: FlaskClient) -> None:
    assert client.get("/language/de?next=/sign-in").location == "/sign-in"
    assert '<html lang="de"' in client.get("/sign-in").get_data(as_text=True)
    client.get("/language/en")
    assert '<html lang="en"' in client.get("/sign-in", headers={"Accept-Language": "de"}).get_data(as_text=True)
    assert client.get("/language/tlh").status_code == 404


def test_every_language_is_offered_under_its_own_name(client: FlaskClient) -> None:
    page = html5lib.parse(client.get("/sign-in?next=/payment-methods").text, namespaceHTMLElements=False)
    offered = page.findall(".//*[@class='languages']/a")
    assert [(link.get("lang"), link.text) for link in offered] == [
        ("en", "English"),
        ("de", "Deutsch"),
        ("es", "Español"),
        ("fr", "Français"),
    ]
    assert [link.get("lang") for link in offered if link.get("aria-current")] == ["en"]
    for link in offered:
        assert client.get(link.get("href", "")).status_code == 303


@pytest.mark.settings(PORTAL_LANGUAGES="fr")
def test_where_there_is_one_language_no_choice_is_offered(client: FlaskClient) -> None:
    page = client.get("/sign-in").text
    assert '<html lang="fr"' in page and 'class="languages"' not in page
    assert client.get("/language/de").status_code == 404


def test_without_a_choice_the_browser_is_asked(client: FlaskClient) -> None:
    for wish, language in (
        ("de-AT,de;q=0.9", "de"),
        ("it,de;q=0.5", "de"),
        ("fr-CA", "fr"),
        ("es-MX,en;q=0.5", "es"),
        ("it", "en"),
        ("", "en"),
    ):
        page = client.get("/sign-in", headers={"Accept-Language": wish}).get_data(as_text=True)
        assert f'<html lang="{language}"' in page, wish


ELSEWHERE = (
    "//evil.test", "/\\evil.test", "\\\\evil.test", "https://evil.test", "https:evil.test", "javascript:alert(1)",
    "/\t/evil.test", "\n//evil.test", "/\x00/evil.test", "evil.test", "///evil.test", "",
)  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_sent_to_another_site(client: FlaskClient, target: str) -> None:
    answer = client.get("/language/en", query_string={"next": target})
    assert (answer.status_code, answer.location) == (303, "/")


@given(target=st.text(st.sampled_from("/\\:.?#@a \t\r\n\x00%2f"), max_size=12))
def test_whatever_the_target_it_is_a_path_of_this_site(target: str) -> None:
    there = pages.local_path(target, "/")
    assert there.startswith("/") and not there.startswith(("//", "/\\"))
    assert not re.search(r"[\x00-\x1f\\]", there)


# The company's colour


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@given(colour=st.from_regex(r"\A#[0-9a-f]{6}\Z"))
def test_writing_on_the_companys_colour_can_be_read(colour: str) -> None:
    light, dark = sorted((luminance(colour), luminance(views._readable_on(colour))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2.2, AA


@pytest.mark.settings(PORTAL_COMPANY_COLOUR="#ffcc00")
def test_the_companys_colour_comes_as_a_stylesheet(client: FlaskClient) -> None:
    answer = client.get("/theme.css")
    assert answer.mimetype == "text/css"
    assert (
        answer.get_data(as_text=True)
        == ":root { --brand: #ffcc00; --brand-contrast: #000000; --brand-away: #ffffff; }\n"
    )


def test_logs_hold_no_secret_and_no_card_number(caplog: pytest.LogCaptureFixture, reader: FlaskClient) -> None:
    token = {"X-CSRFToken": factories.csrf_token(reader)}
    reader.get("/payments?q=4242424242424242")
    reader.post("/payments/other", data={"amount_text": "4242424242424242", "description": "x"}, headers=token)
    reader.get("/password/reset/whsec_0123456789abcdef")
    reader.get("/nothing?number=4242424242424242")
    logged = str([(record.msg, record.args) for record in caplog.records])
    assert CARD_NUMBER.findall(logged) == []
    assert SECRET.findall(logged) == []


@pytest.mark.settings(PORTAL_COMPANY_LOGO="favicon.svg")
def test_the_company_is_shown_by_its_logo_and_name(client: FlaskClient, settings: config.Settings) -> None:
    page = client.get("/sign-in").get_data(as_text=True)
    assert f'src="{static_files.url("favicon.svg")}" alt="{settings.company.name}"' in page


@pytest.mark.settings(PORTAL_COMPANY_LOGO="no-such-logo.svg")
def test_a_logo_that_is_not_there_stops_the_start(settings: config.Settings) -> None:
    with pytest.raises(config.WrongSettings, match=r"PORTAL_COMPANY_LOGO.*no-such-logo\.svg"):
        portal_app.create_app(settings)


@pytest.mark.database("sqlite")
def test_a_slash_too_many_leads_to_the_page(client: FlaskClient) -> None:
    moved = client.get("/sign-in/?next=%2Finvoices")
    assert (moved.status_code, moved.location) == (308, "/sign-in?next=%2Finvoices")
    assert client.get("/invoices///").location == "/invoices"
    assert client.get("/api/openapi.json/").location == "/api/openapi.json"
    assert client.post("/api/auth/token/", json={}).location == "/api/auth/token"
    for nowhere in ("/nothing/", "/static/nothing/", "/%2Fevil.test/"):
        assert client.get(nowhere).status_code == 404


# What browsers report


REPORT = {
    "csp-report": {
        "effective-directive": "",
        "violated-directive": "script-src-elem",
        "blocked-uri": "https://evil.example/skim.js?card=4242",
    }
}
REPORTED = [
    {"type": "csp-violation", "body": {"effectiveDirective": "connect-src", "blockedURL": "https://evil.example/x"}}
]


@pytest.mark.parametrize(("told", "directive"), [(REPORT, "script-src-elem"), (REPORTED, "connect-src")])
def test_what_a_policy_kept_away_is_logged_by_its_host_alone(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, told: object, directive: str
) -> None:
    assert client.post("/csp-reports", json=told).status_code == 204
    said = caplog.text
    assert "csp_violation" in said and directive in said and "evil.example" in said
    assert "skim" not in said and "4242" not in said


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"[",
        b"[" * 5_000,
        b"[1,null,{}]",
        b'{"csp-report": 3}',
        b'{"csp-report": {"violated-directive": "made-up"}}',
        b"x" * 20_000,
    ],
)
def test_what_is_no_report_is_taken_and_forgotten(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    assert client.post("/csp-reports", data=sent).status_code == 204
    assert "csp_violation" not in caplog.text


def test_nobody_fills_the_log_with_reports(client: FlaskClient) -> None:
    answers = [client.post("/csp-reports", json=REPORT).status_code for _ in range(25)]
    assert answers[0] == 204 and answers[-1] == 429
