"""A shop's page at an origin of its own, and what a customer does there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from playwright.sync_api import FrameLocator, Locator, Page, Request
from werkzeug import Request as ServerRequest
from werkzeug import Response
from werkzeug.wsgi import responder

SHOP = Path(__file__).parent / "shop"
PUBLISHABLE_KEY = "pk_test_51SandboxBrowserTests"
SECRET_KEY = "sk_test_51SandboxBrowserTests"

VISA = "4242424242424242"
DECLINED = "4000000000000002"
WRONG_CVC = "4000000000000127"
ASKS_FOR_3DS = "4000002760003184"

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def shop_app(sandbox: str) -> Any:
    """The shop as a WSGI application, with the policy a careful page would have: no inline code, no eval, no other host."""
    policy = (
        f"default-src 'none'; script-src 'self' {sandbox}; frame-src {sandbox}; connect-src 'self' {sandbox}; "
        "style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'"
    )

    @responder
    def app(environ: Any, _start_response: Any) -> Response:
        name = ServerRequest(environ).path.strip("/")
        file = SHOP / (name if name in {"page.css", "page.js"} else "page.html")
        body = file.read_text(encoding="utf-8").replace("SANDBOX", sandbox)
        return Response(body, mimetype=_TYPES[file.suffix], headers={"Content-Security-Policy": policy})

    return app


class Checkout:
    """The shop's page in a browser; `requests` are all that it and its frames have made."""

    def __init__(self, page: Page, shop: str) -> None:
        self.page = page
        self.shop = shop
        self.requests: list[Request] = []
        page.on("request", self._keep)

    def _keep(self, request: Request) -> None:
        self.requests.append(request)

    def open(self) -> Checkout:
        self.page.goto(f"{self.shop}/checkout")
        return self

    def mount(
        self,
        client_secret: str | None = None,
        *,
        payment: dict[str, Any] | None = None,
        locale: str | None = None,
        **elements: Any,
    ) -> str:
        """Mounts the Payment Element; "ready" or "loaderror"."""
        if client_secret:
            elements["clientSecret"] = client_secret
        given = {
            "key": PUBLISHABLE_KEY,
            "stripeOptions": {"locale": locale} if locale else {},
            "elementsOptions": elements,
            "paymentOptions": payment or {},
        }
        return cast("str", self.page.evaluate("given => window.mount(given)", given))

    def mount_element(self, kind: str, options: dict[str, Any] | None = None, **elements: Any) -> Any:
        """Mounts an element of any type in the group that is there, or in one of these options; what its "ready" event said."""
        given = {"key": PUBLISHABLE_KEY, "elementsOptions": elements, "type": kind, "options": options or {}}
        return self.page.evaluate("given => window.mountElement(given)", given)

    def frame(self, title: str) -> FrameLocator:
        return self.page.frame_locator(f'iframe[title="{title}"]')

    def call(self, expression: str, given: Any = None) -> Any:
        """The outcome of `expression`, which may use `stripe`, `elements`, `payment` and `given`."""
        return self.page.evaluate(f"given => window.outcome(async () => {expression})", given)

    def begin(self, expression: str, given: Any = None) -> None:
        """As call(), without waiting: the customer has something to do first. `result()` has the outcome."""
        self.page.evaluate(
            f"given => {{ window.result = undefined; window.outcome(async () => {expression}).then(r => window.result = r); }}",
            given,
        )

    def result(self) -> Any:
        return self.page.wait_for_function("() => window.result", timeout=15_000).json_value()

    def confirm(self, **options: Any) -> Any:
        return self.call("stripe.confirmPayment({elements, redirect: 'if_required', ...given})", options)

    @property
    def form(self) -> FrameLocator:
        return self.page.frame_locator('iframe[title="Secure payment input frame"]')

    @property
    def bank(self) -> FrameLocator:
        """The bank's page in the 3-D Secure dialog, nested as Stripe's."""
        return self.dialog.frame_locator('iframe[name="stripe-challenge-frame"]')

    @property
    def dialog(self) -> FrameLocator:
        return self.page.frame_locator('iframe[name^="__privateStripeFrame"][src*="three-ds-2-challenge"]')

    def field(self, name: str) -> Locator:
        return self.form.locator(f"#Field-{name}Input")

    def error(self, name: str) -> Locator:
        return self.form.locator(f"#Field-{name}Error")

    def type_card(
        self, number: str = VISA, expiry: str = "12 / 34", cvc: str = "123", postal_code: str = "12345"
    ) -> None:
        """Fills the form in; an American customer is asked for the ZIP code, too."""
        self.field("number").fill(number)
        self.field("expiry").fill(expiry)
        self.field("cvc").fill(cvc)
        if self.field("postalCode").is_visible():
            self.field("postalCode").fill(postal_code)

    def events(self, kind: str) -> list[dict[str, Any]]:
        return cast(
            "list[dict[str, Any]]",
            self.page.evaluate("kind => window.seen.events.filter(e => e.type === kind).map(e => e.event)", kind),
        )

    def wait_for_event(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The last event of its kind, once there are `count` of them."""
        self.page.wait_for_function(
            "([kind, count]) => window.seen.events.filter(e => e.type === kind).length >= count", arg=[kind, count]
        )
        return self.events(kind)[-1]
