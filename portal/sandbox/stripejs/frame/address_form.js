/* The Address Element's fields: which a country has, what they hold, and a choice among the addresses that the page knows already. */
const NEW_ADDRESS = "new";
const WITH_STATE = new Set("AE AR AU BR CA CL CN CO EG ES HK ID IE IN IT JP KR MX MY NZ PE PH TH TW US".split(" "));
const WITHOUT_POSTAL_CODE = new Set(
  "AE AG AO AW BF BI BJ BO BS BW BZ CD CF CG CI CM DJ DM ER FJ GA GD GH GM GQ GY HK JM KE KM KN LC ML MO MR MW NR PA QA RW SB SC SL SO SR ST SY TD TF TG TL TO TT TV UG VU YE ZW".split(
    " ",
  ),
);
const PO_BOX = /\b(p\.?\s*o\.?\s*box|post office box|postfach)\b/i;
const PERSON_FIELDS = { full: ["name"], split: ["firstName", "lastName"], organization: ["organization"] };
const ADDRESS_ATTRIBUTES = {
  name: { ...PLAIN_TEXT, autocomplete: "name" },
  firstName: { ...PLAIN_TEXT, autocomplete: "given-name" },
  lastName: { ...PLAIN_TEXT, autocomplete: "family-name" },
  organization: { ...PLAIN_TEXT, autocomplete: "organization" },
  line1: { ...PLAIN_TEXT, autocomplete: "address-line1" },
  line2: { ...PLAIN_TEXT, autocomplete: "address-line2", "aria-required": "false" },
  city: { ...PLAIN_TEXT, autocomplete: "address-level2" },
  state: { ...PLAIN_TEXT, autocomplete: "address-level1" },
  addressPostalCode: { ...PLAIN_TEXT, autocomplete: "postal-code" },
  phone: { ...PLAIN_TEXT, type: "tel", autocomplete: "tel" },
};

class AddressForm {
  constructor({ onChange, onEnter }) {
    this.onChange = onChange;
    const select = (name, attributes) => this.#field(name, { tag: "select", attributes, check: () => COMPLETE });
    this.contact = select("contact", {});
    this.country = select("country", { autocomplete: "country" });
    const names = Object.keys(ADDRESS_ATTRIBUTES);
    this.texts = Object.fromEntries(
      names.map((name) => [name, this.#field(name, { attributes: ADDRESS_ATTRIBUTES[name], check: () => this.#check(name) })]),
    );
    const { name, firstName, lastName, organization, ...others } = this.texts;
    this.fields = [this.contact, name, firstName, lastName, organization, this.country, ...Object.values(others)];
    this.node = build("div", { className: "p-MethodForm" }, ...this.fields.map((field) => field.node));
    this.country.input.addEventListener("input", () => this.#arrange());
    this.contact.input.addEventListener("input", () => {
      this.#arrange();
      this.onChange();
    });
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.tagName === "INPUT") onEnter();
    });
  }

  #field(name, options) {
    return new Field({ name, onInput: () => this.onChange(), ...options });
  }

  #check(name) {
    const { value } = this.texts[name].input;
    if (name === "line2") return COMPLETE;
    if (name === "phone") return value.trim() || this.#isPhoneRequired ? checkPhone(value) : COMPLETE;
    if (name === "line1" && this.options.blockPoBox && PO_BOX.test(value)) return { error: "po_box" };
    if (name === "addressPostalCode" && value.trim()) return checkPostalCode(value, this.country.input.value);
    return checkFilled(value);
  }

  get #isPhoneRequired() {
    return (this.options.validation?.phone?.required ?? "auto") !== "never";
  }

  configure({ locale, options, country }) {
    this.options = options;
    this.messages = messagesFor(locale);
    for (const field of this.fields) field.setTexts({ label: this.messages[field.name] }, this.messages);
    const allowed = countriesByName(locale).filter(([code]) => options.allowedCountries?.includes(code) ?? true);
    const { defaultValues: defaults = {} } = options;
    const wanted = [this.country.input.value, defaults.address?.country, likelyCountry(country)];
    fillSelect(this.country.input, allowed);
    this.country.input.value = wanted.find((code) => allowed.some(([each]) => each === code)) ?? allowed[0]?.[0] ?? "";
    const contacts = (options.contacts ?? []).map(({ name, address }, place) => [
      String(place),
      [name, address.line1, address.city].filter(Boolean).join(", "),
    ]);
    const chosen = this.contact.input.value || (contacts.length ? "0" : NEW_ADDRESS);
    fillSelect(this.contact.input, [...contacts, [NEW_ADDRESS, this.messages.newAddress]]);
    this.contact.input.value = chosen;
    if (!this.wasConfigured) this.#prefill(defaults);
    this.wasConfigured = true;
    this.#arrange();
  }

  #prefill({ name, firstName, lastName, phone, address = {} }) {
    const { line1, line2, city, state, postal_code: addressPostalCode } = address;
    const values = { name, organization: name, firstName, lastName, phone, line1, line2, city, state, addressPostalCode };
    for (const [each, value] of Object.entries(values)) this.texts[each].input.value = value ?? "";
  }

  /* Shows the fields that the country and the page's options call for, and none of them while a known address is chosen. */
  #arrange() {
    const country = this.country.input.value;
    const isNew = this.isNewAddress;
    const { display = {}, fields = {}, contacts = [] } = this.options;
    const person = fields.name === "never" ? [] : (PERSON_FIELDS[display.name] ?? PERSON_FIELDS.full);
    const absent = new Set([
      ...["name", "firstName", "lastName", "organization"].filter((name) => !person.includes(name)),
      ...(WITH_STATE.has(country) ? [] : ["state"]),
      ...(WITHOUT_POSTAL_CODE.has(country) ? ["addressPostalCode"] : []),
      ...(fields.phone === "always" ? [] : ["phone"]),
    ]);
    for (const [name, field] of Object.entries(this.texts)) field.node.hidden = !isNew || absent.has(name);
    this.country.node.hidden = !isNew;
    this.contact.node.hidden = contacts.length === 0;
  }

  get isNewAddress() {
    return this.contact.input.value === NEW_ADDRESS;
  }

  #text(name) {
    const field = this.texts[name];
    return field.node.hidden ? "" : field.input.value.trim();
  }

  get value() {
    if (!this.isNewAddress) {
      const { name, phone, address } = this.options.contacts[Number(this.contact.input.value)];
      return { name, ...(phone && { phone }), address: { ...address, line2: address.line2 ?? null } };
    }
    const [firstName, lastName] = [this.#text("firstName"), this.#text("lastName")];
    const isSplit = this.options.display?.name === "split";
    return {
      name: isSplit ? `${firstName} ${lastName}`.trim() : this.#text("name") || this.#text("organization"),
      ...(isSplit && { firstName, lastName }),
      ...(this.texts.phone.isShown && { phone: this.#text("phone") }),
      address: {
        line1: this.#text("line1"),
        line2: this.#text("line2") || null,
        city: this.#text("city"),
        state: this.#text("state"),
        postal_code: this.#text("addressPostalCode"),
        country: this.country.input.value,
      },
    };
  }

  /* What the event "change" says. */
  get event() {
    return {
      elementMode: this.options.mode,
      empty: this.isNewAddress && Object.values(this.texts).every((field) => !field.isShown || field.isEmpty),
      complete: this.isComplete,
      isNewAddress: this.isNewAddress,
      value: this.value,
    };
  }

  get isComplete() {
    return this.fields.every((field) => !field.isShown || field.check().complete);
  }

  validate() {
    return validated(this.fields, this.messages);
  }

  focus() {
    this.fields.find((field) => field.isShown)?.input.focus();
  }

  focusFirstError() {
    this.fields.find((field) => field.code)?.input.focus();
  }

  clear() {
    for (const field of this.fields) field.clear();
    this.onChange();
  }
}

function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, text]) => build("option", { value, textContent: text })));
}
