"""The API: from a request to a handler and back, with keys, versions, idempotency, expansion and errors on the way."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from portal.sandbox import idempotency
from portal.sandbox.calls import Call
from portal.sandbox.clock import real_now
from portal.sandbox.errors import StripeError, forbidden, internal_error, invalid, no_access_to, no_such_url
from portal.sandbox.faults import ConnectionBroken, Fault, Faults
from portal.sandbox.idempotency import KeptAnswer, RunningKeys
from portal.sandbox.ids import new_request_id
from portal.sandbox.keys import ApiKey, read_key
from portal.sandbox.kinds import Row
from portal.sandbox.params import UploadedFile
from portal.sandbox.rates import Rates
from portal.sandbox.routes import Route
from portal.sandbox.settings import API_VERSION
from portal.sandbox.wire import decode_form, encode, expanded
from portal.sandbox.world import Sandbox

log = logging.getLogger(__name__)

MOST_BODY_BYTES = 1_000_000
MOST_UPLOADED_BYTES = 6_000_000
"""With a file in it; what one may hold is its resource's to say."""

_BROWSER_FIELDS = ("key", "_stripe_version", "_stripe_account")
"""Sent by browser scripts beside the real parameters, because a plain form post can carry them."""

CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Stripe-Version, Stripe-Account, X-Requested-With",
    "Access-Control-Expose-Headers": "Request-Id, Idempotent-Replayed, Retry-After",
    "Access-Control-Max-Age": "300",
}


@dataclass
class Work:
    """One request on its way through."""

    request: Request
    request_id: str
    key: ApiKey | None = None
    idempotency_key: str | None = None
    replayed_from: str | None = None

    @property
    def log_url(self) -> str:
        return f"https://dashboard.stripe.com/test/logs/{self.request_id}?t={int(real_now())}"


class Api:
    """Answers everything under /v1/ that an API key may ask."""

    def __init__(self, sandbox: Sandbox, routes: Iterable[Route], faults: Faults) -> None:
        self._sandbox = sandbox
        self._faults = faults
        self._running = RunningKeys()
        self._rates = Rates()
        rules = [Rule(route.rule, methods=[route.method], endpoint=route) for route in routes]
        self._map = Map(rules, strict_slashes=False, merge_slashes=False)

    def answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status=200, headers=CORS_HEADERS)
        work = Work(request, new_request_id())
        fault = self._faults.take(request.method, request.path)
        try:
            if fault is not None:
                self._faults.before(fault)
            status, body, headers = self._answer(work, fault)
        except StripeError as error:
            status, body, headers = error.status, encode(error.body(work.log_url)), error.headers
        except ConnectionBroken:
            raise
        except Exception:
            log.exception("the sandbox failed to answer %s %s", request.method, request.path)
            status, body, headers = 500, encode(internal_error().body(work.log_url)), {}
        response = Response(
            body, status, {**CORS_HEADERS, **headers, **_own_headers(work)}, mimetype="application/json"
        )
        return response if fault is None else self._faults.after(fault, request, response)

    def _answer(self, work: Work, fault: Fault | None) -> tuple[int, bytes, dict[str, str]]:
        request = work.request
        raw = _parameters(request)
        browser = {name: raw.pop(name) for name in _BROWSER_FIELDS if name in raw}
        work.key = key = read_key(request.headers.get("Authorization"), browser.get("key"))
        self._rates.take(request.method, self._sandbox.settings)
        _check_version(request.headers.get("Stripe-Version") or browser.get("_stripe_version"))
        account = request.headers.get("Stripe-Account") or browser.get("_stripe_account")
        if account and account != self._sandbox.settings.account:
            raise no_access_to(account, key.shown)
        route, address = self._route(request)
        _check_permission(route, key)
        params = route.parameters.read(raw)
        if route.method == "GET":
            store = self._sandbox.store
            with store.transaction() if route.makes else store.reading() as session:
                call = self._call(work, session, params)
                return 200, encode(self._shown(call, route, route.handler(call, **address))), {}
        given = request.headers.get("Idempotency-Key") if route.method == "POST" else None
        if given is not None:
            idempotency.check_key(given)
            work.idempotency_key = given
        with self._running.hold(given):
            if fault is not None:
                self._faults.while_running(fault)
            return self._execute(work, route, address, params, fault)

    def _execute(
        self, work: Work, route: Route, address: dict[str, Any], params: dict[str, Any], fault: Fault | None
    ) -> tuple[int, bytes, dict[str, str]]:
        """Run a handler that changes something, with its answer kept under the idempotency key in the same transaction."""
        key = work.idempotency_key
        now = self._sandbox.clock.now()
        print_ = idempotency.fingerprint(route.method, work.request.path, params) if key else ""
        with self._sandbox.store.transaction() as session:
            if key:
                kept = idempotency.kept_answer(
                    session, key, print_, now - self._sandbox.settings.idempotency_life_seconds
                )
                if kept is not None:
                    work.replayed_from = kept.request_id
                    return kept.status, kept.body.encode(), {}
            call = self._call(work, session, params)
            session.run("SAVEPOINT handler")
            headers: dict[str, str] = {}
            keep = True
            try:
                if fault is not None and fault.fails_once_begun:
                    raise internal_error()
                status, body = 200, encode(self._shown(call, route, route.handler(call, **address)))
            except StripeError as error:
                status, body, headers, keep = (
                    error.status,
                    self._error_body(call, route, work, error),
                    error.headers,
                    error.began,
                )
                if not error.effects_stay:
                    session.run("ROLLBACK TO handler")
            session.run("RELEASE handler")
            if fault is not None and fault.answers_500_after:
                status, body = 500, encode(internal_error().body(work.log_url))
            if key and keep:
                idempotency.keep_answer(session, key, print_, now, KeptAnswer(status, body.decode(), work.request_id))
        if call.queued:
            self._sandbox.wake()
        return status, body, headers

    def _call(self, work: Work, session: Any, params: dict[str, Any]) -> Call:
        return Call(
            sandbox=self._sandbox,
            session=session,
            now=int(self._sandbox.clock.now()),
            params=params,
            publishable=bool(work.key and work.key.publishable),
            request_id=work.request_id,
            idempotency_key=work.idempotency_key,
            base_url=work.request.host_url.rstrip("/"),
        )

    def _shown(self, call: Call, route: Route, row: Row) -> Row:
        shown = row if row.get("object") in {"list", "search_result"} else call.shown(row)
        shown = expanded(call, shown, call.params.get("expand") or ())
        return route.publishable(call, shown) if call.publishable and route.publishable else shown

    def _error_body(self, call: Call, route: Route, work: Work, error: StripeError) -> bytes:
        """An error may carry an intent or a payment method; those are cut like any other response."""
        for name, value in error.fields.items():
            if isinstance(value, dict) and "object" in value:
                shown = call.shown(value)
                fits = route.publishable is not None and name != "payment_method"
                error.fields[name] = (
                    route.publishable(call, shown) if call.publishable and fits and route.publishable else shown
                )
        return encode(error.body(work.log_url))

    def _route(self, request: Request) -> tuple[Route, dict[str, Any]]:
        try:
            return self._map.bind("sandbox").match(request.path, method=request.method)  # type: ignore[return-value]
        except HTTPException as problem:
            raise no_such_url(request.method, request.path) from problem


def _parameters(request: Request) -> dict[str, Any]:
    """The parameters of a request: of its address, and of its form. Version 2 of the API has bodies of another form, which nobody reads."""
    if request.path.startswith("/v2/"):
        return {}
    text = request.query_string.decode("ascii", "replace")
    files: dict[str, Any] = {}
    if request.method not in {"GET", "DELETE"}:
        has_files = request.mimetype == "multipart/form-data"
        if (request.content_length or 0) > (MOST_UPLOADED_BYTES if has_files else MOST_BODY_BYTES):
            raise StripeError("The request is too large.", status=413, began=False)
        if request.mimetype == "application/json":
            raise invalid(
                "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we "
                "can help at https://support.stripe.com/."
            )
        if has_files:
            form = urlencode(list(request.form.items(multi=True)))
            files = {name: _read(file) for name, file in request.files.items()}
        else:
            form = request.get_data().decode("utf-8", "replace")
        text = f"{text}&{form}" if text and form else text or form
    return decode_form(text) | files


def _read(file: FileStorage) -> UploadedFile:
    with closing(file):
        return UploadedFile(file.filename or "", file.read())


def _check_version(version: object) -> None:
    if version is not None and version != API_VERSION:
        raise invalid(f"Invalid Stripe API version: {version}. The sandbox speaks {API_VERSION} alone.")


def _check_permission(route: Route, key: ApiKey) -> None:
    if key.publishable and route.publishable is None:
        raise forbidden(
            "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at "
            "https://dashboard.stripe.com/account/apikeys.",
            "secret_key_required",
        )
    if key.reads_only and route.method != "GET":
        raise forbidden(
            f"The provided key '{key.shown}' does not have the required permissions for this endpoint. Having the '{route.permission}' "
            "permission would allow this request to continue."
        )


def _own_headers(work: Work) -> dict[str, str]:
    headers = {"Request-Id": work.request_id, "Stripe-Version": API_VERSION, "Cache-Control": "no-cache, no-store"}
    if work.idempotency_key is not None:
        headers["Idempotency-Key"] = work.idempotency_key.encode("ascii", "replace").decode()
        headers["Original-Request"] = work.replayed_from or work.request_id
    if work.replayed_from is not None:
        headers["Idempotent-Replayed"] = "true"
    return headers
