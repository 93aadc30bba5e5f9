/*
 * The dialog around the bank's page. That page has one thing to say, by postMessage to its parent: that the customer is done with it.
 * Whether the bank was content, the API knows; a message could be forged by nobody but the bank's page, and still proves nothing.
 */
const TEXTS = {
  en: { title: "Authenticate your payment", cancel: "Cancel", loading: "Loading your bank’s page …", frame: "Your bank’s page" },
  de: { title: "Zahlung authentifizieren", cancel: "Abbrechen", loading: "Die Seite Ihrer Bank wird geladen …", frame: "Seite Ihrer Bank" },
};

const bankPage = document.getElementById("challengeFrame");
const cancel = document.getElementById("cancel");
const loading = document.getElementById("loading");

function languageFor(locale) {
  const tag = !locale || locale === "auto" ? navigator.language : locale;
  const language = tag.toLowerCase().split("-")[0];
  return language in TEXTS ? language : "en";
}

const host = connectToHost({
  start({ address: bankAddress, locale }) {
    const language = languageFor(locale);
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
  if (event.source === bankPage.contentWindow && event.origin === location.origin) host.send("completed");
});
cancel.addEventListener("click", () => host.send("canceled"));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") host.send("canceled");
});

host.send("loaded");

