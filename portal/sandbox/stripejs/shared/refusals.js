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
  fr: {
    authentication_required: "Votre carte a été refusée. Cette transaction exige une authentification.",
    card_declined: "Votre carte a été refusée.",
    expired_card: "Votre carte a expiré.",
    incorrect_cvc: "Le code de sécurité de votre carte est incorrect.",
    incorrect_number: "Votre numéro de carte est incorrect.",
    insufficient_funds: "La provision de votre carte est insuffisante.",
    invalid_cvc: "Le code de sécurité de votre carte n’est pas valide.",
    invalid_expiry_month: "Le mois d’expiration de votre carte n’est pas valide.",
    invalid_expiry_year: "L’année d’expiration de votre carte n’est pas valide.",
    invalid_number: "Votre numéro de carte n’est pas valide.",
    processing_error: "Une erreur s’est produite pendant le traitement de votre carte. Veuillez réessayer sous peu.",
    payment_intent_authentication_failure:
      "Nous ne pouvons pas authentifier votre moyen de paiement. Veuillez en choisir un autre, puis réessayer.",
    setup_intent_authentication_failure:
      "Nous ne pouvons pas authentifier votre moyen de paiement. Veuillez en choisir un autre, puis réessayer.",
    api_connection_error:
      "La connexion à notre prestataire de paiement pose problème. Vous n’avez pas été débité. " +
      "Veuillez vérifier votre connexion à Internet, puis réessayer.",
  },
  es: {
    authentication_required: "Su tarjeta fue rechazada. Esta transacción requiere autenticación.",
    card_declined: "Su tarjeta fue rechazada.",
    expired_card: "Su tarjeta ha caducado.",
    incorrect_cvc: "El código de seguridad de su tarjeta es incorrecto.",
    incorrect_number: "Su número de tarjeta es incorrecto.",
    insufficient_funds: "Su tarjeta no tiene fondos suficientes.",
    invalid_cvc: "El código de seguridad de su tarjeta no es válido.",
    invalid_expiry_month: "El mes de caducidad de su tarjeta no es válido.",
    invalid_expiry_year: "El año de caducidad de su tarjeta no es válido.",
    invalid_number: "Su número de tarjeta no es válido.",
    processing_error: "Se produjo un error al procesar su tarjeta. Inténtelo de nuevo en breve.",
    payment_intent_authentication_failure:
      "No podemos autenticar su método de pago. Elija otro e inténtelo de nuevo.",
    setup_intent_authentication_failure:
      "No podemos autenticar su método de pago. Elija otro e inténtelo de nuevo.",
    api_connection_error:
      "Hay problemas con la conexión a nuestro proveedor de pagos. No se le ha cobrado nada. " +
      "Compruebe su conexión a internet e inténtelo de nuevo.",
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
