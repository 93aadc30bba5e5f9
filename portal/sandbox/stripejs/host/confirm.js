/* Confirms intents and sees them through their next actions. Every method resolves to Stripe's {paymentIntent}, {setupIntent} or {error}. */
class Confirmations {
  #api;
  #locale;

  constructor({ api, locale }) {
    this.#api = api;
    this.#locale = locale;
  }

  #refused(error) {
    return { error: localized(error, this.#locale) };
  }

  /* confirmPayment and confirmSetup: with the Payment Element, or with what the intent or confirmParams already name. */
  async confirm(kind, method, given) {
    demand(typeof given === "object" && given !== null, method, "options", "an object", given);
    const { elements, confirmParams = {}, redirect = "always" } = given;
    if (!elements && !given.clientSecret)
      throw new IntegrationError(`${method}: expected either \`elements\` or \`clientSecret\`, but got neither.`);
    demand(
      !elements || elements instanceof Elements,
      method,
      "elements",
      "an Elements instance created by this Stripe instance",
      elements,
    );
    demand(
      ["always", "if_required"].includes(redirect),
      method,
      "redirect",
      "one of the following strings: always, if_required",
      redirect,
    );
    if (redirect === "always")
      demand(
        isAddress(confirmParams.return_url),
        method,
        "confirmParams.return_url",
        "a complete URL",
        confirmParams.return_url,
      );
    const clientSecret = given.clientSecret ?? elements.clientSecret;
    if (!clientSecret) throw new IntegrationError(`You must pass in a clientSecret when calling ${method}.`);
    checkClientSecret(clientSecret, method);
    if (intentKind(clientSecret) !== kind)
      throw new IntegrationError(
        `Invalid value for ${method}: clientSecret should be the client secret of a ${kind.title}.`,
      );

    const { payment_method_data: extra, ...params } = confirmParams;
    const typedIn = elements && !params.payment_method && !params.confirmation_token;
    if (typedIn) {
      const collected = await this.#collect(kind, method, elements, clientSecret, extra);
      if (collected.error) return this.#refused(collected.error);
      params.payment_method = collected.object.id;
    }
    const confirmed = await this.#send(clientSecret, params);
    const settled = confirmed.error ? confirmed : await this.#settle(kind, confirmed.object);
    if (settled.error) {
      const refused = this.#refused(settled.error);
      if (typedIn && refused.error.type === "card_error") elements.payment.showRefusal(refused.error);
      return refused;
    }
    if (redirect === "always") return leaveFor(returnAddress(kind, confirmParams.return_url, settled.object));
    return { [kind.result]: settled.object };
  }

  /* The payment method the customer typed in. In the deferred flow the intent must be what the elements showed. */
  async #collect(kind, method, elements, clientSecret, extra = {}) {
    elements.demandReady(method);
    demandHiddenFields(method, "confirmParams.payment_method_data.", elements.payment.options, extra.billing_details);
    const { deferred } = elements;
    if (deferred) {
      const { object, error } = await retrieveIntent(this.#api, clientSecret);
      const difference = error ?? mismatch(kind, deferred, object);
      if (difference) return { error: difference };
    }
    return elements.payment.ask("createPaymentMethod", extra);
  }

  #send(clientSecret, params) {
    return this.#api.post(`${intentPath(clientSecret)}/confirm`, {
      ...params,
      use_stripe_sdk: true,
      client_secret: clientSecret,
    });
  }

  /* Follows next actions until there is none: a challenge in a dialog, or the bank's page in place of this one. */
  async #settle(kind, intent) {
    let current = intent;
    while (current.status === "requires_action") {
      const action = current.next_action;
      if (action.type === "redirect_to_url") return leaveFor(action.redirect_to_url.url);
      const address = challengeAddress(action);
      // Actions without a page (a bank transfer's instructions, say) are the page's own to show.
      if (!address) return { object: current };
      const outcome = await runChallenge({ address, locale: this.#locale });
      const { object, error } = await retrieveIntent(this.#api, current.client_secret);
      if (error) return { error };
      if (outcome === "canceled" && object.status === "requires_action")
        return { error: unauthenticated(kind, object) };
      current = object;
    }
    if (current.status !== "requires_payment_method") return { object: current };
    return { error: { ...(current[kind.lastError] ?? unauthenticated(kind, current)), [kind.name]: current } };
  }

  /* confirmCardPayment and confirmCardSetup: a saved card, a test token, or what the intent already has; never redirects. */
  async confirmCard(kind, method, clientSecret, data = {}, options = {}) {
    checkClientSecret(clientSecret, method);
    const { payment_method: given, ...rest } = data;
    if (given?.card instanceof PaymentElement) {
      throw new IntegrationError(
        `Invalid value for ${method}: payment_method.card should be a Card Element. Use stripe.confirmPayment() with the Payment Element.`,
      );
    }
    const params = given === undefined ? rest : { ...rest, ...paymentMethodData(method, given) };
    const confirmed = await this.#send(clientSecret, params);
    if (confirmed.error) return this.#refused(confirmed.error);
    const settled = options.handleActions === false ? confirmed : await this.#settle(kind, confirmed.object);
    return settled.error ? this.#refused(settled.error) : { [kind.result]: settled.object };
  }

  /* handleNextAction and handleCardAction: takes up an intent that waits for the customer, for instance one confirmed by a server. */
  async act(method, clientSecret) {
    checkClientSecret(clientSecret, `stripe.${method}()`);
    const kind = intentKind(clientSecret);
    const { object, error } = await retrieveIntent(this.#api, clientSecret);
    if (error) return this.#refused(error);
    if (object.status !== "requires_action")
      throw new IntegrationError(`${method}: The ${kind.title} supplied is not in the requires_action state.`);
    const settled = await this.#settle(kind, object);
    return settled.error ? this.#refused(settled.error) : { [kind.result]: settled.object };
  }

  async retrieve(kind, method, clientSecret) {
    checkClientSecret(clientSecret, method);
    const { object, error } = await retrieveIntent(this.#api, clientSecret);
    return error ? this.#refused(error) : { [kind.result]: object };
  }

  async createPaymentMethod(given) {
    const method = "stripe.createPaymentMethod()";
    demand(typeof given === "object" && given !== null, method, "options", "an object", given);
    if (!given.elements) {
      demand(given.type === "card", method, "type", "card", given.type);
      const { payment_method_data: params } = paymentMethodData(method, given);
      const { object, error } = await this.#api.post("/v1/payment_methods", params);
      return error ? this.#refused(error) : { paymentMethod: object };
    }
    const { elements, params = {} } = given;
    if (elements.deferred && elements.deferred.paymentMethodCreation !== "manual") {
      throw new IntegrationError(
        "To use stripe.createPaymentMethod() with elements, create the Elements instance with paymentMethodCreation: 'manual'.",
      );
    }
    elements.demandReady(method);
    demandHiddenFields(method, "params.", elements.payment.options, params.billing_details);
    const { object, error } = await elements.payment.ask("createPaymentMethod", params);
    return error ? this.#refused(error) : { paymentMethod: object };
  }

  async createConfirmationToken({ elements, params = {} } = {}) {
    const method = "stripe.createConfirmationToken()";
    demand(
      elements instanceof Elements,
      method,
      "elements",
      "an Elements instance created by this Stripe instance",
      elements,
    );
    elements.demandReady(method);
    demandHiddenFields(
      method,
      "params.payment_method_data.",
      elements.payment.options,
      params.payment_method_data?.billing_details,
    );
    const { setupFutureUsage } = elements.deferred ?? {};
    const { object, error } = await elements.payment.ask("createConfirmationToken", {
      setup_future_usage: setupFutureUsage ?? undefined,
      ...params,
    });
    return error ? this.#refused(error) : { confirmationToken: object };
  }
}

function isAddress(value) {
  return typeof value === "string" && URL.canParse(value);
}

/* Goes to another page. The promise stays open: the caller's page is about to end. */
function leaveFor(address) {
  window.location.assign(address);
  return new Promise(() => {});
}

function unauthenticated(kind, intent) {
  return {
    type: "invalid_request_error",
    code: `${kind.name}_authentication_failure`,
    message:
      "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    [kind.name]: intent,
  };
}
