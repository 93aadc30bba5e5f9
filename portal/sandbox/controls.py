"""The controls: what may be done to the sandbox from outside Stripe's API, each with its fields, for the page and for programs alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portal.sandbox import machine_controls, object_controls
from portal.sandbox.account_settings import INTERVALS
from portal.sandbox.disturbances import ACTIONS
from portal.sandbox.faults import FAULTS, Faults
from portal.sandbox.resources import wallets
from portal.sandbox.resources.cards import WALLETS
from portal.sandbox.resources.refunds import FAILURE_REASONS
from portal.sandbox.settings import DAY_SECONDS
from portal.sandbox.world import Sandbox

Given = Mapping[str, Any]
Act = Callable[[Sandbox, Faults, Given], dict[str, Any]]


@dataclass(frozen=True)
class Field:
    name: str
    label: str
    value: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Control:
    """One control; `page` is where its form leads back to."""

    title: str
    text: str
    act: Act
    fields: tuple[Field, ...] = ()
    page: str = "controls"


def _on_objects(act: Callable[[Sandbox, Given], dict[str, Any]]) -> Act:
    return lambda sandbox, faults, given: act(sandbox, given)  # noqa: ARG005 - faults are for controls of calls


_YES_OR_NO = ("", "yes", "no")

CONTROLS: dict[str, Control] = {
    "clock": Control(
        "Move the clock",
        "Sandbox time goes on from where it is put. What becomes due happens at once.",
        machine_controls.move_clock,
        (Field("seconds", "Seconds to move by", str(DAY_SECONDS)),),
    ),
    "finish": Control(
        "Finish what is under way",
        "Balance transactions, outcomes of refunds and disputes that would come within the hour come now.",
        machine_controls.finish,
    ),
    "faults": Control(
        "Fail the next calls",
        "The next calls to the API that match fail as networks and servers do.",
        machine_controls.fail_calls,
        (
            Field("fault", "Fault", options=FAULTS),
            Field("method", "Method", "*"),
            Field("path", "Path, with * for any part", "/v1/*"),
            Field("times", "How many calls", "1"),
            Field("seconds", "Seconds (for hanging and delay)", "1"),
        ),
    ),
    "faults/clear": Control("Stop failing", "Calls succeed again.", machine_controls.clear_faults),
    "webhooks": Control(
        "Disturb webhooks",
        "Lose, delay, double or shuffle the next deliveries, or a share of all that follow.",
        machine_controls.disturb,
        (
            Field("action", "What happens", options=ACTIONS),
            Field("share", "Share of deliveries, 0 to 1", "1"),
            Field("times", "How many (empty: until stopped)", ""),
            Field("seconds", "Seconds late", "5"),
        ),
    ),
    "webhooks/clear": Control(
        "Stop disturbing", "Webhooks arrive once, at once and in order again.", machine_controls.calm
    ),
    "payments/slow": Control(
        "Slow payments down",
        "The next confirmations stay in processing for a while before the bank answers.",
        machine_controls.slow_down,
        (Field("times", "How many", "1"), Field("seconds", "Seconds", "5")),
    ),
    "account": Control(
        "Change the account",
        "Its rules, its terms with Stripe, and how fast it may ask. What is left empty stays.",
        machine_controls.set_account,
        (
            Field("blocks_failed_cvc", "Block a payment whose card's code is wrong", options=_YES_OR_NO),
            Field("blocks_failed_postal_code", "Block one whose postal code is wrong", options=_YES_OR_NO),
            Field("returns_dispute_fee", "Give the fee of a won dispute back", options=_YES_OR_NO),
            Field("settlement_currency", "Convert every payment into"),
            Field("tariffs", "Agreed fees, as JSON"),
            Field("statement_descriptor", "Words on statements"),
            Field("payout_interval", "Pay out", options=("", *INTERVALS)),
            Field("debits_negative_balance", "Collect a balance below zero", options=_YES_OR_NO),
            Field("browser_country", "Where customers are (two letters)"),
            Field("bank_day_seconds", "Seconds that a bank's day takes"),
            Field("reads_per_second", "Reads a second"),
            Field("writes_per_second", "Writes a second"),
        ),
    ),
    "payment_methods": Control(
        "Turn payment methods on",
        "What the account offers beside or instead of the card, where a request does not say.",
        _on_objects(object_controls.turn_on_methods),
        (Field("on", "Methods", "card,sepa_debit,ideal,paypal"),),
    ),
    "disputes": Control(
        "Dispute a charge",
        "The holder asks the bank for the money back.",
        _on_objects(object_controls.open_dispute),
        (
            Field("charge", "Charge (ch_…)"),
            Field("reason", "Reason", options=("fraudulent", "product_not_received", "duplicate", "general")),
            Field("inquiry", "Only an inquiry", options=("no", "yes")),
            Field("code", "The network's reason code (empty: by the reason)"),
            Field("amount", "Amount in minor units (empty: the charge's)"),
            Field("currency", "Currency (empty: the charge's)"),
        ),
    ),
    "disputes/decide": Control(
        "Decide a dispute",
        "The bank's verdict.",
        _on_objects(object_controls.decide_dispute),
        (
            Field("dispute", "Dispute (du_…)"),
            Field("verdict", "Verdict", options=("won", "lost", "warning_closed", "needs_response")),
        ),
    ),
    "early_fraud_warnings": Control(
        "Warn of fraud",
        "The card's issuer suspects a charge.",
        _on_objects(object_controls.warn_of_fraud),
        (Field("charge", "Charge (ch_…)"),),
    ),
    "refunds/fail": Control(
        "Let a refund fail",
        "The bank sends the money back, also after the refund succeeded.",
        _on_objects(object_controls.fail_refund),
        (Field("refund", "Refund (re_…)"), Field("reason", "Reason", options=FAILURE_REASONS)),
    ),
    "refunds/lag": Control(
        "Leave a refund out of the list",
        "The list of its payment's refunds does not show it for a while, though its charge counts it already.",
        _on_objects(object_controls.lag_refund),
        (Field("refund", "Refund (re_…)"), Field("seconds", "Seconds", "3600")),
    ),
    "payouts": Control(
        "Pay out",
        "What the payout schedule does each day: all available money goes to the bank.",
        _on_objects(object_controls.pay_out),
    ),
    "payouts/fail": Control(
        "Let a payout fail",
        "The bank returns the money.",
        _on_objects(object_controls.fail_payout),
        (Field("payout", "Payout (po_…)"),),
    ),
    "cards/renew": Control(
        "Renew a card",
        "The bank sends a new card with a later expiry.",
        _on_objects(object_controls.renew_card),
        (Field("payment_method", "Payment method (pm_…)"),),
    ),
    "cards/wallet": Control(
        "Put a card into a wallet",
        "Its holder pays with it by Apple Pay, Google Pay or Link.",
        _on_objects(object_controls.put_in_wallet),
        (Field("payment_method", "Payment method (pm_…)"), Field("wallet", "Wallet", options=("", *WALLETS))),
    ),
    "wallet": Control(
        "Fill the customer's wallet",
        "What Apple Pay, Google Pay and Link hold, and whether their sheet waits for a person. What is left empty stays.",
        _on_objects(object_controls.fill_wallet),
        (
            Field("card", "Card", "4242 4242 4242 4242"),
            Field("answers", "Its sheet", options=("", *wallets.ANSWERS)),
            *(Field(name, name.replace("_", " ").capitalize()) for name in wallets.FIELDS[2:]),
        ),
    ),
    "cards/behave": Control(
        "Change how a card behaves",
        "A saved card begins to behave like another of Stripe's test cards; with asks_for_cvc its bank wants the code typed anew.",
        _on_objects(object_controls.change_behaviour),
        (Field("payment_method", "Payment method (pm_…)"), Field("like", "Like the card", "4000 0000 0000 9995")),
    ),
    "mandates/end": Control(
        "End a mandate",
        "The holder of an account tells their bank that nothing more may be debited.",
        _on_objects(object_controls.end_mandate),
        (Field("mandate", "Mandate (mandate_…)"),),
    ),
    "seed": Control("Seed", "A customer with a saved card to begin with.", machine_controls.seed),
    "endpoints": Control(
        "Tell an address of events",
        "An endpoint for every event, with a secret you choose.",
        machine_controls.endpoint,
        (Field("url", "Address on this machine"), Field("secret", "Secret (whsec_…)")),
        page="deliveries",
    ),
    "endpoints/roll": Control(
        "Roll a webhook secret",
        "Deliveries are signed with the new secret and, for some hours, with the old one too.",
        machine_controls.roll_secret,
        (Field("endpoint", "Endpoint (we_…)"), Field("hours", "Hours the old secret lives", "24")),
        page="deliveries",
    ),
    "resend": Control(
        "Send an event again",
        "To every endpoint that was told of it.",
        machine_controls.resend,
        (Field("event", "Event (evt_…)"),),
        page="deliveries",
    ),
    "reset": Control(
        "Forget everything",
        "Objects, events, mails, keys and faults go; the clock returns to real time.",
        machine_controls.reset,
    ),
}
