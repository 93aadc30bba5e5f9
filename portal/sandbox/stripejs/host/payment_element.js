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

class PaymentElement {
  #group;
  #options;
  #channel = null;
  #wrapper = null;
  #container = null;
  #labelled = null;
  #destroyed = false;
  #ready = null;
  #listeners = new Map();

  constructor(group, options = {}) {
    this.#options = PaymentElement.#checked(options);
    this.#group = group;
  }

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

  /* Shows the form in the node, or in the node the selector finds. A second mount to another node moves the form, emptied. */
  mount(target) {
    if (this.#destroyed) {
      throw new IntegrationError("This Element has already been destroyed. Please create a new one.");
    }
    if (!target) {
      throw new IntegrationError("Missing argument. Make sure to call mount() with a valid DOM element or selector.");
    }
    const container = typeof target === "string" ? document.querySelector(target) : target;
    if (!container) {
      throw new IntegrationError(
        `The selector you specified (${target}) applies to no DOM elements that are currently on the page. Make sure the element exists on the page before calling mount().`,
      );
    }
    if (!(container instanceof HTMLElement)) {
      throw new IntegrationError(
        "Invalid DOM element. Make sure to call mount() with a valid DOM element or selector.",
      );
    }
    if (container === this.#container && container.contains(this.#wrapper)) return;
    this.#removeFrame();
    if (container.childNodes.length > 0) {
      console.warn("This Element will be mounted to a DOM element that contains child nodes.");
    }
    container.replaceChildren();
    container.classList.add("StripeElement");
    this.#container = container;
    this.#addFrame();
    this.#followLabel();
  }

  #addFrame() {
    this.#channel = new FrameChannel({
      path: FRAME_PATHS.payment,
      title: "Secure payment input frame",
      styles: FRAME_STYLES,
      handlers: {
        loaded: () => this.#start(),
        ready: () => this.#announceReady(),
        resize: ({ height }) => applyStyles(this.#channel.iframe, { height: `${height}px` }),
        change: (event) => this.#announceChange(event),
        focus: () => this.#focusChanged("focus"),
        blur: () => this.#focusChanged("blur"),
        removeSaved: (method) => this.#removeSaved(method),
        escape: () => this.#emit("escape"),
        enter: () => this.#container.closest("form")?.requestSubmit(),
      },
    });
    this.#wrapper = document.createElement("div");
    this.#wrapper.className = "__PrivateStripeElement";
    applyStyles(this.#wrapper, {
      margin: "0",
      padding: "0",
      border: "none",
      display: "block",
      background: "transparent",
      position: "relative",
      opacity: "1",
    });
    this.#wrapper.append(this.#channel.iframe);
    let announce;
    const promise = new Promise((resolve) => (announce = resolve));
    this.#ready = { promise, announce };
    this.#container.append(this.#wrapper);
  }

  async #start() {
    const channel = this.#channel;
    this.#emit("loaderstart");
    channel.send("prepare", { appearance: this.#group.settings().appearance });
    const session = await this.#group.session();
    if (channel !== this.#channel) return;
    if (session.error) {
      this.#removeFrame();
      this.#emit("loaderror", { error: session.error });
      return;
    }
    channel.send("start", { ...this.#group.settings(), session, options: this.#options });
  }

  #announceReady() {
    this.#ready.announce();
    this.#emit("ready");
  }

  #announceChange(event) {
    const { classList } = this.#container;
    classList.toggle("StripeElement--empty", event.empty);
    classList.toggle("StripeElement--complete", event.complete);
    this.#emit("change", event);
  }

  /* The customer wants a saved payment method gone. The frame holds no client secret, so the page's side asks for it. */
  async #removeSaved({ id, type, billing_details }) {
    const channel = this.#channel;
    const { error } = await this.#group.removeSaved(id);
    const refusal = error && localized(error, this.#group.locale);
    channel.send("savedRemoved", { id, error: refusal?.message });
    this.#emit("savedpaymentmethodremove", {
      success: !error,
      ...(error && { error: refusal.message }),
      payment_method: { id, type, billing_details },
    });
  }

  #focusChanged(type) {
    this.#container.classList.toggle("StripeElement--focus", type === "focus");
    this.#emit(type);
  }

  /* A click on the container's label, around it or pointing to it by `for`, focuses the form as it would an input. */
  #followLabel() {
    const label =
      this.#container.closest("label") ??
      (this.#container.id && document.querySelector(`label[for="${CSS.escape(this.#container.id)}"]`));
    if (!label) return;
    const follow = () => this.focus();
    label.addEventListener("click", follow);
    this.#labelled = () => label.removeEventListener("click", follow);
  }

  #removeFrame() {
    this.#labelled?.();
    this.#channel?.destroy();
    this.#wrapper?.remove();
    this.#container?.classList.remove(
      "StripeElement",
      "StripeElement--empty",
      "StripeElement--complete",
      "StripeElement--focus",
    );
    this.#channel = this.#wrapper = this.#container = this.#labelled = null;
  }

  unmount() {
    this.#removeFrame();
  }

  destroy() {
    this.#removeFrame();
    this.#destroyed = true;
    this.#group.forget(this);
  }

  on(type, handler) {
    demand(typeof handler === "function", "element.on()", "handler", "a function", handler);
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(handler);
    return this;
  }

  once(type, handler) {
    const first = (event) => {
      this.off(type, first);
      handler(event);
    };
    return this.on(type, first);
  }

  off(type, handler) {
    if (handler) this.#listeners.get(type)?.delete(handler);
    else this.#listeners.delete(type);
    return this;
  }

  #emit(type, event = {}) {
    for (const handler of [...(this.#listeners.get(type) ?? [])]) handler({ elementType: "payment", ...event });
  }

  update(options = {}) {
    this.#options = { ...this.#options, ...PaymentElement.#checked(options) };
    this.refresh();
    return this;
  }

  collapse() {
    this.#channel?.send("collapse");
    return this;
  }

  focus() {
    this.#channel?.iframe.focus();
    this.#channel?.send("focus");
  }

  blur() {
    this.#channel?.send("blur");
  }

  clear() {
    this.#channel?.send("clear");
  }

  // What follows is for Elements and the confirmations, not for pages.

  get isMounted() {
    return this.#channel !== null;
  }

  get options() {
    return this.#options;
  }

  /* Tells the frame of changed options of the group or of this element, and of a session that was read again. */
  refresh(session) {
    this.#channel?.send("update", { ...this.#group.settings(), options: this.#options, session });
  }

  /* Shows the customer, at its field, what the bank said of the card. */
  showRefusal({ param, code, message }) {
    this.#channel?.send("refuse", { param, code, message });
  }

  /* Asks the frame: "submit", "createPaymentMethod" or "createConfirmationToken". Waits until the form is there. */
  async ask(type, payload) {
    await this.#ready.promise;
    const channel = this.#channel;
    const answer = await channel.ask(type, payload);
    // The page's focus is on its button: it has to come to the frame first, and can then go to the field to mend.
    if (answer.error?.type === "validation_error") {
      channel.iframe.focus();
      channel.send("focusFirstError");
    }
    return answer;
  }
}
