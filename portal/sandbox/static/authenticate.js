// Tells the frame around this page how the authentication went.
const challenge = document.getElementById("challenge");
const outcome = challenge.dataset.outcome;
if (outcome && window.parent !== window) {
  // Whoever shows the page may hear it: the message names an intent, and an id opens nothing.
  window.parent.postMessage({ type: "stripe-3ds-result", intent: challenge.dataset.intent, outcome }, "*");
}
