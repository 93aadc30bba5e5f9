/**
 * The field in which staff choose a customer: a combobox with a list that the server finds (WAI-ARIA Authoring Practices, "Combobox"
 * with list autocomplete). Without this file it is a plain field with a button that finds.
 */
const picker = document.querySelector("[data-picker]");
const field = picker.querySelector("input");
const picked = picker.querySelector("[data-picked]");

field.setAttribute("role", "combobox");
field.setAttribute("aria-autocomplete", "list");
field.setAttribute("aria-controls", "customer-options");
field.setAttribute("aria-expanded", "false");
picker.querySelector("button[name=find]").hidden = true;

const list = () => document.getElementById("customer-options");
const options = () => [...list().querySelectorAll("[role=option]")];
let at = -1;

function show(open) {
  const shown = open && options().length > 0;
  list().hidden = !shown;
  field.setAttribute("aria-expanded", String(shown));
  if (!shown) mark(-1);
}

function mark(place) {
  at = place;
  options().forEach((option, index) => option.setAttribute("aria-selected", String(index === at)));
  const option = options()[at];
  if (option) {
    field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  } else field.removeAttribute("aria-activedescendant");
}

function choose(option) {
  if (!option || option.getAttribute("aria-disabled") === "true") return;
  field.value = option.dataset.value;
  picked.textContent = option.dataset.name;
  picked.hidden = false;
  show(false);
  field.focus();
}

field.addEventListener("keydown", (event) => {
  const count = options().length;
  const isOpen = !list().hidden;
  if (event.key === "Escape" && isOpen) show(false);
  else if (event.key === "Enter" && isOpen && at >= 0) choose(options()[at]);
  else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count > 0) {
    const step = event.key === "ArrowDown" ? 1 : -1;
    const next = isOpen ? at + step : step > 0 ? 0 : count - 1;
    show(true);
    mark((next + count) % count);
  } else return;
  event.preventDefault();
});

field.addEventListener("input", () => { picked.hidden = true; });
field.addEventListener("blur", () => setTimeout(() => show(false), 150)); // a press on an option comes first

picker.addEventListener("mousedown", (event) => {
  const option = event.target.closest?.("[role=option]");
  if (!option) return;
  event.preventDefault();
  choose(option);
});

document.addEventListener("htmx:after:settle", () => {
  if (document.activeElement === field) show(field.value.trim() !== "" && picked.hidden);
});
