/* The way of what was typed: from the fields to the API, with a publishable key. The page gets the answer, which has only the last four. */
const CARD_PARAMS = new Set(["number", "exp_month", "exp_year", "cvc"]);

class Submission {
  /* form() is the one that is open; consent() answers as SaveChoice does. */
  constructor({ form, key, locale, defaults, consent }) {
    this.chosenForm = form;
    this.api = createApi({ origin: location.origin, key });
    this.locale = locale;
    this.defaults = defaults;
    this.consent = consent;
  }

  get form() {
    return this.chosenForm();
  }

  #data({ billing_details: given = {}, allow_redisplay, metadata } = {}) {
    const { address: defaultAddress, ...defaults } = this.defaults();
    const { address: givenAddress, ...details } = given;
    const billingDetails = { ...defaults, ...details, address: { ...defaultAddress, ...givenAddress } };
    const redisplay = allow_redisplay ?? this.consent().redisplay;
    return { ...this.form.paymentMethodData(billingDetails), allow_redisplay: redisplay, metadata };
  }

  async #post(path, params) {
    const { object, error } = await this.api.post(path, params);
    if (!error) return { object };
    const refusal = localized(error, this.locale());
    if (CARD_PARAMS.has(error.param) || this.form.type) this.form.showRefusal(refusal);
    return { error: refusal };
  }

  /* {object, futureUsage} or {error}; futureUsage is what the customer agreed to beyond this payment. */
  async createPaymentMethod(given) {
    const error = this.form.validate();
    if (error) return { error };
    const { futureUsage } = this.consent();
    return { ...(await this.#post("/v1/payment_methods", this.#data(given))), futureUsage };
  }

  createConfirmationToken({ payment_method_data: given, ...params }) {
    const error = this.form.validate();
    if (error) return { error };
    const asked = { ...params, setup_future_usage: params.setup_future_usage ?? this.consent().futureUsage };
    return this.#post("/v1/confirmation_tokens", { ...asked, payment_method_data: this.#data(given) });
  }

  /* A token for a saved payment method, whose details stand already. */
  createSavedToken(method, { payment_method_data: _typed, ...params }) {
    return this.#post("/v1/confirmation_tokens", { ...params, payment_method: method.id });
  }
}
