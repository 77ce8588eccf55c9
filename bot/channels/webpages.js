"use strict";
// Old phones read this too: nothing newer than ES2018, and nothing that only works behind HTTPS.
const SHARED = {
  saving: "Đang lưu…",
  saved: "✓ Đã lưu",
  unsaved: "Chưa lưu được, đang thử lại. Đồng chí đừng đóng trang.",
  again: "Thử lại ngay",
  notOpened: "Chưa mở được trang, đang thử lại.",
  refused: "Việc vừa rồi chưa lưu được.",
  codeLabel: "Mã 8 ký tự trên phiếu",
  useCode: "Dùng mã này",
  useThisCode: (code) => "Dùng mã " + code,
  codeOnSlip: (code) => "Trên phiếu của đồng chí có mã " + code + ". Bấm nút dưới đây để tôi nhận ra đồng chí trên máy này.",
  otherCode: "Nhập mã khác",
  linkedTo: (name) => "Máy này đang nối với đồng chí " + name + ". Nếu đồng chí là người khác thì mới bấm:",
  noCode: "Đồng chí gõ mã gồm 8 chữ và số.",
  fontSize: (percent) => "Cỡ chữ " + percent + " phần trăm",
};
const KINDS = { docx: "Word", xlsx: "Excel", pdf: "PDF" };
const SIZES = [100, 112.5, 125, 140, 160, 180];
const USUAL_SIZE = 1;
const ANSWER_MS = 45000;
const WAITS_MS = [2000, 4000, 8000, 15000, 30000];

const PAGE = document.body.dataset.page;
const find = (id) => document.getElementById(id);
const stage = find("stage"), savedLine = find("saved");

// ---- drawing; whatever came from outside goes in as text, never as markup ----

function make(tag, className, content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (content !== undefined) element.textContent = content;
  return element;
}
function add(parent, tag, className, content) { return parent.appendChild(make(tag, className, content)); }
function addButton(parent, label, act, className) {
  const button = add(parent, "button", "press" + (className ? " " + className : ""), label);
  button.type = "button";
  button.addEventListener("click", () => {
    // A second tap of an impatient finger is not a second wish.
    if (button.getAttribute("aria-disabled") !== "true") act(button);
  });
  return button;
}
function addLink(parent, label, address, className) {
  const link = add(parent, "a", "press" + (className ? " " + className : ""), label);
  link.href = address;
  return link;
}
/** Fills an element; the number of a receipt or a document is not torn apart at the end of a line. */
function fill(element, words) {
  words.split(/(\d+-[A-ZĐ]+(?:\/[A-ZĐ]+)*|\d{4}-\d\d(?:\/\d+)+)/).forEach((part, index) => {
    element.appendChild(index % 2 ? make("span", "unbroken", part) : document.createTextNode(part));
  });
  return element;
}
/** Draws links to files, which are made when they are fetched. */
function addFiles(parent, files, label) {
  (files || []).forEach((file) => {
    const kind = /\.(\w+)$/.exec(file.name);
    const words = file.label || label(KINDS[kind ? kind[1] : ""] || file.name);
    addLink(parent, words, file.url, "small").setAttribute("download", file.name);
  });
}
function clear(element) { while (element.firstChild) element.removeChild(element.firstChild); }
function announce(words) { find("spoken").textContent = words; }

/** Puts a new screen in place of the old one; it is read from its heading on. */
function begin(title) {
  clear(stage);
  const heading = add(stage, "h2", "", title);
  heading.tabIndex = -1;
  return heading;
}
function lookAt(heading) {
  window.scrollTo(0, 0);
  heading.focus({ preventScroll: true });
}

// ---- the size of letters, as in the chat ----

function readSize() {
  try {
    const size = JSON.parse(localStorage.getItem("tusoi.size"));
    return typeof size === "number" ? size : USUAL_SIZE;
  } catch (error) { return USUAL_SIZE; }
}
let sizeNow = readSize();
function resize(step, aloud) {
  sizeNow = Math.min(Math.max(sizeNow + step, 0), SIZES.length - 1);
  if (step) try { localStorage.setItem("tusoi.size", JSON.stringify(sizeNow)); } catch (error) { /* kept for this visit */ }
  document.documentElement.style.fontSize = SIZES[sizeNow] + "%";
  find("smaller").setAttribute("aria-disabled", String(sizeNow === 0));
  find("larger").setAttribute("aria-disabled", String(sizeNow === SIZES.length - 1));
  if (aloud) announce(SHARED.fontSize(Math.round(SIZES[sizeNow] / SIZES[USUAL_SIZE] * 100)));
}
find("smaller").addEventListener("click", () => resize(-1, true));
find("larger").addEventListener("click", () => resize(1, true));
resize(0, false);

// ---- opened within Telegram: what it puts behind the address proves who opened the page, and is taken out at once ----

const telegramProof = new URLSearchParams(location.hash.slice(1)).get("tgWebAppData") || "";
if (telegramProof) history.replaceState(history.state, "", location.pathname + location.search);

// ---- the code on the slip: taken out of the address at once, used by a press alone ----

let slipCode = new URLSearchParams(location.search).get("code") || "";
if (location.search) history.replaceState(null, "", location.pathname);
slipCode = /^[A-Za-z0-9-]{8,9}$/.test(slipCode) ? slipCode.toUpperCase() : "";

// ---- talking to the server: one thing after another, again until it is done ----

const queue = [];
let isSending = false, failures = 0, pause = 0, wake = null;

const post = (command) => postTo("/api/pages/" + PAGE, command);
async function postTo(address, command) {
  const controller = new AbortController();
  const limit = setTimeout(() => controller.abort(), ANSWER_MS);
  try {
    const response = await fetch(address, {
      method: "POST", credentials: "same-origin", signal: controller.signal,
      headers: { "Content-Type": "application/json" }, body: JSON.stringify(command),
    });
    let content = null;
    try { content = await response.json(); } catch (error) { content = null; }
    return { status: response.status, content };
  } catch (error) {
    return { status: 0, content: null };
  } finally {
    clearTimeout(limit);
  }
}

/** Says what is kept and what is not yet. */
function showSaved(words, isWaiting) {
  savedLine.className = isWaiting ? "waiting" : "";
  savedLine.textContent = words;
  if (isWaiting) addButton(savedLine, SHARED.again, () => { if (wake) wake(); }, "small");
}

/** Sends a command; `then` gets what the server answers. Commands that change nothing are not spoken of as saved. */
function send(command, then) {
  queue.push({ command, then });
  pump();
}
const isChange = (item) => ["look", "show", "article", "read"].indexOf(item.command.do) < 0;

async function pump() {
  if (isSending) return;
  isSending = true;
  let changed = false;
  while (queue.length) {
    const item = queue[0];
    if (isChange(item) && !failures) showSaved(SHARED.saving);
    const answer = await post(item.command);
    const content = answer.content || {};
    const isRefused = answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429;
    if (answer.status === 200 && answer.content) {
      failures = 0;
      changed = changed || (isChange(item) && !content.refused);
      queue.shift();
      if (item.then) item.then(content);
    } else if (isRefused) {
      failures = 0;
      queue.shift();
      queue.unshift({ command: { do: "look" }, then: (page) => { show(page); complain(content.error || SHARED.refused); } });
    } else {
      const words = queue.some(isChange) ? content.error || SHARED.unsaved : content.error || SHARED.notOpened;
      showSaved(words, true);
      await new Promise((resolve) => {
        wake = resolve;
        pause = setTimeout(resolve, WAITS_MS[Math.min(failures, WAITS_MS.length - 1)]);
      });
      clearTimeout(pause);
      wake = null;
      failures += 1;
    }
  }
  isSending = false;
  showSaved(changed ? SHARED.saved : "");
}
window.addEventListener("online", () => { if (wake) wake(); });
window.addEventListener("beforeunload", (event) => {
  if (!queue.some(isChange)) return;
  event.preventDefault();
  event.returnValue = "";
});

/** Goes on once the server knows who has opened the page; where it does not take the proof, `refused` gets why. */
async function proveWho(goOn, refused) {
  let tries = 0;
  while (telegramProof) {
    const answer = await postTo("/api/telegram", { init_data: telegramProof });
    if (answer.status === 200) break;
    if (answer.status >= 400 && answer.status < 500) {
      showSaved("");
      return refused((answer.content || {}).error || SHARED.refused);
    }
    showSaved(SHARED.notOpened, true);
    await new Promise((resolve) => {
      wake = resolve;
      pause = setTimeout(resolve, WAITS_MS[Math.min(tries, WAITS_MS.length - 1)]);
    });
    clearTimeout(pause);
    wake = null;
    tries += 1;
  }
  showSaved("");
  return goOn();
}

/** Shows a sentence of the server on top of the screen. */
function complain(words) {
  const old = stage.querySelector(".complaint");
  if (old) old.remove();
  const notice = make("p", "notice complaint", words);
  notice.setAttribute("role", "alert");
  stage.insertBefore(notice, stage.firstChild);
  window.scrollTo(0, 0);
}

/** Asks for the code, or offers the one on the slip; `text` says why. */
function drawCode(title, text, answered) {
  const heading = begin(title);
  const card = add(stage, "section", "card");
  const redeem = (code, button) => {
    button.setAttribute("aria-disabled", "true");
    send({ do: "code", code }, (page) => {
      button.removeAttribute("aria-disabled");
      if (!page.refused) slipCode = "";
      answered(page);
    });
  };
  const form = make("form");
  form.noValidate = true;
  const label = add(form, "label", "", SHARED.codeLabel);
  label.htmlFor = "code";
  const input = add(form, "input", "code");
  Object.assign(input, { id: "code", type: "text", autocomplete: "off", autocapitalize: "characters", spellcheck: false, maxLength: 12 });
  const button = add(add(form, "p", "actions"), "button", "press first", SHARED.useCode);
  button.type = "submit";
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const code = input.value.trim();
    if (button.getAttribute("aria-disabled") === "true") return;
    if (!code) {
      announce(SHARED.noCode);
      input.focus();
      return;
    }
    redeem(code, button);
  });
  if (slipCode) {
    add(card, "p", "", SHARED.codeOnSlip(slipCode));
    addButton(card, SHARED.useThisCode(slipCode), (pressed) => redeem(slipCode, pressed), "first");
    addButton(card, SHARED.otherCode, (pressed) => { pressed.remove(); form.hidden = false; input.focus(); }, "quiet");
    form.hidden = true;
  } else {
    add(card, "p", "lines", text);
  }
  card.appendChild(form);
  return heading;
}

/** Where a code was given but this phone belongs to somebody: only who is somebody else needs it. */
function offerSlipCode(name, answered) {
  if (!slipCode) return;
  const card = add(stage, "section", "card");
  add(card, "p", "muted", SHARED.linkedTo(name));
  addButton(card, SHARED.useThisCode(slipCode), (pressed) => {
    pressed.setAttribute("aria-disabled", "true");
    send({ do: "code", code: slipCode }, (page) => { slipCode = ""; answered(page); });
  }, "small");
}
