/**
 * Dialogs: a button with data-open-dialog="id" opens it, one with data-close-dialog closes the dialog it
 * stands in, and so does a press on the backdrop or Escape. The focus goes back to the opener by itself.
 * Before this file is there the browser opens it by itself, as a popover, which is no modal dialog.
 */
document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-open-dialog]");
  if (opener) {
    event.preventDefault();
    const dialog = document.getElementById(opener.dataset.openDialog);
    if (dialog && !dialog.open && !dialog.matches(":popover-open")) dialog.showModal();
    return;
  }
  const closer = event.target.closest?.("[data-close-dialog]");
  if (closer) {
    event.preventDefault();
    const dialog = closer.closest("dialog");
    if (dialog?.matches("[open]")) dialog.close();
    else dialog?.hidePopover?.(); // opened before this file was there
    return;
  }
  // The dialog's own box is covered by its surface, so a press that lands on the dialog is on the backdrop.
  if (event.target instanceof HTMLDialogElement && event.target.open && !sending(event.target)) event.target.close();
});

document.addEventListener("cancel", (event) => {
  if (event.target instanceof HTMLDialogElement && sending(event.target)) event.preventDefault();
}, { capture: true });

/** While its form is on the way, a dialog stays: its answer belongs there. */
function sending(dialog) {
  return dialog.querySelector("form[data-sending]") !== null;
}

// What was refused is there again, in its dialog; the focus goes back to the opener from there.
const refused = document.querySelector("dialog [data-refused]");
if (refused) {
  const dialog = refused.closest("dialog");
  document.querySelector(`[data-open-dialog="${dialog.id}"]`)?.focus();
  dialog.showModal();
  refused.focus();
}
