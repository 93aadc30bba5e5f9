/* The Link Authentication Element's one field. Whoever has saved something with Link would be asked for it here; the sandbox asks nobody. */
class EmailForm {
  constructor({ onChange, onEnter }) {
    this.onChange = onChange;
    this.email = new Field({
      name: "email",
      attributes: { ...PLAIN_TEXT, type: "email", autocomplete: "email" },
      check: () => checkEmail(this.email.input.value),
      onInput: onChange,
    });
    this.node = build("div", { className: "p-MethodForm" }, this.email.node);
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Enter") onEnter();
    });
  }

  configure({ locale, options }) {
    this.messages = messagesFor(locale);
    this.email.setTexts({ label: this.messages.email }, this.messages);
    if (!this.wasConfigured) this.email.input.value = options.defaultValues?.email ?? "";
    this.wasConfigured = true;
  }

  get event() {
    return { empty: this.email.isEmpty, complete: this.isComplete, value: { email: this.email.input.value.trim() } };
  }

  get isComplete() {
    return Boolean(this.email.check().complete);
  }

  validate() {
    return validated([this.email], this.messages);
  }

  focus() {
    this.email.input.focus();
  }

  focusFirstError() {
    this.focus();
  }

  clear() {
    this.email.clear();
    this.onChange();
  }
}
