// Talking with the server: its own OpenAI-compatible interface and nothing else.

export class ServerError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function refusal(response) {
  try {
    const { error } = await response.json();
    return new ServerError(error.code, error.message);
  } catch {
    return new ServerError("other", `HTTP ${response.status}`);
  }
}

export async function request(path, body, signal) {
  const sent = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, { ...sent, signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : new ServerError("network", "");
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

// Events of a streamed answer as objects; null for a sign of life.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      throw error.name === "AbortError" ? error : new ServerError("network", "");
    }
    if (piece.done) throw new ServerError("network", ""); // the end is marked
    const parts = (held + piece.value).split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      if (part === "data: [DONE]") return;
      yield part.startsWith("data: ") ? JSON.parse(part.slice(6)) : null;
    }
  }
}

// One answer. `onText(text)` gets each piece, `onWait()` is told that the request is still queued. Resolves to {text, calls, finish, usage, timings}.
export async function chat(body, { onText, onWait, signal }) {
  const options = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await request("v1/chat/completions", options, signal);
  const answer = { text: "", calls: [], finish: null, usage: null, timings: null };
  for await (const event of events(response)) {
    if (event === null) onWait();
    else if (event.error) throw new ServerError(event.error.code, event.error.message);
    else take(event, answer, onText);
  }
  return answer;
}

function take(event, answer, onText) {
  if (event.usage) Object.assign(answer, { usage: event.usage, timings: event.timings });
  const [choice] = event.choices;
  if (!choice) return;
  if (choice.delta.content) {
    answer.text += choice.delta.content;
    onText(choice.delta.content);
  }
  for (const call of choice.delta.tool_calls ?? []) answer.calls.push({ id: call.id, type: call.type, function: call.function });
  answer.finish = choice.finish_reason ?? answer.finish;
}
