"""What Stripe's SDK for Python does with the sandbox without waiting: many calls at once, by `httpx`.

python python_sdk.py URL        prints one JSON line of what it saw
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import stripe

from tests.certain import as_sent

AT_ONCE = 8
METHODS: Any = {"automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}


async def main(url: str) -> dict[str, Any]:
    client = stripe.StripeClient(
        "sk_test_python", base_addresses={"api": url}, http_client=stripe.HTTPXClient(), max_network_retries=1
    )
    v1 = client.v1
    customer = await v1.customers.create_async({"email": "async@example.com"})
    given: Any = {"amount": 2000, "currency": "eur", "customer": customer.id, "confirm": True, **METHODS}
    paid = await asyncio.gather(
        *(v1.payment_intents.create_async(as_sent({**given, "payment_method": "pm_card_visa"})) for _ in range(AT_ONCE))
    )
    try:
        await v1.payment_intents.create_async(as_sent({**given, "payment_method": "pm_card_chargeDeclined"}))
        declined = None
    except stripe.CardError as error:
        declined = [error.code, error.http_status]
    once: Any = {"idempotency_key": "async-refund"}
    refunds = [await v1.refunds.create_async({"payment_intent": paid[0].id, "amount": 500}, once) for _ in range(2)]
    page = await v1.payment_intents.list_async({"customer": customer.id, "limit": 3})
    listed = [intent.id async for intent in page.auto_paging_iter()]
    return {
        "statuses": sorted({intent.status for intent in paid}),
        "different": len({intent.id for intent in paid}),
        "declined": declined,
        "once": refunds[0].id == refunds[1].id,
        "listed": len(listed),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1]))))
