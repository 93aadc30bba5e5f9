/* The customer's saved cards, one of which may be chosen in place of typing one, and taken away where the page allows it. */
class SavedMethods {
  /* onChoose is called after the customer's choice, onRemove with the method that the customer wants gone. */
  constructor({ onChoose, onRemove, onEnter }) {
    this.onChoose = onChoose;
    this.onRemove = onRemove;
    this.methods = [];
    this.chosen = null;
    this.built = "";
    this.legend = build("legend", { className: "p-SavedMethods-legend Label" });
    this.list = build("div", { className: "p-SavedMethods-list" });
    this.error = build("p", { id: "saved-methods-error", className: "Error", attributes: { role: "alert" } });
    this.node = build(
      "fieldset",
      { className: "p-SavedMethods", hidden: true, attributes: { "aria-describedby": this.error.id } },
      this.legend,
      this.list,
      this.error,
    );
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.type === "radio") onEnter();
    });
  }

  get isShown() {
    return this.methods.length > 0;
  }

  /* The chosen payment method as the API shows it, or null. */
  get selected() {
    return this.methods.find(({ id }) => id === this.chosen) ?? null;
  }

  choose(id) {
    this.chosen = id;
    this.showRemark("");
    for (const radio of this.#radios()) radio.checked = radio.value === id;
  }

  #radios() {
    return [...this.list.querySelectorAll("input[type=radio]")];
  }

  /* The list is built again only when it has changed, so that focus stays where it is. */
  configure({ methods, canRemove, readOnly, locale }) {
    this.methods = methods;
    this.messages = messagesFor(locale);
    this.node.hidden = !this.isShown;
    this.legend.textContent = this.messages.savedCards;
    const wanted = JSON.stringify([methods, canRemove, readOnly, supportedLocale(locale)]);
    if (wanted === this.built) return;
    this.built = wanted;
    this.list.replaceChildren(...methods.map((method) => this.#row(method, { canRemove, readOnly })));
    this.choose(this.chosen);
  }

  #row(method, { canRemove, readOnly }) {
    const { messages } = this;
    const { brand, last4, exp_month: month, exp_year: year } = method[method.type];
    const isCard = method.type === "card";
    const title = isCard ? (BRANDS.find(({ name }) => name === brand)?.title ?? messages.card) : messages[method.type];
    const spoken = messages.endingIn.replace("{brand}", title);
    const radio = build("input", {
      type: "radio",
      id: `saved-${method.id}`,
      className: "p-SavedMethod-radio",
      name: "savedPaymentMethod",
      value: method.id,
      disabled: readOnly,
    });
    radio.addEventListener("change", () => {
      this.choose(method.id);
      this.onChoose();
    });
    const label = build(
      "label",
      { className: "p-SavedMethod-label", htmlFor: radio.id },
      radio,
      build("img", {
        className: "p-CardBrandIcons-item",
        alt: "",
        src: isCard ? (ICONS[brand] ?? ICONS.unknown) : ICONS.bank,
      }),
      build(
        "span",
        { className: "p-SavedMethod-number" },
        build("span", { className: "p-Unseen", textContent: `${spoken} ` }),
        build("span", { textContent: `${last4 ? "••••" : title} `, attributes: { "aria-hidden": "true" } }),
        last4 ?? "",
      ),
    );
    if (isCard) {
      label.append(
        build(
          "span",
          { className: "p-SavedMethod-expiry" },
          build("span", { className: "p-Unseen", textContent: `${messages.expires} ` }),
          `${String(month).padStart(2, "0")}/${String(year % 100).padStart(2, "0")}`,
        ),
      );
    }
    const row = build("div", { className: "p-SavedMethod AccordionItem" }, label);
    if (canRemove && !readOnly) row.append(this.#removal(method, `${spoken} ${last4}`));
    return row;
  }

  /* A button, and the question behind it: a card that was taken away cannot be brought back. */
  #removal(method, spoken) {
    const { messages } = this;
    const button = (text) => build("button", { type: "button", className: "p-SavedMethod-button", textContent: text });
    const remove = button(messages.remove);
    remove.setAttribute("aria-label", `${messages.remove}: ${spoken}`);
    const yes = button(messages.removeYes);
    const no = button(messages.removeNo);
    const question = build(
      "div",
      { className: "p-SavedMethod-question", hidden: true, attributes: { role: "group", "aria-label": spoken } },
      build("span", { textContent: messages.removeQuestion }),
      yes,
      no,
    );
    const ask = (isAsking) => {
      question.hidden = !isAsking;
      remove.hidden = isAsking;
      (isAsking ? yes : remove).focus();
    };
    remove.addEventListener("click", () => ask(true));
    no.addEventListener("click", () => ask(false));
    yes.addEventListener("click", () => {
      ask(false);
      remove.disabled = true;
      this.onRemove(method);
    });
    question.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      ask(false);
    });
    return build("div", { className: "p-SavedMethod-removal" }, remove, question);
  }

  /* A removal came to nothing: the card stays, and may be tried again. */
  showRemovalError(message) {
    for (const button of this.list.querySelectorAll("button")) button.disabled = false;
    this.showRemark(message);
  }

  /* What the bank said of the chosen card; it goes with the next choice. */
  showRemark(message) {
    this.error.textContent = message;
  }

  focus() {
    const radios = this.#radios();
    (radios.find((radio) => radio.checked) ?? radios[0])?.focus();
  }
}
