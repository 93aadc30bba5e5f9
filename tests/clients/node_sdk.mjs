// What a second client of Stripe, its SDK for Node, does with the sandbox: prints one JSON line of what it saw.
import { createRequire } from "node:module";

const [, , base, modules] = process.argv;
const require = createRequire(`${modules}/`);
const Stripe = require("stripe").default ?? require("stripe");
const { protocol, hostname, port } = new URL(base);
const stripe = new Stripe("sk_test_node", {
  protocol: protocol.replace(":", ""),
  host: hostname,
  port,
  apiVersion: "2026-10-28.endive",
  maxNetworkRetries: 1,
  telemetry: false,
});

const methods = { automatic_payment_methods: { enabled: true, allow_redirects: "never" } };
const customer = await stripe.customers.create({ email: "node@example.com", metadata: { client: "node" } });
const intent = await stripe.paymentIntents.create({ amount: 2000, currency: "eur", customer: customer.id, ...methods });
const paid = await stripe.paymentIntents.confirm(intent.id, { payment_method: "pm_card_visa", expand: ["latest_charge"] });
let declined = null;
try {
  await stripe.paymentIntents.create({ amount: 2000, currency: "eur", payment_method: "pm_card_visa_chargeDeclined", confirm: true, ...methods });
} catch (error) {
  declined = { type: error.type, code: error.code, decline_code: error.decline_code, status: error.statusCode };
}
const refund = await stripe.refunds.create({ payment_intent: intent.id, amount: 500 }, { idempotencyKey: "node-refund" });
const again = await stripe.refunds.create({ payment_intent: intent.id, amount: 500 }, { idempotencyKey: "node-refund" });
for (let number = 0; number < 5; number += 1) await stripe.customers.create({ name: `node ${number}` });
let listed = 0;
for await (const _ of stripe.customers.list({ limit: 2 })) listed += 1;
console.log(
  JSON.stringify({ status: paid.status, last4: paid.latest_charge.payment_method_details.card.last4, declined, once: refund.id === again.id, listed }),
);
