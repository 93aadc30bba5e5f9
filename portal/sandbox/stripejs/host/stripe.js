/* window.Stripe, as the page knows it. */
const STRIPE_OPTIONS = new Set(["stripeAccount", "apiVersion", "locale", "betas", "developerTools"]);
// Source: docs.stripe.com/changelog/dahlia/2026-03-25/remove-legacy-stripejs-methods
const REMOVED_METHODS = {
  handleCardPayment: "confirmCardPayment",
  confirmPaymentIntent: "confirmCardPayment",
  handleFpxPayment: "confirmPayment",
  handleCardSetup: "confirmCardSetup",
  confirmSetupIntent: "confirmCardSetup",
  createSource: "createPaymentMethod",
  retrieveSource: "retrievePaymentIntent",
};

function checkKey(key) {
  if (key === "") {
    throw new IntegrationError("Please call Stripe() with your publishable key. You used an empty string.");
  }
  demand(typeof key === "string", "Stripe()", "apiKey", "a string", key);
  if (/^(sk|rk)_/.test(key)) {
    throw new IntegrationError(
      "You should not use your secret key with Stripe.js.\nPlease pass a publishable key instead.",
    );
  }
  if (!key.startsWith("pk_")) {
    throw new IntegrationError(
      "Invalid value for Stripe(): apiKey should be a publishable key. Publishable keys begin with pk_.",
    );
  }
  // The sandbox holds no real money, so a live key here is a page pointed at the wrong script.
  if (key.startsWith("pk_live_")) {
    throw new IntegrationError("The sandbox does not accept live keys. Use a key that begins with pk_test_.");
  }
}

function Stripe(key, options = {}) {
  checkKey(key);
  demand(typeof options === "object" && options !== null, "Stripe()", "options", "an object", options);
  warnOfUnknown("Stripe()", options, STRIPE_OPTIONS);
  const { locale = "auto", stripeAccount, apiVersion } = options;
  const api = createApi({ origin: SANDBOX_ORIGIN, key, account: stripeAccount, version: apiVersion });
  const confirmations = new Confirmations({ api, locale });
  const stripe = {
    elements: (given) => new Elements({ api, key, locale }, given),
    confirmPayment: (given) => confirmations.confirm(PAYMENT, "stripe.confirmPayment()", given),
    confirmSetup: (given) => confirmations.confirm(SETUP, "stripe.confirmSetup()", given),
    confirmCardPayment: (secret, data, choices) =>
      confirmations.confirmCard(PAYMENT, "stripe.confirmCardPayment()", secret, data, choices),
    confirmCardSetup: (secret, data, choices) =>
      confirmations.confirmCard(SETUP, "stripe.confirmCardSetup()", secret, data, choices),
    handleNextAction: (given) => confirmations.act("handleNextAction", given?.clientSecret),
    handleCardAction: (secret) => confirmations.act("handleCardAction", secret),
    retrievePaymentIntent: (secret) => confirmations.retrieve(PAYMENT, "stripe.retrievePaymentIntent()", secret),
    retrieveSetupIntent: (secret) => confirmations.retrieve(SETUP, "stripe.retrieveSetupIntent()", secret),
    createPaymentMethod: (given) => confirmations.createPaymentMethod(given),
    createToken: (what, data) => confirmations.createToken(what, data),
    // Of the browser's own signals, which Radar would read, the sandbox keeps none.
    createRadarSession: async () => ({ radarSession: { id: `rse_${crypto.randomUUID().replaceAll("-", "")}` } }),
    createConfirmationToken: (given) => confirmations.createConfirmationToken(given),
    // Wrappers (@stripe/stripe-js, plugins) name themselves to Stripe's statistics, of which the sandbox keeps none.
    registerAppInfo: () => {},
    _registerWrapper: () => {},
  };
  for (const [removed, replacement] of Object.entries(REMOVED_METHODS)) {
    stripe[removed] = () => {
      throw new IntegrationError(
        `stripe.${removed}() has been removed from this version of Stripe.js. Use stripe.${replacement}() instead.`,
      );
    };
  }
  return stripe;
}

// "/v3/" is version 3, as a number; "/endive/stripe.js" is "endive".
const release = new URL(document.currentScript.src).pathname.split("/")[1];
Stripe.version = release === "v3" ? 3 : release;
if (window.Stripe) {
  console.warn("It looks like Stripe.js was loaded more than one time. Please only load it once per page.");
} else window.Stripe = Stripe;
