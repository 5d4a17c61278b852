// Pieces that several views are made of.

import { format, get } from "../api.js";
import { el, fresh, say } from "../dom.js";
import { inert, lines } from "../text.js";

/** Characters of a long text that are shown before somebody asks for more, and so many more each time. */
const FIRST = 4_000;
const MORE = 50_000;

/** A part of a view with a heading. */
export function section(title, ...children) {
  const heading = el("h2", { id: fresh("section") }, title);
  return el("section", { class: "part", "aria-labelledby": heading.id }, heading, children);
}

/** A part that opens when it is wanted. */
export function folded(title, ...children) {
  return el("details", { class: "part" }, el("summary", null, el("h2", null, title)), el("div", { class: "inside" }, children));
}

/** A link within the page. */
export const link = (hash, ...children) => el("a", { href: hash }, children);

/** A word of the headers, metrics and logs. */
export const word = (text) => el("code", null, inert(text, 100));

/** Several pieces as one cell of a table. */
export const cell = (...pieces) => el("span", null, pieces);

/** A short note in the row of a thing. `kind`: "good", "warn", "bad" or nothing. */
export const chip = (text, kind = "") => el("span", { class: `chip ${kind}`.trim() }, inert(text, 60));

/** Names and values, `[name, value]` each; leaves out those whose value is `null`. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined);
  return el("dl", { class: "facts" }, known.map(([name, value]) =>
    el("div", { dataset: { key: name } }, el("dt", null, name), el("dd", null, value))));
}

/** How often each word was the reason, as bars, the most frequent first. */
export function tally(title, counts, empty) {
  const rows = Object.entries(counts ?? {}).filter(([, many]) => many > 0).sort((a, b) => b[1] - a[1]);
  const most = Math.max(1, ...rows.map(([, many]) => many));
  return el("div", { class: "tally", dataset: { key: title } },
    el("h3", null, title),
    rows.length === 0 ? el("p", { class: "empty" }, empty) : el("ul", null, rows.map(([name, many]) =>
      el("li", { dataset: { key: name } },
        el("span", { class: "name" }, word(name)),
        el("span", { class: "number" }, format.count(many)),
        el("span", { class: "bar", style: { width: `${(100 * many) / most}%` }, "aria-hidden": "true" })))));
}

/** A text as it was written; a long one piece by piece. */
export function whole(text, label) {
  const all = String(text ?? "");
  if (all === "") return el("p", { class: "empty" }, "Nothing.");
  let shown = Math.min(FIRST, all.length);
  const pre = el("pre", { class: "text", dir: "auto", tabindex: "0", role: "region", "aria-label": `${label}, text` });
  const rest = el("p", { class: "rest" });
  const draw = () => {
    pre.textContent = lines(all, shown);
    const left = all.length - shown;
    const more = () => {
      shown = Math.min(all.length, shown + MORE);
      draw();
      if (shown === all.length) pre.focus();
    };
    rest.replaceChildren();
    if (left > 0) {
      rest.append(`${format.count(left)} of ${format.count(all.length)} characters are not shown. `,
        el("button", { type: "button", class: "plain", onclick: more }, `Show ${format.count(Math.min(MORE, left))} more`));
    }
  };
  draw();
  return el("div", { class: "whole" }, pre, rest);
}

/** What went wrong, in words. */
export function failed(error, what) {
  return el("p", { class: "failure", role: "alert" }, inert(`${what}: ${error.message}`, 500));
}

/** Calls `run` once nobody has called for the `wait` milliseconds that were said last; `now` at once. */
export function rested(run) {
  let timer = 0;
  const later = (wait) => {
    clearTimeout(timer);
    timer = setTimeout(run, wait);
  };
  later.now = () => {
    clearTimeout(timer);
    return run();
  };
  later.stop = () => clearTimeout(timer);
  return later;
}

/**
 * Asks with `load(signal)` and gives the answer to `show`, unless it was asked again meanwhile: only the latest
 * question is answered. `fail` has what went wrong. `stop()` takes the question back, `end()` all that may come too.
 */
export function asking(load, show, fail) {
  let current = null;
  let isOver = false;
  const ask = async (...about) => {
    if (isOver) return;
    current?.abort();
    const mine = new AbortController();
    current = mine;
    try {
      const answer = await load(mine.signal, ...about);
      if (current === mine) show(answer);
    } catch (error) {
      if (current === mine && error.name !== "AbortError") fail(error);
    }
  };
  ask.stop = () => {
    current?.abort();
    current = null;
  };
  ask.end = () => {
    isOver = true;
    ask.stop();
  };
  return ask;
}

/** Calls `run` now and again each `wait` milliseconds while the page is looked at. Gives a function that ends it. */
export function every(wait, run) {
  let timer = 0;
  let turn = 0;
  const round = async () => {
    clearTimeout(timer);
    const mine = (turn += 1);
    if (document.hidden) return;
    await run();
    // Whoever came back meanwhile has begun a round of its own.
    if (mine === turn) timer = setTimeout(round, wait);
  };
  const turned = () => {
    if (!document.hidden) round();
  };
  document.addEventListener("visibilitychange", turned);
  round();
  return () => {
    turn += 1;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", turned);
  };
}

/** Asks with `ask`, which is an `asking`, now and again as `every` does. Gives a function that ends both. */
export function polling(wait, ask) {
  const stop = every(wait, ask);
  return () => {
    stop();
    ask.end();
  };
}

/** `field=value&…` of those that have one. */
export function queryOf(fields) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== null && value !== undefined && value !== "" && value !== false) query.set(name, value);
  }
  return query.toString();
}

/** What Enter does in a form of several fields that has no other button. */
export const submit = () => el("button", { type: "submit", hidden: true });

/** A `<datalist>` that learns names as they are seen. */
export function names() {
  const list = el("datalist", { id: fresh("names") });
  const known = new Set();
  list.learn = (seen) => {
    for (const name of seen) {
      if (typeof name !== "string" || name === "" || name.length > 100 || known.has(name) || known.size >= 200) continue;
      known.add(name);
      list.append(el("option", { value: name }));
    }
  };
  return list;
}

/** A `<datalist>` of the configured clients. `then(names)` has them; `end()` takes the question back. */
export function clientNames(then = () => {}) {
  const list = names();
  const ask = asking((signal) => get("/clients", { signal }), ({ clients }) => {
    const all = clients.map((one) => one.name);
    list.learn(all);
    then(all);
  }, () => {});
  list.end = ask.end;
  ask();
  return list;
}

/** What share of `all` a `part` is; `null` of nothing. */
export const share = (part, all) => (all > 0 ? part / all : null);

/** A line that says what is going on, for those who hear the page too. */
export function status(text = "") {
  const line = el("p", { class: "status", role: "status" }, text);
  line.say = (what) => say(line, what);
  return line;
}

/** A point of the cosine scale, or that none is reached. */
export const pointOf = (point) => (typeof point === "number" && point <= 1 ? point.toFixed(3) : "none: only equal questions");

/** What is searched for by meaning, and how near it is. */
export const near = (value) => (typeof value === "number" ? value.toFixed(3) : "–");
