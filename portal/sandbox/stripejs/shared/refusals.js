/*
 * What the customer reads when the bank or the network refuses, in the page's language. The API answers in English; Stripe.js
 * translates by code, so that pages may show error.message as it is.
 */
const REFUSALS = {
  de: {
    authentication_required: "Ihre Karte wurde abgelehnt. Diese Transaktion erfordert eine Authentifizierung.",
    card_declined: "Ihre Karte wurde abgelehnt.",
    expired_card: "Ihre Karte ist abgelaufen.",
    incorrect_cvc: "Die Prüfziffer Ihrer Karte ist falsch.",
    incorrect_number: "Ihre Kartennummer ist falsch.",
    insufficient_funds: "Ihre Karte verfügt nicht über ausreichende Deckung.",
    invalid_cvc: "Die Prüfziffer Ihrer Karte ist ungültig.",
    invalid_expiry_month: "Der Ablaufmonat Ihrer Karte ist ungültig.",
    invalid_expiry_year: "Das Ablaufjahr Ihrer Karte ist ungültig.",
    invalid_number: "Ihre Kartennummer ist ungültig.",
    processing_error:
      "Bei der Verarbeitung Ihrer Karte ist ein Fehler aufgetreten. Bitte versuchen Sie es in Kürze erneut.",
    payment_intent_authentication_failure:
      "Ihre Zahlungsmethode konnte nicht authentifiziert werden. Bitte wählen Sie eine andere Zahlungsmethode und versuchen Sie es erneut.",
    setup_intent_authentication_failure:
      "Ihre Zahlungsmethode konnte nicht authentifiziert werden. Bitte wählen Sie eine andere Zahlungsmethode und versuchen Sie es erneut.",
    api_connection_error:
      "Es gibt Probleme mit der Verbindung zu unserem Zahlungsanbieter. Ihnen wurde nichts berechnet. " +
      "Bitte prüfen Sie Ihre Internetverbindung und versuchen Sie es erneut.",
  },
  // The API words these for developers ("You can provide payment_method_data …"); Stripe.js rewords them for the customer.
  en: {
    payment_intent_authentication_failure:
      "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    setup_intent_authentication_failure:
      "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
  },
};

function localized(error, locale) {
  const texts = REFUSALS[languageFor(locale, REFUSALS)];
  const message = texts[error.decline_code] ?? texts[error.code] ?? texts[error.type];
  return message ? { ...error, message } : error;
}
