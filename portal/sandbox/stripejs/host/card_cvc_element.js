/*
 * The cardCvc Element as the page holds it: the field for the code of a card that is saved already. Label, border and error are the
 * page's own; the field takes its looks from the option style.
 */
const CVC_OPTIONS = new Set(["classes", "style", "placeholder", "disabled"]);

class CardCvcElement extends FramedElement {
  constructor(group, options = {}) {
    super({
      type: "cardCvc",
      frame: {
        path: FRAME_PATHS.cardCvc,
        title: "Secure CVC input frame",
        styles: { width: "100%", height: "1.2em", display: "block" },
      },
      group,
      options: CardCvcElement.#checked(options),
    });
  }

  static #checked(options) {
    const method = 'elements.create("cardCvc")';
    demand(typeof options === "object" && options !== null, method, "options", "an object", options);
    warnOfUnknown(`${method} options`, options, CVC_OPTIONS);
    return options;
  }

  start(channel) {
    channel.send("start", { ...this.group.settings(), options: this.options });
  }

  update(options = {}) {
    this.options = { ...this.options, ...CardCvcElement.#checked(options) };
    this.channel?.send("update", { options: this.options });
    return this;
  }
}
