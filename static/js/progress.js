/**
 * A button that shows its work: busy, in its own words, and deaf to further presses.
 * The button keeps its focus and is never `disabled`, so that its name and value are still sent.
 */

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
