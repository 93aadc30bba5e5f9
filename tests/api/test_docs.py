"""The API's documentation: made from the document that is served, whole, and right."""

from __future__ import annotations

import ast
import json
import re
import shlex
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from deploy.dev.processes import ROOT
from portal.api import examples, reference, refusals
from portal.web import pages
from tests.api.conftest import World

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    return dict(client.get("/api/openapi.json").json or {})


@pytest.fixture
def docs(client: FlaskClient) -> Element:
    answer = client.get("/api/docs")
    assert answer.status_code == 200
    return html5lib.parse(answer.text, namespaceHTMLElements=False)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, facts) for path, methods in document["paths"].items() for method, facts in methods.items()]


def ids(docs: Element) -> set[str]:
    return {element.get("id", "") for element in docs.iter() if isinstance(element.tag, str)}


# The document


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    validate(document)


# The page


def test_every_operation_stands_there_with_its_fields_scopes_and_answers(
    docs: Element, document: dict[str, Any]
) -> None:
    for method, path, facts in operations(document):
        (part,) = [found for found in docs.iter("article") if found.get("id") == f"operation-{facts['operationId']}"]
        words = " ".join("".join(part.itertext()).split())
        assert method.upper() in words and path in words and facts["summary"].rstrip(".") in words
        assert all(scope in words for scope in facts.get("x-scopes", []))
        assert all(given["name"] in words for given in facts["parameters"])
        assert all(status in words for status in facts["responses"] if status != "default")


def test_nested_bodies_are_read_down_to_their_last_key(docs: Element) -> None:
    (body,) = [found for found in docs.iter("article") if found.get("id") == "operation-issue_invoice"]
    names = [code.text for code in body.iter("code")]
    assert {"lines", "lines[].unit_price", "lines[].tax_rate", "customer_id"} <= set(names)
    words = " ".join("".join(body.itertext()).split())
    assert "array of objects" in words and "at least 1 entry; at most 500 entries" in words


def test_the_words_of_an_enum_stand_beside_its_key(docs: Element) -> None:
    words = {found.get("id"): " ".join("".join(found.itertext()).split()) for found in docs.iter("article")}
    assert "one of duplicate, product_not_received" in words["operation-refund_payment"]
    assert "one of requested, approved_once" in words["operation-list_refunds"]
    assert not [name for name in words if name in {"object-RefundStatus", "object-RefundReason"}]


def test_every_link_within_the_page_leads_somewhere(docs: Element) -> None:
    targets = {link.get("href", "")[1:] for link in docs.iter("a") if link.get("href", "").startswith("#")}
    assert len(targets) > 50
    assert targets - ids(docs) == set()


def test_nothing_comes_from_elsewhere_and_nothing_is_written_into_the_page(docs: Element) -> None:
    for element in docs.iter():
        assert not {"style", "onclick", "onload"} & set(element.attrib), element.tag
        source = element.get("src") or (element.get("href") if element.tag == "link" else None)
        assert source is None or source.startswith("/"), source
    assert [script.text for script in docs.iter("script") if script.text] == []
    assert list(docs.iter("style")) == []


def test_it_needs_no_account_and_is_english_for_every_reader(client: FlaskClient) -> None:
    client.get("/language/de")
    answer = client.get("/api/docs")
    assert answer.mimetype == "text/html"
    page = html5lib.parse(answer.text, namespaceHTMLElements=False)
    assert page.get("lang") == "de"
    assert "How to sign in" in "".join(text for part in page.findall(".//*[@lang='en']") for text in part.itertext())


# Examples


def test_bodies_that_are_shown_fit_their_schemas(document: dict[str, Any]) -> None:
    shown = set()
    for _method, _path, facts in operations(document):
        content = facts.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        schema = content["schema"] | {"components": document["components"]}
        Draft202012Validator(schema).validate(content["example"])
        shown.add(facts["operationId"])
    assert shown == examples.BODIES.keys()


def test_answers_that_are_shown_fit_their_schemas(document: dict[str, Any]) -> None:
    known = document["components"]["schemas"]
    for _tag, found in reference.read(document).tags:
        for operation in found:
            if operation.answered:
                content = next(answer for answer in operation.answers if answer.statuses[0][0].startswith("2"))
                schema = known[content.object] | {"components": document["components"]}
                Draft202012Validator(schema).validate(json.loads(operation.answered))


def test_commands_can_be_copied_into_a_shell(document: dict[str, Any]) -> None:
    for _tag, found in reference.read(document).tags:
        for operation in found:
            words = shlex.split(operation.curl.replace("\\\n", " "))
            assert words[0] == "curl"
            assert (operation.method in words) == (operation.method != "GET")
            sent = [json.loads(words[at + 1]) for at, word in enumerate(words) if word == "-d"]
            assert sent == ([examples.BODIES[operation.name]] if operation.body else [])
            assert ("Authorization: Bearer $TOKEN" in words) == bool(operation.scopes)


# Errors


def codes_in_the_source() -> set[str]:
    """What is given as `code="…"` where an error is raised."""
    found = set()
    for file in (ROOT / "portal").rglob("*.py"):
        if "sandbox" in file.relative_to(ROOT).parts:
            continue
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call):
                given = [word.value for word in call.keywords if word.arg == "code"]
                found |= {one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


def test_every_code_has_a_meaning_or_is_none_of_the_apis(app: Flask) -> None:
    known = refusals.MEANINGS.keys() | refusals.NOT_OF_THE_API | {refusal.code for refusal in refusals.every()}
    assert (refusals.codes().keys() | codes_in_the_source()) - known == set()
    assert [refusal.code for refusal in refusals.every() if not refusal.meaning] == []
    assert refusals.MEANINGS.keys() - {refusal.code for refusal in refusals.every()} == set(), "no longer answered"


def test_the_type_of_a_problem_leads_to_its_code(world: World, docs: Element) -> None:
    app = world.bare("no token")
    statuses = {refusal.code: refusal.status for refusal in refusals.every()}
    wrong = {"grant_type": "password", "email": world.owner.email, "password": "not the password"}
    refused = [
        app.get("/api/customers/me"),
        world.bare().get("/api/customers/me"),
        app.get("/api/no/such/path"),
        app.send("PUT", "/api/invoices"),
        app.post("/api/auth/token", {"grant_type": "refresh_token", "refresh_token": "prt_none"}),
        app.post("/api/auth/token", wrong),
        app.send("POST", "/api/auth/token", data="{", content_type="application/json"),
        app.send("POST", "/api/auth/token", data="{}", content_type="text/plain"),
        app.send("POST", "/api/auth/token", data=b" " * 300_000, content_type="application/json"),
        world.of(world.owner).post("/api/payments/process", {}),
    ]
    for answer in refused:
        assert answer.json is not None
        assert re.fullmatch(r"http://[^/]+/api/docs#error-(\w+)", answer.json["type"]), answer.json
        assert answer.json["type"].partition("#")[2] in ids(docs), answer.json["code"]
        assert answer.json["type"].endswith(f"#error-{answer.json['code']}")
        assert answer.status_code == statuses[answer.json["code"]]


def test_the_pages_own_scripts_are_told_no_more_than_the_code(client: FlaskClient) -> None:
    answer = client.get("/no/such/page", headers={"Accept": "application/json"})
    assert answer.json is not None
    assert (answer.json["type"], answer.json["code"]) == ("about:blank", "not_found")


def test_the_documentation_itself_fails_as_a_page(client: FlaskClient) -> None:
    assert client.post(pages.API_DOCS).mimetype == "text/html"
