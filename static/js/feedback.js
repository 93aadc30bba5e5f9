/**
 * What the reader is told while a page works: a button that shows its work, a spoken line for a change seen on the page (`say`), and
 * a visible notice for what went wrong or was done (`notice`).
 */

/* A busy button says so in its own words and is deaf to further presses. It keeps its focus and is never `disabled`, so that its
   name and value are still sent. */

/** Show that `button` is at work. A second call changes nothing. */
export function begin(button) {
  if (button.getAttribute("aria-busy") === "true") return;
  const label = button.querySelector(".button-label");
  if (label && button.dataset.busyLabel) {
    button.dataset.idleLabel = label.textContent;
    label.textContent = button.dataset.busyLabel;
  }
  button.setAttribute("aria-busy", "true");
  button.setAttribute("aria-disabled", "true");
}

/** Give the button back as it was. Harmless on a button that is not at work. */
export function end(button) {
  const label = button.querySelector(".button-label");
  if (label && button.dataset.idleLabel !== undefined) {
    label.textContent = button.dataset.idleLabel;
    delete button.dataset.idleLabel;
  }
  button.removeAttribute("aria-busy");
  button.removeAttribute("aria-disabled");
}

/**
 * Let `button` be pressed: it was drawn `disabled`, for until its module listens a press would send the form as plain HTML does, or
 * be lost.
 */
export function listening(button) {
  button.disabled = false;
}

/** Every button inside `root` that is at work. */
export function working(root) {
  return root.querySelectorAll("button[aria-busy=true]");
}

/* Messages that come after the page. */

/** Speak `text` in the page's polite live region. */
export function say(text) {
  const region = document.getElementById("live");
  if (!region || !text) return;
  region.textContent = "";
  // A region that is emptied and filled in one go is not read again by every screen reader.
  requestAnimationFrame(() => { region.textContent = text; });
}

/**
 * Show `text` in the corner until it is dismissed; a success leaves by itself.
 * @param {"info"|"success"|"warning"|"error"} level
 */
export function notice(text, level = "error") {
  const region = document.getElementById("notices");
  if (!region || !text) return;
  for (const shown of region.children) {
    if (shown.dataset.text === text) return;
  }
  const box = document.createElement("div");
  box.className = `notice notice-${level}`;
  box.dataset.text = text;
  const words = document.createElement("p");
  words.textContent = text;
  const dismiss = document.createElement("button");
  dismiss.type = "button";
  dismiss.className = "notice-dismiss";
  dismiss.textContent = "×";
  dismiss.setAttribute("aria-label", region.dataset.dismiss);
  dismiss.addEventListener("click", () => box.remove());
  box.append(words, dismiss);
  region.append(box);
  if (level === "success" || level === "info") setTimeout(() => box.remove(), NOTICE_SHOWN_MS);
}

/** Take all notices away, as before the next try. */
export function clearNotices() {
  document.getElementById("notices")?.replaceChildren();
}

/** Long enough to read two lines twice. */
const NOTICE_SHOWN_MS = 8000;
