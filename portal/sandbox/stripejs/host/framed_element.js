/*
 * An element as the page holds it: mounting, events, and the talk with the frame that shows its form. What a kind of element has of
 * its own (its frame, its options, how it starts) is in the classes made of this one.
 */
class FramedElement {
  #type;
  #frame;
  #wrapper = null;
  #labelled = null;
  #destroyed = false;
  #ready = null;
  #listeners = new Map();

  /* frame is {path, title, styles}; options are checked already. */
  constructor({ type, frame, group, options }) {
    this.#type = type;
    this.#frame = frame;
    this.group = group;
    this.options = options;
    this.channel = null;
    this.container = null;
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
    if (container === this.container && container.contains(this.#wrapper)) return;
    this.removeFrame();
    if (container.childNodes.length > 0) {
      console.warn("This Element will be mounted to a DOM element that contains child nodes.");
    }
    container.replaceChildren();
    container.classList.add("StripeElement");
    this.container = container;
    this.#addFrame();
    this.#followLabel();
  }

  #addFrame() {
    this.channel = new FrameChannel({
      ...this.#frame,
      handlers: {
        loaded: () => this.start(this.channel),
        ready: (payload) => this.#announceReady(payload),
        resize: ({ height }) => applyStyles(this.channel.iframe, { height: `${height}px` }),
        change: (event) => this.#announceChange(event),
        focus: () => this.#focusChanged("focus"),
        blur: () => this.#focusChanged("blur"),
        escape: () => this.emit("escape"),
        enter: () => this.container.closest("form")?.requestSubmit(),
        ...this.handlers(),
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
    this.#wrapper.append(this.channel.iframe);
    let announce;
    const promise = new Promise((resolve) => (announce = resolve));
    this.#ready = { promise, announce };
    this.container.append(this.#wrapper);
  }

  #announceReady(payload) {
    this.#ready.announce();
    this.emit("ready", this.readyEvent(payload));
  }

  #announceChange(event) {
    const { classList } = this.container;
    classList.toggle("StripeElement--empty", event.empty);
    classList.toggle("StripeElement--complete", event.complete);
    classList.toggle("StripeElement--invalid", Boolean(event.error));
    this.emit("change", event);
  }

  #focusChanged(type) {
    this.container.classList.toggle("StripeElement--focus", type === "focus");
    this.emit(type);
  }

  /* A click on the container's label, around it or pointing to it by `for`, focuses the form as it would an input. */
  #followLabel() {
    const label =
      this.container.closest("label") ??
      (this.container.id && document.querySelector(`label[for="${CSS.escape(this.container.id)}"]`));
    if (!label) return;
    const follow = () => this.focus();
    label.addEventListener("click", follow);
    this.#labelled = () => label.removeEventListener("click", follow);
  }

  removeFrame() {
    this.#labelled?.();
    this.channel?.destroy();
    this.#wrapper?.remove();
    this.container?.classList.remove(
      "StripeElement",
      "StripeElement--empty",
      "StripeElement--complete",
      "StripeElement--focus",
      "StripeElement--invalid",
    );
    this.channel = this.#wrapper = this.container = this.#labelled = null;
  }

  unmount() {
    this.removeFrame();
  }

  destroy() {
    this.removeFrame();
    this.#destroyed = true;
    this.group.forget(this);
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

  emit(type, event = {}) {
    for (const handler of [...(this.#listeners.get(type) ?? [])]) handler({ elementType: this.#type, ...event });
  }

  listens(type) {
    return (this.#listeners.get(type)?.size ?? 0) > 0;
  }

  focus() {
    this.channel?.iframe.focus();
    this.channel?.send("focus");
  }

  blur() {
    this.channel?.send("blur");
  }

  clear() {
    this.channel?.send("clear");
  }

  // What follows is for Elements, the confirmations and the kinds of elements, not for pages.

  get isMounted() {
    return this.channel !== null;
  }

  /* What the event "ready" says beside the element's type. */
  readyEvent() {
    return {};
  }

  /* Handlers of messages that one kind of frame alone sends. */
  handlers() {
    return {};
  }

  /* Asks the frame for something, once its form is there. */
  async ask(type, payload) {
    await this.#ready.promise;
    const channel = this.channel;
    const answer = await channel.ask(type, payload);
    // The page's focus is on its button: it has to come to the frame first, and can then go to the field to mend.
    if (answer.error?.type === "validation_error") {
      channel.iframe.focus();
      channel.send("focusFirstError");
    }
    return answer;
  }
}
