// Asks the gateway. Paths are below /admin/api: `get("/stats")`.

import { format } from "./format.js";

export { format };

const BASE = "/admin/api";

/** An answer that is none: its status (0 if there was no answer), what it says, and its body. */
export class ApiError extends Error {
  constructor(status, message, body = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.body = body;
  }
}

let csrf = null;
let whenSignedOut = () => {};

/** Calls `then` whenever the gateway no longer knows who asks. */
export function onSignedOut(then) {
  whenSignedOut = then;
}

function at(path) {
  if (path.startsWith("/admin/")) return path;
  return `${BASE}${path.startsWith("/") ? "" : "/"}${path}`;
}

async function ask(path, options = {}) {
  const headers = { accept: "application/json", ...options.headers };
  if (options.method && csrf) headers["x-refrain-csrf"] = csrf;
  let response;
  try {
    response = await fetch(at(path), { credentials: "same-origin", cache: "no-store", ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the gateway does not answer");
  }
  if (response.ok) return response;
  // Who has signed in anew in another tab has another token.
  if (response.status === 403 && options.method && !options.isAgain && (await isOutdated(csrf))) return ask(path, { ...options, isAgain: true });
  const text = await response.text().catch(() => "");
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // What isn't JSON is no message for people.
  }
  const error = new ApiError(response.status, body?.error?.message ?? `status ${response.status}`, body);
  const wait = response.headers.get("retry-after");
  if (response.status === 429 && wait) error.message += `; try again in ${wait} s`;
  if (response.status === 401 && !options.isSignIn) whenSignedOut();
  throw error;
}

async function isOutdated(token) {
  const known = await session().catch(() => null);
  return known !== null && known.csrf !== null && known.csrf !== token;
}

async function json(response) {
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

/** `signal` ends the wait. */
export async function get(path, { signal } = {}) {
  return json(await ask(path, { signal }));
}

/** Sends JSON, or a text (JSON lines) as it is. */
export async function post(path, body = {}, { signal } = {}) {
  const isRaw = typeof body === "string" || body instanceof Blob;
  const headers = { "content-type": isRaw ? "application/x-ndjson" : "application/json" };
  return json(await ask(path, { method: "POST", headers, body: isRaw ? body : JSON.stringify(body), signal }));
}

export async function del(path) {
  return json(await ask(path, { method: "DELETE" }));
}

/** Lets the browser save what is at `path` as a file called `name`. */
export async function download(path, name) {
  const url = URL.createObjectURL(await (await ask(path)).blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Whether a key is needed and given. */
export async function session() {
  const known = await get("/session");
  csrf = known.csrf;
  return known;
}

export async function signIn(key) {
  const headers = { "content-type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify({ key }), isSignIn: true };
  csrf = (await json(await ask("/session", options))).csrf;
}

export async function signOut() {
  await del("/session");
  csrf = null;
}

const LONGEST_WAIT_MS = 30_000;
const LONGEST_SILENCE_MS = 10_000;

/**
 * Watches the gateway: `onTick` has what it says each second, `onState` is called with "connecting", "live", "paused"
 * (the page isn't looked at: nothing is asked) or "lost". Gives a function that ends it.
 */
export function live(onTick, onState = () => {}) {
  let source = null;
  let timer = 0;
  let failures = 0;
  const close = () => {
    source?.close();
    source = null;
    clearTimeout(timer);
  };
  const lost = async () => {
    close();
    onState("lost");
    const wait = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** failures);
    failures += 1;
    timer = setTimeout(open, wait * (0.75 + Math.random() / 2));
    // A stream does not say why it was refused.
    const known = await session().catch(() => null);
    if (known?.needs_key && !known.signed_in) whenSignedOut();
  };
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(lost, LONGEST_SILENCE_MS);
  };
  function open() {
    close();
    if (document.hidden) return onState("paused");
    onState("connecting");
    source = new EventSource(at("/live"));
    source.onerror = lost;
    source.addEventListener("tick", (event) => {
      failures = 0;
      heard();
      onState("live");
      onTick(JSON.parse(event.data));
    });
    heard();
  }
  const turned = () => {
    failures = 0;
    if (document.hidden) {
      close();
      onState("paused");
    } else open();
  };
  document.addEventListener("visibilitychange", turned);
  open();
  return () => {
    document.removeEventListener("visibilitychange", turned);
    close();
  };
}
