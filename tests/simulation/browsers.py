"""Customers and staff in a browser: the requests that their pages make, with a session and its forms' tokens."""

from __future__ import annotations

import re
from typing import Any, Final

import requests
import stripe

from tests import factories
from tests.simulation import told
from tests.simulation.clients import ANSWER_WITHIN_SECONDS, Client, Scene, answer_bank, debit_account
from tests.simulation.world import Paid, Payer

_FIELD: Final = re.compile(r'name="(csrf_token|client_key)"[^>]*?value="([^"]*)"')
_IDEMPOTENT_PAUSE: Final = (0.1, 0.6)
CARDS: Final = (
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_mastercard",
    "pm_card_chargeDeclined",
    "pm_card_threeDSecure2Required",
)
PAID: Final = "Paid. Thank you!"


class Browser(Client):
    """Signs in, and again whenever its session is gone."""

    def __init__(self, scene: Scene, name: str, email: str, ip: str) -> None:
        super().__init__(scene, name, "", ip)
        self._email = email
        self._session = requests.Session()
        self._session.headers["X-Forwarded-For"] = ip
        self._signed_in = False

    def act(self) -> None:
        if not self._signed_in:
            self._signed_in = self._sign_in()
        else:
            self.browse()

    def browse(self) -> None:
        raise NotImplementedError

    def _sign_in(self) -> bool:
        fields = self.fields_of("/sign-in")
        if "csrf_token" not in fields:
            return False
        answer = self.send("POST", "/sign-in", {**fields, "email": self._email, "password": factories.PASSWORD})
        return answer is not None and answer.status_code == 303

    def send(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> requests.Response | None:
        """One request; None when no answer came. A form is refused without our own origin, which a browser tells."""
        try:
            answer = self._session.request(
                method,
                self.scene.url + path,
                data=form,
                headers={"Origin": self.scene.url, "Referer": f"{self.scene.url}{path}", **headers},
                timeout=ANSWER_WITHIN_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException:
            self.scene.statuses["page none"] += 1
            return None
        self.scene.statuses[f"page {answer.status_code}"] += 1
        if answer.status_code == 500:
            self.scene.odd[
                f"{self.name.rstrip('0123456789')}: {method} {re.sub(r'[a-z]{3}_[0-9a-z]{26}', '…', path)} got 500"
            ] += 1
        return answer

    def fields_of(self, path: str) -> dict[str, str]:
        """The hidden fields of the first form of a page; empty when it did not come."""
        answer = self.send("GET", path)
        if answer is None or answer.status_code != 200:
            self._signed_in = self._signed_in and (
                answer is None or "/sign-in" not in answer.headers.get("Location", "")
            )
            return {}
        return dict(_FIELD.findall(answer.text))


class PayingBrowser(Browser):
    """A customer on the pay page, or on the invoice where one press charges a saved card; some vanish before the end."""

    def __init__(self, scene: Scene, name: str, payer: Payer) -> None:
        super().__init__(scene, name, payer.email, payer.ip)
        self._payer = payer

    def browse(self) -> None:
        invoice = self.scene.world.take_invoice(self._payer)
        if invoice is None:
            return
        if self._payer.cards and self.chance.random() < 0.4:
            self._press(invoice)
        else:
            self._pay_page(invoice)

    def _press(self, invoice: str) -> None:
        """The button beside the default card, pressed once or twice with one key."""
        fields = self.fields_of(f"/payments/invoices/{invoice}/ways")
        if "client_key" not in fields:
            return
        form = {**fields, "payment_method_id": self.chance.choice(list(self._payer.cards))}
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            answer = self.send("POST", f"/payments/invoices/{invoice}/card", form)
            found = re.search(r"/payments/(pay_\w+)/outcome", answer.headers.get("Location", "") if answer else "")
            if found:
                self._ask_for_outcome(found[1])
                return

    def _pay_page(self, invoice: str) -> None:
        fields = self.fields_of(f"/payments/invoices/{invoice}")
        started: dict[str, Any] = {}
        for _ in range(self.chance.choice((1, 2, 3))):
            answer = self.send("POST", f"/payments/invoices/{invoice}/start", fields, Accept="application/json")
            if answer is not None and answer.status_code == 200:
                started = answer.json()
                break
        if not started or self.chance.random() < 0.1:
            return  # the customer closes the tab
        self.note(told.BEGUN, started["payment_id"])
        self._confirm(started["client_secret"].partition("_secret_")[0])
        if self.chance.random() < 0.7:
            self._ask_for_outcome(started["payment_id"])

    def _confirm(self, intent_id: str) -> None:
        """As Stripe.js does it, straight at Stripe."""
        if self.chance.random() < 0.4:
            debit_account(self.scene, self.chance, intent_id)
            return
        try:
            self.scene.stripe.v1.payment_intents.confirm(intent_id, {"payment_method": self.chance.choice(CARDS)})
        except stripe.CardError:
            return
        answer_bank(self.scene, intent_id, completes=self.chance.random() < 0.85)

    def _ask_for_outcome(self, payment_id: str) -> None:
        for _ in range(4):
            answer = self.send("GET", f"/payments/{payment_id}/outcome")
            if answer is not None and answer.status_code == 200 and PAID in answer.text:
                self._hear_of(payment_id)
                return
            if self.scene.over.wait(self.chance.uniform(*_IDEMPOTENT_PAUSE)):
                return

    def _hear_of(self, payment_id: str) -> None:
        intents = self.scene.stripe.v1.payment_intents.list({"limit": 100}).data
        for intent in intents:
            if intent.metadata and intent.metadata.to_dict().get("payment_id") == payment_id:
                self.note(told.PAID, payment_id, intent.amount, intent.currency)
                self.scene.world.add_paid(Paid(payment_id, self._payer.id, intent.amount))


class DeskBrowser(Browser):
    """A member of staff at the desk, who decides what colleagues' apps decide at the same moment."""

    def browse(self) -> None:
        world = self.scene.world
        wish = world.any_of(self.chance, world.wishes[-3:])
        if wish is None:
            return
        fields = self.fields_of(f"/support/refunds/{wish}")
        if "csrf_token" not in fields:
            return
        if self.chance.random() < 0.85:
            self.send("POST", f"/support/refunds/{wish}/approval", {**fields, "note": "As agreed."})
        else:
            self.send("POST", f"/support/refunds/{wish}/rejection", {**fields, "rejection": "It was sent in time."})
