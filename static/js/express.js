/**
 * The wallets' buttons above the form, where the browser has one: Stripe's Express Checkout Element, in a group of Elements of its own, so that
 * what is typed into the form below is not asked for. Its holder agrees in the wallet's own sheet; then the payment is begun and confirmed.
 */

/**
 * `place` is the part of the page that shows once there is a button, with the element in its [data-buttons]; `group` are the options of
 * stripe.elements() and `methods` which wallets may show. `pay` is called with the group when somebody has agreed, and resolves to whether it was
 * paid, as far as the wallet's sheet is to say.
 */
export function mountExpress({ stripe, place, group, methods, pay }) {
  const elements = stripe.elements(group);
  const element = elements.create("expressCheckout", { paymentMethods: methods, buttonHeight: 48 });
  element.on("availablepaymentmethodschange", ({ paymentMethods }) => {
    const isThere = Object.values(paymentMethods ?? {}).some(({ available }) => available);
    place.classList.toggle("is-there", isThere);
  });
  element.on("confirm", async (event) => {
    if (!(await pay(elements))) event.paymentFailed({ reason: "fail" });
  });
  element.mount(place.querySelector("[data-buttons]"));
  return elements;
}
