// The overview: what the cache saves, how fast it is, and what goes wrong; now and over time.

import { format, get } from "../api.js";
import { bars, lines } from "../chart.js";
import { el, put, say } from "../dom.js";
import { inert } from "../text.js";
import { update } from "../update.js";
import { firstUse } from "./overview/first_use.js";
import { coarse, hitRate, hits, join, looked, sums, total } from "./overview/points.js";
import { asking, section, share } from "./parts.js";

/**
 * Ranges: how long each is, its step and that of the hit rate, and how often it is asked for again, in seconds. The
 * shortest is kept live.
 */
const RANGES = [
  { id: "15m", name: "15 min", title: "the last 15 minutes", seconds: 900, step: 5, rate: 30, again: 30 },
  { id: "1h", name: "1 h", title: "the last hour", seconds: 3600, step: 20, rate: 60, again: 20 },
  { id: "24h", name: "24 h", title: "the last 24 hours", seconds: 86_400, step: 300, rate: 900, again: 60 },
  { id: "7d", name: "7 d", title: "the last 7 days", seconds: 604_800, step: 3600, rate: 3600, again: 300 },
];
let chosen = RANGES[0];
/** After it could not be asked for. */
const SOON_MS = 3_000;

const TILES = [
  ["hit-rate", "Hit rate"],
  ["rate", "Requests per second"],
  ["in-flight", "In flight"],
  ["overhead", "Overhead, p95"],
  ["saved", "Saved"],
  ["errors", "Errors"],
];

const ratio = (name) => (point) => (looked(point) ? point.requests[name] / looked(point) : null);
const quantile = (kind, which) => (point) => point.latency_ms[kind]?.[which] ?? null;

const TIERS = [
  { name: "exact", value: ratio("exact"), class: "exact" },
  { name: "by meaning", value: ratio("semantic"), class: "semantic" },
  { name: "stale", value: ratio("stale"), class: "stale" },
  { name: "shared call", value: ratio("coalesced"), class: "coalesced" },
];
/** Series of rates; of a point in the making, `elapsed(point)` seconds are over. */
const rates = (elapsed) => [
  ["hits", ({ requests }) => hits(requests), "hits"],
  ["misses", ({ requests }) => requests.miss, "miss"],
  ["bypassed", ({ requests }) => requests.bypass, "bypass"],
  ["failed", ({ requests }) => requests.failed, "failed"],
].map(([name, of, kind]) => ({ name, value: (point) => of(point) / elapsed(point), class: kind }));
const ORIGINS = ["client", "provider", "gateway"].map((origin) => ({
  name: origin, value: ({ errors }) => errors[origin], class: origin === "gateway" ? "failed" : origin,
}));
const quantiles = (kind) => ["p50", "p95", "p99"].map((which) => ({ name: which, value: quantile(kind, which), class: which }));
const LEDGER = [
  ["tokens", "Tokens", format.count],
  ["usd", "US dollars, where priced", format.usd],
  ["waited_seconds", "Time waited", format.seconds],
];

function tiles() {
  const values = {};
  const notes = {};
  const node = el("dl", { class: "tiles" }, TILES.map(([key, title]) => {
    values[key] = el("dd", null, "–");
    notes[key] = el("dd", { class: "note" });
    return el("div", { class: "tile" }, el("dt", null, title), values[key], notes[key]);
  }));
  const show = (key, value, note = "") => {
    say(values[key], value);
    say(notes[key], note);
  };
  return { node, show };
}

/** What providers were paid for, and what they were not. */
function ledgers() {
  const cells = LEDGER.map(() => ({ billed: el("td", { role: "cell", class: "numeric", dataset: { title: "Billed" } }, "–"), saved: el("td", { role: "cell", class: "numeric", dataset: { title: "Saved" } }, "–"), share: el("td", { role: "cell", class: "numeric", dataset: { title: "Share saved" } }, "–") }));
  const head = (title, kind) => el("th", { scope: "col", class: kind }, title);
  const node = el("div", { class: "table-box" }, el("table", { class: "ledger", role: "table" },
    el("caption", { class: "unseen" }, "What providers billed and what the cache saved"),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, el("td", null), head("Billed", "numeric"), head("Saved", "numeric"), head("Share saved", "numeric"))),
    el("tbody", { role: "rowgroup" }, LEDGER.map(([, title], index) => el("tr", { role: "row" }, el("th", { scope: "row", role: "rowheader", dataset: { title: "" } }, title), cells[index].billed, cells[index].saved, cells[index].share)))));
  const show = (sum) => LEDGER.forEach(([key, , written], index) => {
    const { billed, saved } = sum[key];
    say(cells[index].billed, written(billed));
    say(cells[index].saved, written(saved));
    say(cells[index].share, format.percent(share(saved, billed + saved)));
  });
  const blank = () => cells.flatMap(Object.values).forEach((cell) => say(cell, "–"));
  return { node, show, blank };
}

function mount(root) {
  let points = [];
  let range = chosen;
  /** Whether `points` are those of the range. */
  let isLoaded = false;
  let due = 0;
  let newest = null;
  let drawn = 0;
  let now = Infinity;
  const elapsed = ({ at, step_seconds: step }) => Math.min(step, Math.max(1, now - at));

  const board = tiles();
  const ledger = ledgers();
  const problem = el("p", { class: "failure", role: "status" });
  const start = el("div");
  const since = el("small", { class: "hint" });
  const common = { points: [], format: format.ms, height: 150 };
  const rate = lines({ title: "Hit rate by tier", points: [], series: TIERS, stacked: true, most: 1, format: (value) => `${Math.round(value * 1000) / 10} %`, empty: "Nothing was looked up." });
  const errors = bars({ title: "Errors by origin", points: [], series: ORIGINS, format: format.count, whole: true, height: 150, empty: "No errors." });
  const timed = [
    bars({ title: "Requests per second", points: [], series: rates(elapsed), format: format.number, empty: "No requests." }),
    lines({ ...common, title: "Latency of hits", series: quantiles("hit"), empty: "No hits." }),
    lines({ ...common, title: "Latency of misses", series: quantiles("miss"), empty: "No misses." }),
    lines({ ...common, title: "Overhead of the gateway on misses", series: quantiles("overhead"), empty: "No misses." }),
  ];
  const charts = [rate, ...timed, errors];
  const cards = (some) => el("div", { class: "grid" }, some.map((chart) => el("div", { class: "card" }, chart)));
  const buttons = RANGES.map((one) => el("button", { type: "button", "aria-pressed": String(one === range), onclick: () => choose(one) }, one.name));
  const heading = el("span", null, range.title);

  put(root, start, board.node,
    el("div", { class: "row spread ranges" }, el("div", { class: "choice", role: "group", "aria-label": "Range of time" }, buttons), problem,
      el("span", { class: "hint" }, "Hits: exact, by meaning, stale and shared calls.")),
    cards([rate, timed[0]]),
    section(["Billed and saved, ", heading], ledger.node, since),
    cards([...timed.slice(1), errors]));

  function choose(one) {
    chosen = range = one;
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(RANGES[index] === one)));
    say(heading, one.title);
    say(problem, "");
    isLoaded = false;
    points = [];
    ledger.blank();
    for (const key of ["hit-rate", "saved", "errors"]) board.show(key, "–");
    undrawn("Loading…");
    load();
  }

  /** Charts of which nothing is known, and why. */
  function undrawn(unknown) {
    for (const chart of charts) chart.redraw({ points: [], unknown });
  }

  const ask = asking((signal) => get(`/history?range=${range.id}`, { signal }), (history) => {
    points = newest && range === RANGES[0] ? join(history.points, newest) : history.points;
    isLoaded = true;
    say(problem, "");
    draw(history.to);
  }, (error) => {
    due = Date.now() + SOON_MS;
    say(problem, `No history: ${inert(error.message, 300)}`);
    if (!isLoaded) undrawn("Not known.");
  });
  function load() {
    due = Date.now() + range.again * 1000;
    ask();
  }

  function draw(moment) {
    now = moment;
    const { step } = range;
    const to = Math.ceil((now + 0.001) / step) * step;
    const from = to - range.seconds;
    points = points.filter((point) => point.at >= from);
    drawn = to;
    const across = { from, to, unknown: null };
    // What has only begun would make the charts jump; the numbers above have it already.
    const asked = points.filter((point) => total(point.requests) > 0 && now - point.at >= RANGES[0].step);
    const failed = points.filter((point) => total(point.errors) > 0);
    rate.redraw({ points: coarse(asked, range.rate).filter(({ at }) => at >= from), step: range.rate, ...across });
    for (const chart of timed) chart.redraw({ points: asked, step, ...across });
    errors.redraw({ points: failed, step, ...across });
    const sum = sums(points);
    ledger.show(sum);
    const rated = hitRate(sum.requests);
    board.show("hit-rate", format.percent(rated), rated === null ? "nothing looked up yet" : `of ${format.count(looked(sum))} looked up`);
    board.show("saved", format.usd(sum.usd.saved), `${format.compact(sum.tokens.saved)} tokens in ${range.name}`);
    const failures = total(sum.errors);
    board.show("errors", format.count(failures), failures ? ORIGINS.map(({ name, value }) => (value(sum) ? `${format.count(value(sum))} ${name}` : "")).filter(Boolean).join(", ") : `none in ${range.name}`);
  }

  function show(tick) {
    const { totals } = tick;
    board.show("rate", format.number(tick.requests_per_second), "mean of 10 seconds");
    board.show("in-flight", format.count(tick.in_flight.requests), format.bytes(tick.in_flight.bytes));
    const own = tick.latest?.latency_ms?.overhead ?? points.findLast((point) => point.latency_ms.overhead)?.latency_ms.overhead;
    board.show("overhead", format.ms(own?.p95), own ? `p50 ${format.ms(own.p50)}` : isLoaded ? "no misses yet" : "");
    say(since, `Since the start ${format.ago(tick.started_at)}: ${format.count(totals.billed_tokens)} tokens billed and ${format.count(totals.saved_tokens)} saved, ${format.usd(totals.billed_usd)} and ${format.usd(totals.saved_usd)}. What has no price counts as no dollars.`);
    const isNew = isLoaded && points.length === 0 && hits(totals) + totals.miss + totals.bypass + totals.failed === 0;
    update(start, isNew ? firstUse(location.origin, tick.providers) : null);
    const second = Math.floor(tick.at / 1000);
    const { latest, previous } = tick;
    const isGap = newest && latest && latest.at - newest.at > 2 * RANGES[0].step;
    newest = latest ?? newest;
    if (Date.now() > due || isGap) load();
    else if (isLoaded && range === RANGES[0] && (latest || second >= drawn)) {
      // The first second of a step may have brought some more of the step before.
      if (previous) points = join(points, previous);
      if (latest) points = join(points, latest);
      draw(tick.at / 1000);
    }
  }

  undrawn("Loading…");
  load();
  return { tick: show, unmount: ask.end };
}

export const view = { id: "overview", title: "Overview", mount };
