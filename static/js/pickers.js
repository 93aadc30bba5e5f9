/**
 * Fields in which staff choose one of what the server finds: comboboxes with a list (WAI-ARIA Authoring Practices, "Combobox" with list
 * autocomplete). A customer is put into the field; of the price list, whose picker has a button [data-press], an item is sent by it.
 * Without this file they are plain fields with buttons that find.
 */
for (const picker of document.querySelectorAll("[data-picker]")) open(picker);

function open(picker) {
  const field = picker.querySelector("input:not([type=hidden])");
  const picked = picker.querySelector("[data-picked]");
  const press = picker.querySelector("[data-press]");
  const listId = picker.dataset.picker;
  let at = -1;

  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", listId);
  field.setAttribute("aria-expanded", "false");
  picker.querySelector("[data-find]").hidden = true;

  const list = () => document.getElementById(listId);
  const options = () => [...list().querySelectorAll("[role=option]")];

  function show(isOpen) {
    const shown = isOpen && options().length > 0;
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
    show(false);
    if (press) {
      press.value = option.dataset.value;
      press.click();
      return;
    }
    field.value = option.dataset.value;
    picked.textContent = option.dataset.name;
    picked.hidden = false;
    field.focus();
  }

  field.addEventListener("keydown", (event) => {
    const count = options().length;
    const isOpen = !list().hidden;
    if (event.key === "Escape" && isOpen) show(false);
    else if (event.key === "Enter" && isOpen && at >= 0) choose(options()[at]);
    else if (event.key === "Enter" && press) show(true); // what is typed here is no field of the invoice, to be sent with it
    else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && count > 0) {
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = isOpen ? at + step : step > 0 ? 0 : count - 1;
      show(true);
      mark((next + count) % count);
    } else return;
    event.preventDefault();
  });

  field.addEventListener("input", () => { if (picked) picked.hidden = true; });
  field.addEventListener("blur", () => setTimeout(() => show(false), 150)); // a press on an option comes first

  picker.addEventListener("mousedown", (event) => {
    const option = event.target.closest?.("[role=option]");
    if (!option) return;
    event.preventDefault();
    choose(option);
  });

  document.addEventListener("htmx:after:settle", () => {
    const isChosen = picked && !picked.hidden;
    if (document.activeElement === field) show((press || field.value.trim() !== "") && !isChosen);
  });
}
