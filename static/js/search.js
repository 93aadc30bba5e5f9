/**
 * The staff's search, on every page: "/" opens it, and so do Ctrl-K, Cmd-K and the link in the header. What was opened last stands there before
 * anything is typed, the arrow keys go through what was found, Enter opens it, and Esc closes it; the focus goes back by itself.
 *
 * "/" is a single key, which can be turned off (see keys.js); Ctrl-K is none.
 */
import { areOn, onKey } from "./keys.js";

const dialog = document.getElementById("search-dialog");
const field = dialog.querySelector("input[type=search]");
const link = document.querySelector("[data-open-search]");

function open() {
  const other = document.querySelector("dialog[open]");
  if (other && other !== dialog) return false;
  if (!dialog.open) {
    for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
    dialog.showModal();
    field.select();
    field.dispatchEvent(new CustomEvent("portal:open"));
  }
  field.focus();
  return true;
}

link.setAttribute("aria-haspopup", "dialog");
link.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in a tab of its own
  event.preventDefault();
  open();
});

onKey("/", open);
// Whoever presses it in a search that is open and empty, as on the desk's home, means the search, and no sign to look for.
document.addEventListener("keydown", (event) => {
  const isEmptySearch = event.target.matches?.(".search input[type=search]") && event.target.value === "";
  if (event.key === "/" && areOn() && isEmptySearch && !event.isComposing) event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  const isCommand = event.key?.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  if (isCommand && open()) event.preventDefault();
});

dialog.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    event.preventDefault(); // which would empty the field first
    dialog.close();
    return;
  }
  const stops = [field, ...dialog.querySelectorAll(".found a")];
  const at = stops.indexOf(document.activeElement);
  const to = { ArrowDown: Math.min(at + 1, stops.length - 1), ArrowUp: Math.max(at - 1, 0) }[event.key];
  if (to !== undefined && at >= 0) {
    event.preventDefault();
    stops[to].focus();
  } else if (at > 0 && event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) {
    field.focus(); // whoever goes on typing goes on searching
  }
});
