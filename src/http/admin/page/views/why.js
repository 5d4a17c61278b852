// Why: what the cache and the routes would do with a request, or with two prompts, without asking a provider.

import { format, get, post } from "../api.js";
import { el, fresh, put } from "../dom.js";
import { inert } from "../text.js";
import { field } from "../widgets.js";
import { asking, clientNames, failed, names, status, word } from "./parts.js";
import { compared } from "./why/compared.js";
import { explained } from "./why/explained.js";

const TABS = [["request", "One request"], ["two", "Two prompts"], ["recent", "A recent request"]];
const RECENT = 100;

/** What was typed last: it is there again when somebody comes back. Of the client, `null` is that nobody has said one. */
const typed = { request: "", model: "", client: null, headers: "", a: "", b: "" };

/** Keeps what is typed. */
function remembered(name, input) {
  input.value = typed[name] ?? "";
  input.addEventListener("input", () => {
    typed[name] = input.value;
  });
  return input;
}

/** A chat request in JSON, or of a prompt and a model. Throws what is wrong in words. */
function requestOf(text, model) {
  const trimmed = text.trim();
  if (trimmed === "") throw new Error("paste a request or write a prompt first");
  if (!trimmed.startsWith("{")) return { model: model || "auto", messages: [{ role: "user", content: text }] };
  let request;
  try {
    request = JSON.parse(trimmed);
  } catch (error) {
    throw new Error(`this begins like JSON, but is none: ${error.message}`);
  }
  return model ? { ...request, model } : request;
}

/** `name: value` lines. Throws what is wrong in words. */
function headersOf(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  if (lines.length === 0) return null;
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf(":");
    if (at < 1) throw new Error(`a header is written as “name: value”, not as “${line.slice(0, 60)}”`);
    return [line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()];
  }));
}

function mount(root, context) {
  const result = el("div", { class: "result", tabindex: "-1" });
  const said = status();
  const models = names();
  let first = null;
  /** The field of the client, where there is one. */
  let asWhom = null;
  const clients = clientNames((all) => {
    first = all[0] ?? null;
    if (asWhom && typed.client === null) asWhom.value = typed.client = first ?? "";
  });
  /** What the panel asks by itself. */
  let ofPanel = null;
  const wish = context.query.get("request");

  const tell = (error) => {
    said.say("");
    put(result, failed(error, "No answer"));
  };
  const shown = (draw) => (answer) => {
    said.say("");
    put(result, draw(answer));
    result.querySelector("h2")?.scrollIntoView({ block: "nearest" });
  };
  const explain = asking((signal, body) => post("/why", body, { signal }), shown(explained), tell);
  const compare = asking((signal, body) => post("/compare", body, { signal }), shown(compared), tell);
  const open = asking((signal, seq) => get(`/requests/${encodeURIComponent(seq)}`, { signal }), opened, (error) => {
    tell(error.status === 404 ? new Error("this request is not remembered any more") : error);
  });
  const askModels = asking((signal) => get("/threshold", { signal }), ({ classes }) => models.learn(classes.map((one) => one.model)), () => {});
  /** Takes back what was asked last: nobody waits for its answer any more. */
  const stop = () => [explain, compare, open].forEach((one) => one.stop());
  const run = (which, make) => {
    stop();
    try {
      const body = make();
      said.say("Looking…");
      which(body);
    } catch (error) {
      tell(error);
    }
  };

  function request() {
    const text = remembered("request", el("textarea", { rows: "7", spellcheck: "false" }));
    const model = remembered("model", el("input", { type: "text", list: models.id, autocomplete: "off", placeholder: "as in the request, or auto" }));
    typed.client ??= first;
    const client = (asWhom = remembered("client", el("input", { type: "text", list: clients.id, autocomplete: "off" })));
    const headers = remembered("headers", el("textarea", { rows: "2", spellcheck: "false", placeholder: "x-refrain-cache-policy: strict" }));
    const form = el("form", null,
      field("A prompt, or a chat request as JSON", text),
      el("div", { class: "filters" }, field("Model", model), field("As the client", client, "Where clients are configured, it has to be one of them.")),
      el("details", { open: typed.headers !== "" }, el("summary", null, "Headers"), field("Headers of the request, one on a line", headers, "Only those that steer the gateway matter.")),
      el("div", { class: "actions" }, el("button", { type: "submit", class: "primary" }, "Explain")));
    form.onsubmit = (event) => {
      event.preventDefault();
      run(explain, () => ({ request: requestOf(text.value, model.value.trim()), client: client.value.trim() || null, headers: headersOf(headers.value) }));
    };
    return form;
  }

  function two() {
    const a = remembered("a", el("textarea", { rows: "4" }));
    const b = remembered("b", el("textarea", { rows: "4" }));
    const model = remembered("model", el("input", { type: "text", list: models.id, autocomplete: "off", placeholder: "any" }));
    const form = el("form", null,
      el("div", { class: "two" }, field("Kept: this was asked before", a), field("Asked: this is asked now", b)),
      el("div", { class: "filters" }, field("Model", model, "Has its own point.")),
      el("div", { class: "actions" }, el("button", { type: "submit", class: "primary" }, "Compare")));
    form.onsubmit = (event) => {
      event.preventDefault();
      run(compare, () => {
        if (a.value.trim() === "" || b.value.trim() === "") throw new Error("write two prompts first");
        return { a: a.value, b: b.value, model: model.value.trim() || null };
      });
    };
    return form;
  }

  function recent() {
    const choice = el("select", { disabled: true }, el("option", { value: "" }, "Loading…"));
    const note = el("p", { class: "hint" });
    const button = el("button", { type: "submit", class: "primary", disabled: true }, "Explain");
    const form = el("form", null, field("A recent request", choice), note, el("div", { class: "actions" }, button));
    form.onsubmit = (event) => {
      event.preventDefault();
      if (choice.value !== "") openRecent(choice.value);
    };
    ofPanel = asking((signal) => get(`/requests?limit=${RECENT}`, { signal }), ({ captures, capacity, requests }) => {
      const openable = requests.filter((one) => one.has_content);
      const label = (one) => `${format.time(one.at / 1000)}  ${one.way ?? "failed"}  ${inert(one.asked_model ?? "–", 50)}${one.client === null ? "" : `  ${inert(one.client, 30)}`}`;
      put(choice, openable.length === 0 ? el("option", { value: "" }, "none") : openable.map((one) => el("option", { value: String(one.seq) }, label(one))));
      if (wish !== null && openable.some((one) => String(one.seq) === wish)) choice.value = wish;
      choice.disabled = button.disabled = openable.length === 0;
      if (capacity === 0) put(note, "No request is remembered: ", word("telemetry.recent_requests"), " is 0.");
      else if (!captures) put(note, "The contents of requests are not kept, so none can be opened here. To keep them from now on, set ", word("capture_content = true"), " under ", word("[telemetry]"), " in the configuration.");
      else put(note, openable.length === 0 ? "No remembered request has its content." : "Asked again as things are now: the cache may have learned or forgotten something since.");
    }, (error) => {
      put(choice, el("option", { value: "" }, "–"));
      put(note, inert(`They can't be listed: ${error.message}`, 500));
    });
    ofPanel();
    return form;
  }

  function openRecent(seq) {
    put(result);
    run(open, () => seq);
  }

  function opened(one) {
    if (one.request === null) {
      said.say("");
      const why = one.has_content ? "it came in a form other than a chat request, which Why does not read." : "its content is not kept (capture_content in the section telemetry of the configuration).";
      put(result, el("p", { class: "failure", role: "alert" }, `This request can't be opened: ${why}`));
      return;
    }
    typed.request = JSON.stringify(one.request, null, 2);
    typed.client = one.client;
    typed.model = "";
    run(explain, () => ({ request: one.request, client: one.client, headers: null }));
  }

  const panels = { request, two, recent };
  const panel = el("div", { role: "tabpanel", id: fresh("panel"), class: "panel" });
  const buttons = TABS.map(([id, label], index) => el("button", {
    type: "button", role: "tab", id: fresh("tab"), "aria-controls": panel.id, dataset: { id },
    onclick: () => choose(index),
    onkeydown: (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: TABS.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = (to + TABS.length) % TABS.length;
      choose(next);
      buttons[next].focus();
    },
  }, label));
  function choose(index) {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === index));
      button.tabIndex = at === index ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", buttons[index].id);
    stop();
    ofPanel?.end();
    ofPanel = asWhom = null;
    said.say("");
    put(result);
    put(panel, panels[TABS[index][0]]());
  }

  put(root, el("div", { class: "view-why" },
    el("p", { class: "hint" }, "A dry run: no provider is asked, and nothing is kept or counted."),
    el("div", { role: "tablist", "aria-label": "What to explain", class: "tabs" }, buttons), panel, said, result, models, clients));
  choose(wish === null ? 0 : 2);
  if (wish !== null) openRecent(wish);
  askModels();
  return { unmount: () => [explain, compare, open, askModels, clients, ofPanel].forEach((one) => one?.end()) };
}

export const view = { id: "why", title: "Why", mount };
