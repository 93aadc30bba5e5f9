/* The tag that was asked for; with "auto" or nothing, the browser's own. */
function localeTag(locale) {
  return !locale || locale === "auto" ? navigator.language : locale;
}

/* Which of `catalogues` serves a locale: "de" for "de-AT", and English for a language there is none of. */
function languageFor(locale, catalogues) {
  const language = localeTag(locale).toLowerCase().split("-")[0];
  return Object.hasOwn(catalogues, language) ? language : "en";
}
