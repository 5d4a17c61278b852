// The latest requests, and what took how long in one of them.

import { format, get } from "../api.js";
import { el, put } from "../dom.js";
import { inert } from "../text.js";
import { update } from "../update.js";
import { field, table } from "../widgets.js";
import { asking, cell, every, failed, link, names, near, queryOf, rested, status, submit, word } from "./parts.js";
import { detail, way } from "./requests/detail.js";

const PAGE = 100;
const OFTEN_MS = 5_000;
const TYPED_MS = 300;
const WAYS = [["", "all"], ["hit", "hits"], ["miss", "misses"], ["bypass", "bypasses"], ["error", "errors"]];
const NOTHING = { way: "", client: "", model: "", id: "" };

/** What was looked for last: it is there again when a request is closed. */
let wanted = { ...NOTHING };

const COLUMNS = [
  { title: "Time", class: "time", cell: (one) => link(`#/requests/${one.seq}`, format.time(one.at / 1000)) },
  { title: "Answered", cell: (one) => cell(way(one), one.similarity !== null && ` ${near(one.similarity)}`) },
  { title: "Reason", cell: (one) => (one.error !== null ? inert(one.error, 120) : one.reason !== null ? word(one.reason) : "–") },
  { title: "Asked model", class: "name", cell: (one) => inert(one.asked_model ?? "–", 80) },
  { title: "Client", class: "short", cell: (one) => inert(one.client ?? "–", 60) },
  { title: "Answered by", class: "name", cell: (one) => (one.provider === null ? "–" : inert(`${one.provider}/${one.model ?? "?"}`, 100)) },
  { title: "Status", numeric: true, cell: (one) => String(one.status ?? "–") },
  { title: "Tokens", numeric: true, cell: (one) => (one.tokens ? format.count(one.tokens.input + one.tokens.output) : "–") },
  { title: "Own time", numeric: true, cell: (one) => format.ms(one.overhead_ms) },
  { title: "Total", numeric: true, cell: (one) => `${format.ms(one.total_ms)}${one.complete || one.way === "background" ? "" : " (cut off)"}` },
];

/** The list. */
function list(root) {
  const said = status();
  const results = el("div", { class: "results" });
  const [clients, models] = [names(), names()];
  const auto = el("input", { type: "checkbox", checked: true });
  let older = [];
  let latest = [];
  let hasOlder = false;
  /** From when older ones are asked for: newer ones would leave a hole between the two, and move all of them away. */
  let isHeld = false;
  /** Why there are no older ones to be had. */
  let without = null;
  let about = null;

  const load = (signal, before) => get(`/requests?${queryOf({ limit: PAGE, before, ...wanted })}`, { signal });
  const ask = asking(load, (answer) => {
    latest = answer.requests;
    hasOlder = latest.length === PAGE;
    about = answer;
    show();
  }, (error) => {
    said.say("");
    update(results, failed(error, "The requests can't be shown"));
  });
  const askOlder = asking(load, (answer) => {
    older = [...older, ...answer.requests];
    hasOlder = answer.requests.length === PAGE;
    about = answer;
    show();
  }, (error) => {
    isHeld = older.length > 0;
    without = error;
    show();
  });
  const next = (seq) => {
    isHeld = true;
    without = null;
    ask.stop();
    return askOlder(seq);
  };

  function show() {
    const { capacity, remembered, captures } = about;
    const rows = [...latest, ...older];
    clients.learn(rows.map((one) => one.client));
    models.learn(rows.map((one) => one.asked_model));
    if (capacity === 0) {
      said.say("");
      update(results, el("p", { class: "empty" }, "No request is remembered: ", word("telemetry.recent_requests"), " is 0."));
      return;
    }
    const contents = captures ? "with their contents" : "without their contents";
    said.say(`${format.count(rows.length)} shown; the latest ${format.count(capacity)} are remembered, ${format.count(remembered)} so far, ${contents}.`);
    const isFiltered = Object.values(wanted).some((value) => value !== "");
    update(results, table({
      caption: "The latest requests, newest first",
      columns: COLUMNS,
      rows,
      key: (one) => String(one.seq),
      empty: isFiltered ? "No remembered request is like that." : "No request yet. They appear here as they end.",
    }), rows.length > 0 && hasOlder ? el("p", { class: "pager" }, el("button", { type: "button", class: "plain", onclick: () => next(rows.at(-1).seq) }, "Show older ones"), without && failed(without, "They can't be shown")) : null);
  }

  const again = () => {
    older = [];
    isHeld = false;
    without = null;
    askOlder.stop();
    return ask();
  };
  const later = rested(again);
  const inputs = {
    way: el("select", null, WAYS.map(([value, label]) => el("option", { value }, label))),
    client: el("input", { type: "text", list: clients.id, autocomplete: "off" }),
    model: el("input", { type: "text", list: models.id, autocomplete: "off" }),
    id: el("input", { type: "text", autocomplete: "off", spellcheck: "false" }),
  };
  for (const [name, input] of Object.entries(inputs)) input.value = wanted[name];
  const form = el("form", { class: "filter", role: "search", "aria-label": "Find requests" },
    el("div", { class: "filters" }, field("Answered", inputs.way), field("Client", inputs.client), field("Asked model", inputs.model), field("Request id", inputs.id)), clients, models, submit());
  const read = () => {
    for (const [name, input] of Object.entries(inputs)) wanted[name] = input.value.trim();
  };
  form.oninput = () => {
    read();
    later(TYPED_MS);
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    read();
    later.now();
  };
  put(root, el("div", { class: "view-requests" }, form,
    el("div", { class: "found" }, said,
      el("div", { class: "actions" }, el("label", { class: "inline" }, auto, " every 5 s"), el("button", { type: "button", class: "plain", onclick: again }, "Refresh"))),
    results));
  let isFirst = true;
  const stop = every(OFTEN_MS, () => {
    const isWanted = isFirst || (auto.checked && !isHeld);
    isFirst = false;
    return isWanted ? ask() : undefined;
  });
  return {
    unmount() {
      stop();
      later.stop();
      ask.end();
      askOlder.end();
    },
  };
}

export const view = {
  id: "requests",
  title: "Requests",
  mount: (root, context) => (context.path ? detail(root, context, context.path) : list(root)),
};
