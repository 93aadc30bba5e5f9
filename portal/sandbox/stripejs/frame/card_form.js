/* The card's fields: what they hold, whether that is complete, and what the API is sent of it. Nothing here leaves the frame. */
const BRAND_ORDER = ["visa", "mastercard", "amex", "discover"];
// Which field a refusal is about: by the API's param, or by the code of a decline.
const REFUSED_FIELDS = {
  number: "number",
  exp_month: "expiry",
  exp_year: "expiry",
  cvc: "cvc",
  incorrect_cvc: "cvc",
  invalid_cvc: "cvc",
  expired_card: "expiry",
  incorrect_zip: "postalCode",
};

class CardForm {
  constructor({ onChange, onEnter }) {
    this.onChange = onChange;
    this.brandIcons = build("div", { className: "p-CardNumberInput-icons" });
    this.cvcIcon = build("img", { className: "p-CardCvcIcons-svg", alt: "", src: ICONS.cvc });
    this.number = this.#field("number", {
      attributes: { ...DIGITS, autocomplete: "cc-number" },
      check: () => checkNumber(this.number.input.value),
      format: formattedNumber,
      decoration: this.brandIcons,
    });
    this.expiry = this.#field("expiry", {
      attributes: { ...DIGITS, autocomplete: "cc-exp" },
      check: () => checkExpiry(this.expiry.input.value),
      format: formattedExpiry,
    });
    this.cvc = this.#field("cvc", {
      attributes: { ...DIGITS, autocomplete: "cc-csc" },
      check: () => checkCvc(this.cvc.input.value, this.brand),
      format: (text) => formattedCvc(text, this.brand),
      decoration: this.cvcIcon,
    });
    this.country = this.#field("country", {
      tag: "select",
      attributes: { autocomplete: "billing country" },
      check: () => COMPLETE,
    });
    this.postalCode = this.#field("postalCode", {
      attributes: { ...PLAIN_TEXT, autocomplete: "billing postal-code" },
      check: () => checkPostalCode(this.postalCode.input.value, this.country.input.value),
    });
    this.fields = [this.number, this.expiry, this.cvc, this.country, this.postalCode];
    this.node = build("div", { className: "p-CardForm" }, ...this.fields.map((field) => field.node));

    this.number.input.addEventListener("input", (event) => {
      this.#showBrand();
      this.#advance(event, this.number, this.expiry);
    });
    this.expiry.input.addEventListener("input", (event) => this.#advance(event, this.expiry, this.cvc));
    this.country.input.addEventListener("input", () => {
      this.#followCountry();
      this.onChange();
    });
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.tagName === "INPUT") onEnter();
    });
  }

  #field(name, options) {
    return new Field({ name, onInput: () => this.onChange(), ...options });
  }

  get brand() {
    return brandOf(digitsOf(this.number.input.value));
  }

  /* The hand goes on to the next field by itself when the last digit of a good value was typed (not pasted or autofilled). */
  #advance(event, from, to) {
    const { value, selectionStart } = from.input;
    const isLast =
      event.inputType === "insertText" && selectionStart === value.length && document.activeElement === from.input;
    if (isLast && from.check().complete && digitsOf(value).length === this.#longest(from)) to.input.focus();
  }

  #longest(field) {
    return field === this.number ? Math.max(...this.brand.lengths) : 4;
  }

  #showBrand() {
    const { name, title } = this.brand;
    if (this.shownBrand === name) return;
    this.shownBrand = name;
    const names = name === "unknown" ? BRAND_ORDER : [name];
    this.brandIcons.replaceChildren(
      ...names.map((each) =>
        build("img", { className: "p-CardBrandIcons-item", src: ICONS[each], alt: name === "unknown" ? "" : title }),
      ),
    );
    this.#showCvcHint();
  }

  #showCvcHint() {
    const isAmex = this.brand.name === "amex";
    this.cvcIcon.src = ICONS[isAmex ? "cvc-amex" : "cvc"];
    if (this.messages) this.cvcIcon.alt = isAmex ? this.messages.cvcHintAmex : this.messages.cvcHint;
  }

  #followCountry() {
    const rule = POSTAL_CODES[this.country.input.value];
    this.postalCode.node.hidden = !rule || this.hidden.postalCode;
    if (!rule) return;
    this.postalCode.input.inputMode = rule.inputMode;
    this.postalCode.setTexts({ label: this.messages[rule.label], placeholder: rule.placeholder }, this.messages);
  }

  /* hidden says which of country and postalCode the page collects itself. */
  configure({ locale, hidden, readOnly, fallbackCountry, defaults }) {
    this.messages = messagesFor(locale);
    this.hidden = hidden;
    const { messages } = this;
    this.number.setTexts({ label: messages.number, placeholder: "1234 1234 1234 1234" }, messages);
    this.expiry.setTexts({ label: messages.expiry, placeholder: messages.expiryPlaceholder }, messages);
    this.cvc.setTexts({ label: messages.cvc, placeholder: messages.cvcPlaceholder }, messages);
    this.country.setTexts({ label: messages.country }, messages);
    const chosen = this.country.input.value || fallbackCountry;
    this.country.input.replaceChildren(
      ...countriesByName(locale).map(([code, name]) => build("option", { value: code, textContent: name })),
    );
    this.country.input.value = chosen;
    this.country.node.hidden = hidden.country;
    if (!this.wasConfigured) this.postalCode.input.value = defaults.address?.postal_code ?? "";
    this.wasConfigured = true;
    for (const { input } of this.fields) {
      if (input.tagName === "SELECT") input.disabled = readOnly;
      else input.readOnly = readOnly;
    }
    this.#showBrand();
    this.#showCvcHint();
    this.#followCountry();
  }

  get isEmpty() {
    return [this.number, this.expiry, this.cvc].every((field) => field.isEmpty);
  }

  get isComplete() {
    return this.fields.every((field) => !field.isShown || field.check().complete);
  }

  validate() {
    return validated(this.fields, this.messages);
  }

  focus() {
    this.number.input.focus();
  }

  focusFirstError() {
    this.fields.find((field) => field.code)?.input.focus();
  }

  /* Puts what the bank refused under the field it is about; a plain decline is about the card, so under its number. */
  showRefusal({ param, code, message }) {
    const name = REFUSED_FIELDS[param] ?? REFUSED_FIELDS[code] ?? "number";
    this[name].showRemark(message);
  }

  /* The parameters of a card payment method. What the customer gave here overrides `billingDetails`. */
  paymentMethodData(billingDetails) {
    const { month, year } = parsedExpiry(this.expiry.input.value);
    const address = { ...billingDetails.address };
    if (this.country.isShown) address.country = this.country.input.value;
    if (this.postalCode.isShown) address.postal_code = this.postalCode.input.value.trim();
    const card = {
      number: digitsOf(this.number.input.value),
      cvc: this.cvc.input.value,
      exp_month: month,
      exp_year: year,
    };
    return { type: "card", card, billing_details: { ...billingDetails, address } };
  }

  clear() {
    for (const field of this.fields) field.clear();
    this.#showBrand();
    this.onChange();
  }
}
