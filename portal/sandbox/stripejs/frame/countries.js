/* Countries by ISO 3166 code; their names are the browser's own, in the form's language. */
const COUNTRY_CODES = (
  "AC AD AE AF AG AI AL AM AO AQ AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CD CF CG CH CI CK CL CM CN " +
  "CO CR CV CW CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HN HR HT " +
  "HU ID IE IL IM IN IO IQ IS IT JE JM JO JP KE KG KH KI KM KN KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ " +
  "MR MS MT MU MV MW MX MY MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PY QA RE RO RS RU RW SA SB SC SE SG SH SI " +
  "SJ SK SL SM SN SO SR SS ST SV SX SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW"
).split(" ");

// Where card issuers check the postal code, the form asks for it; elsewhere it would only be in the way.
const POSTAL_CODES = {
  US: { label: "zip", placeholder: "12345", pattern: /^\d{5}(-?\d{4})?$/, inputMode: "numeric", error: "invalid_zip" },
  GB: {
    label: "postalCode",
    placeholder: "WS11 1DB",
    pattern: /^[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}$/i,
    inputMode: "text",
    error: "incomplete_zip",
  },
  CA: {
    label: "postalCode",
    placeholder: "M5T 1T4",
    pattern: /^[A-Z]\d[A-Z] ?\d[A-Z]\d$/i,
    inputMode: "text",
    error: "incomplete_zip",
  },
};

/* [[code, name], …] by name. */
function countriesByName(locale) {
  const names = new Intl.DisplayNames([supportedLocale(locale)], { type: "region" });
  const collator = new Intl.Collator(supportedLocale(locale));
  return COUNTRY_CODES.map((code) => [code, names.of(code)]).sort((one, other) => collator.compare(one[1], other[1]));
}

/* Stripe guesses from the customer's address on the network; a sandbox on this machine has the browser's region instead. */
function likelyCountry(merchantCountry) {
  const region = new Intl.Locale(navigator.language).region;
  return COUNTRY_CODES.includes(region) ? region : (merchantCountry ?? "US");
}
