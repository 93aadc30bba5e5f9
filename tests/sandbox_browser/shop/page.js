/* A shop's page, driven by the tests. It keeps all that it could see: messages and the element's events. */
window.seen = { messages: [], events: [], submits: 0 };
window.addEventListener("message", (event) => window.seen.messages.push({ origin: event.origin, data: event.data }), true);

const EVENTS = ["loaderstart", "ready", "change", "focus", "blur", "escape", "loaderror", "savedpaymentmethodremove"];

/* Mounts a Payment Element and resolves when it is ready, or has failed to load. */
window.mount = ({ key, stripeOptions, elementsOptions, paymentOptions }) => {
  window.stripe = window.Stripe(key, stripeOptions);
  window.elements = window.stripe.elements(elementsOptions);
  window.payment = window.elements.create("payment", paymentOptions);
  for (const type of EVENTS) window.payment.on(type, (event) => window.seen.events.push({ type, event }));
  return new Promise((resolve) => {
    window.payment.on("ready", () => resolve("ready"));
    window.payment.on("loaderror", () => resolve("loaderror"));
    window.payment.mount("#payment");
  });
};

/* Mounts a cardCvc Element and resolves when it is ready. */
window.mountCvc = ({ key, stripeOptions, cvcOptions }) => {
  window.stripe = window.Stripe(key, stripeOptions);
  window.cvc = window.stripe.elements().create("cardCvc", cvcOptions);
  for (const type of EVENTS) window.cvc.on(type, (event) => window.seen.events.push({ type, event }));
  return new Promise((resolve) => {
    window.cvc.on("ready", () => resolve("ready"));
    window.cvc.mount("#payment");
  });
};

/* Mounts an element of any type beside those that are there already, and resolves to what its "ready" event said. */
window.mountElement = ({ key, elementsOptions, type, options }) => {
  if (!window.elements) {
    window.stripe = window.Stripe(key);
    window.elements = window.stripe.elements(elementsOptions);
  }
  const element = window.elements.create(type, options);
  window[type] = element;
  for (const name of [...EVENTS, "cancel", "availablepaymentmethodschange"]) {
    element.on(name, (event) => window.seen.events.push({ type: `${type}.${name}`, event: JSON.parse(JSON.stringify(event)) }));
  }
  const place = document.createElement("div");
  document.getElementById("payment").after(place);
  return new Promise((resolve) => {
    element.on("ready", resolve);
    element.on("loaderror", (event) => resolve({ error: event.error }));
    element.mount(place);
  });
};

/* What a call came to: its result, or the name and message of what it threw or rejected with. */
window.outcome = async (call) => {
  try {
    return (await call()) ?? null;
  } catch (error) {
    return { thrown: error.name, message: error.message };
  }
};

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("checkout").addEventListener("submit", (event) => {
    event.preventDefault();
    window.seen.submits += 1;
  });
});
