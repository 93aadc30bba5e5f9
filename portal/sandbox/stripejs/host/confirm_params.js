/* PaymentIntents and SetupIntents are confirmed alike; this is where they differ. */
const PAYMENT = {
  name: "payment_intent",
  result: "paymentIntent",
  title: "PaymentIntent",
  path: "/v1/payment_intents",
  lastError: "last_payment_error",
  unexpectedState: "payment_intent_unexpected_state",
};
const SETUP = {
  name: "setup_intent",
  result: "setupIntent",
  title: "SetupIntent",
  path: "/v1/setup_intents",
  lastError: "last_setup_error",
  unexpectedState: "setup_intent_unexpected_state",
};

function intentKind(clientSecret) {
  return clientSecret.startsWith("seti_") ? SETUP : PAYMENT;
}

function intentPath(clientSecret) {
  return `${intentKind(clientSecret).path}/${encodeURIComponent(clientSecret.split("_secret_")[0])}`;
}

function retrieveIntent(api, clientSecret) {
  return api.get(intentPath(clientSecret), { client_secret: clientSecret });
}

function demandElements(method, elements) {
  demand(elements instanceof Elements, method, "elements", "an Elements instance made by this script", elements);
}

/* The options of confirmPayment and confirmSetup with their defaults, or an IntegrationError that says what is wrong. */
function checkConfirmation(kind, method, given) {
  demand(typeof given === "object" && given !== null, method, "options", "an object", given);
  const { elements, confirmParams = {}, redirect = "always" } = given;
  if (!elements && !given.clientSecret) {
    throw new IntegrationError(`${method}: expected either \`elements\` or \`clientSecret\`, but got neither.`);
  }
  if (elements) demandElements(method, elements);
  const ways = ["always", "if_required"];
  demand(ways.includes(redirect), method, "redirect", `one of the following strings: ${ways.join(", ")}`, redirect);
  if (redirect === "always") {
    const { return_url: address } = confirmParams;
    const isAddress = typeof address === "string" && URL.canParse(address);
    demand(isAddress, method, "confirmParams.return_url", "a complete URL", address);
  }
  const clientSecret = given.clientSecret ?? elements.clientSecret;
  if (!clientSecret) throw new IntegrationError(`You must pass in a clientSecret when calling ${method}.`);
  checkClientSecret(clientSecret, method);
  if (intentKind(clientSecret) !== kind) {
    throw new IntegrationError(
      `Invalid value for ${method}: clientSecret should be the client secret of a ${kind.title}.`,
    );
  }
  return { elements, clientSecret, confirmParams, redirect };
}

/* The page must not hold card numbers, so raw ones are refused; a test token or an id is all it can pass. */
function paymentMethodData(method, given) {
  if (typeof given === "string") return { payment_method: given };
  const { card, billing_details, metadata, allow_redisplay } = given;
  const token = card?.token;
  demand(
    typeof token === "string",
    method,
    "payment_method.card",
    "an object with a token, or an Element",
    card && Object.keys(card),
  );
  return { payment_method_data: { type: "card", card: { token }, billing_details, metadata, allow_redisplay } };
}

/* Fields that the page took over with "never" must come from the page. `where` is how its parameter is called. */
function demandHiddenFields(method, where, elements, billingDetails = {}) {
  const fields = elements.payment?.options.fields?.billingDetails ?? "auto";
  const isNever = (name, ofAddress) => {
    if (typeof fields === "string") return fields === "never";
    const choice = ofAddress ? (fields.address?.[name] ?? fields.address) : fields[name];
    return choice === "never";
  };
  const missing = (name, value) => {
    if (value !== undefined) return;
    throw new IntegrationError(
      `You specified "never" for fields.billing_details.${name} when creating the payment Element, but did not pass ${where}billing_details.${name} when calling ${method}. ` +
        "If you opt out of collecting data via the payment Element using the fields option, the data must be passed in when calling " +
        `${method}.`,
    );
  };
  for (const name of ["name", "email", "phone"]) if (isNever(name, false)) missing(name, billingDetails[name]);
  const inAddress = {
    country: "country",
    postalCode: "postal_code",
    state: "state",
    city: "city",
    line1: "line1",
    line2: "line2",
  };
  for (const [name, param] of Object.entries(inAddress)) {
    if (isNever(name, true)) missing(`address.${param}`, billingDetails.address?.[param]);
  }
}

/* Stripe refuses an intent that is not what the customer was shown: the error for the first difference, or null. */
function mismatch(kind, deferred, intent) {
  const provided =
    kind === SETUP
      ? { mode: "setup", setup_future_usage: intent.usage }
      : {
          mode: "payment",
          amount: intent.amount,
          currency: intent.currency,
          setup_future_usage: intent.setup_future_usage,
          capture_method: intent.capture_method,
        };
  // A subscription brings either kind of intent, and says itself how it will use the card.
  const isFree = deferred.mode === "subscription";
  const expected = {
    mode: isFree ? provided.mode : deferred.mode,
    amount: deferred.amount,
    currency: deferred.currency,
    setup_future_usage:
      isFree || kind === SETUP ? (deferred.setupFutureUsage ?? provided.setup_future_usage) : deferred.setupFutureUsage,
    capture_method: deferred.captureMethod ?? provided.capture_method,
  };
  const name = Object.keys(provided).find((each) => provided[each] !== expected[each]);
  if (!name) return null;
  return {
    type: "invalid_request_error",
    param: name,
    message:
      `The provided ${name} (${shown(provided[name])}) does not match the expected ${name} (${shown(expected[name])}). ` +
      `Try confirming with a ${kind === SETUP ? "Setup" : "Payment"} Intent that is configured to use the same parameters as Stripe Elements.`,
  };
}

/* Where the customer is sent: the page's address with Stripe's three parameters. */
function returnAddress(kind, returnUrl, intent) {
  const url = new URL(returnUrl);
  const outcome = {
    succeeded: "succeeded",
    requires_capture: "succeeded",
    processing: "pending",
    requires_action: "pending",
  };
  url.searchParams.set(kind.name, intent.id);
  url.searchParams.set(`${kind.name}_client_secret`, intent.client_secret);
  url.searchParams.set("redirect_status", outcome[intent.status] ?? "failed");
  return url.href;
}
