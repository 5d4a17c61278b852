// Finds entries by their words or by their meaning.

import { format, get, post } from "../../api.js";
import { el } from "../../dom.js";
import { inert } from "../../text.js";
import { update } from "../../update.js";
import { field, table } from "../../widgets.js";
import { asking, chip, clientNames, failed, link, names, near, queryOf, rested, section, status, submit } from "../parts.js";
import { manyEntries } from "../words.js";
import { isSpan } from "./span.js";

const PAGE = 50;
const FOUND = 20;
const TYPED_MS = 300;
/** A search by meaning costs an embedding. */
const MEANT_MS = 700;

const NOTHING = { text: "", by: "words", model: "", client: "", namespace: "", tag: "", older_than: "", younger_than: "", pinned: false, sort: "newest", offset: 0 };
/** What was looked for last: it is there again when an entry is closed. */
let wanted = { ...NOTHING };

const COLUMNS = [
  { title: "Prompt", class: "prompt", cell: (entry) => link(`#/cache/${encodeURIComponent(entry.id)}`, inert(entry.prompt, 120) || "(empty)") },
  { title: "Model", class: "short", cell: (entry) => inert(entry.model, 60) },
  { title: "Client", class: "short", cell: (entry) => `${inert(entry.client ?? "–", 60)}${entry.namespace ? ` / ${inert(entry.namespace, 60)}` : ""}` },
  { title: "Marks", class: "marks", cell: marks },
  { title: "Age", numeric: true, cell: (entry) => format.seconds(entry.age_seconds) },
  { title: "Uses", numeric: true, cell: (entry) => format.count(entry.uses) },
  { title: "Saved", numeric: true, cell: (entry) => format.usd(entry.saved_usd) },
  { title: "Size", numeric: true, cell: (entry) => format.bytes(entry.bytes) },
];
const SIMILARITY = { title: "Similarity", numeric: true, cell: (entry) => near(entry.similarity) };

function marks(entry) {
  const all = [
    entry.pinned && chip("pinned", "good"),
    entry.is_stale && chip("stale", "warn"),
    !entry.semantic && chip("exact only"),
    entry.tags.slice(0, 4).map((tag) => chip(`#${tag}`)),
    entry.tags.length > 4 && chip(`+${entry.tags.length - 4}`),
  ].flat().filter(Boolean);
  return all.length ? el("span", { class: "chips" }, all) : null;
}

/** The browser. `selector()` is what of the filter also means entries to export. */
export function browser() {
  const inputs = {};
  const [models, clients, namespaces, tags] = [names(), clientNames(), names(), names()];
  const results = el("div", { class: "results" });
  const count = status();
  const input = (name, props) => (inputs[name] = el("input", { type: "text", autocomplete: "off", spellcheck: "false", value: wanted[name], ...props }));

  const ask = asking(load, show, (error) => {
    count.say("");
    update(results, failed(error, "The entries can't be shown"));
  });
  const later = rested(ask);

  async function load(signal) {
    const { by, text, offset, ...filter } = wanted;
    if (by === "meaning" && text.trim() !== "") {
      const { model, client, namespace, tag } = filter;
      const or = (value) => (value === "" ? null : value);
      return post("/cache/search", { text, limit: FOUND, model: or(model), client: or(client), namespace: or(namespace), tag: or(tag) }, { signal });
    }
    return get(`/cache/entries?${queryOf({ text: by === "words" ? text : "", ...filter, limit: PAGE, offset })}`, { signal });
  }

  function show(answer) {
    const { entries, total, unavailable } = answer;
    models.learn(entries.map((entry) => entry.model));
    clients.learn(entries.map((entry) => entry.client));
    namespaces.learn(entries.map((entry) => entry.namespace));
    tags.learn(entries.flatMap((entry) => entry.tags));
    const byMeaning = total === undefined;
    if (!byMeaning && wanted.offset > 0 && entries.length === 0) {
      wanted.offset = Math.max(0, Math.floor((total - 1) / PAGE) * PAGE);
      ask();
      return;
    }
    count.say(byMeaning ? (unavailable ? "" : `The ${entries.length} nearest`) : manyEntries(total));
    const isFiltered = Object.entries(NOTHING).some(([key, value]) => !["sort", "by", "offset"].includes(key) && wanted[key] !== value);
    update(results,
      unavailable ? el("p", { class: "failure" }, inert(`A search by meaning is not possible: ${unavailable}`, 300)) : table({
        caption: "Entries of the cache",
        columns: byMeaning ? [COLUMNS[0], SIMILARITY, ...COLUMNS.slice(1)] : COLUMNS,
        rows: entries,
        key: (entry) => entry.id,
        empty: isFiltered ? "No entry is like that." : "Nothing is kept yet. Entries appear here as providers answer.",
      }),
      byMeaning ? null : pager(total, entries.length));
  }

  function pager(total, shown) {
    if (total <= PAGE) return null;
    const go = (offset) => {
      wanted.offset = offset;
      later.now();
    };
    const { offset } = wanted;
    return el("nav", { class: "pager", "aria-label": "Pages of entries" },
      el("button", { type: "button", class: "plain", disabled: offset === 0, onclick: () => go(Math.max(0, offset - PAGE)) }, "Previous"),
      el("span", null, `${format.count(offset + 1)} to ${format.count(offset + shown)} of ${format.count(total)}`),
      el("button", { type: "button", class: "plain", disabled: offset + shown >= total, onclick: () => go(offset + PAGE) }, "Next"));
  }

  /** Takes over what the form says; `false` if it can't be meant yet. */
  function read() {
    let isRight = true;
    for (const [name, one] of Object.entries(inputs)) {
      if (name === "older_than" || name === "younger_than") isRight = isSpan(one) && isRight;
      wanted[name] = one.type === "checkbox" ? one.checked : one.value.trim();
    }
    wanted.by = form.querySelector("input[name=by]:checked").value;
    wanted.offset = 0;
    for (const name of ["older_than", "younger_than", "pinned", "sort"]) inputs[name].disabled = wanted.by === "meaning" && wanted.text !== "";
    return isRight;
  }
  const changed = () => {
    if (read()) later(wanted.by === "meaning" ? MEANT_MS : TYPED_MS);
    else later.stop();
  };

  const by = (value, label) => el("label", null, el("input", { type: "radio", name: "by", value, checked: wanted.by === value }), ` ${label}`);
  inputs.sort = el("select", { value: wanted.sort },
    [["newest", "newest first"], ["uses", "most used"], ["saved", "most saved"], ["size", "largest"]].map(([value, label]) => el("option", { value }, label)));
  const form = el("form", { class: "filter", role: "search", "aria-label": "Find entries" },
    el("div", { class: "search" },
      field("Search prompts and answers", input("text", { type: "search", maxlength: "2000" })),
      el("fieldset", { class: "by" }, el("legend", { class: "unseen" }, "Search by"), by("words", "by words"), by("meaning", "by meaning"))),
    el("div", { class: "filters" },
      field("Model", input("model", { list: models.id })),
      field("Client", input("client", { list: clients.id })),
      field("Namespace", input("namespace", { list: namespaces.id })),
      field("Tag", input("tag", { list: tags.id })),
      field("Older than", input("older_than", { placeholder: "36h", size: "6" })),
      field("Younger than", input("younger_than", { placeholder: "7d", size: "6" })),
      field("Sort", inputs.sort),
      field("Pinned only", (inputs.pinned = el("input", { type: "checkbox", checked: wanted.pinned })))),
    models, clients, namespaces, tags, submit());
  form.oninput = changed;
  form.onsubmit = (event) => {
    event.preventDefault();
    if (read()) later.now();
    else later.stop();
  };
  const clear = el("button", { type: "button", class: "plain", onclick() {
    wanted = { ...NOTHING };
    for (const [name, one] of Object.entries(inputs)) {
      if (one.type === "checkbox") one.checked = wanted[name];
      else one.value = wanted[name];
    }
    form.querySelector("input[value=words]").checked = true;
    read();
    later.now();
  } }, "Clear the filter");

  ask();
  return {
    node: section("Entries", form, el("div", { class: "found" }, count, clear), results),
    refresh: () => later.now(),
    selector: () => ({ model: wanted.model, client: wanted.client, namespace: wanted.namespace, tag: wanted.tag, older_than: wanted.older_than, younger_than: wanted.younger_than, pinned: wanted.pinned }),
    stop() {
      later.stop();
      ask.end();
      clients.end();
    },
  };
}
