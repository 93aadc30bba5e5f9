"""Customers' apps and the staff's, as threads that call the JSON API and write down what they were told."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import requests
import stripe

from tests.certain import as_sent
from tests.contract.support import ACCEPTED
from tests.live import SandboxServer
from tests.simulation import told
from tests.simulation.told import Notebook, Told
from tests.simulation.world import Paid, Payer, World

if TYPE_CHECKING:
    from stripe import StripeClient

ANSWER_WITHIN_SECONDS: Final = 25.0
MOST_ATTEMPTS: Final = 6
MOST_POLLS: Final = 4
# A client between two things it does, and between two tries of one. Seconds.
REST: Final = (0.02, 0.3)
AGAIN_AFTER: Final = (0.1, 0.9)

# New cards that customers pay with, as Stripe's test cards are called, and how often.
CARDS: Final = {
    "tok_visa": 12,
    "tok_mastercard": 4,
    "tok_chargeDeclined": 2,
    "tok_chargeDeclinedInsufficientFunds": 1,
    "tok_threeDSecure2Required": 3,
    "tok_threeDSecureRequiredChargeDeclined": 1,
    "tok_createDispute": 1,
    "tok_pendingRefund": 2,
    "tok_refundFail": 1,
}
# Bank accounts that are debited, and how often: those that pay, fail, and take the debit back.
ACCOUNTS: Final = {"DE89370400440532013000": 6, "DE62370400440532013001": 3, "DE35370400440532013002": 2}
# Of a card that was to be charged at once: nothing was, and nothing is. Who is told so chooses another one, and pays again.
NOT_CHARGED: Final = frozenset({"created", "requires_payment_method", "requires_confirmation"})
# Another one of these is no answer yet.
TRY_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


@dataclass
class Scene:
    """What all clients of one run share. `odd` are answers that no client should ever get."""

    url: str
    sandbox: SandboxServer
    world: World
    notebook: Notebook
    seed: object
    over: threading.Event = field(default_factory=threading.Event)
    odd: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def stripe(self) -> StripeClient:
        return self.sandbox.client


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.body.get("code", ""))


class Client:
    """Acts until the scene is over. Everything it draws comes from the seed and its name."""

    def __init__(self, scene: Scene, name: str, token: str, ip: str = "10.99.0.1") -> None:
        self.scene = scene
        self.name = name
        self.chance = random.Random(f"{scene.seed}:{name}")
        self._headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": ip}
        self._keys = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def act(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        while not self.scene.over.wait(self.chance.uniform(*REST)):
            try:
                self.act()
            except stripe.StripeError as error:
                self.scene.statuses[f"sandbox {type(error).__name__} {error.code}"] += 1

    def new_key(self) -> str:
        self._keys += 1
        return f"{self.scene.seed}-{self.name}-{self._keys:04d}"

    def note(self, what: str, subject: str, amount: int = 0, currency: str = "", detail: str = "") -> None:
        self.scene.notebook.note(Told(self.name, what, subject, amount, currency, detail))

    def call(self, method: str, path: str, body: Any = None, key: str = "") -> Answer | None:
        """One request; None when no answer came."""
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        try:
            response = requests.request(
                method, self.scene.url + path, json=body, headers=headers, timeout=ANSWER_WITHIN_SECONDS
            )
            answer = Answer(response.status_code, response.json())
        except (requests.RequestException, ValueError):
            self.scene.statuses["none"] += 1
            return None
        self.scene.statuses[f"{answer.status} {answer.code}".strip()] += 1
        if answer.status == 500:
            self.expect(answer)
        return answer

    def insist(self, path: str, body: Any, key: str) -> Answer | None:
        """Send a request again under its key until it is answered for good; None for who gives up before."""
        for _ in range(MOST_ATTEMPTS):
            answer = self.call("POST", path, body, key)
            if answer and answer.status not in TRY_AGAIN and answer.code != "request_in_flight":
                return answer
            if self.scene.over.wait(self.chance.uniform(*AGAIN_AFTER)):
                return None
        return None

    def expect(self, answer: Answer | None, *statuses: int) -> None:
        if answer is not None and answer.status not in statuses:
            self.scene.odd[f"{self.name.rstrip('0123456789')} got {answer.status} {answer.body}"] += 1


class PayingApp(Client):
    """A customer's app: pays orders and invoices, answers its bank, presses twice, and asks for money back."""

    def __init__(self, scene: Scene, name: str, payer: Payer) -> None:
        super().__init__(scene, name, payer.token, payer.ip)
        self._payer = payer

    def act(self) -> None:
        drawn = self.chance.random()
        if drawn < 0.40:
            self._pay({**self._order(), "payment_method_id": self._card()})
        elif drawn < 0.58:
            self._pay_invoice()
        elif drawn < 0.65:
            self._pay_several()
        elif drawn < 0.75:
            self._pay(self._order())
        else:
            self._ask_back()

    def _order(self) -> dict[str, Any]:
        amount = self.chance.choice((9_90, 25_00, 75_50, 320_00))
        currency = self.chance.choice(("eur", "eur", "usd"))
        name = (
            self.new_key()
        )  # in the description, too: two orders of one amount and text would look like one paid twice
        order = {"amount": amount, "currency": currency, "description": f"Order {name}"}
        return {**order, "metadata": {"order": name}}

    def _card(self) -> str:
        """A saved card, or one that was just typed."""
        if self._payer.cards and self.chance.random() < 0.85:
            return self.chance.choices(list(self._payer.cards), weights=list(self._payer.cards.values()))[0]
        return self._method()

    def _method(self) -> str:
        token = self.chance.choices(list(CARDS), weights=list(CARDS.values()))[0]
        return self.scene.stripe.v1.payment_methods.create({"type": "card", "card": {"token": token}}).id

    def _pay_invoice(self) -> None:
        invoice = self.scene.world.take_invoice(self._payer)
        if invoice is None:
            return
        if self.chance.random() < 0.3:  # in parts: one first, and then the rest
            part = {"invoice_id": invoice, "amount": self.chance.choice((1_00, 5_00)), "currency": "eur"}
            self._pay({"invoices": [part], "payment_method_id": self._card()})
        attempts = self.chance.choice((1, 1, 2, 3))  # with another card after a decline, or on another device
        for _ in range(attempts):
            if not self._pay({"invoice_id": invoice, "payment_method_id": self._card()}):
                return

    def _pay_several(self) -> None:
        """Some invoices at once; some of them are paid by others at the same moment, alone or with others again."""
        chosen = self.scene.world.take_several(self._payer, self.chance)
        if not chosen:
            return
        order: dict[str, Any] = {"invoices": [{"invoice_id": one} for one in chosen]}
        if self.chance.random() < 0.8:
            order["payment_method_id"] = self._card()
        self._pay(order)

    def _pay(self, order: dict[str, Any]) -> bool:
        """Whether another card may be tried."""
        key = self.new_key()
        if self.chance.random() < 0.3:  # a double click: two at once, one key
            with ThreadPoolExecutor(2) as pool:
                first, second = pool.map(lambda _: self.call("POST", "/api/payments/process", order, key), range(2))
            for answer in (first, second):
                self._hear(order, answer)
        answer = self.insist("/api/payments/process", order, key)
        self.expect(answer, 201, 402, 409)
        self._hear(order, answer)
        if answer is None or answer.status == 409:
            return False
        if answer.status == 402:
            return True
        if self._is_not_charged(order, answer):
            return True
        if answer.body["next_action"] and self.chance.random() < 0.8:
            self._take_step(answer.body)
        if self.chance.random() < 0.7:
            self._follow(answer.body["id"])
        return False

    def _hear(self, order: dict[str, Any], answer: Answer | None) -> None:
        if answer is None:
            return
        if (answer.status == 402 or self._is_not_charged(order, answer)) and "metadata" in order:
            self.note(told.REFUSED, order["metadata"]["order"])
        if answer.status == 201:
            self.note(told.BEGUN, answer.body["id"])
            self._hear_of(answer.body)

    def _is_not_charged(self, order: dict[str, Any], answer: Answer) -> bool:
        return answer.status == 201 and "payment_method_id" in order and answer.body["status"] in NOT_CHARGED

    def _hear_of(self, payment: dict[str, Any]) -> None:
        if payment["status"] == "succeeded":
            self.note(told.PAID, payment["id"], payment["amount"], payment["currency"])
            invoices = tuple(one["invoice_id"] for one in payment["invoices"])
            self.scene.world.add_paid(Paid(payment["id"], self._payer.id, payment["amount"], invoices))
        if payment["receipt_id"]:
            self.note(told.RECEIPT, payment["id"], detail=payment["receipt_id"])

    def _take_step(self, payment: dict[str, Any]) -> None:
        """What Stripe's SDK in the app does with the secret, straight at Stripe; some fail, and some leave it at that."""
        intent_id = payment["client_secret"].partition("_secret_")[0]
        if payment["next_action"] == "confirm":
            if payment["currency"] == "eur" and self.chance.random() < 0.6:
                debit_account(self.scene, self.chance, intent_id)
                return
            method = self._method()
            self.scene.stripe.v1.payment_intents.confirm(intent_id, {"payment_method": method})
        answer_bank(self.scene, intent_id, completes=self.chance.random() < 0.85)

    def _follow(self, payment_id: str) -> None:
        for _ in range(MOST_POLLS):
            answer = self.call("GET", f"/api/payments/{payment_id}")
            self.expect(answer, 200, *TRY_AGAIN)
            if answer and answer.status == 200:
                self._hear_of(answer.body)
                if answer.body["receipt_id"]:
                    return
            if self.scene.over.wait(self.chance.uniform(*AGAIN_AFTER)):
                return

    def _ask_back(self) -> None:
        mine = [paid for paid in list(self.scene.world.paid) if paid.customer_id == self._payer.id]
        paid = self.scene.world.any_of(self.chance, mine)
        if paid is None:
            return
        wish: dict[str, Any] = {"payment_id": paid.payment_id, "reason": "product_not_received"}
        if len(paid.invoices) > 1:
            wish["invoice_id"] = self.chance.choice(paid.invoices)
        if self.chance.random() < 0.6:
            wish["amount"] = self.chance.randint(1, paid.amount)
        answer = self.insist("/api/payments/refund", wish, self.new_key())
        self.expect(answer, 201, 409, 422)
        if answer and answer.status == 201:
            self.note(told.ASKED, answer.body["id"])
            self.scene.world.add_wish(answer.body["id"])


def debit_account(scene: Scene, chance: random.Random, intent_id: str) -> None:
    """The customer types a bank account and agrees to be debited; some pay, some fail, and some are taken back after they have paid."""
    (iban,) = chance.choices(list(ACCOUNTS), weights=list(ACCOUNTS.values()))
    holder = {"name": "Jenny Rosen", "email": "jenny.rosen@example.com"}
    method = {"type": "sepa_debit", "sepa_debit": {"iban": iban}, "billing_details": holder}
    params = as_sent({"payment_method_data": method, "mandate_data": ACCEPTED})
    scene.stripe.v1.payment_intents.confirm(intent_id, params)


def answer_bank(scene: Scene, intent_id: str, *, completes: bool) -> None:
    """The customer answers the bank's question (3-D Secure), if there is one."""
    intent: Any = scene.stripe.v1.payment_intents.retrieve(intent_id)
    if intent.status != "requires_action":
        return
    step = intent.next_action
    address = step.use_stripe_sdk["stripe_js"] if step.type == "use_stripe_sdk" else step.redirect_to_url.url
    outcome = "complete" if completes else "fail"
    requests.post(address, data={"outcome": outcome}, allow_redirects=False, timeout=ANSWER_WITHIN_SECONDS)


class StaffApp(Client):
    """A member of staff with an app: approves what was asked for, often at the same moment as a colleague, and gives back unasked."""

    def act(self) -> None:
        world = self.scene.world
        if self.chance.random() < 0.5:
            wish = world.any_of(self.chance, world.wishes[-6:])
            if wish is not None:
                self._approve(wish)
            return
        paid = world.any_of(self.chance, list(world.paid))
        if paid is not None:
            self._give_back(paid)

    def _approve(self, refund_id: str) -> None:
        answer = self.insist(f"/api/refunds/{refund_id}/approval", {"note": "As agreed."}, self.new_key())
        self.expect(answer, 200, 403, 409)
        if answer and answer.status == 200 and answer.body["status"] not in {"requested", "approved_once"}:
            self.note(told.APPROVED, refund_id)

    def _give_back(self, paid: Paid) -> None:
        wish = {"payment_id": paid.payment_id, "reason": "goodwill"}
        if self.chance.random() < 0.5:
            wish["amount"] = self.chance.randint(1, paid.amount)  # type: ignore[assignment]
        answer = self.insist("/api/payments/refund", wish, self.new_key())
        self.expect(answer, 201, 403, 409, 422)
        if answer and answer.status == 201:
            self.note(told.ASKED, answer.body["id"])
            self.scene.world.add_wish(answer.body["id"])


class Bank(Client):
    """Now and then the bank takes a payment back, or sends a refund back."""

    def act(self) -> None:
        if self.scene.over.wait(self.chance.uniform(2.0, 7.0)):
            return
        if self.chance.random() < 0.5:
            refunds = [
                one for one in self.scene.stripe.v1.refunds.list({"limit": 20}).data if one.status == "succeeded"
            ]
            if refunds:
                self._control("refunds/fail", refund=self.chance.choice(refunds).id)
            return
        charges = [
            one for one in self.scene.stripe.v1.charges.list({"limit": 20}).data if one.paid and not one.disputed
        ]
        if charges:
            self._control("disputes", charge=self.chance.choice(charges).id, reason="product_not_received")

    def _control(self, name: str, **arguments: object) -> None:
        try:
            self.scene.sandbox.control(name, **arguments)
        except OSError:
            self.scene.statuses[f"sandbox refuses {name}"] += 1
