// The latest requests, and what took how long in one of them.

import { format, get } from "../api.js";
import { el, field, inert, put, table, update } from "../dom.js";
import { asking, cell, every, failed, link, names, near, queryOf, rested, status, word } from "./parts.js";
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

  const load = (signal, before) => get(`/requests?${queryOf({ limit: PAGE, before, ...wanted })}`, { signal });
  const fail = (error) => {
    said.say("");
    update(results, failed(error, "The requests can't be shown"));
  };
  const ask = asking(load, (answer) => {
    latest = answer.requests;
    hasOlder = latest.length === PAGE;
    show(answer);
  }, fail);
  const askOlder = asking(load, (answer) => {
    older = [...older, ...answer.requests];
    hasOlder = answer.requests.length === PAGE;
    show(answer);
  }, fail);

  function show({ capacity, remembered, captures }) {
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
    }), rows.length > 0 && hasOlder ? el("p", { class: "pager" }, el("button", { type: "button", class: "plain", onclick: () => askOlder(rows.at(-1).seq) }, "Show older ones")) : null);
  }

  const again = () => {
    older = [];
    askOlder.stop();
    return ask();
  };
  const later = rested(again, TYPED_MS);
  const inputs = {
    way: el("select", null, WAYS.map(([value, label]) => el("option", { value }, label))),
    client: el("input", { type: "text", list: clients.id, autocomplete: "off" }),
    model: el("input", { type: "text", list: models.id, autocomplete: "off" }),
    id: el("input", { type: "text", autocomplete: "off", spellcheck: "false" }),
  };
  for (const [name, input] of Object.entries(inputs)) input.value = wanted[name];
  const form = el("form", { class: "filter", role: "search", "aria-label": "Find requests" },
    el("div", { class: "filters" }, field("Answered", inputs.way), field("Client", inputs.client), field("Asked model", inputs.model), field("Request id", inputs.id)), clients, models);
  const read = () => {
    for (const [name, input] of Object.entries(inputs)) wanted[name] = input.value.trim();
  };
  form.oninput = () => {
    read();
    later();
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
  // Older ones would move away below: the list stands still until "Refresh" while they are shown.
  const stop = every(OFTEN_MS, () => {
    const isWanted = isFirst || (auto.checked && older.length === 0);
    isFirst = false;
    return isWanted ? ask() : undefined;
  });
  return {
    unmount() {
      stop();
      later.stop();
      ask.stop();
      askOlder.stop();
    },
  };
}

export const view = {
  id: "requests",
  title: "Requests",
  mount: (root, context) => (context.path ? detail(root, context, context.path) : list(root)),
};
