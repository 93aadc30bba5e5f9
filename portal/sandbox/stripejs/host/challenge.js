/* The 3-D Secure challenge: the bank's page in a dialog. Resolves to "completed" or "canceled"; what became of the payment, the intent says. */
function runChallenge({ address, locale }) {
  return new Promise((resolve) => {
    const finish = (outcome) => {
      dialog.close();
      resolve(outcome);
    };
    const dialog = openDialog({
      path: FRAME_PATHS.challenge,
      title: "3D Secure authentication",
      start: { address, locale },
      handlers: { completed: () => finish("completed"), canceled: () => finish("canceled") },
    });
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
