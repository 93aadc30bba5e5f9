/**
 * A button with data-copy="id" puts the text of that element into the clipboard, and says data-done. Without this script, or where
 * the browser has no clipboard for the page, the buttons stay hidden, and the text is marked by hand.
 */
import { say } from "./feedback.js";

for (const button of navigator.clipboard ? document.querySelectorAll("[data-copy]") : []) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.querySelector(".button-label").textContent = button.dataset.done;
    say(button.dataset.done);
  });
}
