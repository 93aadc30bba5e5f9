/* Groups digits while the customer types, and keeps the caret where the hand left it. */
function formattedNumber(text) {
  const all = digitsOf(text);
  const brand = brandOf(all);
  const digits = all.slice(0, Math.max(...brand.lengths));
  const cuts = [0, ...brand.gaps.filter((gap) => gap < digits.length), digits.length];
  return cuts
    .slice(1)
    .map((end, index) => digits.slice(cuts[index], end))
    .join(" ");
}

/* "1230" and "12/2030" become "12 / 30"; a month that can only be one digit gets its zero. */
function formattedExpiry(text) {
  let digits = digitsOf(text);
  if (/^[2-9]/.test(digits) || /^1\s*\//.test(text)) digits = `0${digits}`;
  if (/^\d{2}20\d{2}$/.test(digits)) digits = digits.slice(0, 2) + digits.slice(4);
  digits = digits.slice(0, 4);
  return digits.length < 2 ? digits : `${digits.slice(0, 2)} / ${digits.slice(2)}`;
}

function formattedCvc(text, brand) {
  return digitsOf(text).slice(0, brand.cvc);
}

/* The position behind as many digits as stood before the caret, and behind the gap that follows when typing forwards. */
function caretBehind(value, digitCount, isDeleting) {
  let position = 0;
  for (let seen = 0; position < value.length && seen < digitCount; position++) if (/\d/.test(value[position])) seen++;
  if (!isDeleting) while (position < value.length && /\D/.test(value[position])) position++;
  return position;
}

/* Applies `format` after each input. Deleting a gap would only bring it back, so it takes the digit before it as well. */
function keepFormatted(input, format) {
  let before = "";
  input.addEventListener("input", (event) => {
    const isDeleting = event.inputType?.startsWith("delete") ?? false;
    let text = input.value;
    let caret = input.selectionStart ?? text.length;
    const onlyGapGone = isDeleting && text.length < before.length && digitsOf(text) === digitsOf(before);
    if (onlyGapGone && event.inputType === "deleteContentBackward") {
      caret = Math.max(0, digitsOf(text.slice(0, caret)).length - 1);
      text = digitsOf(text);
      text = text.slice(0, caret) + text.slice(caret + 1);
    }
    const padding = digitsOf(format(text)).length > digitsOf(text).length ? 1 : 0;
    const digitCount = digitsOf(text.slice(0, caret)).length + padding;
    let value = format(text);
    // "12 / " shrinks to "12" and not back to "12 / ", so that the next deletion reaches the month.
    if (isDeleting) value = value.replace(/\D+$/, "");
    input.value = before = value;
    if (document.activeElement === input) {
      const position = caretBehind(value, digitCount, isDeleting);
      input.setSelectionRange(position, position);
    }
  });
}
