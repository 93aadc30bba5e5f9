/*
 * Two kinds of trouble, kept apart as Stripe does: what the customer or the bank did is a result, {error}; what the page's
 * author did wrong is thrown, an IntegrationError.
 */
class IntegrationError extends Error {
  constructor(message) {
    super(message);
    this.name = "IntegrationError";
  }
}

function shown(value) {
  if (value === undefined) return "undefined";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/* Refuses `value` with Stripe's wording when it is not what `expected` says. */
function demand(isRight, method, name, expected, value) {
  if (isRight) return;
  if (value === undefined || value === null) {
    throw new IntegrationError(`Missing value for ${method}: ${name} should be ${expected}.`);
  }
  throw new IntegrationError(
    `Invalid value for ${method}: ${name} should be ${expected}. You specified: ${shown(value)}.`,
  );
}

/* Stripe tells of options it does not know in the console, and goes on. */
function warnOfUnknown(method, given, known) {
  for (const name of Object.keys(given)) {
    if (!known.has(name)) {
      console.warn(
        `Unrecognized ${method} parameter: ${name} is not a recognized parameter. This may cause issues with your integration in the future.`,
      );
    }
  }
}
