/**
 * Keys for those who decide many refunds, beside those of every list (keys.js): on a refund A and R open the dialogs in which it is approved
 * or rejected, N goes on to the next one, U undoes the last approval, and Esc goes back. No key moves money: a dialog's own button does.
 *
 * Who stays on a refund's page, or begins to act, claims the refund, so that no colleague decides it meanwhile; who leaves gives it back.
 */
import { areOn, onKey } from "./keys.js";

const decision = document.querySelector("[data-decision]");

for (const note of document.querySelectorAll("[data-keys-note]")) note.hidden = !areOn();

function open(dialog) {
  const opener = decision?.querySelector(`[data-open-dialog="${dialog}"]`);
  if (!opener) return false;
  opener.focus(); // where the focus goes back to; without it, it would stay in the closed dialog for a moment
  opener.click();
  document.getElementById(dialog).querySelector("input:not([type=hidden], [type=checkbox]), textarea")?.focus();
  return true;
}

/** Click on what is there. */
function press(element) {
  element?.click();
  return Boolean(element);
}

onKey("a", () => open("approve"));
onKey("r", () => open("reject"));
onKey("n", () => press(decision?.querySelector("[data-next]")));
onKey("u", () => {
  const undo = document.querySelector("form[data-undo]");
  undo?.requestSubmit();
  return Boolean(undo);
});
onKey("escape", () => {
  if (!decision) return false;
  window.location.assign(decision.dataset.queueUrl);
  return true;
});

// A block that is chosen stands in the field then, as it will be sent; below it, in which language that is.
document.addEventListener("change", (event) => {
  const choice = event.target.closest?.("[data-blocks]");
  if (!choice || event.target.tagName !== "SELECT") return;
  const { note = "", language = "" } = event.target.selectedOptions[0]?.dataset ?? {};
  choice.querySelector("[data-block-note]").textContent = note;
  if (!event.target.value) return;
  const field = document.getElementById(choice.dataset.blocks);
  field.value = event.target.value;
  field.lang = language; // for whoever has it read out or corrected
});

// Lines that are picked make the amount, up to what was asked for.
const lines = document.querySelector("[data-lines]");
if (lines) lines.hidden = false;
lines?.addEventListener("change", () => {
  const field = document.getElementById("approve-amount");
  const { most, decimals, decimalMark } = field.dataset;
  const picked = [...lines.querySelectorAll("input:checked")].reduce((sum, box) => sum + Number(box.value), 0);
  const minor = picked ? Math.min(picked, Number(most)) : Number(most);
  field.value = (minor / 10 ** Number(decimals)).toFixed(Number(decimals)).replace(".", decimalMark);
});

// For whoever is at work on it

const ACTS_AFTER_MS = 500;
let claimsByItself = false;
let isSending = false;

/** A refusal says who is at work on it. */
function claim() {
  const form = document.querySelector("form[data-claim]");
  if (!form || claimsByItself || isSending) return;
  claimsByItself = true;
  form.requestSubmit();
}

function claimWhenSeen() {
  if (!document.hidden) claim();
  else document.addEventListener("visibilitychange", claimWhenSeen, { once: true });
}

const waiting = document.querySelector("form[data-claim]");
if (waiting) setTimeout(claimWhenSeen, Number(waiting.dataset.staySeconds) * 1000);
// Whoever decides at once needs no claim: it would only race with the decision.
decision?.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-dialog]")) setTimeout(claim, ACTS_AFTER_MS);
});
decision?.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-claim]")) isSending = true; // what is sent ends the claim, or keeps it where it is refused
});

/** Given back, unless it was claimed by its button: then it is kept on purpose. */
window.addEventListener("pagehide", () => {
  const form = document.querySelector("form[data-release]");
  if (!form || !claimsByItself || isSending) return;
  fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual", keepalive: true }).catch(() => {});
});

setInterval(() => {
  for (const left of document.querySelectorAll("[data-countdown]")) left.textContent = Math.max(0, Number(left.textContent) - 1);
}, 1000);
