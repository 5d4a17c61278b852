// Entries out to a file and in from one, as lines of JSON.

import { download, format, post } from "../../api.js";
import { el, put } from "../../dom.js";
import { inert } from "../../text.js";
import { busy, field, table, toast } from "../../widgets.js";
import { failed, folded, queryOf, status } from "../parts.js";
import { counted, manyEntries } from "../words.js";

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
  /** How many files were picked. */
  let turn = 0;

  async function save() {
    said.say("Exporting…");
    try {
      const query = queryOf(selector());
      const day = new Date().toISOString().slice(0, 10);
      await busy([exporting], () => download(`/cache/export${query ? `?${query}` : ""}`, `refrain-cache-${day}.jsonl`));
      said.say("");
    } catch (error) {
      said.say(inert(`Not exported: ${error.message}`, 500));
    }
  }

  /** Checks the whole file; nothing is taken in. */
  async function check() {
    const [file] = picker.files;
    if (!file) return;
    // A file of the same name is picked again once it is corrected.
    picker.value = "";
    const mine = (turn += 1);
    const name = inert(file.name, 80);
    put(report, status(`Checking ${name}, ${format.bytes(file.size)}…`));
    let checked;
    try {
      checked = await post("/cache/import?dry_run=true", file);
    } catch (error) {
      if (turn === mine) put(report, refusal(error, name));
      return;
    }
    if (turn !== mine) return;
    if (checked.errors?.length) {
      put(report, refusal({ message: "", body: checked }, name));
      return;
    }
    const take = el("button", { type: "button", class: "primary", onclick: () => bring(file, take) }, `Import ${manyEntries(checked.imported)}`);
    take.disabled = checked.imported === 0;
    put(report, status(`${name}: ${sums(checked)}. Nothing is imported yet.`), el("div", { class: "actions" }, take));
    take.focus();
  }

  async function bring(file, button) {
    const mine = turn;
    button.disabled = true;
    let told;
    try {
      const done = await post("/cache/import?dry_run=false", file);
      told = status(`${sums(done)}.`);
      toast(`${manyEntries(done.imported)} imported`, "good");
      imported();
    } catch (error) {
      told = refusal(error, inert(file.name, 80));
    }
    // Another file may have been picked meanwhile.
    if (turn !== mine) return;
    put(report, told);
    picker.focus();
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

  function sums({ lines, imported: good, skipped, refused }) {
    const rest = [skipped && `${format.count(skipped)} skipped, as newer ones are kept`, refused && `${format.count(refused)} refused`].filter(Boolean);
    return [`${counted(lines, "line")}, ${manyEntries(good)}`, ...rest].join(", ");
  }

  return folded("Export and import",
    el("p", { class: "hint" }, "Lines of JSON, with prompts and answers in them. An export has the entries of the chosen model, client, namespace, tag and age, or the pinned ones of them; the search text does not narrow it."),
    el("div", { class: "actions" }, exporting), said,
    field("Import a file of lines of JSON", picker, "The file is checked first. If a line can't be taken in, nothing of it is imported. What is too long for one request goes in with `refrain cache import`."),
    report);
}
