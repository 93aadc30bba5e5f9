/*
 * The cardCvc frame: one bare field, and a token for what is typed in it. The code leaves for the API alone; the page learns whether it
 * is complete, and gets the token.
 */
const STYLED_STATES = { base: "", complete: ".is-complete", empty: ".is-empty", invalid: ".is-invalid" };
const root = document.getElementById("root");
// The brand of a saved card is not known here, so three digits and four are both taken.
const check = () => checkCvc(input.value, UNKNOWN_BRAND);
let settings = null;
let problem = null;

const remark = build("p", { id: "cvc-error", className: "p-Unseen" });
const input = build("input", {
  name: "cvc",
  className: "InputElement is-empty",
  attributes: {
    ...DIGITS,
    autocomplete: "cc-csc",
    "aria-required": "true",
    "aria-invalid": "false",
    "aria-describedby": remark.id,
  },
});
keepFormatted(input, (text) => formattedCvc(text, UNKNOWN_BRAND));

const host = connectToHost({
  start(given) {
    settings = given;
    arrange();
    root.append(input, remark);
    host.send("ready");
  },
  update(given) {
    if (!settings) return;
    settings = { ...settings, ...given };
    arrange();
  },
  focus: () => input.focus(),
  focusFirstError: () => input.focus(),
  blur: () => input.blur(),
  clear() {
    input.value = "";
    show(null);
  },
  async createToken() {
    const { error: code } = check();
    if (code) {
      show(code);
      return { error: problem };
    }
    const api = createApi({ origin: location.origin, key: settings.key });
    const { object, error } = await api.post("/v1/tokens", { cvc_update: { cvc: input.value } });
    return error ? { error: localized(error, settings.locale) } : { object };
  },
});

function arrange() {
  const messages = messagesFor(settings.locale);
  const { style = {}, placeholder = messages.cvcPlaceholder, disabled = false } = settings.options;
  document.documentElement.lang = supportedLocale(settings.locale);
  input.setAttribute("aria-label", messages.cvc);
  Object.assign(input, { placeholder, disabled });
  applyStyle(style);
}

/* {base: {color, "::placeholder": {color}}, invalid: {…}} as rules for the field in its states. */
function applyStyle(style) {
  ruleSheet.replaceSync("");
  for (const [state, suffix] of Object.entries(STYLED_STATES)) {
    const selector = `.InputElement${suffix}`;
    const entries = Object.entries(style[state] ?? {});
    addRule(selector, Object.fromEntries(entries.filter(([name]) => !name.startsWith(":"))));
    for (const [name, properties] of entries) if (name.startsWith(":")) addRule(selector + name, properties);
  }
}

/* Shows the state of the field, with the error of a validation code or none, and tells the page. */
function show(code) {
  problem = code && { type: "validation_error", code, message: messagesFor(settings.locale)[code] };
  const isEmpty = input.value === "";
  const isComplete = Boolean(check().complete);
  input.classList.toggle("is-empty", isEmpty);
  input.classList.toggle("is-complete", isComplete);
  input.classList.toggle("is-invalid", Boolean(problem));
  input.setAttribute("aria-invalid", String(Boolean(problem)));
  remark.textContent = problem?.message ?? "";
  host.send("change", { empty: isEmpty, complete: isComplete, error: problem ?? undefined });
}

input.addEventListener("input", () => show(null));
input.addEventListener("focus", () => host.send("focus"));
input.addEventListener("blur", () => {
  if (input.value !== "" && check().error) show(check().error);
  host.send("blur");
});
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter") host.send("enter");
  if (event.key === "Escape") host.send("escape");
});
new ResizeObserver(() => host.send("resize", { height: Math.ceil(root.getBoundingClientRect().height) })).observe(root);

host.send("loaded");
