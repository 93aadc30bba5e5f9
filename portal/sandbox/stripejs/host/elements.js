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

const ELEMENT_CLASSES = {
  payment: PaymentElement,
  expressCheckout: ExpressCheckoutElement,
  address: AddressElement,
  linkAuthentication: LinkAuthenticationElement,
  cardCvc: CardCvcElement,
};
const SESSION_OPTIONS = [
  "mode",
  "amount",
  "currency",
  "setupFutureUsage",
  "captureMethod",
  "customerSessionClientSecret",
  "allowedPaymentMethodTypes",
  "excludedPaymentMethodTypes",
  "paymentMethodConfiguration",
];

class Elements {
  #api;
  #key;
  #options;
  #session = null;
  #elements = new Map();
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
    if (!Object.hasOwn(ELEMENT_CLASSES, type)) {
      throw new IntegrationError(
        `A valid Element name must be provided. The sandbox has: ${Object.keys(ELEMENT_CLASSES).join(", ")}; you passed: ${shown(type)}.`,
      );
    }
    const { [type]: Kind } = ELEMENT_CLASSES;
    const place = elementPlace(type, options);
    if (this.#elements.has(place)) {
      throw new IntegrationError(`Can only create one Element of type ${type} through an Elements instance.`);
    }
    if (Kind.needsIntent && this.needsNoSession) {
      throw new IntegrationError(
        `In order to create ${type === "payment" ? "a payment" : "an express checkout"} element, you must pass a clientSecret or mode when creating the Elements group.`,
      );
    }
    const element = new Kind(this, options);
    this.#elements.set(place, element);
    if (Kind.needsIntent) this.session();
    else this.payment?.refresh();
    return element;
  }

  getElement(type, options) {
    if (type === "address" && options === undefined) return this.#address("shipping") ?? this.#address("billing");
    return this.#elements.get(elementPlace(type, options)) ?? null;
  }

  /* Changes options in place; what the customer has typed stays. */
  async update(given) {
    const before = this.#options;
    this.#options = checkElementsOptions(given, before);
    const isChanged = (name) => (this.#options[name] ?? null) !== (before[name] ?? null);
    const isOtherSession = SESSION_OPTIONS.some(isChanged);
    if (isOtherSession) this.#session = null;
    this.#refresh();
    if (!this.needsNoSession) {
      const session = await this.session();
      if (isOtherSession && !session.error) this.#refresh(session);
    }
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
    this.#refresh(session);
    return {};
  }

  /* Validates what is mounted and shows what is missing. Required before a confirmation when the group has no intent yet. */
  async submit() {
    this.#demandMounted("elements.submit()");
    const paid = this.#express?.paid;
    const result = paid || !this.payment?.isMounted ? { selectedPaymentMethod: paid?.method.type } : await this.payment.submit();
    const others = await Promise.all(this.#mountedDetails().map((element) => element.submit()));
    const { error } = [result, ...others].find((each) => each.error) ?? {};
    this.#submitted = !error;
    return error ? { error } : { selectedPaymentMethod: result.selectedPaymentMethod };
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

  get needsNoSession() {
    return !this.#options.clientSecret && !this.#options.mode;
  }

  get payment() {
    return this.#elements.get("payment") ?? null;
  }

  get #express() {
    return this.#elements.get("expressCheckout") ?? null;
  }

  #address(mode) {
    return this.#elements.get(elementPlace("address", { mode })) ?? null;
  }

  #mountedDetails() {
    return [...this.#elements.values()].filter((element) => element instanceof DetailsElement && element.isMounted);
  }

  #refresh(session) {
    for (const element of this.#elements.values()) element.refresh?.(session);
  }

  /*
   * What the other elements of the group know: {billingDetails, shipping}, of which what is not complete is left out. The billing
   * Address Element gives name, phone and address, the Link Authentication Element the email address.
   */
  async #details() {
    const [shipping, billing, link] = await Promise.all(
      [this.#address("shipping"), this.#address("billing"), this.#elements.get("linkAuthentication")].map(
        async (element) => {
          const current = element?.isMounted ? await element.current() : null;
          return current?.complete ? current.value : null;
        },
      ),
    );
    const addressed = (value) =>
      value && { name: value.name, ...(value.phone && { phone: value.phone }), address: value.address };
    return { billingDetails: { ...addressed(billing), ...(link && { email: link.email }) }, shipping: addressed(shipping) };
  }

  /* `given`, which is the page's own, with what the other elements know where the page says nothing. */
  async withDetails(given = {}) {
    const { billingDetails, shipping } = await this.#details();
    const { billing_details: own = {} } = given;
    const address = { ...billingDetails.address, ...own.address };
    return { given: { ...given, billing_details: { ...billingDetails, ...own, address } }, shipping };
  }

  /* {object, futureUsage} or {error}: what the customer pays with. */
  async createPaymentMethod(params) {
    const paid = this.#express?.paid;
    return paid ? { object: paid.method } : this.payment.createPaymentMethod(params);
  }

  /* A confirmation token of it; of a wallet it holds the payment method that the sheet has made. */
  async createConfirmationToken({ payment_method_data: typed, ...params }) {
    const fromForm = this.#express?.paid ? null : await this.payment.createConfirmationToken({ ...params, payment_method_data: typed });
    if (fromForm && !fromForm.wallet) return fromForm;
    const { object: method, error } = await this.createPaymentMethod(typed);
    return error ? { error } : this.#api.post("/v1/confirmation_tokens", { ...params, payment_method: method.id });
  }

  /* A confirmation or a token has been made: a wallet's sheet that waited for it closes. */
  finishExpress() {
    this.#express?.finish();
  }

  /* {amount, currency} of what is paid, as far as it is known. */
  total(session) {
    const { amount = session.amount, currency = session.currency } = this.#options;
    return { amount, currency };
  }

  #demandMounted(method) {
    if (!this.payment?.isMounted && !this.#express?.isMounted) {
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
    return {
      key: this.#key,
      locale,
      appearance,
      savesCard: mode === "setup" || Boolean(setupFutureUsage),
      collects: {
        address: this.#address("billing") !== null,
        email: this.#elements.has("linkAuthentication"),
      },
    };
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
    const intent = kind ? session.payment_method_preference[kind.name] : null;
    const spent = kind && spentError(kind, intent);
    if (spent) return { error: spent };
    return {
      merchantName: session.business_name,
      merchantCountry: session.merchant_country,
      types: session.ordered_payment_method_types_and_wallets,
      amount: intent?.amount,
      currency: intent?.currency,
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
    for (const [place, each] of this.#elements) if (each === element) this.#elements.delete(place);
    if (element instanceof PaymentElement) this.#submitted = false;
    else this.payment?.refresh();
  }
}

/* What an element is known by in its group, which has one of each type, and an Address Element of each mode. */
function elementPlace(type, options) {
  return type === "address" ? `address:${options?.mode}` : type;
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
