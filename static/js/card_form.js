/**
 * What all forms that take a card share: Stripe's form in its frame, one press at a time, what is said about a failure, and
 * asking the server to begin. The form's texts are its data- attributes; advice stands in a <template>.
 */
import { begin, end } from "./feedback.js";

const PLACE = "payment-element";

/** The frame's fields in the colours of the surface they stand on; a frame cannot read our style sheets. */
function appearance(form) {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  return {
    theme: dark ? "night" : "stripe",
    variables: {
      colorPrimary: form.dataset.colour,
      colorText: getComputedStyle(form).color,
      colorBackground: getComputedStyle(form.closest(".card")).backgroundColor,
      fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
      borderRadius: "8px",
    },
  };
}

/** `form` with Stripe's form in it; `message` is where it speaks, `advice` the <template> with the texts. */
export class CardForm {
  #form;
  #message;
  #advice;
  #atWork = false;
  #chosen;
  stripe = null;
  elements = null;
  /** What stripe.elements() is made with, for another group beside this one. */
  group = null;

  /** `options` are those of stripe.elements() that say what the card is for; `chosen` is called with the type of payment method. */
  constructor({ form, message, advice, options, chosen = () => {} }) {
    this.#chosen = chosen;
    this.#form = form;
    this.#message = message;
    this.#advice = advice;
    if (window.Stripe) this.#mount(options);
    else this.say(form.dataset.notLoaded);
  }

  #mount(options) {
    const { publishableKey, locale, country, notLoaded, offered, wallets } = this.#form.dataset;
    const place = document.getElementById(PLACE);
    this.stripe = window.Stripe(publishableKey, { locale });
    const own = { ...options, ...JSON.parse(offered) };
    this.group = { ...own, locale, appearance: appearance(this.#form) };
    this.elements = this.stripe.elements(this.group);
    const element = this.elements.create("payment", {
      layout: "tabs",
      wallets: JSON.parse(wallets),
      defaultValues: country ? { billingDetails: { address: { country } } } : {},
    });
    element.on("ready", () => place.removeAttribute("aria-busy"));
    element.on("change", ({ value }) => this.#chosen(value.type));
    element.on("loaderror", () => this.say(notLoaded));
    place.replaceChildren();
    element.mount(place);
    // Stripe's form may grow above a message that was just said, and push it below the button.
    new ResizeObserver(() => {
      if (document.activeElement === this.#message) this.#message.scrollIntoView({ block: "nearest" });
    }).observe(place);
    window
      .matchMedia("(prefers-color-scheme: dark)")
      .addEventListener("change", () => this.elements.update({ appearance: appearance(this.#form) }));
  }

  say(text) {
    this.#message.textContent = text;
    if (text) this.#message.focus();
  }

  /** Stripe's error in our own words, from the texts that the page carries; the finer code first. */
  advice(error) {
    const texts = this.#advice.content;
    const found = [error.decline_code, error.code, ""]
      .filter((code) => code !== undefined && code !== null)
      .map((code) => texts.querySelector(`[data-code="${CSS.escape(code)}"]`))
      .find((element) => element !== null);
    return found.textContent;
  }

  /** Send the form to the server; resolves to its answer, or null after having said why not. */
  async start(change = () => {}) {
    const body = new FormData(this.#form);
    change(body);
    const { unreachable } = this.#form.dataset;
    let response;
    try {
      response = await fetch(this.#form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    } catch {
      this.say(unreachable);
      return null;
    }
    if (response.ok && !response.redirected) return response.json();
    const problem = await response.json().catch(() => ({}));
    if (problem.go_on) {
      window.location.assign(problem.go_on); // the session has ended: sign in, and come back here
      return null;
    }
    if (problem.outcome_url) {
      await swap("#pay-panel", problem.outcome_url); // another tab or device was faster: no button stays to be pressed
      return null;
    }
    this.say(problem.detail ?? unreachable);
    return null;
  }

  /** What a confirmation came to. A broken connection says nothing about it: the server finds out, and `show` shows it. */
  async conclude({ error }, show) {
    if (!error) {
      await show();
    } else if (error.type === "api_connection_error" || error.type === "api_error") {
      this.say(this.#form.dataset.unknown);
      await show();
    } else if (error.type === "validation_error") {
      this.say(""); // Stripe says it at the field
    } else if (/_intent_unexpected_state$/.test(error.code ?? "")) {
      await show(); // another tab or device was faster
    } else {
      this.say(this.advice(error));
    }
  }

  get isAtWork() {
    return this.#atWork;
  }

  /** Run one press to its end, with the button showing it. */
  async once(pressed, work) {
    if (this.#atWork || !this.stripe) return;
    this.#atWork = true;
    this.say("");
    begin(pressed);
    try {
      await work();
    } finally {
      this.#atWork = false;
      end(pressed);
    }
  }
}

/** Put what the server says at `url` in place of `panel`. */
export function swap(panel, url) {
  return window.htmx.ajax("GET", url, { target: panel, swap: "outerHTML" });
}
