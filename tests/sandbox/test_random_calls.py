"""Random calls, right and wrong: whatever is asked, the answer is Stripe-shaped and never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from portal.sandbox.app import SandboxApp, create_sandbox
from portal.sandbox.catalogue import ROUTES
from portal.sandbox.params import (
    Boolean,
    Choice,
    Either,
    Email,
    Hash,
    Integer,
    ListOf,
    Metadata,
    Reader,
    Reference,
    Text,
    Url,
)
from portal.sandbox.resources.testcards import BY_NAME, BY_NUMBER
from portal.sandbox.routes import Route
from tests.sandbox.conftest import FAST

IDS = st.one_of(
    st.integers(0, 200).map(lambda number: f"#{number}"),  # one of the objects made so far
    st.sampled_from([f"pm_card_{name}" for name in BY_NAME]),
    st.sampled_from([f"tok_{name}" for name in BY_NAME]),
    st.text(max_size=12),
)
TEXTS = st.one_of(
    st.text(max_size=30), st.sampled_from(["winning_evidence", "losing_evidence", "eur", "usd", "jpy", "kwd", "*"])
)
NUMBERS = st.one_of(
    st.integers(-5, 200), st.integers(500, 100_000), st.integers(), st.sampled_from(["", "x", "1.5", "٣"])
).map(str)
GARBAGE = st.one_of(
    st.text(max_size=10),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.lists(st.text(max_size=5), max_size=2),
)


def values(reader: Reader) -> st.SearchStrategy[Any]:
    """What a reader would take, mostly, and now and then what it would not."""
    return st.one_of(_good(reader), _good(reader), _good(reader), GARBAGE)


def _good(reader: Reader) -> st.SearchStrategy[Any]:
    match reader:
        case Reference():
            return IDS
        case Email():
            return st.sampled_from(["a@example.com", "", "nobody"])
        case Url():
            return st.sampled_from(["https://shop.example/return", "http://127.0.0.1:1/x", "", "nowhere"])
        case Integer():
            return NUMBERS
        case Boolean():
            return st.sampled_from(["true", "false"])
        case Choice():
            return st.sampled_from(reader.values)
        case Metadata():
            return st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=10), max_size=3)
        case ListOf():
            return st.lists(values(reader.item), max_size=3)
        case Hash():
            return hashes(reader)
        case Either():
            return st.one_of(_good(reader.first), _good(reader.second))
        case Text(limit=64):
            return st.sampled_from([*BY_NUMBER, "4242424242424241", "4111111111111111", "x"])
    return TEXTS


def hashes(reader: Hash) -> st.SearchStrategy[dict[str, Any]]:
    required = {name: values(reader.fields[name]) for name in reader.required}
    optional = {name: values(field) for name, field in reader.fields.items() if name not in reader.required}
    chosen = st.lists(st.sampled_from(sorted(optional)), max_size=5, unique=True) if optional else st.just([])
    return chosen.flatmap(lambda names: st.fixed_dictionaries({**required, **{name: optional[name] for name in names}}))


def calls(route: Route) -> st.SearchStrategy[tuple[Route, list[str], dict[str, Any]]]:
    known = route.parameters
    params = hashes(Hash({**known.fields, "expand": ListOf(Text(clearable=False))}, known.required))
    return st.tuples(st.just(route), st.lists(IDS, min_size=2, max_size=2), params)


# Made once, and not before it is needed: making them anew for each call took nine tenths of the test.
CALLS = st.deferred(lambda: st.lists(st.one_of([calls(route) for route in ROUTES]), min_size=1, max_size=12))


def flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Nested parameters as a form writes them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(f"{name}[{key}]" if name else key, inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from flat(f"{name}[{number}]", inner)
    else:
        yield name, str(value)


class Session:
    """Calls in a row, in which later ones may use what earlier ones made."""

    def __init__(self, app: SandboxApp) -> None:
        self._client = Client(app)
        self._made: list[str] = []

    def call(self, route: Route, places: list[str], params: dict[str, Any], key: str) -> None:
        path = "/".join(
            quote(self._named(places[number % 2]), safe="") or "x" if part.startswith("<") else part
            for number, part in enumerate(route.rule.split("/"))
        )
        form = urlencode([(name, self._named(value)) for name, value in flat("", params)])
        where: dict[str, Any] = (
            {"query_string": form}
            if route.method != "POST"
            else {"data": form, "content_type": "application/x-www-form-urlencoded"}
        )
        answer = self._client.open(path, method=route.method, headers={"Authorization": f"Bearer {key}"}, **where)
        body = json.loads(answer.get_data())
        assert answer.status_code < 500, (route.method, path, form, body)
        if answer.status_code == 200:
            assert "object" in body
            self._made.extend(found for found in (body.get("id"), body.get("latest_charge")) if isinstance(found, str))
        else:
            assert body["error"]["type"] in {"invalid_request_error", "card_error", "idempotency_error"}
            assert body["error"]["message"]

    def _named(self, value: str) -> str:
        """`#7` is the seventh object made."""
        if value.startswith("#") and value[1:].isdigit() and self._made:
            return self._made[int(value[1:]) % len(self._made)]
        return value


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxApp]:
    made = create_sandbox(Path(tmp_path_factory.mktemp("random")) / "sandbox.db", FAST)
    yield made
    made.close()


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(made=CALLS, key=st.sampled_from(["sk_test_random", "sk_test_random", "sk_test_random", "pk_test_random"]))
def test_no_call_is_answered_with_a_500(
    app: SandboxApp, made: list[tuple[Route, list[str], dict[str, Any]]], key: str
) -> None:
    app.sandbox.reset()  # what is found is found again, alone and as fast
    session = Session(app)
    for name, params in (
        ("/v1/customers", {"payment_method": "pm_card_visa"}),
        ("/v1/payment_intents", {"amount": "2000", "currency": "eur"}),
        (
            "/v1/payment_intents",
            {
                "amount": "2000",
                "currency": "eur",
                "confirm": "true",
                "payment_method": "pm_card_visa",
                "return_url": "https://a.b",
            },
        ),
    ):
        session.call(
            next(route for route in ROUTES if (route.method, route.rule) == ("POST", name)),
            ["x", "x"],
            params,
            "sk_test_random",
        )
    for route, places, params in made:
        session.call(route, places, params, key)
    app.sandbox.run_due_effects()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.text(alphabet="ab[]=&%20;\x00é", max_size=40))
def test_no_form_breaks_the_reader(app: SandboxApp, form: str) -> None:
    answer = Client(app).post(
        "/v1/customers",
        data=form.encode(),
        content_type="application/x-www-form-urlencoded",
        headers={"Authorization": "Bearer sk_test_x"},
    )
    assert answer.status_code < 500
