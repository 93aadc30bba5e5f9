/* What a card number tells of its brand from the first digits on: its lengths, how it is grouped, and the length of its code. */
const FOURS = [4, 8, 12, 16];
const BRANDS = [
  { name: "visa", title: "Visa", pattern: /^4/, lengths: [16], gaps: FOURS, cvc: 3 },
  {
    name: "mastercard",
    title: "Mastercard",
    pattern: /^(5[1-5]|2(22[1-9]|2[3-9]|[3-6]|7[01]|720))/,
    lengths: [16],
    gaps: FOURS,
    cvc: 3,
  },
  { name: "amex", title: "American Express", pattern: /^3[47]/, lengths: [15], gaps: [4, 10], cvc: 4 },
  { name: "discover", title: "Discover", pattern: /^(6011|64[4-9]|65)/, lengths: [16], gaps: FOURS, cvc: 3 },
  { name: "jcb", title: "JCB", pattern: /^(35|2131|1800)/, lengths: [16], gaps: FOURS, cvc: 3 },
  { name: "diners", title: "Diners Club", pattern: /^36/, lengths: [14], gaps: [4, 10], cvc: 3 },
  { name: "diners", title: "Diners Club", pattern: /^3(0[0-5]|[89])/, lengths: [16], gaps: FOURS, cvc: 3 },
  { name: "unionpay", title: "UnionPay", pattern: /^(62|81)/, lengths: [16, 17, 18, 19], gaps: FOURS, cvc: 3 },
];
const UNKNOWN_BRAND = { name: "unknown", title: "", pattern: /^/, lengths: [16], gaps: FOURS, cvc: 4 };

function brandOf(digits) {
  return BRANDS.find(({ pattern }) => pattern.test(digits)) ?? UNKNOWN_BRAND;
}

/* Luhn's check digit: every second digit from the right counts twice. */
function passesLuhn(digits) {
  let sum = 0;
  [...digits].reverse().forEach((digit, index) => {
    const value = Number(digit) * (index % 2 ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  });
  return sum % 10 === 0;
}
