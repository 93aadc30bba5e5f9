"""What the contract tests share: clients, and the acts they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import pytest
import requests
import stripe

from tests.certain import as_sent
from tests.waiting import eventually

STRIPE_API = "https://api.stripe.com"
STRIPE_FILES = "https://files.stripe.com"
RETURN_URL = "https://shop.example/return"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Stripe:
    """Stripe or the sandbox."""

    base: str
    key: str
    publishable_key: str | None
    patience_seconds: float

    def client(self, key: str | None = None, **options: Any) -> stripe.StripeClient:
        files = STRIPE_FILES if self.base == STRIPE_API else self.base
        return stripe.StripeClient(key or self.key, base_addresses={"api": self.base, "files": files}, **options)

    def later(self, condition: Callable[[], Result], what: str = "") -> Result:
        """Wait for what Stripe does some time after a call."""
        return eventually(condition, within=self.patience_seconds, what=what)

    def raw(self, method: str, path: str, data: Any = None, **headers: str) -> requests.Response:
        """A call without the SDK."""
        given = {
            "Authorization": f"Bearer {self.key}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        where = {"params": data} if method in ("GET", "DELETE") else {"data": data}
        return requests.request(method, self.base + path, headers=given, timeout=60, **where)

    def answer_page(self, url: str, outcome: str) -> str:
        """Press a button (`authorize` or `fail`) on the page a customer is redirected to; returns where it leads."""
        if self.base == STRIPE_API:
            pytest.skip("Stripe's own page needs a person in a browser")
        answer = requests.post(url, data={"outcome": outcome}, timeout=60, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]


ACCEPTED: dict[str, Any] = {
    "customer_acceptance": {
        "type": "online",
        "online": {"ip_address": "127.0.0.1", "user_agent": "Mozilla/5.0"},
    }
}
"""`mandate_data` of a customer who has agreed to be debited."""


class Account:
    """What only the sandbox lets a test do to an account: change its settings, and move its time."""

    def __init__(self, contract: Stripe) -> None:
        self._contract = contract

    @contextmanager
    def set(self, **settings: str) -> Iterator[None]:
        """Settings of the account, "yes" or "no", for the length of the block."""
        before = self._control("account", {})
        self._control("account", settings)
        try:
            yield
        finally:
            self._control("account", {name: before[name] for name in settings})

    def control(self, name: str, **given: object) -> None:
        self._control(name, given)

    def _control(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        answer = requests.post(f"{self._contract.base}/_sandbox/{name}", json=dict(given), timeout=60)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


class Browser:
    """What Stripe.js does: form posts with a publishable key."""

    def __init__(self, contract: Stripe) -> None:
        self._contract = contract

    def ask(self, method: str, path: str, data: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._contract.publishable_key}", "Origin": "https://shop.example"}
        where = {"params": data} if method == "GET" else {"data": data}
        return requests.request(method, self._contract.base + path, headers=headers, timeout=60, **where)

    def get(self, path: str, data: Any = None) -> dict[str, Any]:
        return dict(self.ask("GET", path, data).json())

    def post(self, path: str, data: Any = None) -> dict[str, Any]:
        return dict(self.ask("POST", path, data).json())

    def card(self, number: str, **more: str) -> dict[str, Any]:
        """A payment method from a card typed into a form."""
        return self.post(
            "/v1/payment_methods",
            {
                "type": "card",
                "card[number]": number,
                "card[exp_month]": "12",
                "card[exp_year]": "2034",
                "card[cvc]": "123",
                **more,
            },
        )


def intend(client: stripe.StripeClient, **more: Any) -> stripe.PaymentIntent:
    """A payment intent over 20.00 EUR that nobody has confirmed."""
    never = {"enabled": True, "allow_redirects": "never"}
    given = {"amount": 2000, "currency": "eur", "automatic_payment_methods": never, **more}
    return client.v1.payment_intents.create(as_sent(given))


def pay(client: stripe.StripeClient, method: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
    """A payment intent over 20.00 EUR, confirmed with a card."""
    return intend(client, payment_method=method, confirm=True, **more)


def save_card(client: stripe.StripeClient, customer: str, method: str = "pm_card_visa") -> stripe.PaymentMethod:
    return client.v1.payment_methods.attach(method, {"customer": customer})


def param_of(error: stripe.StripeError) -> str | None:
    """Which parameter it is about; not every kind of error knows one."""
    return getattr(error, "param", None)


@contextmanager
def refused(
    status: int = 400, *, code: str | None = None, param: str | None = None, says: str = ""
) -> Iterator[list[stripe.StripeError]]:
    """The block is refused by Stripe in exactly this way; the error is put into the list."""
    caught: list[stripe.StripeError] = []
    with pytest.raises(stripe.StripeError) as raised:
        yield caught
    error = raised.value
    caught.append(error)
    assert error.http_status == status, error
    if code is not None:
        assert error.code == code, error
    if param is not None:
        assert param_of(error) == param, error
    assert says in str(error)


def event_types(client: stripe.StripeClient, object_id: str) -> list[str]:
    """The types of the events about an object, oldest first."""
    events = client.v1.events.list({"limit": 100}).data
    return [event.type for event in reversed(events) if event.data.object["id"] == object_id]


def pay_by(client: stripe.StripeClient, kind: str, method: str | None = None, **more: Any) -> stripe.PaymentIntent:
    """A confirmed payment intent over 20.00 EUR that may be paid by this type of payment method alone."""
    given: dict[str, Any] = {
        "amount": 2000,
        "currency": "eur",
        "allowed_payment_method_types": [kind],
        "confirm": True,
        "return_url": RETURN_URL,
        **more,
    }
    if method is not None:
        given["payment_method"] = method
    return client.v1.payment_intents.create(as_sent(given))


def debited(contract: Stripe, intent: stripe.PaymentIntent) -> stripe.PaymentIntent:
    """The intent once its bank has answered, with its charge."""
    client = contract.client()

    def answered() -> stripe.PaymentIntent | None:
        found = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
        return None if found.status == "processing" else found

    return cast("stripe.PaymentIntent", contract.later(answered, "the bank's answer"))
