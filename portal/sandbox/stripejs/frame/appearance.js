/*
 * The appearance API: a theme, variables over it, rules over both. Everything goes through the CSSOM as custom properties and a
 * constructed sheet, so the frame's own policy needs no 'unsafe-inline' either. The defaults of what depends on a theme's colours
 * (borders, hover, shadows) are in payment.css, by the theme's class.
 */
const THEMES = {
  stripe: {
    colorPrimary: "#0570de",
    colorBackground: "#ffffff",
    colorText: "#30313d",
    colorTextSecondary: "#5d5f6b",
    colorTextPlaceholder: "#6d6e78",
    colorDanger: "#c9153a",
  },
  night: {
    colorPrimary: "#85d996",
    colorBackground: "#30313d",
    colorText: "#ffffff",
    colorTextSecondary: "#c9cad4",
    colorTextPlaceholder: "#a5a7b4",
    colorDanger: "#fe87a1",
  },
  flat: {
    colorPrimary: "#3057d5",
    colorBackground: "#ffffff",
    colorText: "#1a1f36",
    colorTextSecondary: "#545969",
    colorTextPlaceholder: "#687385",
    colorDanger: "#c0123c",
  },
};
const RENAMED_VARIABLES = {
  spacingGridRow: "gridRowSpacing",
  spacingGridColumn: "gridColumnSpacing",
  spacingAccordionItem: "accordionItemSpacing",
  colorIcon: "iconColor",
  colorIconCardCvc: "iconCardCvcColor",
};
const STYLABLE =
  /^\.(Input|Label|Error|TermsText|TermsLink|AccordionItem|AccordionContent|Block|CardIcon|Tab|TabLabel|TabIcon)(?![A-Z])[-\w.:() ]*$/;

const ruleSheet = new CSSStyleSheet();
document.adoptedStyleSheets = [ruleSheet];
let variableNames = [];

function kebabCased(name) {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/* Replaces what an earlier appearance has set. */
function applyAppearance({ theme = "stripe", variables = {}, rules = {}, disableAnimations = false } = {}) {
  const root = document.documentElement;
  root.className = `theme-${theme}`;
  root.classList.toggle("without-animations", disableAnimations);
  for (const name of variableNames) root.style.removeProperty(name);
  const values = { ...THEMES[theme] };
  for (const [name, value] of Object.entries(variables)) values[RENAMED_VARIABLES[name] ?? name] = String(value);
  variableNames = Object.keys(values).map((name) => `--${name}`);
  for (const [name, value] of Object.entries(values)) root.style.setProperty(`--${name}`, value);
  applyRules(rules);
}

function applyRules(rules) {
  ruleSheet.replaceSync("");
  for (const [selector, properties] of Object.entries(rules)) {
    if (!STYLABLE.test(selector)) {
      console.warn(`elements.create(): "${selector}" is not a supported selector for appearance.rules.`);
      continue;
    }
    addRule(selector, properties);
  }
}

function addRule(selector, properties) {
  const { style } = ruleSheet.cssRules[ruleSheet.insertRule(`${selector} {}`, ruleSheet.cssRules.length)];
  for (const [name, value] of Object.entries(properties)) style.setProperty(kebabCased(name), String(value));
}
