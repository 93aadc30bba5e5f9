/**
 * The pay form. The server makes the intent and says its amount; Stripe.js collects the card in its own frame and confirms;
 * what became of it is then asked of the server, which asks Stripe.
 *
 * One press at a time: while a press is under way, further ones do nothing. After a decline everything stays as it was typed. A saved
 * card whose bank wants its security code is asked for it and paid with on the next press.
 */
import { CardCode } from "./card_code.js";
import { CardForm, swap } from "./card_form.js";
import { mountExpress } from "./express.js";
import { listening } from "./feedback.js";

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
  chosen: followType,
});
const codeField = document.getElementById("card-code");
const code =
  codeField && card.stripe
    ? new CardCode({ stripe: card.stripe, locale: form.dataset.locale, field: codeField })
    : null;

function chosenRadio() {
  return form.querySelector("input[name=method]:checked");
}

function chosen() {
  return chosenRadio()?.value ?? "new";
}

/**
 * Whoever reloads while Stripe is at work would find the form again, and Stripe itself does not tell yet that a card is being charged. So
 * the page remembers that it has asked for that, until it is answered.
 */
const ASKED = `asked:${window.location.pathname}`;
const REMEMBERED_FOR_MS = 60_000;

async function remembering(started, confirm) {
  store((kept) => kept.setItem(ASKED, JSON.stringify({ url: started.outcome_url, at: Date.now() })));
  const result = await confirm();
  store((kept) => kept.removeItem(ASKED));
  return result;
}

/**
 * Where the outcome of a confirmation stands that was cut off a moment ago; null when there is none, and for who comes from the payment's
 * own page, to which a bank's or a method's page leads back: the outcome was told there.
 */
function cutOff() {
  const kept = store((items) => items.getItem(ASKED));
  store((items) => items.removeItem(ASKED));
  const asked = kept ? JSON.parse(kept) : null;
  const isFresh = asked && Date.now() - asked.at < REMEMBERED_FOR_MS;
  return isFresh && !cameFrom(asked.url.replace(/\/outcome$/, "")) ? asked.url : null;
}

function cameFrom(path) {
  const { referrer } = document;
  return referrer !== "" && new URL(referrer).origin === window.location.origin && new URL(referrer).pathname === path;
}

function store(use) {
  try {
    return use(window.sessionStorage);
  } catch {
    return null; // switched off: the server asks Stripe all the same
  }
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
  if (method !== "new") {
    await payWithSaved(method);
    return;
  }
  const save = saveCard?.checked ?? false; // who pays by a link saves none
  card.elements.update({ setupFutureUsage: save ? "off_session" : null });
  const { error } = await card.elements.submit();
  if (error) return;
  const started = await start(save);
  if (!started) return;
  const result = await remembering(started, () =>
    card.stripe.confirmPayment({
      elements: card.elements,
      clientSecret: started.client_secret,
      confirmParams: { return_url: started.return_url },
      redirect: "if_required",
    }),
  );
  await card.conclude(result, () => showOutcome(started));
}

/** A wallet's holder has agreed in its sheet: the payment is begun and confirmed as by the button. Resolves to whether the sheet may close as paid. */
async function payByWallet(elements) {
  const { error } = await elements.submit();
  if (error) return false;
  const started = await start(false);
  if (!started) return false;
  const result = await remembering(started, () =>
    card.stripe.confirmPayment({
      elements,
      clientSecret: started.client_secret,
      confirmParams: { return_url: started.return_url },
      redirect: "if_required",
    }),
  );
  await card.conclude(result, () => showOutcome(started));
  return !result.error;
}

async function payWithSaved(method) {
  const radio = chosenRadio();
  const cvc = code.element;
  code.complain("");
  if (cvc && !code.isComplete) {
    code.complain(form.dataset.codeMissing);
    code.focus();
    return;
  }
  const started = await start(false);
  if (!started) return;
  const result = await remembering(started, () => confirmSaved(started, method, cvc));
  if (!isAboutCode(result.error)) {
    await card.conclude(result, () => showOutcome(started));
    return;
  }
  code.askFor(radio);
  if (cvc) code.complain(card.advice(result.error));
  else card.say(form.dataset.codeWanted);
  code.focus();
}

function isAboutCode(error) {
  const codes = form.dataset.codeRefusals.split(" ");
  return codes.includes(error?.code) || codes.includes(error?.decline_code);
}

/** Stripe takes a typed code with confirmCardPayment alone; without one, the usual way is right for every kind of card. */
function confirmSaved(started, method, cvc) {
  if (cvc) {
    return card.stripe.confirmCardPayment(started.client_secret, {
      payment_method: method,
      payment_method_options: { card: { cvc } },
    });
  }
  return card.stripe.confirmPayment({
    clientSecret: started.client_secret,
    confirmParams: { payment_method: method, return_url: started.return_url },
    redirect: "if_required",
  });
}

async function finishPayment() {
  const started = await start(false);
  if (!started) return;
  if (started.status !== "requires_action") {
    await showOutcome(started); // nothing is left to finish: another tab or device was faster
    return;
  }
  const result = await card.stripe.handleNextAction({ clientSecret: started.client_secret });
  if (result.error) offerCards();
  await card.conclude(result, () => showOutcome(started));
}

/** The bank has said no: nothing is left to finish, and a card can be chosen again. */
function offerCards() {
  document.querySelectorAll("[data-to-finish]").forEach((part) => part.remove());
  document.querySelectorAll("[data-to-pay]").forEach((part) => (part.hidden = false));
}

/** Not everything can be kept. A function of its own, for the form calls it as soon as it is there. */
function followType(type) {
  if (!saveCard) return;
  const canBeSaved = saveCard.dataset.kinds.split(" ").includes(type);
  saveCard.closest(".field").hidden = !canBeSaved;
  if (!canBeSaved) saveCard.checked = false;
}

/** A choice that is made while a press is under way shows after it: Stripe may still need the field that was typed into. */
function followChoice() {
  if (card.isAtWork) return;
  newCard.hidden = chosen() !== "new";
  code?.follow(chosenRadio());
}

followChoice();
form.addEventListener("change", followChoice);
form.addEventListener("submit", (event) => {
  if (!card.stripe) return; // Stripe's script was kept away: sent as it stands, the form charges a saved card all the same
  event.preventDefault();
  card.once(button, pay).then(followChoice);
});
finish?.addEventListener("click", () => card.once(finish, finishPayment));
const express = document.getElementById("express");
if (card.stripe && express && !finish) {
  mountExpress({
    stripe: card.stripe,
    place: express,
    group: card.group,
    methods: JSON.parse(express.dataset.methods),
    pay: async (elements) => {
      let isPaid = false;
      await card.once(button, async () => {
        isPaid = await payByWallet(elements);
      });
      return isPaid;
    },
  });
}
if (card.stripe) [button, finish].filter(Boolean).forEach(listening);
// Who comes from a press of "Pay" has asked for this already.
if (finish?.dataset.now !== undefined) finish.click();

const outcome = cutOff();
if (outcome && !finish) swap("#pay-panel", `${outcome}?checking=yes&poll=1`);
