/* What stands around the card's fields: saved cards above, the accordion's item with its header, or nothing with tabs; and the terms below. */
class Layout {
  constructor({ form, saved, saveChoice, onToggle }) {
    this.panel = build("div", { id: "card-panel", className: "p-Panel AccordionContent" });
    this.terms = build("p", { className: "p-Terms TermsText" });
    this.icon = build("img", { className: "p-PaymentMethodIcon", alt: "", src: ICONS.card });
    this.title = build("span", { className: "p-PaymentMethodTitle" });
    this.header = build(
      "button",
      {
        type: "button",
        id: "card-tab",
        className: "p-AccordionButton",
        value: "card",
        attributes: { "aria-controls": "card-panel", "aria-expanded": "true" },
      },
      this.icon,
      this.title,
    );
    this.item = build(
      "div",
      { className: "p-AccordionItem AccordionItem AccordionItem--selected" },
      this.header,
      this.panel,
    );
    this.panel.append(form.node, saveChoice.node, this.terms);
    this.node = build("div", { className: "p-PaymentForm" }, saved.node, this.item);
    this.header.addEventListener("click", () => {
      if (!this.isCollapsed) return;
      this.setCollapsed(false);
      form.number.input.focus();
      onToggle();
    });
    this.isCollapsed = false;
  }

  setCollapsed(isCollapsed) {
    this.isCollapsed = isCollapsed;
    this.panel.hidden = isCollapsed;
    this.header.setAttribute("aria-expanded", String(!isCollapsed));
    this.item.classList.toggle("AccordionItem--selected", !isCollapsed);
    // Without its header a collapsed form would leave nothing to open it by.
    this.header.hidden = this.isBare && !isCollapsed;
  }

  /*
   * type is the layout's; the sandbox offers one payment method, for which Stripe's tabs are no tabs at all. Beside saved cards
   * the header stays in either layout: it is how the customer comes to a new one.
   */
  configure({ type, hasSaved, messages, termsText }) {
    this.isBare = type === "tabs" && !hasSaved;
    this.node.classList.toggle("p-PaymentForm--bare", this.isBare);
    this.title.textContent = hasSaved ? messages.newCard : messages.card;
    this.terms.textContent = termsText;
    this.terms.hidden = termsText === "";
    this.setCollapsed(this.isCollapsed);
  }
}
