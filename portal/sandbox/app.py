"""The sandbox as one WSGI application: the API, Stripe.js, the bank's page, and the pages and controls for people."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from portal.sandbox import authentication, catalogue, html, redirect_page, stripejs
from portal.sandbox.api import Api
from portal.sandbox.background import Background
from portal.sandbox.control import Control
from portal.sandbox.deliveries import is_loopback
from portal.sandbox.faults import ConnectionBroken, Faults, break_connection
from portal.sandbox.resources.redirects import PAGE as REDIRECTS
from portal.sandbox.resources.three_d_secure import PAGE as CHALLENGES
from portal.sandbox.settings import SandboxSettings
from portal.sandbox.world import Sandbox

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

Page = Callable[..., Response]


class SandboxApp:
    """The application. It answers at once; what happens later needs `background.start()`, which `server.serve` calls."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.faults = Faults(sandbox.store)
        self.background = Background(sandbox)
        self._api = Api(sandbox, catalogue.ROUTES, self.faults)
        control = Control(sandbox, self.faults)
        self._pages = Map([*self._open_rules(), *control.rules()], strict_slashes=False)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            response = self._answer(request)
        except ConnectionBroken as broken:
            break_connection(request)
            raise ConnectionResetError("a fault was asked for") from broken
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.path.startswith(("/v1/", "/v2/")) and not request.path.startswith(f"{CHALLENGES}/"):
            return self._api.answer(request)
        if request.path.startswith("/_sandbox") and not _from_this_machine(request):
            return Response("The sandbox's controls answer this machine alone.\n", 403, mimetype="text/plain")
        try:
            page, values = self._pages.bind_to_environ(request.environ).match()
            shown: Response = page(request, **values)
        except NotFound:
            return html.page("missing.html", 404, here="")
        except HTTPException as problem:
            return Response(f"{problem.code} {problem.name}\n", problem.code, mimetype="text/plain")
        return shown

    def _open_rules(self) -> list[Rule]:
        """What anybody may load: Stripe.js, the pages of banks, and the files of the sandbox's pages."""
        challenge = f"{CHALLENGES}/<challenge_id>"
        return [
            Rule("/", methods=["GET"], endpoint=lambda request: redirect("/_sandbox/")),  # noqa: ARG005
            Rule(challenge, methods=["GET"], endpoint=self._show_challenge),
            Rule(challenge, methods=["POST"], endpoint=self._answer_challenge),
            Rule(f"{REDIRECTS}/<redirect_id>", methods=["GET"], endpoint=self._show_redirect),
            Rule(f"{REDIRECTS}/<redirect_id>", methods=["POST"], endpoint=self._answer_redirect),
            *(Rule(rule, methods=methods, endpoint=handler) for rule, methods, handler in stripejs.routes()),
        ]

    def _show_challenge(self, request: Request, challenge_id: str) -> Response:
        del request
        return authentication.show(self.sandbox, challenge_id)

    def _answer_challenge(self, request: Request, challenge_id: str) -> Response:
        return authentication.answer(self.sandbox, request, challenge_id)

    def _show_redirect(self, request: Request, redirect_id: str) -> Response:
        del request
        return redirect_page.show(self.sandbox, redirect_id)

    def _answer_redirect(self, request: Request, redirect_id: str) -> Response:
        return redirect_page.answer(self.sandbox, request, redirect_id)

    def close(self) -> None:
        """Stop what runs and close the store."""
        self.background.stop()
        self.sandbox.store.close()


def create_sandbox(db_path: str | Path, settings: SandboxSettings | None = None) -> SandboxApp:
    """A sandbox over the SQLite file at `db_path`, made when it is not there. The same file again is the same sandbox."""
    sandbox = Sandbox(db_path, settings or SandboxSettings(), catalogue.KINDS, catalogue.EFFECTS, catalogue.BEGINNINGS)
    return SandboxApp(sandbox)


def _from_this_machine(request: Request) -> bool:
    """Whether a request came over loopback, under a loopback name, and not from a page of another site.

    The name guards against a foreign name that resolves here; the origin against forms on other sites.
    """
    host = request.host.rsplit(":", maxsplit=1)[0].strip("[]")
    if not (is_loopback(request.remote_addr or "") and is_loopback(host)):
        return False
    origin = request.headers.get("Origin")
    return request.method in ("GET", "HEAD") or origin is None or origin == request.host_url.rstrip("/")
