/*
 * What stands around the forms of the payment methods: saved methods above, one item a method with its header, or nothing where the
 * card is alone with tabs; and the terms below the form that is open.
 */
class Layout {
  /* formOf(type) makes a method's form; onToggle is called when the customer opens another one. */
  constructor({ formOf, saved, saveChoice, onToggle }) {
    this.formOf = formOf;
    this.saveChoice = saveChoice;
    this.onToggle = onToggle;
    this.items = new Map();
    this.types = [];
    this.selected = "card";
    this.terms = build("p", { className: "p-Terms TermsText" });
    this.more = build("button", { type: "button", className: "p-MoreButton", hidden: true });
    this.more.addEventListener("click", () => {
      this.showsAll = true;
      this.#showSome();
      this.items.get(this.types[this.shownCount]).header.focus();
    });
    this.list = build("div", { className: "p-PaymentMethods" });
    this.node = build("div", { className: "p-PaymentForm" }, saved.node, this.list, this.more);
    this.isCollapsed = false;
  }

  #item(type) {
    const { node: form } = this.formOf(type);
    const title = build("span", { className: "p-PaymentMethodTitle" });
    const header = build(
      "button",
      {
        type: "button",
        id: `${type}-tab`,
        className: "p-AccordionButton",
        value: type,
        attributes: { "aria-controls": `${type}-panel`, "aria-expanded": "false" },
      },
      build("img", { className: "p-PaymentMethodIcon", alt: "", src: ICONS[type === "card" ? "card" : "bank"] }),
      title,
    );
    const panel = build("div", { id: `${type}-panel`, className: "p-Panel AccordionContent" }, form);
    const node = build("div", { className: "p-AccordionItem AccordionItem" }, header, panel);
    header.addEventListener("click", () => {
      if (!this.isCollapsed && this.selected === type) return;
      this.select(type);
      this.formOf(type).focus();
      this.onToggle();
    });
    return { header, panel, title, node };
  }

  /* Items beyond the page's count wait behind a button; one that is selected never does. */
  #showSome() {
    const isBeyond = (type, place) => !this.showsAll && place >= this.shownCount && type !== this.selected;
    this.types.forEach((type, place) => (this.items.get(type).node.hidden = isBeyond(type, place)));
    this.more.hidden = !this.types.some(isBeyond);
  }

  get header() {
    return this.items.get(this.selected).header;
  }

  select(type) {
    this.selected = type;
    this.setCollapsed(false);
  }

  setCollapsed(isCollapsed) {
    this.isCollapsed = isCollapsed;
    for (const [type, { header, panel, node }] of this.items) {
      const isOpen = !isCollapsed && type === this.selected;
      panel.hidden = !isOpen;
      header.setAttribute("aria-expanded", String(isOpen));
      node.classList.toggle("AccordionItem--selected", isOpen);
      // Without its header a collapsed form would leave nothing to open it by.
      header.hidden = this.isBare && !isCollapsed;
      if (isOpen) panel.append(this.saveChoice.node, this.terms);
    }
  }

  /*
   * types are the methods in their order; layout is the page's: {type, radios, spacedAccordionItems, visibleAccordionItemsCount}. With one method Stripe's tabs are no tabs at all. Beside
   * saved methods the header stays in either layout: it is how the customer comes to a new one.
   */
  configure({ types, layout, hasSaved, messages, termsText }) {
    const isTabs = layout.type === "tabs";
    const { radios = "auto", spacedAccordionItems: isSpaced = true, visibleAccordionItemsCount: count = 0 } = layout;
    const hasRadios = radios === "always" || (radios === "if_multiple" && types.length > 1);
    this.shownCount = !isTabs && count > 0 ? count : Infinity;
    this.isBare = isTabs && !hasSaved && types.length === 1;
    this.node.classList.toggle("p-PaymentForm--bare", this.isBare);
    this.node.classList.toggle("p-PaymentForm--tabs", isTabs && types.length > 1);
    this.node.classList.toggle("p-PaymentForm--joined", !isTabs && !isSpaced);
    this.node.classList.toggle("p-PaymentForm--radios", !isTabs && hasRadios);
    if (types.join() !== this.types.join()) {
      this.types = types;
      for (const type of types) if (!this.items.has(type)) this.items.set(type, this.#item(type));
      this.list.replaceChildren(...types.map((type) => this.items.get(type).node));
      if (!types.includes(this.selected)) this.selected = types[0];
    }
    for (const [type, { title }] of this.items) {
      title.textContent = type === "card" && hasSaved ? messages.newCard : messages[type];
    }
    this.more.textContent = messages.more;
    this.#showSome();
    this.terms.textContent = termsText;
    this.terms.hidden = termsText === "";
    this.setCollapsed(this.isCollapsed);
  }
}
