/*
 * An iframe of the sandbox's own origin and the talk with it. Messages are taken only from that window at that origin, and sent
 * to that origin alone. They carry no card data in either direction: the frame gives it to the API itself.
 */
const SANDBOX_ORIGIN = new URL(document.currentScript.src).origin;

// Stripe numbers its frames from a random start, so that two copies of the script on a page do not share names.
let frameNumber = 1000 + Math.floor(Math.random() * 9000);

/* Sets styles through the CSSOM: a style attribute would be refused by a Content-Security-Policy without 'unsafe-inline'. */
function applyStyles(element, styles) {
  for (const [property, value] of Object.entries(styles)) element.style.setProperty(property, value, "important");
}

class FrameChannel {
  /*
   * handlers maps event names to functions of the event's payload. "loaded" is called each time the frame's document starts:
   * again, too, when the page moves the iframe in its tree, which makes browsers load it anew.
   */
  constructor({ path, title, styles, handlers }) {
    this.handlers = handlers;
    this.waiting = new Map();
    this.lastRequest = 0;
    this.name = `__privateStripeFrame${frameNumber++}`;
    this.iframe = document.createElement("iframe");
    this.iframe.name = this.name;
    this.iframe.title = title;
    this.iframe.setAttribute("frameborder", "0");
    this.iframe.setAttribute("scrolling", "no");
    this.iframe.setAttribute("allow", "payment *");
    this.iframe.referrerPolicy = "origin";
    this.iframe.src = `${SANDBOX_ORIGIN}${path}#${new URLSearchParams({ frame: this.name, host: location.origin })}`;
    // A dark page's color-scheme would make browsers paint the transparent frame white.
    applyStyles(this.iframe, {
      border: "0",
      padding: "0",
      "color-scheme": "light only",
      "user-select": "none",
      ...styles,
    });
    this.listener = (event) => this.receive(event);
    window.addEventListener("message", this.listener);
  }

  receive(event) {
    if (event.origin !== SANDBOX_ORIGIN || event.source !== this.iframe.contentWindow) return;
    const { frame, type, payload, request } = event.data ?? {};
    if (frame !== this.name) return;
    if (type === "response") {
      this.waiting.get(request)?.(payload);
      this.waiting.delete(request);
    } else {
      this.handlers[type]?.(payload);
    }
  }

  send(type, payload, request) {
    // Options may hold functions or DOM nodes, which cannot be cloned; JSON drops them.
    const message = { frame: this.name, type, request, payload: JSON.parse(JSON.stringify(payload ?? null)) };
    this.iframe.contentWindow?.postMessage(message, SANDBOX_ORIGIN);
  }

  /* Resolves to the frame's answer; never, when the frame goes away before it (as Stripe's). */
  ask(type, payload) {
    const request = ++this.lastRequest;
    return new Promise((resolve) => {
      this.waiting.set(request, resolve);
      this.send(type, payload, request);
    });
  }

  destroy() {
    window.removeEventListener("message", this.listener);
    this.iframe.remove();
  }
}
