/**
 * Recovery codes to the clipboard or to the printer. Without this script, or where the browser has no clipboard for a page, the
 * buttons stay hidden, and the codes are marked or written down by hand.
 */
import { say } from "./feedback.js";

const copy = document.querySelector("[data-copy]");
const print = document.querySelector("[data-print]");

function codes() {
  const items = document.getElementById(copy.dataset.copy).querySelectorAll("li");
  return Array.from(items, (item) => item.textContent.trim()).join("\n");
}

if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(codes());
    copy.querySelector(".button-label").textContent = copy.dataset.done;
    say(copy.dataset.done);
  });
}

if (print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
