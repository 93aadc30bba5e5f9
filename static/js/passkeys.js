/**
 * A form with data-passkey ("get": sign in or prove it again; "create": add one) asks the browser for a passkey and is then sent as
 * plain HTML, with what the browser has answered in its field `credential`. Without this script, or where the browser knows no
 * passkeys, what is marked data-needs-passkeys stays hidden.
 */
import { begin, clearNotices, end, notice } from "./feedback.js";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (mark) => mark.charCodeAt(0));

function text(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** What the server sent, with bytes where the browser wants them. */
function decoded(options) {
  const known = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));
  return {
    ...options,
    challenge: bytes(options.challenge),
    ...(options.user && { user: { ...options.user, id: bytes(options.user.id) } }),
    ...(options.excludeCredentials && { excludeCredentials: known(options.excludeCredentials) }),
    ...(options.allowCredentials && { allowCredentials: known(options.allowCredentials) }),
  };
}

/** What the browser answered, with text where it has bytes. */
function encoded(credential) {
  const { response } = credential;
  const parts = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const said = parts.filter((name) => response[name]).map((name) => [name, text(response[name])]);
  return JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: Object.fromEntries(said),
    clientExtensionResults: credential.getClientExtensionResults(),
  });
}

/** The options for this form; null when the reader was led elsewhere, such as to confirm their password. */
async function optionsOf(form) {
  const answer = await fetch(form.dataset.options, {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRFToken": form.elements.csrf_token.value },
  });
  const said = await answer.json();
  if (answer.ok) return decoded(said);
  if (said.go_on) window.location.assign(said.go_on);
  else notice(said.detail);
  return null;
}

async function ask(form, button) {
  clearNotices();
  begin(button);
  try {
    const publicKey = await optionsOf(form);
    if (publicKey === null) return;
    form.elements.credential.value = encoded(await navigator.credentials[form.dataset.passkey]({ publicKey }));
    form.submit();
  } catch (error) {
    end(button);
    notice(error.name === "InvalidStateError" ? form.dataset.known : form.dataset.failed);
  }
}

if (window.PublicKeyCredential) {
  for (const hidden of document.querySelectorAll("[data-needs-passkeys]")) hidden.hidden = false;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      ask(form, event.submitter ?? form.querySelector("button"));
    });
  }
}
