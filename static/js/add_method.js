/**
 * The form that adds a payment method without paying. The server makes the setup intent; Stripe.js collects it in its own frame and
 * confirms; what became of it is then asked of the server, which asks Stripe. After a refusal everything stays as it was typed.
 */
import { CardForm, swap } from "./card_form.js";
import { listening } from "./feedback.js";

const form = document.getElementById("method-form");
const button = document.getElementById("method-button");
const card = new CardForm({
  form,
  message: document.getElementById("method-message"),
  advice: document.getElementById("method-advice"),
  options: { mode: "setup" },
});

async function add() {
  const { error } = await card.elements.submit();
  if (error) return;
  const started = await card.start();
  if (!started) return;
  const result = await card.stripe.confirmSetup({
    elements: card.elements,
    clientSecret: started.client_secret,
    confirmParams: { return_url: started.return_url },
    redirect: "if_required",
  });
  await card.conclude(result, () => swap("#method-panel", started.outcome_url));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  card.once(button, add);
});
if (card.stripe) listening(button);
