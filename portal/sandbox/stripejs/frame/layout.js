/* What stands around the card's fields: the accordion's item with its header, or nothing with tabs; and the terms below. */
class Layout {
  constructor({ form, onToggle }) {
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
    this.panel.append(form.node, this.terms);
    this.node = build("div", { className: "p-PaymentForm" }, this.item);
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

  /* type is the layout's; the sandbox offers one payment method, for which Stripe's tabs are no tabs at all. */
  configure({ type, messages, termsText }) {
    this.isBare = type === "tabs";
    this.node.classList.toggle("p-PaymentForm--bare", this.isBare);
    this.title.textContent = messages.card;
    this.terms.textContent = termsText;
    this.terms.hidden = termsText === "";
    this.setCollapsed(this.isCollapsed);
  }
}
