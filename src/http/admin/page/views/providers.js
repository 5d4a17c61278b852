// The providers: how each fares, what is left of its limits, what it costs; breakers by hand, and test calls.

import { format, get } from "../api.js";
import { el, put, say } from "../dom.js";
import { inert } from "../text.js";
import { update } from "../update.js";
import { table } from "../widgets.js";
import { meter } from "./meter.js";
import { asking, chip, facts, polling } from "./parts.js";
import { askForce, test } from "./providers/acts.js";
import { BREAKERS, counted } from "./words.js";

const OFTEN_MS = 5_000;
const UNITS = { requests: "requests/min", tokens: "tokens/min", concurrent: "at once" };

const latency = (known) => (known ? `${format.ms(known.p50)} / ${format.ms(known.p95)} / ${format.ms(known.p99)}` : "–");
const tokens = (known) => (known ? `${format.compact(known.input)} / ${format.compact(known.output)}` : "–");

function limits(all) {
  return (all ?? []).map(({ what, limit, left }) =>
    meter({ used: limit - left, most: limit, said: `${format.count(left)} of ${format.count(limit)} ${UNITS[what] ?? inert(what, 40)} left` }));
}

function errors(by) {
  const all = Object.entries(by ?? {}).filter(([, many]) => many > 0).sort((a, b) => b[1] - a[1]);
  return all.length === 0 ? "none" : all.map(([word, many]) => [chip(`${word} ${format.count(many)}`, "bad"), " "]);
}

function breaker({ breaker: is }) {
  const [name, kind] = BREAKERS[is.state] ?? [is.state, ""];
  const notes = [];
  if (is.forced) notes.push("set by hand");
  if (is.since_seconds !== null && is.since_seconds !== undefined) notes.push(`for ${format.seconds(is.since_seconds)}`);
  if (is.retry_in_seconds !== null && is.retry_in_seconds !== undefined) notes.push(is.retry_in_seconds === 0 ? "tried with the next request" : `tried in ${format.seconds(is.retry_in_seconds)}`);
  if (is.requests) notes.push(`${format.count(is.failures)} of the last ${format.count(is.requests)} failed`);
  return [chip(name, kind), notes.length ? el("small", { class: "below" }, notes.join(", ")) : null];
}

/** What its breaker did, the latest first. */
function history(model) {
  const all = [...(model.history ?? [])].reverse();
  if (all.length === 0) return null;
  const named = (state) => BREAKERS[state]?.[0] ?? inert(state, 20);
  return el("details", null, el("summary", null, counted(all.length, "change")),
    el("ol", { class: "plain changes" }, all.map(({ at, from, to }) => el("li", null, el("time", null, format.time(at)), ` ${named(from)} → ${named(to)}`))));
}

function mount(root) {
  const problem = el("p", { class: "failure", role: "status" });
  const place = el("div", null, el("p", { class: "empty" }, "Loading…"));
  const since = el("p", { class: "hint" });
  put(root, since, problem, place);

  function buttons(provider, model) {
    const name = `${inert(provider.name, 60)}/${inert(model.model, 80)}`;
    const force = (state, label) => el("button", { type: "button", class: "small", "aria-label": `${label}: ${name}`, onclick: () => askForce({ provider: provider.name, model: model.model, state, then: ask }) }, label);
    const is = model.breaker;
    return el("div", { class: "actions" },
      is.forced === "open" ? null : force("open", "Open"),
      is.forced === "closed" ? null : force("closed", "Close"),
      is.forced ? force("auto", "Automatic") : null,
      el("button", { type: "button", class: "small", "aria-label": `Test: ${name}`, onclick: () => test({ provider: provider.name, model: model.model, then: ask }) }, "Test"));
  }

  const below = (text) => el("small", { class: "below" }, text);
  const columns = (provider) => [
    { title: "Model", cell: ({ model }) => inert(model, 120) },
    { title: "Breaker", class: "wide", cell: (model) => [breaker(model), history(model)] },
    { title: "Attempts", numeric: true, cell: (model) => [format.count(model.attempts), below(`${format.count(model.in_flight)} in flight`)] },
    { title: "Errors", cell: (model) => errors(model.errors) },
    { title: "Latency, p50", numeric: true, cell: ({ latency_ms: known }) => (known ? [format.ms(known.p50), below(`p95 ${format.ms(known.p95)}`), below(`p99 ${format.ms(known.p99)}`)] : "–") },
    { title: "Cost", numeric: true, cell: ({ usd, tokens: used }) => [format.usd(usd), below(`${format.compact(used?.input)} tokens in`), below(`${format.compact(used?.output)} out`)] },
    { title: "Limits", class: "wide", cell: (model) => (model.limits?.length ? limits(model.limits) : "none") },
    { title: "By hand", class: "cell-actions", cell: (model) => buttons(provider, model) },
  ];

  function card(provider) {
    const { keys } = provider;
    const counted = provider.active ? [
      ["In flight", format.count(provider.in_flight)],
      ["Attempts", format.count(provider.attempts)],
      ["Latency, p50 / p95 / p99", latency(provider.latency_ms)],
      ["Tokens in / out", tokens(provider.tokens)],
      ["Cost", format.usd(provider.usd)],
      ["Keys", keys ? `${format.count(keys.configured)}${keys.put_aside ? `, ${format.count(keys.put_aside)} put aside` : ""}` : null],
      ["Errors", errors(provider.errors)],
      ["Limits", provider.limits?.length ? limits(provider.limits) : "none"],
    ] : [];
    return el("section", { class: "part", dataset: { key: provider.name }, "aria-label": `Provider ${inert(provider.name, 60)}` },
      el("div", { class: "row spread" },
        el("div", { class: "row" }, el("h2", null, inert(provider.name, 60)), chip(provider.active ? "active" : "inactive", provider.active ? "good" : ""), el("span", { class: "dim" }, inert(provider.kind, 40)), el("code", { class: "dim" }, inert(provider.base_url, 200))),
        provider.active ? el("button", { type: "button", class: "small", onclick: () => test({ provider: provider.name, model: null, then: ask }), "aria-label": `Test ${inert(provider.name, 60)}` }, "Test") : null),
      provider.reason ? el("p", { class: "dim" }, inert(provider.reason, 500)) : null,
      counted.length ? facts(counted) : null,
      provider.active ? table({ caption: `Models of ${inert(provider.name, 60)}`, columns: columns(provider), rows: provider.models ?? [], key: ({ model }) => model, empty: "No model was asked yet." }) : null);
  }

  const ask = asking((signal) => get("/providers", { signal }), ({ providers, since: start }) => {
    say(problem, "");
    say(since, start ? `Counted since ${format.time(start)}. Latency is until the answer began.` : "");
    const sorted = [...providers].sort((a, b) => Number(b.active) - Number(a.active));
    update(place, sorted.length ? sorted.map(card) : el("p", { class: "empty" }, "No provider is configured."));
  }, (error) => say(problem, `No numbers: ${inert(error.message, 300)}`));
  return { unmount: polling(OFTEN_MS, ask) };
}

export const view = { id: "providers", title: "Providers", mount };
