/* The Payment Element as the page holds it: events, and commands for the frame that shows the form. */
const PAYMENT_OPTIONS = new Set([
  "defaultValues",
  "business",
  "paymentMethodOrder",
  "fields",
  "readOnly",
  "terms",
  "wallets",
  "walletOptions",
  "layout",
  "applePay",
]);
const LAYOUTS = new Set(["tabs", "accordion", "auto"]);
// Room for the focus ring, which is drawn outside of the fields and would be cut off at the frame's edge.
const FRAME_STYLES = {
  margin: "-4px",
  width: "calc(100% + 8px)",
  "min-width": "100%",
  height: "240px",
  display: "block",
  overflow: "hidden",
};

class PaymentElement extends FramedElement {
  #paid = null;

  constructor(group, options = {}) {
    super({
      type: "payment",
      frame: { path: FRAME_PATHS.payment, title: "Secure payment input frame", styles: FRAME_STYLES },
      group,
      options: PaymentElement.#checked(options),
    });
  }

  static needsIntent = true;

  static #checked(options) {
    demand(
      typeof options === "object" && options !== null,
      'elements.create("payment")',
      "options",
      "an object",
      options,
    );
    warnOfUnknown('elements.create("payment") options', options, PAYMENT_OPTIONS);
    const layout = typeof options.layout === "object" ? options.layout?.type : options.layout;
    demand(
      layout === undefined || LAYOUTS.has(layout),
      'elements.create("payment")',
      "layout",
      "one of the following strings: tabs, accordion, auto",
      layout,
    );
    return options;
  }

  async start(channel) {
    this.emit("loaderstart");
    channel.send("prepare", { appearance: this.group.settings().appearance });
    const session = await this.group.session();
    if (channel !== this.channel) return;
    if (session.error) {
      this.removeFrame();
      this.emit("loaderror", { error: session.error });
      return;
    }
    channel.send("start", { ...this.group.settings(), session, options: this.options });
  }

  handlers() {
    return {
      removeSaved: (method) => this.#removeSaved(method),
      available: ({ types }) =>
        this.emit("availablepaymentmethodschange", {
          paymentMethods: types.length ? Object.fromEntries(types.map((type) => [type, { available: true }])) : undefined,
        }),
    };
  }

  /* The customer wants a saved payment method gone. The frame holds no client secret, so the page's side asks for it. */
  async #removeSaved({ id, type, billing_details }) {
    const channel = this.channel;
    const { error } = await this.group.removeSaved(id);
    const refusal = error && localized(error, this.group.locale);
    channel.send("savedRemoved", { id, error: refusal?.message });
    this.emit("savedpaymentmethodremove", {
      success: !error,
      ...(error && { error: refusal.message }),
      payment_method: { id, type, billing_details },
    });
  }

  update(options = {}) {
    this.options = { ...this.options, ...PaymentElement.#checked(options) };
    this.refresh();
    return this;
  }

  collapse() {
    this.channel?.send("collapse");
    return this;
  }

  // What follows is for Elements and the confirmations, not for pages.

  /* Tells the frame of changed options of the group or of this element, and of a session that was read again. */
  refresh(session) {
    this.channel?.send("update", { ...this.group.settings(), options: this.options, session });
  }

  /* Validates the form, and opens the sheet of a wallet that was chosen: {selectedPaymentMethod} or {error}. */
  async submit() {
    const answer = await this.ask("submit");
    if (answer.error || !answer.wallet) return answer;
    this.#paid = await this.#paidFromSheet(answer.wallet);
    return this.#paid ? answer : { error: sheetCanceled() };
  }

  /* {object, futureUsage} or {error}: what was typed in, a saved method, or what a wallet's holder agrees to pay with. */
  async createPaymentMethod(params) {
    const answer = await this.ask("createPaymentMethod", params);
    if (!answer.wallet) return answer;
    const paid = this.#paid ?? (await this.#paidFromSheet(answer.wallet));
    this.#paid = null;
    return paid ? { object: paid.method } : { error: sheetCanceled() };
  }

  /* A confirmation token of the same, with the parameters of the page. */
  createConfirmationToken(params) {
    return this.ask("createConfirmationToken", params);
  }

  async #paidFromSheet(wallet) {
    const session = await this.group.session();
    const sheet = new WalletSheet({
      wallet,
      settings: this.group.settings(),
      merchant: this.options.business?.name ?? session.merchantName,
      needs: { email: this.options.walletOptions?.emailRequired, phone: this.options.walletOptions?.phoneNumberRequired },
      purchase: () => ({ ...this.group.total(session), lineItems: [], shippingRates: [] }),
    });
    const paid = await sheet.answer();
    sheet.close();
    return paid;
  }

  /* Shows the customer, at its field, what the bank said of the card. */
  showRefusal({ param, code, message }) {
    this.channel?.send("refuse", { param, code, message });
  }
}
