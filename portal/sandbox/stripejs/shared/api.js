/*
 * Calls to the API with a publishable key, from the page (client secrets only) and from the payment frame (card data).
 * The key travels in the body or query, not in a header: the request stays a "simple" one, without a CORS preflight.
 */

const CONNECTION_MESSAGE =
  "We are experiencing issues connecting to our payments provider. You have not been charged. " +
  "Please check your internet connection and try again.";

/* Stripe's form encoding: {a: {b: [1]}} becomes a[b][0]=1. null empties a value; undefined leaves it out. */
function encodeForm(params) {
  const form = new URLSearchParams();
  const append = (name, value) => {
    if (value === undefined) return;
    if (value === null) form.append(name, "");
    else if (typeof value === "object") {
      for (const [key, inner] of Object.entries(value)) append(`${name}[${key}]`, inner);
    } else form.append(name, String(value));
  };
  for (const [name, value] of Object.entries(params)) append(name, value);
  return form;
}

/*
 * get and post resolve to {object} or {error}, never reject: an error is Stripe's, or an api_connection_error when there was
 * no answer, or an api_error when the answer could not be read.
 */
function createApi({ origin, key, account, version }) {
  const credentials = { key, _stripe_account: account, _stripe_version: version };

  async function call(path, options) {
    let response;
    try {
      response = await fetch(origin + path, { ...options, mode: "cors", credentials: "omit", cache: "no-store" });
    } catch {
      return { error: { type: "api_connection_error", message: CONNECTION_MESSAGE } };
    }
    let body;
    try {
      body = await response.json();
    } catch {
      return { error: { type: "api_error", message: "An unexpected error occurred." } };
    }
    if (body.error) return { error: body.error };
    return response.ok ? { object: body } : { error: { type: "api_error", message: "An unexpected error occurred." } };
  }

  return {
    get: (path, params = {}) => call(`${path}?${encodeForm({ ...params, ...credentials })}`, { method: "GET" }),
    post: (path, params = {}) => call(path, { method: "POST", body: encodeForm({ ...params, ...credentials }) }),
  };
}
