/**
 * Invoices that are paid at once: the button of the form tells what the chosen ones come to. Without this it says that it pays those, and
 * those of several currencies are refused by the server, which says why.
 */
const FORM = "pay-together";

function chosen(form) {
  return [...form.elements].filter((box) => box.name === "invoice" && box.checked);
}

/** What they come to, as people write it; an empty text for none, and for several currencies. */
function total(boxes) {
  const currencies = new Set(boxes.map((box) => box.dataset.currency));
  if (currencies.size !== 1) return "";
  const [{ dataset }] = boxes;
  const minor = boxes.reduce((sum, box) => sum + Number(box.dataset.minor), 0);
  const decimals = Number(dataset.decimals);
  const format = new Intl.NumberFormat(document.documentElement.lang, {
    style: "currency",
    currency: dataset.currency.toUpperCase(),
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
  return format.format(minor / 10 ** decimals);
}

function tell() {
  const form = document.getElementById(FORM);
  const label = form?.querySelector(".button-label");
  if (!label) return;
  const amount = total(chosen(form));
  label.textContent = amount ? form.dataset.some.replace("{amount}", amount) : form.dataset.none;
}

document.addEventListener("change", (event) => {
  if (event.target.form?.id === FORM) tell();
});
document.addEventListener("htmx:afterSettle", tell);
window.addEventListener("pageshow", tell); // the browser ticks again what was ticked before
tell();
