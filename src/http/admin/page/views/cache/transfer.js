// Entries out to a file and in from one, as lines of JSON.

import { download, format, post } from "../../api.js";
import { el, field, inert, put, table, toast } from "../../dom.js";
import { failed, folded, queryOf, status } from "../parts.js";

/** Errors that are shown; a broken file has one for each line. */
const SHOWN = 200;

const ERRORS = [
  { title: "Line", numeric: true, cell: (error) => format.count(error.line) },
  { title: "What is wrong", cell: (error) => inert(error.error, 300) },
];

/** The panel. `selector()`: what is exported; `imported()` is called after entries were taken in. */
export function transfer(selector, imported) {
  const said = status();
  const exporting = el("button", { type: "button", class: "plain", onclick: save }, "Export what the filter selects");
  const report = el("div", { class: "report" });
  const picker = el("input", { type: "file", accept: ".jsonl,.ndjson,.json,application/x-ndjson", onchange: check });

  async function save() {
    exporting.disabled = true;
    said.say("Exporting…");
    try {
      const query = queryOf(selector());
      const day = new Date().toISOString().slice(0, 10);
      await download(`/cache/export${query ? `?${query}` : ""}`, `refrain-cache-${day}.jsonl`);
      said.say("");
    } catch (error) {
      said.say(inert(`Not exported: ${error.message}`, 500));
    } finally {
      exporting.disabled = false;
    }
  }

  /** Checks the whole file; nothing is taken in. */
  async function check() {
    const [file] = picker.files;
    put(report);
    if (!file) return;
    const name = inert(file.name, 80);
    put(report, status(`Checking ${name}, ${format.bytes(file.size)}…`));
    let checked;
    try {
      checked = await post("/cache/import?dry_run=true", file);
    } catch (error) {
      if (picker.files[0] === file) put(report, refusal(error, name));
      return;
    }
    if (picker.files[0] !== file) return;
    if (checked.errors?.length) {
      put(report, refusal({ message: "", body: checked }, name));
      return;
    }
    const take = el("button", { type: "button", class: "primary", onclick: () => bring(file, take) }, `Import ${entries(checked.imported)}`);
    take.disabled = checked.imported === 0;
    put(report, status(`${name}: ${sums(checked)}. Nothing is imported yet.`), el("div", { class: "actions" }, take));
    take.focus();
  }

  async function bring(file, button) {
    button.disabled = true;
    try {
      const done = await post("/cache/import?dry_run=false", file);
      put(report, status(`${sums(done)}.`));
      toast(`${entries(done.imported)} imported`, "good");
      picker.value = "";
      imported();
    } catch (error) {
      put(report, refusal(error, inert(file.name, 80)));
    }
  }

  /** What is wrong with a file, line by line. */
  function refusal(error, name) {
    const errors = error.body?.errors ?? [];
    const refused = Math.max(error.body?.refused ?? 0, errors.length);
    const shown = errors.slice(0, SHOWN);
    if (errors.length === 0) return failed(error, `${name} is not imported`);
    return el("div", null,
      el("p", { class: "failure", role: "alert" }, `${name}: ${format.count(refused)} of ${format.count(error.body.lines)} lines can't be taken in. Nothing is imported.`),
      table({ caption: "Lines that can't be taken in", columns: ERRORS, rows: shown, key: (one) => String(one.line) }),
      refused > shown.length && el("p", { class: "hint" }, `The first ${format.count(shown.length)} are shown.`));
  }

  const entries = (many) => `${format.count(many)} ${many === 1 ? "entry" : "entries"}`;
  function sums({ lines, imported: good, skipped, refused }) {
    const rest = [skipped && `${format.count(skipped)} skipped, as newer ones are kept`, refused && `${format.count(refused)} refused`].filter(Boolean);
    return [`${format.count(lines)} ${lines === 1 ? "line" : "lines"}, ${entries(good)}`, ...rest].join(", ");
  }

  return folded("Export and import",
    el("p", { class: "hint" }, "Lines of JSON, with prompts and answers in them. An export has the entries of the chosen model, client, namespace, tag and age, or the pinned ones of them; the search text does not narrow it."),
    el("div", { class: "actions" }, exporting), said,
    field("Import a file of lines of JSON", picker, "The file is checked first. If a line can't be taken in, nothing of it is imported. What is too long for one request goes in with `refrain cache import`."),
    report);
}
