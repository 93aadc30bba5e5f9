/* The way of the card's data: from the fields to the API, with a publishable key. The page gets the answer, which has only the last four. */
const CARD_PARAMS = new Set(["number", "exp_month", "exp_year", "cvc"]);

class Submission {
  constructor({ form, key, locale, defaults }) {
    this.form = form;
    this.api = createApi({ origin: location.origin, key });
    this.locale = locale;
    this.defaults = defaults;
  }

  #data({ billing_details: given = {}, allow_redisplay, metadata } = {}) {
    const { address: defaultAddress, ...defaults } = this.defaults();
    const { address: givenAddress, ...details } = given;
    const billingDetails = { ...defaults, ...details, address: { ...defaultAddress, ...givenAddress } };
    return { ...this.form.paymentMethodData(billingDetails), allow_redisplay, metadata };
  }

  async #post(path, params) {
    const { object, error } = await this.api.post(path, params);
    if (!error) return { object };
    const refusal = localized(error, this.locale());
    if (CARD_PARAMS.has(error.param)) this.form.showRefusal(refusal);
    return { error: refusal };
  }

  createPaymentMethod(given) {
    const error = this.form.validate();
    return error ? { error } : this.#post("/v1/payment_methods", this.#data(given));
  }

  createConfirmationToken({ payment_method_data: given, ...params }) {
    const error = this.form.validate();
    return error
      ? { error }
      : this.#post("/v1/confirmation_tokens", { ...params, payment_method_data: this.#data(given) });
  }
}
