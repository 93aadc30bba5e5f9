/**
 * The pay form. The server makes the intent and says its amount; Stripe.js collects the card in its own frame and confirms;
 * what became of it is then asked of the server, which asks Stripe.
 *
 * One press at a time: while a press is under way, further ones do nothing. After a decline everything stays as it was typed.
 */
import { begin, end } from "./progress.js";

const form = document.getElementById("pay-form");
const button = document.getElementById("pay-button");
const finish = document.getElementById("finish");
const message = document.getElementById("pay-message");
const place = document.getElementById("payment-element");
const newCard = document.getElementById("new-card");
const saveCard = document.getElementById("save-card");
const words = form.dataset;

let stripe = null;
let elements = null;
let atWork = false;

/* Words */

function say(text) {
  message.textContent = text;
  if (text) message.focus();
}

/** Stripe's error in our own words, from the texts that the page carries; the finer code first. */
function advice(error) {
  const texts = document.getElementById("pay-advice").content;
  const found = [error.decline_code, error.code, ""]
    .filter((code) => code !== undefined && code !== null)
    .map((code) => texts.querySelector(`[data-code="${CSS.escape(code)}"]`))
    .find((element) => element !== null);
  return found.textContent;
}

/* Stripe */

/** The frame's fields in the colours of the surface they stand on; a frame cannot read our style sheets. */
function appearance() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  return {
    theme: dark ? "night" : "stripe",
    variables: {
      colorPrimary: words.colour,
      colorText: getComputedStyle(form).color,
      colorBackground: getComputedStyle(form.closest(".card")).backgroundColor,
      fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
      borderRadius: "8px",
    },
  };
}

function chosen() {
  return form.querySelector("input[name=method]:checked")?.value ?? "new";
}

function mount() {
  elements = stripe.elements({
    mode: "payment",
    amount: Number(words.amount),
    currency: words.currency,
    locale: words.locale,
    appearance: appearance(),
  });
  const element = elements.create("payment", {
    layout: "tabs",
    defaultValues: words.country ? { billingDetails: { address: { country: words.country } } } : {},
  });
  element.on("ready", () => place.removeAttribute("aria-busy"));
  element.on("loaderror", () => say(words.notLoaded));
  place.replaceChildren();
  element.mount(place);
}

/** Ask the server for the intent; resolves to its answer, or null after having said why not. */
async function start(save) {
  const body = new FormData(form);
  body.delete("method");
  if (!save) body.delete("save_card");
  let response;
  try {
    response = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
  } catch {
    say(words.unreachable);
    return null;
  }
  if (response.ok && !response.redirected) return response.json();
  if (response.redirected || response.status === 401) {
    window.location.reload(); // the session has ended: sign in, and come back here
    return null;
  }
  const problem = await response.json().catch(() => ({}));
  say(problem.detail ?? words.unreachable);
  return null;
}

function showOutcome(url) {
  return window.htmx.ajax("GET", url, { target: "#pay-panel", swap: "outerHTML" });
}

/** What a confirmation came to. A broken connection says nothing about the money: the server finds out. */
async function conclude(result, started) {
  const { error } = result;
  if (!error) {
    await showOutcome(started.outcome_url);
  } else if (error.type === "api_connection_error" || error.type === "api_error") {
    say(words.unknown);
    await showOutcome(started.outcome_url);
  } else if (error.type === "validation_error") {
    say(""); // Stripe says it at the field
  } else if (error.code === "payment_intent_unexpected_state") {
    await showOutcome(started.outcome_url); // another tab or device was faster
  } else {
    say(advice(error));
  }
}

async function pay() {
  const method = chosen();
  const save = method === "new" && saveCard.checked;
  if (method === "new") {
    elements.update({ setupFutureUsage: save ? "off_session" : null });
    const { error } = await elements.submit();
    if (error) return;
  }
  const started = await start(save);
  if (!started) return;
  const confirmation = {
    clientSecret: started.client_secret,
    confirmParams: { return_url: started.return_url },
    redirect: "if_required",
  };
  if (method === "new") confirmation.elements = elements;
  else confirmation.confirmParams.payment_method = method;
  await conclude(await stripe.confirmPayment(confirmation), started);
}

async function finishPayment() {
  const started = await start(false);
  if (!started) return;
  if (started.status !== "requires_action") {
    await showOutcome(started.outcome_url); // nothing is left to finish: another tab or device was faster
    return;
  }
  await conclude(await stripe.handleNextAction({ clientSecret: started.client_secret }), started);
}

/** Run one press to its end, with the button showing it. */
async function once(pressed, work) {
  if (atWork || !stripe) return;
  atWork = true;
  say("");
  begin(pressed);
  try {
    await work();
  } finally {
    atWork = false;
    end(pressed);
  }
}

function showNewCard() {
  newCard.hidden = chosen() !== "new";
}

if (window.Stripe) {
  stripe = window.Stripe(words.publishableKey, { locale: words.locale });
  mount();
} else {
  say(words.notLoaded);
}
showNewCard();
form.addEventListener("change", showNewCard);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  once(button, pay);
});
finish?.addEventListener("click", () => once(finish, finishPayment));
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => elements?.update({ appearance: appearance() }));
