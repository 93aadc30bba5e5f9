/* One field of the form: label, input or select, and the error below. Names and ids are Stripe's, for browser tests to carry over. */
const PLAIN_TEXT = { type: "text", spellcheck: "false", autocorrect: "off", autocapitalize: "none" };
// Digits run from left to right in every language.
const DIGITS = { ...PLAIN_TEXT, inputmode: "numeric", dir: "ltr" };

function build(tag, properties = {}, ...children) {
  const { attributes = {}, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

class Field {
  /* check() answers as validation.js does; format() groups the text; onInput is called after every change of the value. */
  constructor({ name, owner, tag = "input", attributes, check, format, onInput, decoration }) {
    this.name = name;
    this.check = check;
    // The card's fields are the only ones without an owner's name: theirs are known to every browser test.
    const key = owner ? `${owner}-${name}` : name;
    const id = `Field-${key}Input`;
    this.label = build("label", { className: "p-FieldLabel Label", htmlFor: id });
    this.input = build(tag, {
      id,
      name,
      className: `p-Input-input Input${tag === "select" ? " p-Select-select" : ""}`,
      attributes: {
        "aria-invalid": "false",
        "aria-required": "true",
        "aria-describedby": `Field-${key}Error`,
        ...attributes,
      },
    });
    this.error = build("p", {
      id: `Field-${key}Error`,
      className: "p-FieldError Error",
      attributes: { role: "alert" },
    });
    const box = build("div", { className: "p-Input" }, this.input, ...(decoration ? [decoration] : []));
    this.node = build("div", { className: `p-Field p-Field--${name}` }, this.label, box, this.error);
    this.code = null;
    this.remark = null;

    // Formatting listens first: whoever comes after sees the value as it stands.
    if (format) keepFormatted(this.input, format);
    this.input.addEventListener("input", () => {
      // While typing, an error is taken away as soon as it is mended, and only a wrong number is called wrong before the end.
      this.remark = null;
      const { error } = this.check();
      if (error !== this.code) this.show(error === "invalid_number" ? error : null);
      onInput();
    });
    this.input.addEventListener("blur", () => {
      if (this.input.value !== "" && !this.remark) this.show(this.check().error ?? null);
    });
  }

  get isEmpty() {
    return this.input.value === "";
  }

  get isShown() {
    return !this.node.hidden;
  }

  setTexts({ label, placeholder }, messages) {
    this.messages = messages;
    this.label.textContent = label;
    if (placeholder !== undefined) this.input.placeholder = placeholder;
    this.show(this.code);
  }

  /* Shows the error of a validation code, or none. */
  show(code) {
    this.code = code;
    const text = this.remark ?? (code ? this.messages[code] : "");
    this.error.textContent = text;
    this.input.setAttribute("aria-invalid", String(Boolean(text)));
    this.input.classList.toggle("Input--invalid", Boolean(text));
    this.label.classList.toggle("Label--invalid", Boolean(text));
  }

  /* Shows what the bank said of this field; it goes with the next change of the value. */
  showRemark(message) {
    this.remark = message;
    this.show(null);
  }

  /* Validates for good: {error} with what is wrong, which is shown as well. */
  validate() {
    const { error } = this.isShown ? this.check() : {};
    this.remark = null;
    this.show(error ?? null);
    return error ?? null;
  }

  clear() {
    if (this.input.tagName === "INPUT") this.input.value = "";
    this.remark = null;
    this.show(null);
  }
}

/* Shows every error of some fields: {type, code, message} of the first, or null. */
function validated(fields, messages) {
  const [code] = fields.map((field) => field.validate()).filter(Boolean);
  return code ? { type: "validation_error", code, message: messages[code] } : null;
}
