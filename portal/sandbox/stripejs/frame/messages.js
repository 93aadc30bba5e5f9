/* The form's words. English is Stripe's own; the keys of errors are Stripe's codes. */
const MESSAGES = {
  en: {
    card: "Card",
    savedCards: "Saved cards",
    newCard: "New card",
    endingIn: "{brand} ending in",
    expires: "expires",
    remove: "Remove",
    removeQuestion: "Remove this card?",
    removeYes: "Yes, remove",
    removeNo: "Keep",
    savePaymentMethod: "Save payment details for future purchases",
    number: "Card number",
    expiry: "Expiration date",
    cvc: "Security code",
    country: "Country",
    postalCode: "Postal code",
    zip: "ZIP code",
    expiryPlaceholder: "MM / YY",
    cvcPlaceholder: "CVC",
    supportedCards: "Supported cards include Visa, Mastercard, American Express and Discover",
    loading: "Loading",
    cvcHint: "3-digit code on back of card",
    cvcHintAmex: "4-digit code on front of card",
    terms:
      "By providing your card information, you allow {merchant} to charge your card for future payments in accordance with their terms.",
    thisBusiness: "this business",
    incomplete_number: "Your card number is incomplete.",
    invalid_number: "Your card number is invalid.",
    incomplete_expiry: "Your card’s expiration date is incomplete.",
    invalid_expiry_month: "Your card’s expiration date is invalid.",
    invalid_expiry_month_past: "Your card’s expiration date is in the past.",
    invalid_expiry_year_past: "Your card’s expiration year is in the past.",
    invalid_expiry_year: "Your card’s expiration year is invalid.",
    incomplete_cvc: "Your card’s security code is incomplete.",
    incomplete_zip: "Your postal code is incomplete.",
    invalid_zip: "Your ZIP is invalid.",
    incomplete_payment_details: "Please provide complete payment details.",
  },
  de: {
    card: "Karte",
    savedCards: "Gespeicherte Karten",
    newCard: "Neue Karte",
    endingIn: "{brand} mit den Endziffern",
    expires: "gültig bis",
    remove: "Entfernen",
    removeQuestion: "Diese Karte entfernen?",
    removeYes: "Ja, entfernen",
    removeNo: "Behalten",
    savePaymentMethod: "Zahlungsdaten für künftige Einkäufe speichern",
    number: "Kartennummer",
    expiry: "Ablaufdatum",
    cvc: "Prüfziffer",
    country: "Land",
    postalCode: "Postleitzahl",
    zip: "Postleitzahl",
    expiryPlaceholder: "MM / JJ",
    cvcPlaceholder: "CVC",
    supportedCards: "Unter anderem werden Visa, Mastercard, American Express und Discover unterstützt",
    loading: "Wird geladen",
    cvcHint: "3-stelliger Code auf der Rückseite der Karte",
    cvcHintAmex: "4-stelliger Code auf der Vorderseite der Karte",
    terms:
      "Mit der Angabe Ihrer Kartendaten erlauben Sie {merchant}, Ihre Karte für künftige Zahlungen gemäß deren Bedingungen zu belasten.",
    thisBusiness: "diesem Unternehmen",
    incomplete_number: "Ihre Kartennummer ist unvollständig.",
    invalid_number: "Ihre Kartennummer ist ungültig.",
    incomplete_expiry: "Das Ablaufdatum Ihrer Karte ist unvollständig.",
    invalid_expiry_month: "Das Ablaufdatum Ihrer Karte ist ungültig.",
    invalid_expiry_month_past: "Das Ablaufdatum Ihrer Karte liegt in der Vergangenheit.",
    invalid_expiry_year_past: "Das Ablaufjahr Ihrer Karte liegt in der Vergangenheit.",
    invalid_expiry_year: "Das Ablaufjahr Ihrer Karte ist ungültig.",
    incomplete_cvc: "Die Prüfziffer Ihrer Karte ist unvollständig.",
    incomplete_zip: "Ihre Postleitzahl ist unvollständig.",
    invalid_zip: "Ihre Postleitzahl ist ungültig.",
    incomplete_payment_details: "Bitte geben Sie vollständige Zahlungsdaten an.",
  },
};

/* The tag itself when there is a catalogue for its language, so that "de-CH" keeps its country names; else "en". */
function supportedLocale(locale) {
  const tag = localeTag(locale);
  return tag.toLowerCase().startsWith(languageFor(locale, MESSAGES)) ? tag : "en";
}

function messagesFor(locale) {
  return MESSAGES[languageFor(locale, MESSAGES)];
}
