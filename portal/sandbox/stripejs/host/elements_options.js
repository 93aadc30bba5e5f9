/* What stripe.elements() and elements.update() take, and how it is refused. */
const COMMON_OPTIONS = [
  "locale",
  "appearance",
  "fonts",
  "loader",
  "customerOptions",
  "customerSessionClientSecret",
  "customPaymentMethods",
  "externalPaymentMethodTypes",
  "paymentMethodCreation",
  "syncAddressCheckbox",
  "currency",
];
const DEFERRED_OPTIONS = [
  "mode",
  "amount",
  "setupFutureUsage",
  "captureMethod",
  "onBehalfOf",
  "allowedPaymentMethodTypes",
  "excludedPaymentMethodTypes",
  "paymentMethodConfiguration",
  "paymentMethodOptions",
  "adaptivePricing",
];
const KNOWN_OPTIONS = new Set(["clientSecret", ...COMMON_OPTIONS, ...DEFERRED_OPTIONS]);
const MODES = new Set(["payment", "setup", "subscription"]);
const THEMES = new Set(["stripe", "night", "flat"]);
const CUSTOMER_SESSION_SECRET = /^cuss_secret_[^_]+$/;
const SECRET = /^(pi|seti)_[^_]+_secret_[^_]+$/;

/* The deferred options have a snake_case spelling too: setup_future_usage for setupFutureUsage. */
function camelCased(options) {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase()),
      value,
    ]),
  );
}

function checkClientSecret(value, method) {
  demand(
    typeof value === "string" && SECRET.test(value),
    method,
    "clientSecret",
    "a client secret of the form ${id}_secret_${secret}",
    value,
  );
}

/* `options` with one spelling, checked. `current` are those being updated, of which a group keeps its kind for life. */
function checkElementsOptions(given, current) {
  const method = current ? "elements.update()" : "stripe.elements()";
  demand(typeof given === "object" && given !== null, method, "options", "an object", given);
  const options = camelCased(given);
  // Source: docs.stripe.com/changelog/endive/2026-09-30/remove-elements-deferred-intent-payment-method-types
  if ("paymentMethodTypes" in options) {
    throw new IntegrationError(
      `Invalid value for ${method}: paymentMethodTypes is no longer supported. Use allowedPaymentMethodTypes, or manage payment methods in the Dashboard.`,
    );
  }
  if (current && "clientSecret" in options) {
    throw new IntegrationError(
      "Invalid value for elements.update(): clientSecret cannot be changed. Create a new Elements instance.",
    );
  }
  warnOfUnknown(method, options, KNOWN_OPTIONS);
  const merged = { ...current, ...options };
  if (merged.clientSecret !== undefined && merged.mode !== undefined) {
    throw new IntegrationError(`Invalid value for ${method}: use either mode or clientSecret, not both.`);
  }
  if (merged.clientSecret !== undefined) checkClientSecret(merged.clientSecret, method);
  const { customerSessionClientSecret: session } = merged;
  demand(
    session === undefined || (typeof session === "string" && CUSTOMER_SESSION_SECRET.test(session)),
    method,
    "customerSessionClientSecret",
    "a client secret of the form cuss_secret_${secret}",
    session,
  );
  if (merged.mode !== undefined) checkDeferred(merged, method);
  demand(
    merged.appearance === undefined || typeof merged.appearance === "object",
    method,
    "appearance",
    "an object",
    merged.appearance,
  );
  const theme = merged.appearance?.theme;
  demand(
    theme === undefined || THEMES.has(theme),
    method,
    "appearance.theme",
    "one of the following strings: stripe, night, flat",
    theme,
  );
  return merged;
}

function checkDeferred({ mode, amount, currency }, method) {
  demand(MODES.has(mode), method, "mode", "one of the following strings: payment, setup, subscription", mode);
  if (mode === "setup") return;
  demand(Number.isInteger(amount), method, "amount", "an integer", amount);
  // A subscription may begin with a free trial, a payment is never of nothing.
  demand(amount > 0 || (mode === "subscription" && amount === 0), method, "amount", "greater than 0", amount);
  demand(
    typeof currency === "string" && /^[a-z]{3}$/.test(currency),
    method,
    "currency",
    "a lowercase three-letter currency code",
    currency,
  );
}
