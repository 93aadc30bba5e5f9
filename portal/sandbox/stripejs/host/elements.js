/* A group of elements that serve one payment: the options they share, and the session that says what may be paid with. */
const REMOVED_ELEMENTS = new Set([
  "affirmMessage",
  "afterpayClearpayMessage",
  "epsBank",
  "fpxBank",
  "p24Bank",
  "idealBank",
]);
// Source: docs.stripe.com/changelog/clover/2025-09-30/client-secret-reuse
const SPENT_STATES = new Set(["succeeded", "canceled", "processing", "requires_capture"]);

class Elements {
  #api;
  #key;
  #options;
  #session = null;
  #payment = null;
  #cardCvc = null;
  #submitted = false;
  #updateListeners = new Set();

  constructor({ api, key, locale }, given = {}) {
    this.#api = api;
    this.#key = key;
    this.#options = checkElementsOptions({ locale, ...given }, null);
  }

  create(type, options) {
    if (REMOVED_ELEMENTS.has(type)) {
      // Source: docs.stripe.com/changelog/clover/2025-09-30/stripejs-deprecated-elements-removal
      throw new IntegrationError(
        `The ${type} Element has been removed from this version of Stripe.js. Use the Payment Element instead.`,
      );
    }
    if (type !== "payment" && type !== "cardCvc") {
      throw new IntegrationError(
        `A valid Element name must be provided. The sandbox has "payment" and "cardCvc" alone; you passed: ${shown(type)}.`,
      );
    }
    if (this.getElement(type)) {
      throw new IntegrationError(`Can only create one Element of type ${type} through an Elements instance.`);
    }
    if (type === "cardCvc") {
      this.#cardCvc = new CardCvcElement(this, options);
      return this.#cardCvc;
    }
    if (!this.#options.clientSecret && !this.#options.mode) {
      throw new IntegrationError(
        "In order to create a payment element, you must pass a clientSecret or mode when creating the Elements group.",
      );
    }
    this.#payment = new PaymentElement(this, options);
    this.session();
    return this.#payment;
  }

  getElement(type) {
    return { payment: this.#payment, cardCvc: this.#cardCvc }[type] ?? null;
  }

  /* Changes options in place; what the customer has typed stays. */
  async update(given) {
    const before = this.#options;
    this.#options = checkElementsOptions(given, before);
    const isChanged = (name) => (this.#options[name] ?? null) !== (before[name] ?? null);
    const ofSession = [
      ...["mode", "amount", "currency", "setupFutureUsage", "captureMethod", "customerSessionClientSecret"],
      ...["allowedPaymentMethodTypes", "excludedPaymentMethodTypes", "paymentMethodConfiguration"],
    ];
    const isOtherSession = ofSession.some(isChanged);
    if (isOtherSession) this.#session = null;
    this.#payment?.refresh();
    const session = await this.session();
    if (isOtherSession && !session.error) this.#payment?.refresh(session);
    for (const listener of [...this.#updateListeners]) listener();
  }

  on(type, listener) {
    if (type === "update-end") this.#updateListeners.add(listener);
  }

  /* Reads the intent again, after the page's server has changed it. */
  async fetchUpdates() {
    if (!this.#options.clientSecret) {
      throw new IntegrationError(
        "elements.fetchUpdates() can only be used with a clientSecret. Call elements.update() to change the options of an Elements instance created without an Intent.",
      );
    }
    this.#session = null;
    const session = await this.session();
    if (session.error) return { error: { message: session.error.message } };
    this.#payment?.refresh(session);
    return {};
  }

  /* Validates the form and shows what is missing. Required before a confirmation when the group has no intent yet. */
  async submit() {
    this.#demandMounted("elements.submit()");
    const result = await this.#payment.ask("submit");
    this.#submitted = !result.error;
    return result.error ? { error: result.error } : { selectedPaymentMethod: result.selectedPaymentMethod };
  }

  // What follows is for the elements and the confirmations, not for pages.

  get clientSecret() {
    return this.#options.clientSecret;
  }

  get locale() {
    return this.#options.locale;
  }

  get deferred() {
    const {
      mode,
      amount,
      currency,
      setupFutureUsage = null,
      captureMethod = null,
      paymentMethodCreation,
      allowedPaymentMethodTypes,
      excludedPaymentMethodTypes,
      paymentMethodConfiguration,
    } = this.#options;
    const given = { mode, amount, currency, setupFutureUsage, captureMethod, paymentMethodCreation };
    const types = { allowedPaymentMethodTypes, excludedPaymentMethodTypes, paymentMethodConfiguration };
    return mode ? { ...given, ...types } : null;
  }

  get payment() {
    return this.#payment;
  }

  #demandMounted(method) {
    if (!this.#payment?.isMounted) {
      throw new IntegrationError(
        `Invalid value for ${method}: elements should have a mounted Payment Element or Express Checkout Element.`,
      );
    }
  }

  /* Refuses a confirmation that comes too early: nothing mounted, or not submitted in the deferred flow. */
  demandReady(method) {
    this.#demandMounted(method);
    if (this.deferred && !this.#submitted) {
      throw new IntegrationError(
        `elements.submit() must be called before ${method}. Call elements.submit() as soon as your customer presses pay, prior to any asynchronous work. ` +
          "Integration guide: https://stripe.com/docs/payments/accept-a-payment-deferred",
      );
    }
  }

  /* What a frame needs to know: no client secret. */
  settings() {
    const { locale, appearance = {}, mode, setupFutureUsage } = this.#options;
    return { key: this.#key, locale, appearance, savesCard: mode === "setup" || Boolean(setupFutureUsage) };
  }

  /* {merchantName, merchantCountry, customer, savesCard?} or {error}. Asked for once, and again after a change or an error. */
  session() {
    this.#session ??= this.#fetchSession().then((session) => {
      if (session.error) this.#session = null;
      return session;
    });
    return this.#session;
  }

  async #fetchSession() {
    const { clientSecret, customerSessionClientSecret, locale } = this.#options;
    const kind = clientSecret ? intentKind(clientSecret) : null;
    const asked = {
      ...(kind
        ? { type: kind.name, client_secret: clientSecret }
        : { type: "deferred_intent", deferred_intent: this.#deferredParams() }),
      customer_session_client_secret: customerSessionClientSecret,
      locale,
    };
    const { object: session, error } = await this.#api.get("/v1/elements/sessions", asked);
    if (error) return { error };
    const intent = kind && session.payment_method_preference[kind.name];
    const spent = kind && spentError(kind, intent);
    if (spent) return { error: spent };
    return {
      merchantName: session.business_name,
      merchantCountry: session.merchant_country,
      types: session.payment_method_preference.ordered_payment_method_types,
      customer: session.customer,
      ...(kind && { savesCard: kind === SETUP || Boolean(intent.setup_future_usage) }),
    };
  }

  /* Takes a saved payment method away from the customer: {object} or {error}. */
  async removeSaved(id) {
    const { customerSessionClientSecret: secret } = this.#options;
    const path = `/v1/elements/payment_methods/${encodeURIComponent(id)}/detach`;
    const outcome = await this.#api.post(path, { customer_session_client_secret: secret });
    // A form that is mounted anew must not show it again.
    if (!outcome.error) this.#session = null;
    return outcome;
  }

  #deferredParams() {
    const { mode, amount, currency, setupFutureUsage, captureMethod, ...types } = this.deferred;
    return {
      mode,
      amount,
      currency,
      setup_future_usage: setupFutureUsage ?? undefined,
      capture_method: captureMethod ?? undefined,
      allowed_payment_method_types: types.allowedPaymentMethodTypes,
      excluded_payment_method_types: types.excludedPaymentMethodTypes,
      payment_method_configuration: types.paymentMethodConfiguration,
    };
  }

  forget(element) {
    if (element === this.#cardCvc) {
      this.#cardCvc = null;
      return;
    }
    this.#payment = null;
    this.#submitted = false;
  }
}

function spentError(kind, intent) {
  if (!SPENT_STATES.has(intent.status)) return null;
  return {
    type: "invalid_request_error",
    code: kind.unexpectedState,
    message: `The ${kind.title} is in a terminal state and cannot be used to initialize Elements: its status is ${intent.status}.`,
    [kind.name]: intent,
  };
}
