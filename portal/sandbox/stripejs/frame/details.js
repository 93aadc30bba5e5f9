/* The frame of the Address and the Link Authentication Element: one of two forms, and what the page may know of it, which is all. */
const DETAILS_FORMS = { address: AddressForm, linkAuthentication: EmailForm };
const root = document.getElementById("root");
let settings = null;
let form = null;
let lastChange = "";

const host = connectToHost({
  start(given) {
    settings = given;
    form = new DETAILS_FORMS[given.type]({ onChange: announceChange, onEnter: () => host.send("enter") });
    arrange();
    root.replaceChildren(form.node);
    lastChange = JSON.stringify(form.event);
    host.send("ready");
    // What the page has filled in is news to nobody, but that it is complete is.
    if (form.isComplete) host.send("change", form.event);
  },
  update(given) {
    if (!settings) return;
    settings = { ...settings, ...given };
    arrange();
    announceChange();
  },
  focus: () => form.focus(),
  focusFirstError: () => form.focusFirstError(),
  blur: () => document.activeElement?.blur(),
  clear: () => form.clear(),
  submit() {
    const error = form.validate();
    return error ? { error } : {};
  },
  current: () => ({ complete: form.isComplete, value: form.event.value }),
  getValue() {
    form.validate();
    const { complete, isNewAddress, value } = form.event;
    return { complete, isNewAddress, value };
  },
});

function arrange() {
  document.documentElement.lang = supportedLocale(settings.locale);
  applyAppearance(settings.appearance);
  form.configure(settings);
}

function announceChange() {
  const { event } = form;
  const seen = JSON.stringify(event);
  if (seen !== lastChange) host.send("change", event);
  lastChange = seen;
}

followFrame(host, root);

host.send("loaded");
