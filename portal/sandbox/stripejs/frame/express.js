/* The Express Checkout Element's frame: a button a wallet. What happens then is the page's and the wallet's sheet's. */
const root = document.getElementById("root");
const buttons = build("div", { className: "p-Express" });
const more = build("button", { type: "button", className: "p-MoreButton" });
const DEFAULT_HEIGHT = 44;
// Two columns where there is room for them, as Stripe's.
const DEFAULT_COLUMNS = 2;
let settings = null;
let lastShown = "";
let showsAll = false;

const host = connectToHost({
  prepare: ({ appearance }) => applyAppearance(appearance),
  start(given) {
    settings = given;
    root.replaceChildren(buttons, more);
    arrange();
    host.send("ready", { types: ordered() });
    announce();
  },
  update(given) {
    if (!settings) return;
    settings = { ...settings, ...given };
    arrange();
    announce();
  },
  focus: () => buttons.querySelector("button")?.focus(),
  blur: () => document.activeElement?.blur(),
});

function ordered() {
  const { types, options } = settings;
  const first = (options.paymentMethodOrder ?? []).filter((type) => types.includes(type));
  return [...new Set([...first, ...types])];
}

function arrange() {
  const { options, locale } = settings;
  const messages = messagesFor(locale);
  document.documentElement.lang = supportedLocale(locale);
  applyAppearance(settings.appearance);
  const { maxColumns = DEFAULT_COLUMNS, maxRows = 0, overflow = "auto" } = options.layout ?? {};
  const all = ordered();
  const columns = Math.max(1, Math.min(maxColumns || all.length, all.length));
  const room = maxRows > 0 && overflow === "auto" && !showsAll ? maxRows * columns : all.length;
  buttons.style.setProperty("--columns", columns);
  buttons.style.setProperty("--height", `${options.buttonHeight ?? DEFAULT_HEIGHT}px`);
  buttons.replaceChildren(...all.slice(0, room).map((type) => button(type, messages[type])));
  more.textContent = messages.more;
  more.hidden = room >= all.length;
}

function button(type, name) {
  const theme = settings.options.buttonTheme?.[type.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())];
  const node = build("button", {
    type: "button",
    id: `express-${type}`,
    className: `p-ExpressButton p-ExpressButton--${theme ?? "black"}`,
    textContent: name,
  });
  node.addEventListener("click", () => host.send("click", { type }));
  return node;
}

function announce() {
  const types = ordered();
  if (types.join() !== lastShown) host.send("available", { types });
  lastShown = types.join();
}

more.addEventListener("click", () => {
  showsAll = true;
  arrange();
});
followFrame(host, root);

host.send("loaded");
