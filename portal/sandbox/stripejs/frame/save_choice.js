/* The customer's word on whether a new card may be kept and shown again. */
class SaveChoice {
  constructor({ onChange }) {
    this.box = build("input", { type: "checkbox", id: "save-payment-method", className: "p-SaveChoice-box" });
    this.text = build("span");
    this.node = build("label", { className: "p-SaveChoice", htmlFor: this.box.id, hidden: true }, this.box, this.text);
    this.box.addEventListener("change", onChange);
  }

  get isOffered() {
    return !this.node.hidden;
  }

  get isChecked() {
    return this.isOffered && this.box.checked;
  }

  configure({ isOffered, readOnly, messages }) {
    this.node.hidden = !isOffered;
    this.box.disabled = readOnly;
    this.text.textContent = messages.savePaymentMethod;
  }

  /*
   * What the API is told: `redisplay` for the payment method, `futureUsage` for a payment that does not keep its card by itself.
   * Source: docs.stripe.com/payments/save-customer-payment-methods
   */
  consent({ savesCard, usage }) {
    if (!this.isOffered) return {};
    if (this.isChecked) return { redisplay: "always", futureUsage: savesCard ? undefined : usage };
    return savesCard ? { redisplay: "limited" } : {};
  }
}
