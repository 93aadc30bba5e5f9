/*
 * The dialog around the bank's page (portal/sandbox/authentication.py). That page tells by postMessage that the customer is done
 * with it. Whether the bank was content is asked of the API all the same: a message proves nothing.
 */
const TEXTS = {
  en: {
    title: "Authenticate your payment",
    cancel: "Cancel",
    loading: "Loading your bank’s page …",
    frame: "Your bank’s page",
  },
  de: {
    title: "Zahlung authentifizieren",
    cancel: "Abbrechen",
    loading: "Die Seite Ihrer Bank wird geladen …",
    frame: "Seite Ihrer Bank",
  },
  fr: {
    title: "Authentifiez votre paiement",
    cancel: "Annuler",
    loading: "Chargement de la page de votre banque…",
    frame: "Page de votre banque",
  },
  es: {
    title: "Autentique su pago",
    cancel: "Cancelar",
    loading: "Cargando la página de su banco…",
    frame: "Página de su banco",
  },
};

const bankPage = document.getElementById("challengeFrame");
const cancel = document.getElementById("cancel");
const loading = document.getElementById("loading");

const host = connectToHost({
  start({ address: bankAddress, locale }) {
    const language = languageFor(locale, TEXTS);
    const texts = TEXTS[language];
    document.documentElement.lang = language;
    document.getElementById("title").textContent = texts.title;
    cancel.textContent = texts.cancel;
    loading.textContent = texts.loading;
    bankPage.title = texts.frame;
    // Only the sandbox's own pages: the page around us must not put another site into a dialog that looks like the bank's.
    if (new URL(bankAddress).origin !== location.origin) return;
    bankPage.addEventListener("load", () => {
      loading.textContent = "";
      bankPage.focus();
    });
    bankPage.src = bankAddress;
  },
});

window.addEventListener("message", (event) => {
  if (event.source !== bankPage.contentWindow || event.origin !== location.origin) return;
  if (event.data?.type === "stripe-3ds-result") host.send("completed");
});

/* Whoever leaves the bank's page has not proved who they are: the same answer as its own button for that. */
async function giveUp() {
  cancel.disabled = true;
  if (bankPage.src) {
    const answer = new URLSearchParams({ outcome: "fail" });
    await fetch(bankPage.src, { method: "POST", body: answer, redirect: "manual" }).catch(() => {});
  }
  host.send("canceled");
}
cancel.addEventListener("click", giveUp);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") giveUp();
});

host.send("loaded");
