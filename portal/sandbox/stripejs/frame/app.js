/* The payment frame: puts the form together as the page asked for it, and tells the page what it may know. */
const root = document.getElementById("root");
const skeleton = document.getElementById("skeleton");
let settings = null;
let lastChange = "";
let hasFocus = false;

const form = new CardForm({ onChange: announceChange, onEnter: () => host.send("enter") });
const layout = new Layout({ form, onToggle: announceChange });
let submission = null;

const host = connectToHost({
  prepare: ({ appearance }) => applyAppearance(appearance),
  start(given) {
    settings = given;
    submission = new Submission({
      form,
      key: given.key,
      locale: () => settings.locale,
      defaults: defaultBillingDetails,
    });
    layout.isCollapsed = layoutOptions().defaultCollapsed === true;
    render();
    skeleton.hidden = true;
    root.append(layout.node);
    host.send("ready");
  },
  update(given) {
    if (!settings) return;
    settings = { ...settings, ...given };
    render();
  },
  focus: () => (layout.isCollapsed ? layout.header : form.number.input).focus(),
  focusFirstError: () => form.focusFirstError(),
  blur: () => document.activeElement?.blur(),
  clear: () => form.clear(),
  collapse() {
    layout.setCollapsed(true);
    announceChange();
  },
  refuse: (error) => form.showRefusal(error),
  submit() {
    const error = incomplete() ?? form.validate();
    return error ? { error } : { selectedPaymentMethod: "card" };
  },
  createPaymentMethod: (params) => withForm(() => submission.createPaymentMethod(params ?? {})),
  createConfirmationToken: (params) => withForm(() => submission.createConfirmationToken(params ?? {})),
});

function withForm(action) {
  const error = incomplete();
  return error ? { error } : action();
}

/* A collapsed form has no payment method selected, so there is nothing to pay with. */
function incomplete() {
  if (!layout.isCollapsed) return null;
  return {
    type: "validation_error",
    code: "incomplete_payment_details",
    message: messagesFor(settings.locale).incomplete_payment_details,
  };
}

function layoutOptions() {
  const { layout: chosen = "accordion" } = settings.options;
  return typeof chosen === "string" ? { type: chosen } : chosen;
}

function hiddenFields() {
  const details = settings.options.fields?.billingDetails ?? "auto";
  const address = typeof details === "string" ? details : (details.address ?? "auto");
  const isNever = (name) => (typeof address === "string" ? address : address[name]) === "never";
  return { country: isNever("country"), postalCode: isNever("postalCode") || isNever("country") };
}

function defaultBillingDetails() {
  return settings.options.defaultValues?.billingDetails ?? {};
}

function termsText(messages) {
  const choice = settings.options.terms?.card ?? "auto";
  const savesCard = settings.session.savesCard ?? settings.savesCard;
  if (choice === "never" || (choice === "auto" && !savesCard)) return "";
  const merchant = settings.options.business?.name ?? settings.session.merchantName ?? messages.thisBusiness;
  return messages.terms.replace("{merchant}", merchant);
}

function render() {
  const messages = messagesFor(settings.locale);
  document.documentElement.lang = supportedLocale(settings.locale);
  applyAppearance(settings.appearance);
  form.configure({
    locale: settings.locale,
    hidden: hiddenFields(),
    readOnly: Boolean(settings.options.readOnly),
    fallbackCountry: defaultBillingDetails().address?.country ?? likelyCountry(settings.session.merchantCountry),
  });
  layout.configure({ type: layoutOptions().type, messages, termsText: termsText(messages) });
  announceChange();
}

function announceChange() {
  if (!settings) return;
  const isCollapsed = layout.isCollapsed;
  const event = {
    empty: form.isEmpty,
    complete: !isCollapsed && form.isComplete,
    collapsed: isCollapsed,
    value: { type: isCollapsed ? "" : "card" },
  };
  const seen = JSON.stringify(event);
  if (lastChange && seen !== lastChange) host.send("change", event);
  lastChange = seen;
}

document.addEventListener("focusin", () => {
  if (!hasFocus) host.send("focus");
  hasFocus = true;
});
document.addEventListener("focusout", (event) => {
  if (event.relatedTarget) return;
  hasFocus = false;
  host.send("blur");
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") host.send("escape");
});
new ResizeObserver(() => host.send("resize", { height: Math.ceil(root.getBoundingClientRect().height) })).observe(root);

host.send("loaded");
