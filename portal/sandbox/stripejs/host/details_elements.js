/* The elements that collect what is known of a customer beside the payment: an address, and the email address of Link. */
const DETAILS_STYLES = { ...FRAME_STYLES, height: "60px" };
const ADDRESS_OPTIONS = new Set([
  "mode",
  "allowedCountries",
  "autocomplete",
  "blockPoBox",
  "contacts",
  "defaultValues",
  "fields",
  "validation",
  "display",
]);
const ADDRESS_MODES = ["shipping", "billing"];

/* What the two have in common: a frame with fields, which is asked for its values. */
class DetailsElement extends FramedElement {
  constructor({ type, title, group, options }) {
    super({ type, frame: { path: FRAME_PATHS.details, title, styles: DETAILS_STYLES }, group, options });
    this.type = type;
  }

  async start(channel) {
    this.emit("loaderstart");
    const session = this.group.needsNoSession ? {} : await this.group.session();
    if (channel !== this.channel) return;
    channel.send("start", {
      ...this.group.settings(),
      type: this.type,
      country: session.merchantCountry,
      options: this.options,
    });
  }

  refresh() {
    this.channel?.send("update", { ...this.group.settings(), options: this.options });
  }

  // What follows is for Elements, not for pages.

  /* {error} of the first field that is wrong, which is shown; or {}. */
  submit() {
    return this.ask("submit");
  }

  /* {complete, value} as it stands. */
  current() {
    return this.ask("current");
  }
}

class AddressElement extends DetailsElement {
  constructor(group, options = {}) {
    AddressElement.#check(options);
    const { mode } = options;
    demand(ADDRESS_MODES.includes(mode), AddressElement.#method, "mode", "one of: shipping, billing", mode);
    super({ type: "address", title: "Secure address input frame", group, options });
  }

  static #method = 'elements.create("address")';

  static #check(options) {
    demand(typeof options === "object" && options !== null, AddressElement.#method, "options", "an object", options);
    warnOfUnknown(`${AddressElement.#method} options`, options, ADDRESS_OPTIONS);
    const { allowedCountries: countries, contacts } = options;
    const areCountries = countries == null || (Array.isArray(countries) && countries.every((code) => /^[A-Z]{2}$/.test(code)));
    demand(areCountries, AddressElement.#method, "allowedCountries", "an array of two-letter country codes", countries);
    demand(contacts === undefined || Array.isArray(contacts), AddressElement.#method, "contacts", "an array", contacts);
  }

  get mode() {
    return this.options.mode;
  }

  update(options = {}) {
    AddressElement.#check(options);
    if (options.mode !== undefined && options.mode !== this.mode) {
      throw new IntegrationError("Invalid value for addressElement.update(): mode cannot be changed.");
    }
    this.options = { ...this.options, ...options };
    this.refresh();
    return this;
  }

  /* Shows what is wrong with the address, and resolves to it as it stands. */
  getValue() {
    return this.ask("getValue");
  }
}

class LinkAuthenticationElement extends DetailsElement {
  constructor(group, options = {}) {
    const method = 'elements.create("linkAuthentication")';
    demand(typeof options === "object" && options !== null, method, "options", "an object", options);
    warnOfUnknown(`${method} options`, options, new Set(["defaultValues"]));
    super({ type: "linkAuthentication", title: "Secure email input frame", group, options });
  }
}
