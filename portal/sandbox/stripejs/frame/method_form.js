/*
 * The forms of every payment method but the card: which fields each has, and what the API is sent of them. A method that sends the
 * customer to a page of its own says so below its fields; one that debits an account says what the customer allows by paying.
 */
const NAME = "name";
const EMAIL = "email";
const METHOD_FORMS = {
  sepa_debit: { fields: ["iban", NAME, EMAIL], note: "sepaMandate" },
  us_bank_account: { fields: [NAME, "routingNumber", "accountNumber"], note: "achMandate" },
  bacs_debit: {
    fields: [NAME, EMAIL, "sortCode", "accountNumber", "line1", "city", "addressPostalCode"],
    note: "bacsMandate",
  },
  ideal: { fields: [NAME], note: "redirect" },
  bancontact: { fields: [NAME], note: "redirect" },
  eps: { fields: [NAME], note: "redirect" },
  p24: { fields: [NAME, EMAIL], note: "redirect" },
  twint: { fields: [], note: "redirect" },
  klarna: { fields: [EMAIL], note: "redirect" },
  paypal: { fields: [], note: "redirect" },
  link: { fields: [EMAIL], note: "linkNote" },
  apple_pay: { fields: [], note: "walletNote" },
  google_pay: { fields: [], note: "walletNote" },
};
// Their details come from a sheet of their own, and what is made of them is a card.
const CARD_WALLETS = new Set(["apple_pay", "google_pay"]);
const FIELD_ATTRIBUTES = {
  iban: { ...PLAIN_TEXT, dir: "ltr", autocapitalize: "characters" },
  routingNumber: DIGITS,
  accountNumber: DIGITS,
  sortCode: DIGITS,
  name: { ...PLAIN_TEXT, autocomplete: "billing name" },
  email: { ...PLAIN_TEXT, type: "email", autocomplete: "billing email" },
  line1: { ...PLAIN_TEXT, autocomplete: "billing address-line1" },
  city: { ...PLAIN_TEXT, autocomplete: "billing address-level2" },
  addressPostalCode: { ...PLAIN_TEXT, autocomplete: "billing postal-code" },
};
// Notes that say how the payment goes on, and not what the customer agrees to.
const NOTES_OF_WAY = new Set(["redirect", "walletNote", "linkNote"]);
const FIELD_CHECKS = { iban: checkIban, email: checkEmail };
// Which field a refusal of the API is about, by the last part of its param.
const REFUSED_METHOD_FIELDS = {
  iban: "iban",
  account_number: "accountNumber",
  routing_number: "routingNumber",
  sort_code: "sortCode",
  email: "email",
};

class MethodForm {
  constructor({ type, onChange, onEnter }) {
    this.type = type;
    this.onChange = onChange;
    const { fields, note } = METHOD_FORMS[type];
    this.noteName = note;
    this.fields = fields.map((name) => this.#field(name));
    this.note = build("p", { className: "p-Terms TermsText" });
    this.node = build("div", { className: "p-MethodForm" }, ...this.fields.map((field) => field.node), this.note);
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.tagName === "INPUT") onEnter();
    });
  }

  #field(name) {
    const check = FIELD_CHECKS[name] ?? checkFilled;
    const field = new Field({
      name,
      owner: this.type,
      attributes: FIELD_ATTRIBUTES[name],
      check: () => check(field.input.value),
      onInput: () => this.onChange(),
    });
    return field;
  }

  configure({ locale, readOnly, merchant, defaults, collects, showsNote }) {
    this.messages = messagesFor(locale);
    for (const field of this.fields) {
      // Another element of the page's asks for it.
      field.node.hidden = field.name === EMAIL && collects.email;
      field.setTexts({ label: this.messages[field.name] }, this.messages);
      field.input.readOnly = readOnly;
      if (field.isEmpty && !this.wasConfigured) field.input.value = defaultOf(field.name, defaults);
    }
    this.wasConfigured = true;
    this.note.textContent = this.messages[this.noteName].replaceAll("{merchant}", merchant);
    this.note.hidden = !showsNote && !NOTES_OF_WAY.has(this.noteName);
  }

  get isEmpty() {
    return this.fields.every((field) => field.isEmpty);
  }

  get isComplete() {
    return this.fields.every((field) => !field.isShown || field.check().complete);
  }

  validate() {
    return validated(this.fields, this.messages);
  }

  focus() {
    this.fields[0]?.input.focus();
  }

  focusFirstError() {
    this.fields.find((field) => field.code)?.input.focus();
  }

  showRefusal({ param = "", message }) {
    const name = REFUSED_METHOD_FIELDS[param.split(/[[\].]+/).filter(Boolean).at(-1)];
    (this.fields.find((field) => field.name === name) ?? this.fields[0])?.showRemark(message);
  }

  #value(name) {
    return this.fields.find((field) => field.name === name && field.isShown)?.input.value.trim();
  }

  /* The parameters of a payment method of this type. What the customer gave here overrides `billingDetails`. */
  paymentMethodData(billingDetails) {
    const address = { ...billingDetails.address };
    const line1 = this.#value("line1");
    if (line1) Object.assign(address, { line1, city: this.#value("city"), postal_code: this.#value("addressPostalCode") });
    const details = {
      ...billingDetails,
      address,
      name: this.#value(NAME) ?? billingDetails.name,
      email: this.#value(EMAIL) ?? billingDetails.email,
    };
    return { type: this.type, [this.type]: this.#own(), billing_details: details };
  }

  #own() {
    if (this.type === "sepa_debit") return { iban: this.#value("iban") };
    const number = { account_number: this.#value("accountNumber") };
    if (this.type === "bacs_debit") return { ...number, sort_code: this.#value("sortCode") };
    if (this.type !== "us_bank_account") return undefined;
    return { ...number, routing_number: this.#value("routingNumber"), account_holder_type: "individual" };
  }

  clear() {
    for (const field of this.fields) field.clear();
    this.onChange();
  }
}

function defaultOf(name, { address = {}, ...details }) {
  const inAddress = { line1: "line1", city: "city", addressPostalCode: "postal_code" };
  return (inAddress[name] ? address[inAddress[name]] : details[name]) ?? "";
}

function knowsMethod(type) {
  return type === "card" || Object.hasOwn(METHOD_FORMS, type);
}
