/**
 * Single keys: J and K move through the rows of a page's lists ([data-rows] with [data-row]), Enter opens a row, X selects it where it can be
 * selected, Esc leaves the list, and ? shows the keys of the page. A page adds keys of its own with `onKey`.
 *
 * No key does anything while someone types, while a dialog or a menu is open, or beside Ctrl, Alt or Cmd; and none at all for whoever has
 * turned them off in their account: then the page's body has no data-shortcuts (WCAG 2.2, 2.1.4 Character Key Shortcuts).
 */
import "./dialog.js";
import { say } from "./feedback.js";

const ROW = "[data-rows] [data-row]";
const MAIN_LINK = "[data-open], .row-link";
const PICK = "[data-pick], input[type=checkbox]";
const NO_TEXT = "input:is([type=checkbox], [type=radio], [type=submit], [type=button])";
const help = document.getElementById("keys-dialog");
const acts = new Map();

/** Whether the reader wants single keys. */
export function areOn() {
  return document.body.dataset.shortcuts !== undefined;
}

/** Have a key do something; `act` gives false where it has nothing to do, and then what was there before has its turn. */
export function onKey(key, act) {
  acts.set(key, [act, ...(acts.get(key) ?? [])]);
}

/** Whether the keys are at work elsewhere: in a field, a dialog, a menu, or in a command of the browser. */
function isBusy(event) {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  return (typing && !typing.matches(NO_TEXT)) || document.querySelector("dialog[open], details.menu[open]") !== null
    || event.ctrlKey || event.metaKey || event.altKey;
}

const rows = () => [...document.querySelectorAll(ROW)].filter((row) => row.getClientRects().length > 0);
const current = () => document.activeElement?.closest?.(ROW) ?? null;

function move(step) {
  const all = rows();
  if (all.length === 0) return false;
  const at = all.indexOf(current());
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
  const link = all[next].querySelector(MAIN_LINK);
  if (!link) all[next].tabIndex = -1;
  (link ?? all[next]).focus();
  all[next].scrollIntoView({ block: "nearest" });
  say(help.dataset.place.replace("{number}", next + 1).replace("{count}", all.length));
  return true;
}

onKey("j", () => move(1));
onKey("k", () => move(-1));

onKey("enter", () => {
  const row = current();
  if (!row || document.activeElement.matches("a, button, summary")) return false; // they open by themselves
  const link = row.querySelector(MAIN_LINK);
  link?.click();
  return Boolean(link);
});

onKey("x", () => {
  const box = current()?.querySelector(PICK);
  if (!box || box.disabled) return false;
  box.click();
  say(box.checked ? help.dataset.picked : help.dataset.unpicked);
  return true;
});

onKey("escape", () => {
  if (!current()) return false;
  document.activeElement.blur();
  return true;
});

onKey("?", () => {
  for (const line of help.querySelectorAll("[data-on]")) line.hidden = !document.querySelector(line.dataset.on);
  help.showModal();
  return true;
});

/** Do what a key that went down is for. Only for one that went down before this file was there: it listens to all others itself. */
export function pressed(event) {
  if (!areOn() || !help || isBusy(event)) return;
  // A browser that fills in a form sends events without a key.
  if ((acts.get(event.key?.toLowerCase()) ?? []).some((act) => act() !== false)) event.preventDefault();
}

// Before others: the same Esc closes a menu.
document.addEventListener("keydown", pressed, { capture: true });
