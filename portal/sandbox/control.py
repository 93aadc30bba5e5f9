"""The sandbox's own addresses under /_sandbox/: pages for people, the same as JSON, and every control as a POST."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.exceptions import NotFound
from werkzeug.routing import Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from portal.sandbox import html, inbox, mailsink, overview
from portal.sandbox.controls import CONTROLS
from portal.sandbox.errors import StripeError
from portal.sandbox.faults import Faults
from portal.sandbox.world import Sandbox


class Control:
    """Routes of the control pages. The application lets only this machine reach them."""

    def __init__(self, sandbox: Sandbox, faults: Faults) -> None:
        self._sandbox = sandbox
        self._faults = faults

    def rules(self) -> list[Rule]:
        def show(rule: str, page: Callable[..., Response]) -> Rule:
            return Rule(f"/_sandbox{rule}", methods=["GET"], endpoint=page)

        return [
            show("/", self._home),
            show("/payments", self._payments),
            show("/deliveries", self._deliveries),
            show("/controls", self._controls),
            show("/objects/<object_id>", self._object),
            show("/mail", self._mail),
            show("/mail/<int:number>", self._message),
            show("/mail/<int:number>/html", self._message_html),
            show("/mail/<int:number>/raw", self._message_raw),
            show("/mail/<int:number>/attachments/<int:attachment>", self._attachment),
            show("/mail.json", self._mail_json),
            show("/state.json", self._state_json),
            show("/deliveries.json", self._deliveries_json),
            show("/static/<name>", self._static),
            Rule("/_sandbox/<path:name>", methods=["POST"], endpoint=self._act),
        ]

    def _home(self, request: Request) -> Response:
        del request
        return html.page("home.html", here="home", state=overview.state(self._sandbox))

    def _payments(self, request: Request) -> Response:
        del request
        return html.page("payments.html", here="payments", payments=overview.payments(self._sandbox))

    def _deliveries(self, request: Request) -> Response:
        del request
        return html.page(
            "deliveries.html",
            here="deliveries",
            deliveries=overview.deliveries(self._sandbox),
            endpoints=overview.endpoints(self._sandbox),
        )

    def _controls(self, request: Request) -> Response:
        del request
        return html.page("controls.html", here="controls", state=overview.state(self._sandbox), controls=CONTROLS)

    def _object(self, request: Request, object_id: str) -> Response:
        found = overview.any_object(self._sandbox, object_id)
        if found is None:
            raise NotFound
        if request.accept_mimetypes.best == "application/json":
            return _json(found)
        return html.page("object.html", here="payments", object=found)

    def _mail(self, request: Request) -> Response:
        del request
        return html.page("mails.html", here="mail", mails=mailsink.newest(self._sandbox.store))

    def _message(self, request: Request, number: int) -> Response:
        del request
        return html.page("mail.html", here="mail", mail=inbox.mail(self._sandbox.store, number))

    def _message_html(self, request: Request, number: int) -> Response:
        del request
        return inbox.html_part(self._sandbox.store, number)

    def _message_raw(self, request: Request, number: int) -> Response:
        del request
        return inbox.raw(self._sandbox.store, number)

    def _attachment(self, request: Request, number: int, attachment: int) -> Response:
        del request
        return inbox.attachment(self._sandbox.store, number, attachment)

    def _mail_json(self, request: Request) -> Response:
        del request
        return _json({"mails": [inbox.as_json(mail) for mail in mailsink.newest(self._sandbox.store)]})

    def _state_json(self, request: Request) -> Response:
        del request
        return _json(overview.state(self._sandbox))

    def _deliveries_json(self, request: Request) -> Response:
        del request
        return _json({"deliveries": overview.deliveries(self._sandbox)})

    def _static(self, request: Request, name: str) -> Response:
        del request
        return html.static_file(name)

    def _act(self, request: Request, name: str) -> Response:
        """Carry out a control: JSON in and JSON out for programs, a form and a redirect back for people."""
        control = CONTROLS.get(name)
        if control is None:
            raise NotFound
        wants_json = request.mimetype == "application/json" or request.accept_mimetypes.best == "application/json"
        try:
            answer = control.act(self._sandbox, self._faults, _given(request))
        except StripeError as error:
            if wants_json:
                return _json(error.body(None), error.status)
            return html.page("refused.html", error.status, here="controls", message=str(error))
        self._sandbox.wake()
        return _json(answer) if wants_json else redirect(f"/_sandbox/{control.page}", 303)


def _given(request: Request) -> Mapping[str, Any]:
    if request.mimetype == "application/json":
        try:
            given = json.loads(request.get_data() or b"{}")
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise StripeError("The body must be a JSON object.")
        return given
    return {name: value for name, value in request.form.items() if value != ""}


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(
        json.dumps(body, ensure_ascii=False), status, {"Cache-Control": "no-store"}, mimetype="application/json"
    )
