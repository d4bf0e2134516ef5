// Drawing the conversation. Text of the model and of tools only ever becomes text nodes, never HTML.
import { TEXTS } from "./texts.js";

const log = document.getElementById("log");
let language = "kk";

export function text(key, values = {}) {
  const found = key.split(".").reduce((part, name) => part?.[name], TEXTS[language]);
  return found?.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Everything that names its text by data-text, data-label or data-hint is written anew, also what was said before.
export function speak(name) {
  language = name;
  document.documentElement.lang = name;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text, JSON.parse(node.dataset.values ?? "{}"));
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", text(node.dataset.label));
  for (const node of document.querySelectorAll("[data-hint]")) node.placeholder = text(node.dataset.hint);
  for (const node of document.querySelectorAll("[data-number]")) writeNumbers(node);
  for (const node of document.querySelectorAll("[data-language]")) node.setAttribute("aria-pressed", String(node.dataset.language === name));
}

export function examples() {
  return TEXTS[language].examples;
}

export function announce(key) {
  document.getElementById("status").textContent = text(key);
}

function element(tag, kind, parent, content) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (content !== undefined) node.textContent = content;
  parent?.append(node);
  return node;
}

function worded(tag, kind, key, parent) {
  const node = element(tag, kind, parent, text(key));
  node.dataset.text = key;
  return node;
}

// The view follows an answer as it grows, but not when the reader has scrolled up.
function following(change) {
  const follow = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  change();
  if (follow) log.scrollTop = log.scrollHeight;
}

export function addQuestion(content) {
  const turn = element("article", "turn user", null);
  worded("h3", "unseen", "you", turn);
  element("div", "text", turn, content);
  log.append(turn);
  log.scrollTop = log.scrollHeight;
  return turn;
}

export class AnswerView {
  constructor() {
    this.turn = element("article", "turn model writing", null);
    element("h3", "unseen", this.turn, "Kishi");
    this.wait = worded("p", "wait", "writing", this.turn);
    this.body = element("div", "text", this.turn);
    this.words = new Text();
    this.body.append(this.words);
    this.pending = "";
    this.frame = 0;
    this.foot = element("footer", "", this.turn);
    following(() => log.append(this.turn));
  }

  // Text is drawn once a frame, however many pieces come in between.
  add(piece) {
    this.pending += piece;
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.pending) return;
    following(() => {
      this.wait.hidden = true;
      this.words.appendData(this.pending);
    });
    this.pending = "";
  }

  written() {
    this.draw();
    return this.words.data;
  }

  queued() {
    this.wait.dataset.text = "queued";
    this.wait.textContent = text("queued");
  }

  // A call with its arguments; returns a function that shows its result.
  addCall(call) {
    this.draw();
    const box = element("details", "call", null);
    const head = element("summary", "", box);
    worded("span", "", "call", head);
    element("code", "", head, ` ${call.function.name}`);
    element("pre", "", box, pretty(call.function.arguments));
    box.open = true;
    const running = worded("p", "wait", "running", box);
    following(() => this.turn.insertBefore(box, this.foot));
    return (result) => following(() => {
      running.remove();
      worded("p", "", "result", box);
      element("pre", "result", box, pretty(result));
    });
  }

  note(key, kind = "note") {
    following(() => worded("p", kind, key, this.turn).setAttribute("role", kind === "error" ? "alert" : "note"));
  }

  fail(error) {
    const key = text(`errors.${error.code}`) ? `errors.${error.code}` : "errors.other";
    this.note(key, "error");
    if (error.message) following(() => element("p", "reason", this.turn, error.message).lang = "en");
  }

  end(answer) {
    this.draw();
    following(() => {
      this.turn.classList.remove("writing");
      this.wait.hidden = true;
      if (answer?.usage) {
        const node = element("span", "", this.foot);
        Object.assign(node.dataset, { number: "", tokens: answer.usage.completion_tokens, speed: answer.timings.predicted_per_second });
        writeNumbers(node);
      }
      if (this.words.data) this.foot.append(copyButton(this.body));
    });
  }
}

function copyButton(source) {
  const button = worded("button", "quiet", "copy", null);
  button.type = "button";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = text("copied");
    setTimeout(() => (button.textContent = text("copy")), 1500);
  });
  return button;
}

function writeNumbers(node) {
  const { tokens, speed } = node.dataset;
  const like = language === "en" ? "en" : "ru"; // Kazakh numbers are written as Russian ones, but not every browser knows it
  const digits = new Intl.NumberFormat(like, { maximumFractionDigits: 1 });
  const values = { tokens: digits.format(tokens), speed: digits.format(speed) };
  node.textContent = text(Number(speed) > 0 ? "speed" : "few", values);
}

function pretty(content) {
  try {
    return JSON.stringify(JSON.parse(content), null, 1);
  } catch {
    return content;
  }
}

export function clear() {
  for (const turn of log.querySelectorAll(".turn")) turn.remove();
}
