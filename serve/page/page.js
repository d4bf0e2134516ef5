// The page: a conversation that lives here until it is cleared, and what the buttons and keys do.
import { chat, request, ServerError } from "./api.js";
import { firstLanguage } from "./texts.js";
import * as view from "./view.js";

const byId = (id) => document.getElementById(id);
const question = byId("question");
const SETTINGS = ["system", "temperature", "top_p", "repeat_penalty", "max_tokens", "use_tools"];
const ROUNDS = 4; // of tools for one question
const defaults = { system: "", temperature: "0.7", top_p: "0.95", repeat_penalty: "1.1", max_tokens: "256", use_tools: false };
let history = [];
let tools = [];
let running = null; // an AbortController while an answer is being written

// Storage may be switched off in the browser: then nothing is remembered.
function remember(key, value) {
  try {
    localStorage.setItem(`kishi.${key}`, value);
  } catch {}
}
function remembered(key) {
  try {
    return localStorage.getItem(`kishi.${key}`);
  } catch {
    return null;
  }
}

function speak(language) {
  view.speak(language);
  remember("language", language);
  showExamples();
  showButton();
  fit();
}

function showExamples() {
  byId("examples").replaceChildren(
    ...view.examples().map((example) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: example });
      button.addEventListener("click", () => send(example));
      return button;
    }),
  );
}

function showButton() {
  const button = byId("send");
  button.textContent = view.text(running ? "stop" : "send");
  button.classList.toggle("stop", Boolean(running));
  button.disabled = !running && !question.value.trim();
  byId("clear").disabled = !running && history.length === 0 && byId("welcome").hidden === false;
}

function field(name) {
  const node = byId(name);
  return node.type === "checkbox" ? "checked" : "value";
}

function useSettings(values) {
  for (const name of SETTINGS) byId(name)[field(name)] = values[name] ?? defaults[name];
}

function loadSettings() {
  let stored = {};
  try {
    stored = JSON.parse(remembered("settings")) ?? {};
  } catch {}
  useSettings(stored);
  const limit = byId("max_tokens");
  if (Number(limit.value) > Number(limit.max)) limit.value = defaults.max_tokens;
}

function saveSettings() {
  remember("settings", JSON.stringify(Object.fromEntries(SETTINGS.map((name) => [name, byId(name)[field(name)]]))));
}

function body() {
  if (!byId("composer").checkValidity()) {
    byId("settings").open = true;
    throw new ServerError("settings", "");
  }
  const system = byId("system").value.trim();
  return {
    messages: [...(system ? [{ role: "system", content: system }] : []), ...history],
    temperature: Number(byId("temperature").value),
    top_p: Number(byId("top_p").value),
    repeat_penalty: Number(byId("repeat_penalty").value),
    max_tokens: Number(byId("max_tokens").value),
    ...(byId("use_tools").checked && tools.length ? { tools } : {}),
  };
}

// Drops the oldest question with all that answered it; the newest question always stays.
function forgetOldest() {
  const next = history.findIndex((message, place) => place > 0 && message.role === "user");
  if (next < 0) return false;
  history = history.slice(next);
  return true;
}

async function ask(shown, signal) {
  const handlers = { onText: (piece) => shown.add(piece), onWait: () => shown.queued(), signal };
  for (let forgotten = false; ; forgotten = true) {
    try {
      const answer = await chat(body(), handlers);
      if (forgotten) shown.note("forgotten");
      return answer;
    } catch (error) {
      if (error.code !== "context_length_exceeded" || !forgetOldest()) throw error;
    }
  }
}

// Runs what the model called and adds the results to the conversation.
async function callTools(shown, calls, signal) {
  for (const call of calls) {
    const showResult = shown.addCall(call);
    const { name, arguments: given } = call.function;
    let result;
    try {
      const response = await request("tools/call", { name, arguments: JSON.parse(given) }, signal);
      result = (await response.json()).result;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      result = JSON.stringify({ error: error.message });
    }
    showResult(result);
    history.push({ role: "tool", tool_call_id: call.id, content: result });
  }
}

// One answer, or several when the model calls tools in between. Returns false when the question was refused.
async function answer(signal) {
  for (let round = 0; ; round += 1) {
    const shown = new view.AnswerView();
    let got = null;
    try {
      got = await ask(shown, signal);
      history.push({ role: "assistant", content: got.text, ...(got.calls.length ? { tool_calls: got.calls } : {}) });
      if (got.finish === "length") shown.note("cut");
      if (!got.text && !got.calls.length) shown.note("empty");
      await callTools(shown, got.calls, signal);
      if (got.calls.length && round + 1 === ROUNDS) shown.note("rounds");
      if (!got.calls.length || round + 1 === ROUNDS) return true;
    } catch (error) {
      if (running?.signal !== signal) return true; // cleared meanwhile: this is no longer part of the conversation
      const written = got ? "" : shown.written();
      if (written) history.push({ role: "assistant", content: written });
      if (error.name === "AbortError") {
        shown.note("stopped");
        return true;
      }
      shown.fail(error.code ? error : new ServerError("other", String(error)));
      return Boolean(written || got || round);
    } finally {
      shown.end(got);
    }
  }
}

async function send(content) {
  if (running || !content.trim()) return;
  const controller = new AbortController();
  running = controller;
  byId("welcome").hidden = true;
  view.addQuestion(content);
  history.push({ role: "user", content });
  question.value = "";
  fit();
  showButton();
  const asked = await answer(controller.signal);
  if (running !== controller) return; // cleared meanwhile
  running = null;
  if (!asked) {
    history = history.slice(0, -1); // it can be mended and sent again
    if (!question.value) question.value = content;
    fit();
  } else if (history.at(-1)?.role === "user") history.push({ role: "assistant", content: "" });
  view.announce("ready");
  showButton();
}

function clearAll() {
  running?.abort();
  running = null;
  history = [];
  view.clear();
  byId("welcome").hidden = false;
  showButton();
  question.focus();
}

function fit() {
  question.style.height = "auto";
  question.style.height = `${Math.min(question.scrollHeight + 2, 200)}px`;
}

function connect() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) running.abort();
    else send(question.value.trim());
  });
  byId("composer").noValidate = true; // the settings are checked when they are used, and opened
  question.addEventListener("input", () => (fit(), showButton()));
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send(question.value.trim());
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && running?.abort());
  byId("clear").addEventListener("click", clearAll);
  byId("settings").addEventListener("change", saveSettings);
  byId("defaults").addEventListener("click", () => (useSettings(defaults), saveSettings()));
  for (const button of document.querySelectorAll("[data-language]")) button.addEventListener("click", () => speak(button.dataset.language));
}

async function start() {
  connect();
  speak(firstLanguage(remembered("language"), navigator.languages ?? []));
  question.focus();
  try {
    const [model] = (await (await request("v1/models")).json()).data;
    byId("model").textContent = model.id;
    byId("max_tokens").max = model.max_tokens;
    defaults.max_tokens = String(Math.min(256, model.max_tokens, Math.floor(model.context_length / 2)));
    tools = (await (await request("tools")).json()).tools;
    byId("tools-line").hidden = tools.length === 0;
    byId("tool-names").textContent = tools.map((tool) => tool.function.name).join(", ");
  } catch (error) {
    byId("model").textContent = view.text(`errors.${error.code}`) ?? String(error);
  }
  loadSettings();
  document.body.dataset.ready = "yes";
}

start();
