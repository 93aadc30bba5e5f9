/* The payment frame: puts the form together as the page asked for it, and tells the page what it may know. */
const root = document.getElementById("root");
const skeleton = document.getElementById("skeleton");
let settings = null;
let lastChange = "";
let hasFocus = false;

const form = new CardForm({ onChange: announceChange, onEnter: () => host.send("enter") });
const saved = new SavedMethods({
  onChoose() {
    layout.setCollapsed(true);
    announceChange();
  },
  onRemove: (method) => host.send("removeSaved", method),
  onEnter: () => host.send("enter"),
});
const saveChoice = new SaveChoice({ onChange: render });
const layout = new Layout({
  form,
  saved,
  saveChoice,
  onToggle() {
    saved.choose(null);
    announceChange();
  },
});
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
      consent: () => saveChoice.consent({ savesCard: savesCard(), usage: features().payment_method_save_usage }),
    });
    if (layoutOptions().defaultCollapsed === true) layout.isCollapsed = true;
    else preselect();
    arrange();
    skeleton.hidden = true;
    root.append(layout.node);
    host.send("ready");
    announceChange();
  },
  update(given) {
    if (!settings) return;
    settings = { ...settings, ...given };
    const isLost = saved.selected && !savedMethods().some(({ id }) => id === saved.chosen);
    const isNew = !saved.isShown && savedMethods().length > 0 && form.isEmpty;
    if (isLost || isNew) preselect();
    render();
  },
  focus: focusChoice,
  focusFirstError: () => form.focusFirstError(),
  blur: () => document.activeElement?.blur(),
  clear: () => form.clear(),
  collapse() {
    saved.choose(null);
    layout.setCollapsed(true);
    announceChange();
  },
  refuse: (error) => (saved.selected ? saved.showRemark(error.message) : form.showRefusal(error)),
  savedRemoved({ id, error }) {
    if (error) {
      saved.showRemovalError(error);
      return;
    }
    const wasChosen = saved.chosen === id;
    const { session } = settings;
    const methods = savedMethods().filter((method) => method.id !== id);
    settings = { ...settings, session: { ...session, customer: { ...session.customer, payment_methods: methods } } };
    if (wasChosen || methods.length === 0) preselect();
    render();
    if (saved.isShown) saved.focus();
    else focusChoice();
  },
  submit() {
    const error = saved.selected ? null : (incomplete() ?? form.validate());
    return error ? { error } : { selectedPaymentMethod: "card" };
  },
  createPaymentMethod(params) {
    if (saved.selected) return { object: saved.selected };
    return withForm(() => submission.createPaymentMethod(params ?? {}));
  },
  createConfirmationToken(params) {
    if (saved.selected) return submission.createSavedToken(saved.selected, params ?? {});
    return withForm(() => submission.createConfirmationToken(params ?? {}));
  },
});

function savedMethods() {
  return settings.session.customer?.payment_methods ?? [];
}

/* What the customer session allows; nothing without one. */
function features() {
  return settings.session.customer?.customer_session.components.payment_element.features ?? {};
}

function savesCard() {
  return settings.session.savesCard ?? settings.savesCard;
}

/* Selects the first saved card, which is the customer's default or the newest; without one the form is open. */
function preselect() {
  const [first] = savedMethods();
  saved.choose(first?.id ?? null);
  layout.isCollapsed = Boolean(first);
}

function focusChoice() {
  if (saved.selected) saved.focus();
  else (layout.isCollapsed ? layout.header : form.number.input).focus();
}

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
  if (choice === "never" || (choice === "auto" && !savesCard() && !saveChoice.isChecked)) return "";
  const merchant = settings.options.business?.name ?? settings.session.merchantName ?? messages.thisBusiness;
  return messages.terms.replace("{merchant}", merchant);
}

function render() {
  arrange();
  announceChange();
}

function arrange() {
  const messages = messagesFor(settings.locale);
  document.documentElement.lang = supportedLocale(settings.locale);
  applyAppearance(settings.appearance);
  form.configure({
    locale: settings.locale,
    hidden: hiddenFields(),
    readOnly: Boolean(settings.options.readOnly),
    fallbackCountry: defaultBillingDetails().address?.country ?? likelyCountry(settings.session.merchantCountry),
  });
  const { payment_method_remove: remove, payment_method_save: save, payment_method_save_usage: usage } = features();
  const readOnly = Boolean(settings.options.readOnly);
  saved.configure({ methods: savedMethods(), canRemove: remove === "enabled", readOnly, locale: settings.locale });
  // A payment that would not keep its card needs to be told a usage for it: without one the box would promise what is not done.
  saveChoice.configure({ isOffered: save === "enabled" && Boolean(savesCard() || usage), readOnly, messages });
  layout.configure({
    type: layoutOptions().type,
    hasSaved: saved.isShown,
    messages,
    termsText: termsText(messages),
  });
}

/* The chosen payment method as pages may know it. */
function selection() {
  const method = saved.selected;
  if (method) {
    const { id, type, billing_details: details } = method;
    return { type, payment_method: { id, type, billing_details: details } };
  }
  if (layout.isCollapsed) return { type: "" };
  return { type: "card", ...(saveChoice.isOffered && { savePaymentMethod: saveChoice.isChecked }) };
}

function announceChange() {
  if (!settings) return;
  const isSaved = saved.selected !== null;
  const isCollapsed = layout.isCollapsed && !isSaved;
  const event = {
    empty: form.isEmpty && !isSaved,
    complete: isSaved || (!isCollapsed && form.isComplete),
    collapsed: isCollapsed,
    value: selection(),
  };
  const seen = JSON.stringify(event);
  // A form that has just loaded is news only when a saved card stands chosen in it: the page may go on at once.
  if (seen !== lastChange && (lastChange || isSaved)) host.send("change", event);
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
