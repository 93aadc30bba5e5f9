/**
 * What every page does: forms are sent once at a time and show it, failures of the network are told in
 * words, and whoever reads by ear or by keyboard is taken along when a part of the page is swapped.
 *
 * The server may send a notice with any htmx answer:
 *   HX-Trigger: {"portal:notice": {"level": "success", "text": "Saved"}}
 * and an element that is swapped in may carry
 *   data-announce="12 payments shown"   spoken once it is there
 *   data-focus                          takes the focus (with tabindex="-1")
 */
import { begin, clearNotices, end, notice, say, working } from "./feedback.js";

/* Sending once. The mark is set on the form itself, so that Enter, a second button and a double click all meet it. */

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.ownProgress !== undefined || form.method === "dialog") return;
  if (form.dataset.sending !== undefined) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  if (form.dataset.repeatable !== undefined) return;
  form.dataset.sending = "";
  const button = event.submitter ?? form.querySelector("button[type=submit]");
  if (button) begin(button);
}, { capture: true });

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[aria-busy=true]");
  if (button) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, { capture: true });

function release(form) {
  delete form.dataset.sending;
  working(form).forEach(end);
}

document.addEventListener("htmx:finally:request", (event) => {
  const source = event.detail.ctx.sourceElement;
  const form = source?.closest?.("form");
  if (form) release(form);
});

// A page that comes back from the browser's cache still looks as it did when it was left: busy.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) document.querySelectorAll("form[data-sending]").forEach(release);
});

/* What went wrong on the way. 409 and 422 carry their own words and are swapped in; all else is said here. */

const words = () => document.getElementById("notices")?.dataset ?? {};

document.addEventListener("htmx:before:request", clearNotices);

document.addEventListener("htmx:response:error", (event) => {
  const { status, headers } = event.detail.ctx.response;
  if (status === 409 || status === 422 || headers.has("HX-Redirect")) return;
  if (status === 401) window.location.reload();
  else if (status === 429) notice(words().tooMany);
  else notice(status >= 500 ? words().failed : words().refused);
});

document.addEventListener("htmx:error", (event) => {
  const { ctx, error } = event.detail;
  if (!ctx || ctx.response) {
    notice(words().failed);
  } else {
    notice(error?.name === "AbortError" || error === "timeout" ? words().timeout : words().offline);
  }
});

document.addEventListener("portal:notice", (event) => notice(event.detail.text, event.detail.level));

/* Taking the reader along. */

const SUMMARY = "[data-error-summary]";

// Where the focus was inside what is about to be swapped out; the part that comes takes it over.
let orphaned = false;

document.addEventListener("htmx:before:swap", (event) => {
  const { target } = event.detail.ctx;
  orphaned = target instanceof Element && target !== document.body && target.contains(document.activeElement);
});

document.addEventListener("htmx:after:settle", (event) => {
  const part = event.target;
  if (!(part instanceof Element) || !part.isConnected) return;
  const announced = part.matches("[data-announce]") ? part : part.querySelector("[data-announce]");
  if (announced) say(announced.dataset.announce);
  const wanted = part.querySelector(SUMMARY) ?? (part.matches("[data-focus]") ? part : part.querySelector("[data-focus]"));
  if (wanted) wanted.focus();
  else if (orphaned && document.activeElement === document.body) {
    // What had the focus is gone: go on from the part that took its place, not from the top of the page.
    if (!part.hasAttribute("tabindex")) part.setAttribute("tabindex", "-1");
    part.focus({ preventScroll: true });
  }
  orphaned = false;
});

document.querySelector(SUMMARY)?.focus();

/* Menus are <details>: they close like menus do. */

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});

/* The filters stand open where there is room for them; a closed <details> cannot be opened by style alone. */

const roomy = window.matchMedia("(min-width: 48rem)");

function unfoldFilters() {
  if (!roomy.matches) return;
  for (const fold of document.querySelectorAll(".filters-fold")) fold.open = true;
}

roomy.addEventListener("change", unfoldFilters);
document.addEventListener("htmx:after:settle", unfoldFilters);
unfoldFilters();

/* Dialogs have a module of their own, which most pages do without. */

function bringDialogs() {
  if (document.querySelector("dialog:not(.dialog-of-keys)")) import("./dialog.js");
}

document.addEventListener("htmx:after:settle", bringDialogs);
bringDialogs();

/* Staff search from every page. Whoever has no search, and walks no list by keys, is spared the files for it. */

if (document.querySelector("[data-open-search]")) {
  import("./search.js");
} else if (document.body.dataset.shortcuts !== undefined) {
  document.addEventListener("keydown", (first) => {
    import("./keys.js").then(({ pressed }) => pressed(first));
  }, { once: true });
}

/* The server is told, in a cookie, which time zone this browser's clock goes by, so that times are shown in it. Whoever has
   chosen a zone on the account page reads in that one; without this script, in the company's. */

const A_YEAR = 365 * 24 * 60 * 60;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

// A name such as Asia/Kolkata needs no quoting in a cookie, and the server takes it as it stands.
if (/^[\w+/-]+$/.test(zone ?? "")) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `time_zone=${zone}; Path=/; Max-Age=${A_YEAR}; SameSite=Lax${secure}`;
}
