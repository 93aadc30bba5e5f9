/*
 * The sheet of a wallet. What the wallet holds comes from the sandbox (portal/sandbox/resources/wallets.py), which says, too, whether
 * the sheet is answered by a person or by itself. The page learns of the holder what it asked for.
 */
const TEXTS = {
  en: {
    pay: "Pay",
    cancel: "Cancel",
    card: "Card",
    to: "To",
    name: "Name",
    email: "Email",
    phone: "Phone",
    shipping: "Ship to",
    rates: "Shipping",
    total: "Total",
    refused: "This business does not ship to this address.",
    failed: "The payment could not be made.",
  },
  de: {
    pay: "Bezahlen",
    cancel: "Abbrechen",
    card: "Karte",
    to: "An",
    name: "Name",
    email: "E-Mail",
    phone: "Telefon",
    shipping: "Lieferung an",
    rates: "Versand",
    total: "Summe",
    refused: "Dieses Unternehmen liefert nicht an diese Adresse.",
    failed: "Die Zahlung ist nicht zustande gekommen.",
  },
  fr: {
    pay: "Payer",
    cancel: "Annuler",
    card: "Carte",
    to: "À",
    name: "Nom",
    email: "E-mail",
    phone: "Téléphone",
    shipping: "Livraison à",
    rates: "Livraison",
    total: "Total",
    refused: "Cette entreprise ne livre pas à cette adresse.",
    failed: "Le paiement n’a pas pu être effectué.",
  },
  es: {
    pay: "Pagar",
    cancel: "Cancelar",
    card: "Tarjeta",
    to: "Para",
    name: "Nombre",
    email: "Correo electrónico",
    phone: "Teléfono",
    shipping: "Enviar a",
    rates: "Envío",
    total: "Total",
    refused: "Esta empresa no envía a esta dirección.",
    failed: "No se pudo realizar el pago.",
  },
};
const WALLET_NAMES = {
  apple_pay: "Apple Pay",
  google_pay: "Google Pay",
  link: "Link",
  paypal: "PayPal",
  klarna: "Klarna",
};
const part = (id) => document.getElementById(id);
let settings = null;
let texts = null;
let held = null;
let rate = null;
let api = null;

const host = connectToHost({
  async start(given) {
    settings = given;
    const language = languageFor(given.locale, TEXTS);
    texts = TEXTS[language];
    document.documentElement.lang = language;
    part("title").textContent = WALLET_NAMES[given.wallet];
    part("cancel").textContent = texts.cancel;
    part("pay").textContent = texts.pay;
    part("ratesTitle").textContent = texts.rates;
    api = createApi({ origin: location.origin, key: given.key });
    const { object, error } = await api.get("/v1/elements/wallet");
    if (error) {
      part("problem").textContent = error.message;
      return;
    }
    held = object;
    show();
    if (held.answers === "cancels") host.send("canceled");
    else if (settings.needs.shipping) tellAddress();
    else ready();
  },
  update(given) {
    settings = { ...settings, ...given };
    show();
    part("problem").textContent = given.refused ? texts.refused : "";
    if (given.refused) part("pay").disabled = true;
    else ready();
  },
});

function show() {
  const { billing_details: holder, card } = held;
  const { needs, merchant, lineItems } = settings;
  const isCard = settings.wallet === "apple_pay" || settings.wallet === "google_pay";
  const facts = [
    [texts.to, merchant],
    ...(isCard ? [[texts.card, `${card.brand} •••• ${card.last4}`]] : []),
    [texts.name, holder.name],
    ...(needs.email ? [[texts.email, holder.email]] : []),
    ...(needs.phone ? [[texts.phone, holder.phone]] : []),
    ...(needs.shipping ? [[texts.shipping, [holder.address.line1, holder.address.city].join(", ")]] : []),
    ...lineItems.map(({ name, amount }) => [name, money(amount)]),
    ...(settings.amount === undefined ? [] : [[texts.total, money(settings.amount)]]),
  ];
  part("facts").replaceChildren(...facts.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  showRates(needs.shipping ? settings.shippingRates : []);
}

function showRates(rates) {
  rate = rates.find(({ id }) => id === rate?.id) ?? rates[0] ?? null;
  part("rates").hidden = rates.length === 0;
  part("rates").replaceChildren(
    part("ratesTitle"),
    ...rates.map((each) => {
      const label = element("label", ` ${each.displayName} (${money(each.amount)})`);
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: "rate", value: each.id });
      radio.checked = each.id === rate.id;
      radio.addEventListener("change", () => {
        rate = each;
        part("pay").disabled = true;
        host.send("ratechange", { shippingRate: each });
      });
      label.prepend(radio);
      return label;
    }),
  );
}

function element(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

function money(amount) {
  if (!settings.currency) return String(amount);
  const format = new Intl.NumberFormat(document.documentElement.lang, { style: "currency", currency: settings.currency });
  return format.format(amount / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/* Before the holder has agreed, the page learns no more than what shipping depends on. */
function tellAddress() {
  const { name, address } = held.billing_details;
  const { needs } = settings;
  if (needs.countries && !needs.countries.includes(address.country)) {
    part("problem").textContent = texts.refused;
    return;
  }
  const { city, state, postal_code, country } = address;
  host.send("addresschange", { name, address: { city, state: state ?? "", postal_code, country } });
}

function ready() {
  part("pay").disabled = false;
  if (held.answers === "pays") pay();
  else part("pay").focus();
}

async function pay() {
  part("pay").disabled = true;
  const { object: method, error } = await api.post("/v1/elements/wallet_payment_methods", { wallet: settings.wallet });
  if (error) {
    part("problem").textContent = error.message;
    part("pay").disabled = false;
    return;
  }
  const { name, email, phone, address } = held.billing_details;
  const { needs } = settings;
  host.send("paid", {
    method,
    billingDetails: { name, address, ...(needs.email && { email }), ...(needs.phone && { phone }) },
    ...(needs.shipping && { shippingAddress: { name, address }, shippingRate: rate }),
  });
}

part("pay").addEventListener("click", pay);
part("cancel").addEventListener("click", () => host.send("canceled"));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") host.send("canceled");
});

host.send("loaded");
