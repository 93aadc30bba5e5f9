/*
 * The 3-D Secure challenge: the bank's page in a dialog over the page. The dialog is a frame of the sandbox, so that the page can
 * neither read nor dress up what the bank asks.
 */
const OVERLAY_STYLES = {
  position: "fixed",
  inset: "0",
  width: "100%",
  height: "100%",
  margin: "0",
  "z-index": "2147483647",
  background: "transparent",
};

/* Resolves to "completed" or "canceled". What became of the payment, the intent says, not the frame. */
function runChallenge({ address, locale }) {
  return new Promise((resolve) => {
    const focused = document.activeElement;
    const behind = [...document.body.children].filter((element) => !element.inert);
    const scrolling = document.documentElement.style.overflow;

    const finish = (outcome) => {
      channel.destroy();
      for (const element of behind) element.inert = false;
      document.documentElement.style.overflow = scrolling;
      focused?.focus?.();
      resolve(outcome);
    };
    const channel = new FrameChannel({
      path: FRAME_PATHS.challenge,
      title: "3D Secure authentication",
      styles: OVERLAY_STYLES,
      handlers: {
        loaded: () => {
          channel.send("start", { address, locale });
          channel.iframe.focus();
        },
        completed: () => finish("completed"),
        canceled: () => finish("canceled"),
      },
    });
    // Keyboard and screen reader stay in the dialog, as they do in a modal <dialog>.
    for (const element of behind) element.inert = true;
    document.documentElement.style.overflow = "hidden";
    document.body.append(channel.iframe);
  });
}

/* The bank's page for a next action that Stripe.js handles itself, or null for one it does not know. */
function challengeAddress(nextAction) {
  const address = nextAction.use_stripe_sdk?.stripe_js;
  if (typeof address !== "string") return null;
  // A server that confirmed the intent may know the sandbox by another name (127.0.0.1 for localhost) than the browser does.
  const { pathname, search } = new URL(address, SANDBOX_ORIGIN);
  return SANDBOX_ORIGIN + pathname + search;
}
