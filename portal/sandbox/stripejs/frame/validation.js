/* Each check answers {complete: true}, or {error: code} with one of Stripe's codes. An empty field is an incomplete one. */
const COMPLETE = { complete: true };
// Cards are issued for a few years; Stripe takes a year further off than this for a slip of the finger.
const MAX_YEARS_AHEAD = 50;

function digitsOf(text) {
  return text.replace(/\D/g, "");
}

function checkNumber(text) {
  const digits = digitsOf(text);
  const { lengths } = brandOf(digits);
  if (lengths.includes(digits.length)) return passesLuhn(digits) ? COMPLETE : { error: "invalid_number" };
  return { error: digits.length > Math.max(...lengths) ? "invalid_number" : "incomplete_number" };
}

/* {month, year} of "MM / YY", the year in full; null while incomplete. */
function parsedExpiry(text) {
  const digits = digitsOf(text);
  return digits.length === 4 ? { month: Number(digits.slice(0, 2)), year: 2000 + Number(digits.slice(2)) } : null;
}

/* A card is good to the end of its month, by the customer's calendar. */
function checkExpiry(text, today = new Date()) {
  const expiry = parsedExpiry(text);
  if (!expiry) return { error: "incomplete_expiry" };
  const { month, year } = expiry;
  const thisYear = today.getFullYear();
  if (month < 1 || month > 12) return { error: "invalid_expiry_month" };
  if (year < thisYear) return { error: "invalid_expiry_year_past" };
  if (year === thisYear && month < today.getMonth() + 1) return { error: "invalid_expiry_month_past" };
  if (year > thisYear + MAX_YEARS_AHEAD) return { error: "invalid_expiry_year" };
  return COMPLETE;
}

/* American Express prints four digits on the front and may also give three on the back; both are taken. */
function checkCvc(text, brand) {
  const { length } = digitsOf(text);
  return length >= 3 && length <= brand.cvc ? COMPLETE : { error: "incomplete_cvc" };
}

function checkFilled(text) {
  return text.trim() ? COMPLETE : { error: "incomplete_field" };
}

function checkEmail(text) {
  if (!text.trim()) return { error: "incomplete_email" };
  return /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(text.trim()) ? COMPLETE : { error: "invalid_email" };
}

function checkPhone(text) {
  if (!text.trim()) return { error: "incomplete_field" };
  return /^\+?[\d\s()./-]{6,20}$/.test(text.trim()) ? COMPLETE : { error: "invalid_phone" };
}

/* The country, two check digits and the account: the whole is one more than a multiple of 97. Source: ISO 13616. */
function checkIban(text) {
  const iban = text.replace(/\s/g, "").toUpperCase();
  if (iban.length < 15) return { error: "incomplete_iban" };
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/.test(iban)) return { error: "invalid_iban" };
  const digits = [...iban.slice(4), ...iban.slice(0, 4)].map((sign) => parseInt(sign, 36)).join("");
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97;
  return rest === 1 ? COMPLETE : { error: "invalid_iban" };
}

function checkPostalCode(text, country) {
  const rule = POSTAL_CODES[country];
  return !rule || rule.pattern.test(text.trim()) ? COMPLETE : { error: rule.error };
}
