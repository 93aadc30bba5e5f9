/**
 * Messages that come after the page: a spoken line for a change seen on the page (`say`), and a
 * visible notice for what went wrong or was done (`notice`).
 */

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
