/**
 * Verifies a document's file without its leaving the browser: what is sent is its SHA-256, and the code by which it names itself. Where the
 * file is not what was issued, the data inside it (the e-invoice, as XML) are held against what was, fact by fact; and if the reader wishes it,
 * the file is sent, for the server to compare what its pages show. Without this script, or where the browser has no SHA-256 for the page (no
 * HTTPS), the form sends the file.
 */
import { begin, end, notice, say } from "./feedback.js";

/** Ours have some ten thousand bytes; what is larger is not read. */
const LARGEST_BYTES = 50_000_000;
/** What is unpacked at most of one stream, and how many streams are looked at. */
const LARGEST_STREAM_BYTES = 5_000_000;
const MOST_STREAMS = 2_000;

const CODE = /\/verify\/([0-9A-Z]{4}(?:-[0-9A-Z]{4}){4})/;

const form = document.getElementById("file-form");

/** What a file says of itself: its SHA-256, the code of its link to us, and the text of its e-invoice; "" where it has none. */
async function read(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  let code = "";
  let invoice = "";
  for await (const text of texts(bytes)) {
    code = CODE.exec(unescaped(text))?.[1] ?? code;
    // What was added to the file later counts, as for whoever opens it.
    if (text.includes("CrossIndustryInvoice") && text.includes("<")) invoice = text;
  }
  return { sha256, code, invoice };
}

/** Some programs write the characters of an address as octal numbers. Source: ISO 32000-1, 7.3.4.2. */
const unescaped = (text) => text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));

/** The file as text, one character a byte, and each of its packed streams unpacked, as UTF-8. */
async function* texts(bytes) {
  const whole = new TextDecoder("latin1").decode(bytes);
  yield whole.replace(/[^d]stream\r?\n[^]*?endstream/g, "");
  let number = 0;
  for (const found of whole.matchAll(/[^d]stream\r?\n/g)) {
    if (++number > MOST_STREAMS) return;
    const start = found.index + found[0].length;
    const stop = whole.indexOf("endstream", start);
    if (stop < 0) return;
    const dictionary = whole.slice(whole.lastIndexOf(" obj", found.index), found.index);
    const packed = bytes.subarray(start, stop);
    const plain = dictionary.includes("/FlateDecode") ? await unpacked(packed) : packed;
    yield new TextDecoder().decode(plain);
  }
}

/** As much of a stream as can be unpacked: behind it stands a line break that is none of it. */
async function unpacked(packed) {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
      if (size > LARGEST_STREAM_BYTES) {
        await reader.cancel();
        break;
      }
    }
  } catch {
    // The rest is no packed stream.
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The facts of an e-invoice (Cross Industry Invoice), as the page has those that were issued; null for what is none. */
function factsOf(invoice) {
  const xml = new DOMParser().parseFromString(invoice.replace(/^[^<]*/, ""), "application/xml");
  if (xml.querySelector("parsererror")) return null;
  const all = (name, within = xml) => [...within.getElementsByTagNameNS("*", name)];
  const text = (...path) => path.reduce((at, name) => at && all(name, at)[0], xml)?.textContent.trim() ?? "";
  const day = /^(\d{4})-?(\d{2})-?(\d{2})/.exec(text("ExchangedDocument", "IssueDateTime", "DateTimeString"));
  return {
    seller: text("SellerTradeParty", "Name"),
    number: text("ExchangedDocument", "ID"),
    issued_on: day ? day.slice(1).join("-") : "",
    total: `${text("GrandTotalAmount")} ${text("InvoiceCurrencyCode")}`.trim(),
    accounts: all("IBANID").map((one) => one.textContent.replace(/\s/g, "")).join(" "),
  };
}

/** A fact as the reader writes it; as it stands where it cannot be read. */
function shown(fact, value) {
  const language = document.documentElement.lang;
  try {
    if (fact === "issued_on") return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(value));
    if (fact === "total") {
      const [amount, currency] = value.split(" ");
      return new Intl.NumberFormat(language, { style: "currency", currency }).format(amount);
    }
  } catch {
    return value;
  }
  return fact === "accounts" ? value.replaceAll(" ", ", ") : value;
}

/** Whether two writings of a fact mean the same: an amount may be written "119" or "119.00". */
function equal(fact, one, other) {
  if (fact !== "total") return one === other;
  const [[a, currency], [b, otherCurrency]] = [one.split(" "), other.split(" ")];
  return Number(a) === Number(b) && currency === otherCurrency;
}

/** Fill in what stands in the file, and say what differs. */
function compare(table, invoice) {
  const said = document.querySelector("[data-comparison]");
  const facts = invoice && factsOf(invoice);
  said.hidden = false;
  if (!facts) {
    said.textContent = table.dataset.unread;
    return;
  }
  const differing = [];
  table.querySelectorAll("thead th[hidden]").forEach((head) => { head.hidden = false; });
  for (const row of table.querySelectorAll("[data-fact]")) {
    const { fact, value } = row.dataset;
    const cell = row.insertCell();
    cell.textContent = shown(fact, facts[fact]) || "–";
    if (equal(fact, facts[fact], value)) continue;
    row.className = "differs";
    differing.push(row.querySelector("th").textContent);
  }
  const names = new Intl.ListFormat(document.documentElement.lang, { type: "conjunction" }).format(differing);
  said.textContent = differing.length ? `${table.dataset.differs} ${names}.` : table.dataset.equal;
  if (differing.length) said.className = "differs";
}

async function check(file) {
  if (file.size > LARGEST_BYTES) {
    notice(form.dataset.tooLarge);
    return;
  }
  const found = await read(file);
  const sent = new FormData(form);
  if (!sent.get("file-code").trim()) sent.set("file-code", found.code);
  sent.delete("file-file");
  sent.set("file-sha256", found.sha256);
  if (!(await ask(sent, found.invoice))) return;
  const offer = document.querySelector("[data-send-file]");
  if (!offer) return;
  offer.hidden = false;
  const button = offer.querySelector("button");
  button.addEventListener("click", async () => {
    begin(button);
    const whole = new FormData(form);
    whole.set("file-code", sent.get("file-code"));
    whole.set("file-file", file);
    try {
      await ask(whole, found.invoice);
    } finally {
      end(button);
    }
  });
}

/** Send what is asked and show the answer; whether there was one. */
async function ask(sent, invoice) {
  const words = document.getElementById("notices").dataset;
  let answer;
  try {
    answer = await fetch(form.action, { method: "POST", body: sent, headers: { "HX-Request": "true" } });
  } catch {
    notice(words.offline);
    return false;
  }
  if (![200, 404].includes(answer.status)) {
    notice(answer.status === 413 ? form.dataset.tooLarge : answer.status === 429 ? words.tooMany : words.failed);
    return false;
  }
  const result = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("file-result");
  document.getElementById("file-result").replaceWith(result);
  const table = result.querySelector("[data-compare]");
  if (table) compare(table, invoice);
  result.focus();
  say([...result.querySelectorAll(".alert-title, [data-comparison]")].map((one) => one.textContent).join(". "));
  return true;
}

if (form && globalThis.crypto?.subtle && globalThis.DecompressionStream) {
  const chosen = form.querySelector("input[type=file]");
  const button = form.querySelector("button[type=submit]");
  form.querySelector("[data-stays]").hidden = false;
  form.addEventListener("submit", async (event) => {
    if (!chosen.files.length) return; // the server says what is missing
    event.preventDefault();
    if (button.getAttribute("aria-busy") === "true") return;
    begin(button);
    try {
      await check(chosen.files[0]);
    } catch {
      notice(document.getElementById("notices").dataset.failed);
    } finally {
      end(button);
    }
  });
  chosen.addEventListener("change", () => { if (chosen.files.length) form.requestSubmit(); });
}
