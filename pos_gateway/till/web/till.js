// The till's page. It shows what /web/standing and /web/day say, in Mongolian or English, and posts with the form token.
// Whatever came from a receipt, a seller's name or the centre is written as text, never as HTML.

const WORDS = {
  mn: {
    title: "Баримт: касс", since: "{at}-аас", never: "хараахан үгүй", none: "байхгүй",
    states: {
      ONLINE: ["Холбогдсон", "Бүх баримт төвд хүрсэн."],
      CATCHING_UP: ["Илгээж байна", "Хүлээгдэж буй баримтуудыг төв рүү илгээж байна. Борлуулалтаа үргэлжлүүлээрэй."],
      OFFLINE: ["Холбоогүй", "Төвтэй холбогдоогүй байна. Борлуулалтаа үргэлжлүүлээрэй: баримтууд энд хадгалагдаж, холбоо сэргэмэгц өөрөө илгээгдэнэ."],
      SUSPENDED: ["Зогссон", "Энэ касс баримт олгохгүй."],
      NEW: ["Идэвхжүүлээгүй", "Баримт олгохын тулд татварын албанаас авсан кодоор идэвхжүүлнэ үү."],
    },
    waiting: "Илгээхийг хүлээж буй", receiptsCount: "{n} баримт", deadline: "Илгээх эцсийн хугацаа", left: "{left} үлдсэн", passed: "хугацаа өнгөрсөн",
    contact: "Сүүлд холбогдсон", certificate: "Гэрчилгээ дуусах", lastError: "Сүүлийн алдаа ({at}): {words}", send: "Одоо илгээх",
    sellers: "Борлуулагчид", day: "Өдрийн тайлан", date: "Огноо", receipts: "Сүүлийн баримтууд", time: "Цаг", number: "ДДТД", amount: "Дүн", mark: "Тэмдэглэгээ",
    sold: "Баримт", invoices: "Нэхэмжлэх", corrections: "Засвар", voids: "Хүчингүй", net: "Нийт борлуулалт", vat: "НӨАТ", cityTax: "НХАТ", payments: "Төлбөр",
    tax: { VAT_ABLE: "НӨАТ тооцсон", VAT_FREE: "НӨАТ-аас чөлөөлөгдсөн", VAT_ZERO: "Тэг хувь", NO_VAT: "НӨАТ-д хамаарахгүй" },
    methods: { CASH: "Бэлэн мөнгө", PAYMENT_CARD: "Төлбөрийн карт", BANK_TRANSFER: "Банкны шилжүүлэг" },
    natures: { INVOICE: "нэхэмжлэх", PAYMENT: "нэхэмжлэхийн төлбөр", CORRECTION: "засвар", VOID: "хүчингүй болголт", TRAINING: "сургалт", START: "эхлэл", CLOSING: "хаалт" },
    isVoid: "хүчингүй", isCorrected: "засагдсан", isIdentical: "ижил баримт", isWaiting: "хүлээгдэж буй", isFork: "салаалсан",
    identicalWords: "Адил баримтууд 10 минутын дотор олгогдсон байна. Нэг борлуулалтад хоёр удаа олгосон бол нэгийг нь хүчингүй болгоно уу.",
    print: "Хэвлэх", void: "Хүчингүй болгох", voidSure: "{id} дугаартай, {amount} дүнтэй баримтыг хүчингүй болгох уу? Буцаах боломжгүй.", voided: "Хүчингүй боллоо.",
    history: "Өмнөх мэдэгдлүүд",
    activation: "Касс идэвхжүүлэх", activationWords: "Татварын албанаас авсан 16 тэмдэгттэй нэг удаагийн кодыг оруулна уу. Код 7 хоног хүчинтэй.",
    code: "Идэвхжүүлэх код", centre: "Төвийн хаяг", root: "Төвийн үндсэн түлхүүр (заавал биш)", activate: "Идэвхжүүлэх", activated: "{name}: {terminal} дугаартай касс идэвхжлээ. Төвийн үндсэн түлхүүр: {root}",
    replaceSure: "Хуучин кассыг хааж, шинээр солих уу? Буцаах боломжгүй.",
    asking: "Түр хүлээнэ үү…", sent: "Бүгд илгээгдлээ.", still: "{n} баримт хүлээгдэж байна.", gone: "Кассын үйлчилгээ хариу өгөхгүй байна. Компьютер дээр ажиллаж байгаа эсэхийг шалгана уу.",
    clockWords: "Кассын цаг {at} гэж байна. Сүүлд мэдэгдсэн цагаас нэг хоногоос илүү зөрсөн тул баримт олгохгүй.", clockRight: "Цаг зөв",
    test: "ТУРШИЛТ: эдгээр баримт татварын баримт биш.", closed: "хаагдсан", footer: "Төв: {centre} · хувилбар {version}", noCentre: "тохируулаагүй", d: "ө", h: "ц", m: "мин",
  },
  en: {
    title: "Barimt: till", since: "since {at}", never: "not yet", none: "none",
    states: {
      ONLINE: ["Online", "The centre has every receipt."],
      CATCHING_UP: ["Sending", "Waiting receipts are being sent to the centre. Go on selling."],
      OFFLINE: ["Offline", "The centre is out of reach. Go on selling: receipts are kept here and are sent by themselves once the connection is back."],
      SUSPENDED: ["Suspended", "This till issues no receipts."],
      NEW: ["Not activated", "To issue receipts, activate with the code that the tax office gave you."],
    },
    waiting: "Waiting to be sent", receiptsCount: "{n} receipts", deadline: "To be sent by", left: "{left} left", passed: "is past",
    contact: "Last contact", certificate: "Certificate ends", lastError: "Last error ({at}): {words}", send: "Send now",
    sellers: "Sellers", day: "The day", date: "Date", receipts: "Last receipts", time: "Time", number: "Receipt id", amount: "Amount", mark: "Marks",
    sold: "Receipts", invoices: "Invoices", corrections: "Corrections", voids: "Voids", net: "Total sales", vat: "VAT", cityTax: "City tax", payments: "Paid by",
    tax: { VAT_ABLE: "taxable", VAT_FREE: "exempt", VAT_ZERO: "zero-rated", NO_VAT: "outside VAT" },
    methods: { CASH: "Cash", PAYMENT_CARD: "Payment card", BANK_TRANSFER: "Bank transfer" },
    natures: { INVOICE: "invoice", PAYMENT: "payment of an invoice", CORRECTION: "correction", VOID: "void", TRAINING: "training", START: "start", CLOSING: "closing" },
    isVoid: "void", isCorrected: "corrected", isIdentical: "identical", isWaiting: "waiting", isFork: "fork",
    identicalWords: "Identical receipts were issued within ten minutes. If one sale got two receipts, void one of them.",
    print: "Print", void: "Void", voidSure: "Void receipt {id} of {amount}? This cannot be undone.", voided: "Voided.",
    history: "Earlier notices",
    activation: "Activate a till", activationWords: "Enter the one-time code of 16 letters that the tax office gave you. It is good for 7 days.",
    code: "Activation code", centre: "The centre's address", root: "The centre's root key (optional)", activate: "Activate", activated: "{name}: till {terminal} is active. The centre's root key: {root}",
    replaceSure: "Close the old till and go on with the new one? This cannot be undone.",
    asking: "One moment…", sent: "Everything is sent.", still: "{n} receipts are waiting.", gone: "The till service does not answer. Is it running on this computer?",
    clockWords: "The till's clock says {at}, more than a day after the last time known, so no receipts are issued.", clockRight: "The clock is right",
    test: "TEST: these are no tax documents.", closed: "closed", footer: "Centre: {centre} · version {version}", noCentre: "not set", d: "d", h: "h", m: "min",
  },
};
const REFRESH_MS = 3000;
const token = document.querySelector("meta[name=till-token]").content;
const byId = (id) => document.getElementById(id);
let language = localStorage.getItem("language") === "en" ? "en" : "mn";
let standing = null;
let day = null;
let notices = [];
let pickedDate = null;

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "…");
const say = (name, values = {}) => fill(WORDS[language][name], values);
const money = (mongo) => {
  const tugrik = Math.trunc(Math.abs(mongo) / 100), rest = Math.abs(mongo) % 100;
  const whole = String(tugrik).replace(/\B(?=(\d{3})+$)/g, ",");
  return (mongo < 0 ? "−" : "") + whole + (rest ? "." + String(rest).padStart(2, "0") : "") + " ₮";
};
const at = (text) => text ? text.slice(0, 10) + " " + text.slice(11, 16) : say("never");  // as written: Ulaanbaatar's time
const leftUntil = (text, now) => {
  const minutes = Math.floor((Date.parse(text) - Date.parse(now)) / 60000);
  if (minutes < 0) return say("passed");
  const days = Math.floor(minutes / 1440), hours = Math.floor(minutes / 60) % 24;
  const parts = days ? [days, "d", hours, "h"] : hours ? [hours, "h", minutes % 60, "m"] : [minutes, "m"];
  return say("left", { left: parts.map((part) => WORDS[language][part] ?? part).join(" ").replace(/(\d+) (\S+)/g, "$1 $2") });
};
const element = (name, text = "", className = "") => {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
};
const row = (...cells) => { const made = element("tr"); made.append(...cells); return made; };

async function ask(path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json", "X-Till-Token": token };
  const answer = await fetch(path, body === undefined ? { cache: "no-store" } : { method: "POST", headers, body: JSON.stringify(body) });
  return [answer.ok, await answer.json()];
}

function showStanding() {
  const state = standing.sellers.length ? standing.state : "NEW";
  const [name, words] = WORDS[language].states[state];
  byId("state").className = "state " + state;
  byId("state-name").textContent = name;
  byId("state-words").textContent = words;
  byId("state-since").textContent = standing.since && standing.sellers.length ? say("since", { at: at(standing.since) }) : "";
  byId("seller").textContent = standing.sellers.filter((one) => !one.closed_at).map((one) => `${one.name} · ${one.terminal}`).join(", ");
  byId("test").hidden = !standing.sellers.some((one) => one.test);
  byId("test").textContent = say("test");
  byId("warnings").replaceChildren(...standing.warnings.map((one) => element("li", one[language], one.grave ? "bad" : "")));
  byId("clock").hidden = !standing.clock_doubted;
  byId("clock-words").textContent = say("clockWords", { at: at(standing.now) });
  const active = standing.sellers.length > 0;
  for (const id of ["figures", "day", "history"]) byId(id).hidden = !active;
  byId("activation").open ||= !active;
  byId("centre-field").hidden = byId("root-field").hidden = Boolean(standing.centre);
  put("waiting", say("receiptsCount", { n: standing.waiting.receipts }), money(standing.waiting.total_mongo));
  put("deadline", standing.deadline ? at(standing.deadline) : say("none"), standing.deadline ? leftUntil(standing.deadline, standing.now) : "");
  put("contact", at(standing.contact_at));
  put("certificate", standing.certificate_until ? standing.certificate_until.slice(0, 10) : say("none"));
  const error = standing.last_error;
  byId("error").textContent = error ? say("lastError", { at: at(error.at), words: error[language] }) : "";
  byId("sellers").hidden = standing.sellers.length < 2;
  byId("seller-rows").replaceChildren(...standing.sellers.map(sellerRow));
  byId("footer").textContent = say("footer", { centre: standing.centre ?? say("noCentre"), version: standing.version });
}
function sellerRow(one) {
  const state = one.closed_at ? say("closed") : WORDS[language].states[one.state][0];
  return row(element("td", `${one.name} (${one.tin})`), element("td", one.terminal), element("td", state),
             element("td", say("receiptsCount", { n: one.waiting.receipts })), element("td", money(one.waiting.total_mongo), "money"));
}
function put(id, text, small = "") {
  byId(id).replaceChildren(document.createTextNode(text), ...(small ? [element("small", small)] : []));
}

function showDay() {
  byId("totals").replaceChildren(...day.sellers.map(totalsOf));
  byId("identical").hidden = !day.receipts.some((one) => one.identical && !one.void);
  byId("identical").textContent = say("identicalWords");
  byId("receipts").replaceChildren(...day.receipts.map(receiptRow));
}
function totalsOf(one) {
  const table = element("table"), body = element("tbody");
  if (day.sellers.length > 1) table.append(element("caption", `${one.name} · ${one.terminal}`));
  const line = (name, value, className = "money") => body.append(row(element("td", name), element("td", value, className)));
  line(say("sold"), String(one.receipts));
  if (one.invoices) line(say("invoices"), String(one.invoices));
  line(say("corrections"), String(one.corrections));
  line(say("voids"), String(one.voids));
  line(say("net"), money(one.net_mongo));
  for (const tax of one.by_tax_type) {
    const taxes = [tax.vat_mongo ? `${say("vat")} ${money(tax.vat_mongo)}` : "", tax.city_tax_mongo ? `${say("cityTax")} ${money(tax.city_tax_mongo)}` : ""];
    line(WORDS[language].tax[tax.tax_type], [money(tax.total_mongo), ...taxes].filter(Boolean).join(" · "));
  }
  for (const paid of one.payments) line(`${say("payments")}: ${WORDS[language].methods[paid.method] ?? paid.method}`, money(paid.amount_mongo));
  table.append(body);
  return table;
}
function receiptRow(one) {
  const marks = element("td");
  const mark = (on, text, className = "") => { if (on) marks.append(element("span", text, "mark " + className)); };
  mark(one.nature !== "SALE", WORDS[language].natures[one.nature] ?? one.nature);
  mark(one.void, say("isVoid"), "bad");
  mark(one.corrected, say("isCorrected"));
  mark(one.identical, say("isIdentical"), "warn");
  mark(!one.uploaded, say("isWaiting"));
  mark(one.fork, say("isFork"), "bad");
  const last = element("td");
  if (one.printable) {
    const link = element("a", say("print"));
    link.href = `/rest/receipt/${one.id}/print`;
    link.target = "_blank";
    last.append(link, " ");
  }
  if (one.voidable) {
    const button = element("button", say("void"));
    button.type = "button";
    button.addEventListener("click", () => voidReceipt(one));
    last.append(button);
  }
  const made = row(element("td", one.at.slice(11, 16)), element("td", one.id, "number"), element("td", money(one.total_mongo), "money"), marks, last);
  if (one.void) made.className = "void";
  return made;
}
async function voidReceipt(one) {
  if (!confirm(say("voidSure", { id: one.id, amount: money(one.total_mongo) }))) return;
  const [good, answer] = await ask("/web/void", { id: one.id });
  byId("void-said").textContent = good ? say("voided") : answer[language];
  await refresh();
}

function showNotices() {
  byId("notices").replaceChildren(...notices.map((one) => element("li", `${at(one.at)} · ${one[language]}`)));
}

async function refresh() {
  try {
    [, standing] = await ask("/web/standing");
    byId("gone").hidden = true;
    showStanding();
    if (!standing.sellers.length) return;
    pickedDate ??= standing.today;
    if (document.activeElement !== byId("date")) byId("date").value = pickedDate;
    const [good, found] = await ask("/web/day?date=" + encodeURIComponent(pickedDate));
    if (good) { day = found; showDay(); }
    if (byId("history").open) { [, notices] = await ask("/web/notices"); showNotices(); }
  } catch (failure) {
    byId("gone").hidden = false;
    byId("gone").textContent = say("gone");
    console.error(failure);
  }
}
function speak() {
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  for (const one of document.querySelectorAll("[data-language]")) one.setAttribute("aria-pressed", one.dataset.language === language);
  byId("title").textContent = document.title = say("title");
  if (standing) showStanding();
  if (day) showDay();
  showNotices();
}

for (const one of document.querySelectorAll("[data-language]")) {
  one.addEventListener("click", () => { language = one.dataset.language; localStorage.setItem("language", language); speak(); });
}
byId("history").addEventListener("toggle", refresh);
byId("date").addEventListener("change", (event) => { pickedDate = event.target.value || standing.today; refresh(); });
byId("send").addEventListener("click", async () => {
  byId("send-said").textContent = say("asking");
  const [, answer] = await ask("/web/send", {});
  byId("send-said").textContent = answer.waiting ? say("still", { n: answer.waiting }) : say("sent");
  await refresh();
});
byId("clock-right").addEventListener("click", async () => { await ask("/web/clock", {}); await refresh(); });
byId("activate").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  byId("activate-said").textContent = say("asking");
  const asked = Object.fromEntries([...form].filter(([, text]) => text));
  let [good, answer] = await ask("/web/activate", asked);
  if (answer.code === "seat_taken" && confirm(answer[language] + "\n" + say("replaceSure"))) {
    [good, answer] = await ask("/web/replace", asked);
  }
  byId("activate-said").textContent = good ? say("activated", answer) : answer[language];
  if (good) event.target.elements.code.value = "";
  await refresh();
});
speak();
refresh();
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
