/*
 * Confirms intents and sees them through their next actions, and makes payment methods and confirmation tokens. Every method
 * resolves to what Stripe's does: {paymentIntent}, {setupIntent}, {paymentMethod}, {confirmationToken} or {error}.
 */
class Confirmations {
  #api;
  #locale;

  constructor({ api, locale }) {
    this.#api = api;
    this.#locale = locale;
  }

  /* What a page gets of {object} or {error}: Stripe's {[name]: object}, or the error in the customer's language. */
  #result(name, { object, error }, locale = this.#locale) {
    return error ? { error: localized(error, locale) } : { [name]: object };
  }

  /* confirmPayment and confirmSetup: with the Payment Element, or with what the intent or confirmParams already name. */
  async confirm(kind, method, given) {
    const { elements, clientSecret, confirmParams, redirect } = checkConfirmation(kind, method, given);
    const locale = elements?.locale ?? this.#locale;
    const { payment_method_data: extra, ...params } = confirmParams;
    const typedIn = elements && !params.payment_method && !params.confirmation_token;
    if (typedIn) {
      const collected = await this.#collect(kind, method, elements, clientSecret, extra);
      if (collected.error) {
        elements.finishExpress();
        return this.#result(kind.result, collected, locale);
      }
      if (kind === PAYMENT && collected.shipping) params.shipping ??= collected.shipping;
      params.payment_method = collected.object.id;
      if (kind === PAYMENT && collected.futureUsage) params.setup_future_usage ??= collected.futureUsage;
    }
    const outcome = await this.#confirmAndSettle(kind, clientSecret, params, locale);
    elements?.finishExpress();
    if (!outcome.error && redirect === "always") {
      return leaveFor(returnAddress(kind, confirmParams.return_url, outcome.object));
    }
    const result = this.#result(kind.result, outcome, locale);
    if (typedIn && result.error?.type === "card_error") elements.payment?.showRefusal(result.error);
    return result;
  }

  /* The payment method the customer typed in. In the deferred flow the intent must be what the elements showed. */
  async #collect(kind, method, elements, clientSecret, extra) {
    elements.demandReady(method);
    const { given, shipping } = await elements.withDetails(extra);
    demandHiddenFields(method, "confirmParams.payment_method_data.", elements, given.billing_details);
    const { deferred } = elements;
    if (deferred) {
      const { object, error } = await retrieveIntent(this.#api, clientSecret);
      const difference = error ?? mismatch(kind, deferred, object);
      if (difference) return { error: difference };
    }
    return { ...(await elements.createPaymentMethod(given)), shipping };
  }

  #send(clientSecret, params) {
    const proof = { use_stripe_sdk: true, client_secret: clientSecret };
    return this.#api.post(`${intentPath(clientSecret)}/confirm`, { ...params, ...proof });
  }

  async #confirmAndSettle(kind, clientSecret, params, locale) {
    const confirmed = await this.#send(clientSecret, params);
    return confirmed.error ? confirmed : this.#settle(kind, confirmed.object, locale);
  }

  /* Follows next actions until there is none: a challenge in a dialog, or the bank's page in place of this one. */
  async #settle(kind, intent, locale) {
    let current = intent;
    while (current.status === "requires_action") {
      const action = current.next_action;
      if (action.type === "redirect_to_url") return leaveFor(action.redirect_to_url.url);
      const address = challengeAddress(action);
      // Actions without a page (a bank transfer's instructions, say) are the page's own to show.
      if (!address) return { object: current };
      const outcome = await runChallenge({ address, locale });
      const { object, error } = await retrieveIntent(this.#api, current.client_secret);
      if (error) return { error };
      if (outcome === "canceled" && object.status === "requires_action") {
        return { error: unauthenticated(kind, object) };
      }
      current = object;
    }
    if (current.status !== "requires_payment_method") return { object: current };
    return { error: { ...(current[kind.lastError] ?? unauthenticated(kind, current)), [kind.name]: current } };
  }

  /* confirmCardPayment and confirmCardSetup: a saved card, a token, or what the intent already has; never redirects. */
  async confirmCard(kind, method, clientSecret, data = {}, { handleActions = true } = {}) {
    checkClientSecret(clientSecret, method);
    const { payment_method: given, payment_method_options: options, ...rest } = data;
    if (given?.card instanceof PaymentElement) {
      throw new IntegrationError(
        `Invalid value for ${method}: payment_method.card should be a Card Element. ` +
          "Use stripe.confirmPayment() with the Payment Element.",
      );
    }
    const params = given === undefined ? rest : { ...rest, ...paymentMethodData(method, given) };
    if (options) {
      const { card, error } = await this.#withCvcToken(method, options.card);
      if (error) return { error };
      params.payment_method_options = { ...options, card };
    }
    const outcome = handleActions
      ? await this.#confirmAndSettle(kind, clientSecret, params, this.#locale)
      : await this.#send(clientSecret, params);
    return this.#result(kind.result, outcome);
  }

  /* The card's options with a single-use token in place of the cardCvc Element, whose code the page never sees. */
  async #withCvcToken(method, { cvc: element, ...card } = {}) {
    if (element === undefined) return { card };
    demand(
      element instanceof CardCvcElement && element.isMounted,
      method,
      "payment_method_options.card.cvc",
      "a mounted cardCvc Element",
      typeof element,
    );
    const { object: token, error } = await element.ask("createToken");
    return error ? { error } : { card: { ...card, cvc_token: token.id } };
  }

  /* handleNextAction and handleCardAction: an intent that waits for the customer, perhaps confirmed by a server. */
  async act(method, clientSecret) {
    checkClientSecret(clientSecret, `stripe.${method}()`);
    const kind = intentKind(clientSecret);
    const found = await retrieveIntent(this.#api, clientSecret);
    if (found.error) return this.#result(kind.result, found);
    if (found.object.status !== "requires_action") {
      throw new IntegrationError(`${method}: The ${kind.title} supplied is not in the requires_action state.`);
    }
    return this.#result(kind.result, await this.#settle(kind, found.object, this.#locale));
  }

  async retrieve(kind, method, clientSecret) {
    checkClientSecret(clientSecret, method);
    return this.#result(kind.result, await retrieveIntent(this.#api, clientSecret));
  }

  async createPaymentMethod(given) {
    const method = "stripe.createPaymentMethod()";
    demand(typeof given === "object" && given !== null, method, "options", "an object", given);
    if (!given.elements) {
      demand(given.type === "card", method, "type", "card", given.type);
      const { payment_method_data: params } = paymentMethodData(method, given);
      return this.#result("paymentMethod", await this.#api.post("/v1/payment_methods", params));
    }
    const { elements, params = {} } = given;
    if (elements.deferred && elements.deferred.paymentMethodCreation !== "manual") {
      throw new IntegrationError(
        "To use stripe.createPaymentMethod() with elements, create the Elements instance with paymentMethodCreation: 'manual'.",
      );
    }
    elements.demandReady(method);
    const { given: details } = await elements.withDetails(params);
    demandHiddenFields(method, "params.", elements, details.billing_details);
    const outcome = await elements.createPaymentMethod(details);
    elements.finishExpress();
    return this.#result("paymentMethod", outcome, elements.locale);
  }

  /* A token of a code that was typed anew. Card Elements, of which tokens of cards were made, are no part of this version. */
  async createToken(what, element) {
    const method = "stripe.createToken()";
    if (what !== "cvc_update") {
      throw new IntegrationError(
        `Invalid value for ${method}: the sandbox makes tokens of "cvc_update" alone. Use stripe.createPaymentMethod() or the Payment Element.`,
      );
    }
    demand(element instanceof CardCvcElement && element.isMounted, method, "element", "a mounted cardCvc Element", typeof element);
    return this.#result("token", await element.ask("createToken"));
  }

  async createConfirmationToken({ elements, params = {} } = {}) {
    const method = "stripe.createConfirmationToken()";
    demandElements(method, elements);
    elements.demandReady(method);
    const { given: data, shipping } = await elements.withDetails(params.payment_method_data);
    demandHiddenFields(method, "params.payment_method_data.", elements, data.billing_details);
    const outcome = await elements.createConfirmationToken({
      setup_future_usage: elements.deferred?.setupFutureUsage ?? undefined,
      shipping,
      ...params,
      payment_method_data: data,
    });
    elements.finishExpress();
    return this.#result("confirmationToken", outcome, elements.locale);
  }
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
