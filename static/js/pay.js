/**
 * The pay form. The server makes the intent and says its amount; Stripe.js collects the card in its own frame and confirms;
 * what became of it is then asked of the server, which asks Stripe.
 *
 * One press at a time: while a press is under way, further ones do nothing. After a decline everything stays as it was typed.
 */
import { CardForm, swap } from "./card_form.js";

const form = document.getElementById("pay-form");
const button = document.getElementById("pay-button");
const finish = document.getElementById("finish");
const newCard = document.getElementById("new-card");
const saveCard = document.getElementById("save-card");
const card = new CardForm({
  form,
  message: document.getElementById("pay-message"),
  advice: document.getElementById("pay-advice"),
  options: { mode: "payment", amount: Number(form.dataset.amount), currency: form.dataset.currency },
});

function chosen() {
  return form.querySelector("input[name=method]:checked")?.value ?? "new";
}

function showOutcome(started) {
  return swap("#pay-panel", started.outcome_url);
}

/** Ask the server for the intent; resolves to its answer, or null after having said why not. */
function start(save) {
  return card.start((body) => {
    body.delete("method");
    if (!save) body.delete("save_card");
  });
}

async function pay() {
  const method = chosen();
  const save = method === "new" && saveCard.checked;
  if (method === "new") {
    card.elements.update({ setupFutureUsage: save ? "off_session" : null });
    const { error } = await card.elements.submit();
    if (error) return;
  }
  const started = await start(save);
  if (!started) return;
  const confirmation = {
    clientSecret: started.client_secret,
    confirmParams: { return_url: started.return_url },
    redirect: "if_required",
  };
  if (method === "new") confirmation.elements = card.elements;
  else confirmation.confirmParams.payment_method = method;
  await card.conclude(await card.stripe.confirmPayment(confirmation), () => showOutcome(started));
}

async function finishPayment() {
  const started = await start(false);
  if (!started) return;
  if (started.status !== "requires_action") {
    await showOutcome(started); // nothing is left to finish: another tab or device was faster
    return;
  }
  const result = await card.stripe.handleNextAction({ clientSecret: started.client_secret });
  await card.conclude(result, () => showOutcome(started));
}

function showNewCard() {
  newCard.hidden = chosen() !== "new";
}

showNewCard();
form.addEventListener("change", showNewCard);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  card.once(button, pay);
});
finish?.addEventListener("click", () => card.once(finish, finishPayment));
// Who comes from a press of "Pay" has asked for this already.
if (finish?.dataset.now !== undefined) finish.click();
