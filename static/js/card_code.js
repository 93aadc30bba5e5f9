/**
 * The security code of a saved card: one field of Stripe's, which stands below the chosen card while its code is asked for.
 * A radio button with data-asks-code is such a card. What is typed goes to Stripe alone; chosen anew, the field is empty.
 */

/** The field's text in the colours of the surface it stands on; a frame cannot read our style sheets. */
function style(place) {
  const { color, fontFamily } = getComputedStyle(place);
  const named = (name) => getComputedStyle(place).getPropertyValue(name).trim();
  return {
    base: { color, fontFamily, fontSize: "16px", lineHeight: "24px", "::placeholder": { color: named("--ink-muted") } },
    invalid: { color: named("--danger") },
  };
}

export class CardCode {
  #field;
  #place;
  #error;
  #element;
  #radio = null;
  #isReady = false;
  #isComplete = false;
  #wantsFocus = false;

  /** `field` holds the place of Stripe's field (.card-code-place) and its error (.field-error). */
  constructor({ stripe, locale, field }) {
    this.#field = field;
    this.#place = field.querySelector(".card-code-place");
    this.#error = field.querySelector(".field-error");
    this.#element = stripe.elements({ locale }).create("cardCvc", { style: style(this.#place) });
    this.#element.on("ready", () => {
      this.#isReady = true;
      if (this.#wantsFocus) this.focus();
    });
    this.#element.on("change", ({ complete, empty, error }) => {
      this.#isComplete = complete;
      if (error || !empty) this.complain(error?.message ?? ""); // emptied by us, it keeps what the bank said of it
    });
    window
      .matchMedia("(prefers-color-scheme: dark)")
      .addEventListener("change", () => this.#element.update({ style: style(this.#place) }));
  }

  /** Stripe's element while a code is asked for, else null. */
  get element() {
    return this.#radio && this.#element;
  }

  get isComplete() {
    return this.#isComplete;
  }

  /** Follow the choice: the field stands below this radio button's card if its code is asked for, and nowhere if not. */
  follow(radio) {
    const next = radio?.dataset.asksCode === undefined ? null : radio;
    if (next === this.#radio) return;
    this.#element.unmount();
    this.#radio = next;
    this.#isReady = this.#isComplete = this.#wantsFocus = false;
    this.complain("");
    this.#field.hidden = next === null;
    if (next === null) return;
    next.closest("label").after(this.#field);
    this.#element.mount(this.#place);
  }

  /** Ask for the code of this card from now on, and empty the field if it was asked for already. */
  askFor(radio) {
    if (radio === this.#radio) this.#element.clear();
    radio.dataset.asksCode = "";
    this.follow(radio);
  }

  /** Say at the field what is wrong with it; an empty text takes that back. */
  complain(text) {
    this.#error.querySelector("span").textContent = text;
    this.#error.hidden = text === "";
    this.#field.classList.toggle("has-error", text !== "");
  }

  focus() {
    this.#wantsFocus = !this.#isReady;
    if (this.#isReady) this.#element.focus();
  }
}
