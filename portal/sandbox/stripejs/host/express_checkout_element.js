/* The Express Checkout Element as the page holds it: a button a wallet, and the talk between the page and the wallet's sheet. */
const EXPRESS_OPTIONS = new Set([
  "allowedShippingCountries",
  "applePay",
  "billingAddressRequired",
  "business",
  "buttonHeight",
  "buttonTheme",
  "buttonType",
  "emailRequired",
  "layout",
  "lineItems",
  "paymentMethodOrder",
  "paymentMethods",
  "phoneNumberRequired",
  "shippingAddressRequired",
  "shippingRates",
  "wallets",
]);
const EXPRESS_HEIGHTS = { least: 40, most: 55 };
// How the options paymentMethods and wallets call the buttons, and the events their availability.
const EXPRESS_NAMES = {
  apple_pay: "applePay",
  google_pay: "googlePay",
  link: "link",
  paypal: "paypal",
  klarna: "klarna",
};
// The time Stripe gives a page to answer a click, because a browser opens no sheet long after one.
const CLICK_PATIENCE_MS = 1000;

class ExpressCheckoutElement extends FramedElement {
  #sheet = null;
  #paid = null;

  constructor(group, options = {}) {
    super({
      type: "expressCheckout",
      frame: {
        path: FRAME_PATHS.express,
        title: "Secure express checkout frame",
        styles: { ...FRAME_STYLES, height: "52px" },
      },
      group,
      options: ExpressCheckoutElement.#checked(options),
    });
  }

  static needsIntent = true;

  static #checked(options) {
    const method = 'elements.create("expressCheckout")';
    demand(typeof options === "object" && options !== null, method, "options", "an object", options);
    warnOfUnknown(`${method} options`, options, EXPRESS_OPTIONS);
    const { buttonHeight: height, shippingAddressRequired: ships, shippingRates: rates } = options;
    const { least, most } = EXPRESS_HEIGHTS;
    demand(
      height === undefined || (Number.isInteger(height) && height >= least && height <= most),
      method,
      "buttonHeight",
      `a number of pixels from ${least} to ${most}`,
      height,
    );
    demand(!ships || rates === undefined || rates.length > 0, method, "shippingRates", "at least one rate", rates);
    return options;
  }

  async start(channel) {
    channel.send("prepare", { appearance: this.group.settings().appearance });
    const session = await this.group.session();
    if (channel !== this.channel) return;
    if (session.error) {
      this.removeFrame();
      this.emit("loaderror", { error: session.error });
      return;
    }
    channel.send("start", this.#shown(session));
  }

  #shown(session) {
    const { paymentMethods = {}, wallets = {} } = this.options;
    const isWanted = (type) => (paymentMethods[EXPRESS_NAMES[type]] ?? wallets[EXPRESS_NAMES[type]]) !== "never";
    const types = session.types.filter((type) => Object.hasOwn(EXPRESS_NAMES, type) && isWanted(type));
    return { ...this.group.settings(), types, options: this.options };
  }

  readyEvent({ types }) {
    return { availablePaymentMethods: this.#available(types, (isThere) => isThere) };
  }

  #available(types, told) {
    if (types.length === 0) return undefined;
    const names = Object.entries({ ...EXPRESS_NAMES, amazon_pay: "amazonPay" });
    return Object.fromEntries(names.map(([type, name]) => [name, told(types.includes(type))]));
  }

  handlers() {
    return {
      click: ({ type }) => this.#clicked(type),
      available: ({ types }) =>
        this.emit("availablepaymentmethodschange", {
          paymentMethods: this.#available(types, (available) => ({ available })),
        }),
    };
  }

  update(options = {}) {
    this.options = { ...this.options, ...ExpressCheckoutElement.#checked(options) };
    this.refresh();
    return this;
  }

  /* The customer has pressed a button: the page is asked, the sheet opens, and what the holder says goes to the page. */
  async #clicked(type) {
    if (this.#sheet) return;
    const details = await this.#askPage("click", { expressPaymentType: type }, CLICK_PATIENCE_MS);
    if (details === null || this.#sheet) return;
    const session = await this.group.session();
    let purchase = { ...this.options, ...details };
    const follow = (event) => async (given) => {
      const changes = await this.#askPage(event, given);
      if (changes !== null) purchase = { ...purchase, ...changes };
      return changes !== null;
    };
    this.#sheet = new WalletSheet({
      wallet: type,
      settings: this.group.settings(),
      merchant: purchase.business?.name ?? session.merchantName,
      needs: {
        email: purchase.emailRequired,
        phone: purchase.phoneNumberRequired,
        shipping: purchase.shippingAddressRequired,
        countries: purchase.allowedShippingCountries,
      },
      purchase: () => ({
        ...this.group.total(session),
        lineItems: purchase.lineItems ?? [],
        shippingRates: purchase.shippingRates ?? [],
      }),
      onAddress: follow("shippingaddresschange"),
      onRate: follow("shippingratechange"),
    });
    const paid = await this.#sheet.answer();
    if (paid === null) {
      this.finish();
      this.emit("cancel");
      return;
    }
    this.#paid = paid;
    const { billingDetails, shippingAddress, shippingRate } = paid;
    this.emit("confirm", {
      expressPaymentType: type,
      billingDetails: purchase.billingAddressRequired === false ? undefined : billingDetails,
      shippingAddress,
      shippingRate,
      paymentFailed: () => this.finish(),
    });
  }

  /* Tells the page of an event that it has to answer: what it resolves with, or null where it rejects or does not answer in time. */
  #askPage(event, given, patience) {
    if (!this.listens(event)) return Promise.resolve({});
    return new Promise((answer) => {
      this.emit(event, { ...given, resolve: (details = {}) => answer(details), reject: () => answer(null) });
      if (!patience) return;
      setTimeout(() => answer(null), patience);
    });
  }

  // What follows is for Elements and the confirmations, not for pages.

  /* What the holder has agreed to pay with, while the page confirms it. */
  get paid() {
    return this.#paid;
  }

  /* The page is done with what the holder agreed to, or the holder has called it off. */
  finish() {
    this.#sheet?.close();
    this.#sheet = this.#paid = null;
  }

  refresh(session) {
    if (session) this.channel?.send("update", this.#shown(session));
    else this.group.session().then((known) => !known.error && this.channel?.send("update", this.#shown(known)));
  }
}
