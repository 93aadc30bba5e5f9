/* The payment frame: puts the form together as the page asked for it, and tells the page what it may know. */
const root = document.getElementById("root");
const skeleton = document.getElementById("skeleton");
let settings = null;
let lastChange = "";
let lastOffered = "";

const forms = new Map();
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
  formOf,
  saved,
  saveChoice,
  onToggle() {
    saved.choose(null);
    render();
  },
});
// How the page's option `terms` calls the methods that have some.
const WALLET_OPTIONS = { apple_pay: "applePay", google_pay: "googlePay", link: "link" };
const TERMS_OF = { card: "card", sepa_debit: "sepaDebit", us_bank_account: "usBankAccount", bacs_debit: "bacsDebit" };
let submission = null;

const host = connectToHost({
  prepare: ({ appearance }) => applyAppearance(appearance),
  start(given) {
    settings = given;
    submission = new Submission({
      form: currentForm,
      key: given.key,
      locale: () => settings.locale,
      defaults: defaultBillingDetails,
      consent: () => saveChoice.consent({ savesCard: savesCard(), usage: features().payment_method_save_usage }),
    });
    arrange();
    layout.select(offeredTypes()[0]);
    if (layoutOptions().defaultCollapsed === true) layout.setCollapsed(true);
    else preselect();
    arrange();
    skeleton.hidden = true;
    root.append(layout.node);
    host.send("ready");
    announceOffered();
    announceChange();
  },
  update(given) {
    if (!settings) return;
    settings = { ...settings, ...given };
    const isLost = saved.selected && !savedMethods().some(({ id }) => id === saved.chosen);
    const isNew = !saved.isShown && savedMethods().length > 0 && currentForm().isEmpty;
    if (isLost || isNew) preselect();
    render();
  },
  focus: focusChoice,
  focusFirstError: () => currentForm().focusFirstError(),
  blur: () => document.activeElement?.blur(),
  clear: () => currentForm().clear(),
  collapse() {
    saved.choose(null);
    layout.setCollapsed(true);
    announceChange();
  },
  refuse: (error) => (saved.selected ? saved.showRemark(error.message) : currentForm().showRefusal(error)),
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
    const error = saved.selected ? null : (incomplete() ?? currentForm().validate());
    if (error) return { error };
    return { selectedPaymentMethod: saved.selected?.type ?? layout.selected, wallet: chosenWallet() };
  },
  createPaymentMethod(params) {
    if (saved.selected) return { object: saved.selected };
    if (chosenWallet()) return { wallet: chosenWallet() };
    return withForm(() => submission.createPaymentMethod(params ?? {}));
  },
  createConfirmationToken(params) {
    if (saved.selected) return submission.createSavedToken(saved.selected, params ?? {});
    if (chosenWallet()) return { wallet: chosenWallet() };
    return withForm(() => submission.createConfirmationToken(params ?? {}));
  },
});

/* The form of a payment method, made when it is first needed. */
function formOf(type) {
  if (!forms.has(type)) {
    const handlers = { onChange: announceChange, onEnter: () => host.send("enter") };
    forms.set(type, type === "card" ? new CardForm(handlers) : new MethodForm({ type, ...handlers }));
  }
  return forms.get(type);
}

function currentForm() {
  return formOf(layout.selected);
}

/* What may be paid with, in the account's order or in the page's. */
function offeredTypes() {
  const isWanted = (type) => settings.options.wallets?.[WALLET_OPTIONS[type]] !== "never";
  const types = (settings.session.types ?? ["card"]).filter((type) => knowsMethod(type) && isWanted(type));
  const first = (settings.options.paymentMethodOrder ?? []).filter((type) => types.includes(type));
  return [...new Set([...first, ...types])];
}

/* The wallet whose sheet has to be answered before there is a payment method. */
function chosenWallet() {
  return !layout.isCollapsed && CARD_WALLETS.has(layout.selected) ? layout.selected : undefined;
}

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
  else if (layout.isCollapsed) layout.header.focus();
  else currentForm().focus();
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
  if (settings.collects.address) return { country: true, postalCode: true };
  const isNever = (name) => (typeof address === "string" ? address : address[name]) === "never";
  return { country: isNever("country"), postalCode: isNever("postalCode") || isNever("country") };
}

function defaultBillingDetails() {
  return settings.options.defaultValues?.billingDetails ?? {};
}

function termsText(messages) {
  const choice = settings.options.terms?.card ?? "auto";
  if (layout.selected !== "card") return "";
  if (choice === "never" || (choice === "auto" && !savesCard() && !saveChoice.isChecked)) return "";
  return messages.terms.replace("{merchant}", merchantName(messages));
}

function merchantName(messages) {
  return settings.options.business?.name ?? settings.session.merchantName ?? messages.thisBusiness;
}

function render() {
  arrange();
  announceOffered();
  announceChange();
}

/* Tells the page what may be paid with, when that is news. */
function announceOffered() {
  const types = offeredTypes();
  if (types.join() !== lastOffered) host.send("available", { types });
  lastOffered = types.join();
}

function arrange() {
  const messages = messagesFor(settings.locale);
  document.documentElement.lang = supportedLocale(settings.locale);
  applyAppearance(settings.appearance);
  for (const type of offeredTypes()) {
    formOf(type).configure({
      locale: settings.locale,
      hidden: hiddenFields(),
      readOnly: Boolean(settings.options.readOnly),
      fallbackCountry: defaultBillingDetails().address?.country ?? likelyCountry(settings.session.merchantCountry),
      defaults: defaultBillingDetails(),
      collects: settings.collects,
      merchant: merchantName(messages),
      showsNote: settings.options.terms?.[TERMS_OF[type]] !== "never",
    });
  }
  const { payment_method_remove: remove, payment_method_save: save, payment_method_save_usage: usage } = features();
  const readOnly = Boolean(settings.options.readOnly);
  saved.configure({ methods: savedMethods(), canRemove: remove === "enabled", readOnly, locale: settings.locale });
  // A payment that would not keep its card needs to be told a usage for it: without one the box would promise what is not done.
  saveChoice.configure({ isOffered: save === "enabled" && Boolean(savesCard() || usage), readOnly, messages });
  layout.configure({
    types: offeredTypes(),
    layout: layoutOptions(),
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
  return { type: layout.selected, ...(saveChoice.isOffered && { savePaymentMethod: saveChoice.isChecked }) };
}

function announceChange() {
  if (!settings) return;
  const isSaved = saved.selected !== null;
  const isCollapsed = layout.isCollapsed && !isSaved;
  const event = {
    empty: currentForm().isEmpty && !isSaved,
    complete: isSaved || (!isCollapsed && currentForm().isComplete),
    collapsed: isCollapsed,
    value: selection(),
  };
  const seen = JSON.stringify(event);
  // A form that has just loaded is news only when a saved card stands chosen in it: the page may go on at once.
  if (seen !== lastChange && (lastChange || isSaved)) host.send("change", event);
  lastChange = seen;
}

followFrame(host, root);

host.send("loaded");
