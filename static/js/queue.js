/**
 * Keys for those who decide many refunds: J and K move through the queue and Enter opens; on a refund A and R open the dialogs in
 * which it is approved or declined, and Esc goes back. No key moves money: a dialog's own button does. Keys can be switched off, and
 * do nothing while someone types, or a dialog or a menu is open.
 *
 * A refund that is opened is taken at once, so that no colleague decides it meanwhile.
 */
const STORED = "refund-keys";
const queue = document.querySelector("[data-queue]");
const decision = document.querySelector("[data-decision]");
const toggle = document.querySelector("[data-keys-switch]");

function areOn() {
  return localStorage.getItem(STORED) !== "off";
}

function show() {
  const on = areOn();
  for (const note of document.querySelectorAll("[data-keys-note]")) note.hidden = !on;
  if (!toggle) return;
  toggle.hidden = false;
  toggle.querySelector(".button-label").textContent = on ? toggle.dataset.on : toggle.dataset.off;
}

toggle?.addEventListener("click", () => {
  localStorage.setItem(STORED, areOn() ? "off" : "on");
  show();
});
show();

function move(step) {
  const links = [...queue.querySelectorAll("a.row-link")];
  if (links.length === 0) return;
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + step, 0), links.length - 1);
  links[next].focus();
}

function open(dialog) {
  const opener = decision.querySelector(`[data-open-dialog="${dialog}"]`);
  if (!opener) return;
  opener.focus(); // where the focus goes back to; without it, it would stay in the closed dialog for a moment
  opener.click();
  document.getElementById(dialog).querySelector("input:not([type=hidden]), textarea")?.focus();
}

const KEYS = {
  j: () => queue && move(1),
  k: () => queue && move(-1),
  a: () => decision && open("approve"),
  r: () => decision && open("reject"),
  escape: () => decision && window.location.assign(decision.dataset.queueUrl),
};

function isBusy(event) {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  return typing || document.querySelector("dialog[open], details.menu[open]") || event.ctrlKey || event.metaKey || event.altKey;
}

// Before others: the same Esc closes a menu.
document.addEventListener("keydown", (event) => {
  const act = KEYS[event.key?.toLowerCase()]; // a browser that fills in a form sends events without a key
  if (!act || !areOn() || isBusy(event)) return;
  event.preventDefault();
  act();
}, { capture: true });

/** Without an entry in the history of its own, so that Back leads to the queue. A refusal leaves the button to press. */
async function take(form) {
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
  if (answer.type === "opaqueredirect") window.location.replace(window.location.href);
}

const claim = document.querySelector("form[data-claim]");
if (claim) take(claim).catch(() => {}); // offline, or the page is left already: the button stays
