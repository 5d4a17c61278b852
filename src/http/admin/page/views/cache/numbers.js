// The cache in numbers: tiles, reasons, similarities, and how many hits are wrong.

import { format } from "../../api.js";
import { histogram } from "../../chart.js";
import { el, say } from "../../dom.js";
import { inert } from "../../text.js";
import { update } from "../../update.js";
import { table } from "../../widgets.js";
import { near, pointOf, section, tally, word } from "../parts.js";
import { WHYS, counted } from "../words.js";

const TILES = [
  ["entries", "Entries"],
  ["bytes", "Memory"],
  ["questions", "Questions indexed"],
  ["partitions", "Partitions"],
  ["index", "Index"],
  ["pinned", "Pinned"],
];
const INDEXES = { flat: "flat", graph: "graph", both: "mixed", none: "none" };
/** Labels of marks that are nearer to each other would lie on each other. */
const APART = 0.06;

/** How sure it is that few hits are wrong, in words. */
function sureness(known) {
  if (!known.sample) return "not measured yet";
  return `at most ${format.percent(known.false_hits_at_most)} wrong, 90 % confidence, ${counted(known.sample, "comparison")}`;
}

function interval({ sample, interval: between }) {
  return sample && between ? `${format.percent(between[0])} to ${format.percent(between[1])}` : "–";
}

const MEASURED = [
  { title: "Model", cell: (known) => inert(known.model, 80) },
  { title: "Questions", cell: (known) => (known.has_matter ? "about a given text" : "on their own") },
  { title: "Wrong hits", cell: (known) => sureness(known) },
  { title: "80 % interval", cell: interval, numeric: true },
  { title: "Checked hits", cell: ({ checked }) => (checked?.hits ? `${format.count(checked.wrong)} wrong of ${format.count(checked.hits)}` : "–"), numeric: true },
  { title: "Admission point", cell: (known) => pointOf(known.point), numeric: true },
  { title: "Why there", cell: (known) => WHYS[known.why] ?? inert(known.why, 40) },
];

/** Lines in the chart: the first of several that are close has its number, the list below has them all. */
function markAt(thresholds) {
  let told = -1;
  return thresholds.map(({ at }) => at).filter((at) => typeof at === "number" && at <= 1).sort((a, b) => a - b).slice(0, 20).map((at) => {
    const isApart = at - told > APART;
    if (isApart) told = at;
    return { at, label: isApart ? near(at) : "" };
  });
}

/** Tiles, reasons, similarities and error rates; `show(stats)` and `tick(tick)` bring them up to date. */
export function numbers() {
  const values = Object.fromEntries(TILES.map(([key]) => [key, el("dd", null, "–")]));
  const notes = Object.fromEntries(TILES.map(([key]) => [key, el("small", null)]));
  const tiles = el("dl", { class: "tiles" }, TILES.map(([key, title]) =>
    el("div", { class: "tile" }, el("dt", null, title), values[key], el("dd", { class: "note" }, notes[key]))));
  const reasons = el("div", { class: "tallies" });
  const rejected = el("div", { class: "tallies" });
  const points = el("ul", { class: "points" });
  const measured = el("div");
  const chart = histogram({
    title: "How near the nearest kept question was",
    bins: [],
    series: [
      { name: "hits", value: (bin) => bin.hits, class: "hit" },
      { name: "rejected", value: (bin) => bin.rejected, class: "rejected" },
    ],
    format: format.compact,
    height: 200,
  });

  const uncompared = el("p", { class: "empty", hidden: true }, "No question has been compared with a kept one yet.");
  chart.hidden = true;

  function show({ cache, similarity, learning }) {
    tick({ cache });
    say(values.index, INDEXES[cache.index] ?? "–");
    say(notes.index, !cache.semantic ? "meaning is not looked at" : cache.graphs ? `${format.count(cache.graphs)} ${cache.graphs === 1 ? "partition is a graph" : "partitions are graphs"}` : "small partitions are scanned");
    say(values.pinned, format.count(cache.pinned));
    const { vectors } = cache;
    say(notes.entries, vectors?.entries ? `and ${format.count(vectors.entries)} embeddings, ${format.bytes(vectors.bytes)}` : "");
    update(reasons,
      tally("Why not from the cache", cache.miss_reasons, "None yet."),
      tally("Why not looked up", cache.bypass_reasons, "None yet."),
      tally("Why not kept", cache.not_kept_reasons, "None yet."),
      tally("Why entries left", cache.evictions, "None yet."));
    const { bins = [], rejected_by: by, thresholds = [] } = similarity ?? {};
    const isEmpty = bins.every((bin) => bin.hits + bin.rejected === 0);
    const marks = markAt(thresholds);
    chart.hidden = isEmpty;
    uncompared.hidden = !isEmpty;
    if (!isEmpty) chart.redraw({ bins, marks });
    update(points, thresholds.slice(0, 50).map(({ what, at }) => el("li", { dataset: { key: `${what} ${at}` } }, el("b", null, near(at)), ` ${inert(what, 120)}`)));
    update(rejected, tally("Why the nearest was rejected", by, "None yet."));
    update(measured, table({
      caption: "Measured rate of wrong hits by kind of question",
      columns: MEASURED,
      rows: learning?.classes ?? [],
      key: (known) => `${known.client ?? ""}/${known.model}/${known.has_matter}`,
      empty: "Nothing measured yet. Hits by meaning are checked against fresh answers now and then, and misses teach what near questions have in common.",
    }));
  }

  function tick({ cache }) {
    if (!cache) return;
    say(values.entries, format.count(cache.entries));
    say(values.bytes, format.bytes(cache.bytes));
    say(notes.bytes, cache.max_bytes ? `${format.percent(cache.bytes / cache.max_bytes)} of ${format.bytes(cache.max_bytes)}` : "");
    say(values.questions, format.count(cache.questions));
    say(values.partitions, format.count(cache.partitions));
  }

  const node = el("div", null,
    section("Kept", tiles, reasons),
    section("Similarity", el("div", { class: "beside" }, el("div", null, chart, uncompared, points), rejected)),
    section("Wrong hits, measured", el("p", { class: "hint" }, "Hits by meaning, compared with the answers that providers gave to the same questions. ", word("false_hits_at_most"), " in the API."), measured));
  return { node, show, tick };
}
