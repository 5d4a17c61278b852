// Forgets what is selected, once it was counted. It is selected anew: what has come to fit meanwhile goes too.

import { format, post } from "../../api.js";
import { el } from "../../dom.js";
import { inert } from "../../text.js";
import { busy, field, toast } from "../../widgets.js";
import { folded, status } from "../parts.js";
import { manyEntries } from "../words.js";
import { isSpan } from "./span.js";

const PINNED = [["", "pinned ones too"], ["false", "not the pinned ones"], ["true", "only the pinned ones"]];
const NAMES = [
  ["tag", "Tag"],
  ["namespace", "Namespace"],
  ["model", "Model"],
  ["client", "Client"],
  ["older_than", "Older than", "36h or 7d"],
  ["younger_than", "Younger than", "30m"],
];

/** What is selected, in words. */
function inWords(selector) {
  if (selector.everything) return "of the whole cache";
  const said = Object.entries(selector).map(([name, value]) => {
    if (name === "pinned") return value ? "a pin" : "no pin";
    return `${name.replaceAll("_", " ")} ${inert(value, 80)}`;
  });
  return `with ${said.join(" and ")}`;
}

/** The panel; `purged()` is called after something was forgotten. */
export function purge(purged) {
  const inputs = Object.fromEntries(NAMES.map(([name]) => [name, el("input", { type: "text", autocomplete: "off", spellcheck: "false" })]));
  const pinned = el("select", null, PINNED.map(([value, label]) => el("option", { value }, label)));
  const everything = el("input", { type: "checkbox" });
  const result = status();
  const counting = el("button", { type: "submit", class: "plain" }, "Count");
  const forgetting = el("button", { type: "button", class: "danger", disabled: true, onclick: forget }, "Forget");
  let counted = null;

  function selector() {
    if (everything.checked) return { everything: true };
    const said = NAMES.map(([name]) => [name, inputs[name].value.trim()]).filter(([, value]) => value !== "");
    const selected = Object.fromEntries(said);
    return pinned.value === "" ? selected : { ...selected, pinned: pinned.value === "true" };
  }

  /** The button is for the selection that was counted: any change of the form takes it away. */
  function guard() {
    const isCounted = counted !== null && counted.of === JSON.stringify(selector());
    if (counted !== null && !isCounted) result.say("The selection has changed. Count again.");
    if (!isCounted) counted = null;
    for (const [name] of NAMES) {
      if (name === "older_than" || name === "younger_than") isSpan(inputs[name]);
      inputs[name].disabled = everything.checked;
    }
    pinned.disabled = everything.checked;
    forgetting.disabled = counted === null || counted.entries === 0;
    forgetting.textContent = counted === null ? "Forget" : `Forget ${manyEntries(counted.entries)}`;
  }

  async function count() {
    const wanted = selector();
    counted = null;
    guard();
    if (Object.keys(wanted).length === 0) {
      result.say("Say what to forget: at least one of the fields, or everything.");
      return;
    }
    try {
      const { entries, bytes } = await busy([counting], () => post("/cache/purge", { ...wanted, dry_run: true }));
      if (JSON.stringify(selector()) !== JSON.stringify(wanted)) return;
      counted = { of: JSON.stringify(wanted), entries };
      result.say(entries === 0 ? `No entry ${inWords(wanted)}.` : `${manyEntries(entries)}, ${format.bytes(bytes)}, ${inWords(wanted)}. Nothing is forgotten yet.`);
    } catch (error) {
      result.say(inert(`Not counted: ${error.message}`, 500));
    }
    guard();
  }

  async function forget() {
    const wanted = selector();
    if (counted?.of !== JSON.stringify(wanted)) return;
    forgetting.disabled = true;
    try {
      const { entries, bytes } = await post("/cache/purge", { ...wanted, dry_run: false });
      counted = null;
      result.say(`${manyEntries(entries)}, ${format.bytes(bytes)}, forgotten.`);
      toast(`${manyEntries(entries)} forgotten`, "good");
      purged();
    } catch (error) {
      result.say(inert(`Nothing is forgotten: ${error.message}`, 500));
      counted = null;
    }
    guard();
    counting.focus();
  }

  const form = el("form", { class: "purge" },
    el("p", { class: "hint" }, "Entries that fit all of the fields are forgotten. Count them first."),
    el("div", { class: "filters" }, NAMES.map(([name, label, example]) => {
      if (example) inputs[name].placeholder = example;
      return field(label, inputs[name]);
    }), field("Pinned", pinned), field("Everything, pinned ones too", everything)),
    el("div", { class: "actions" }, counting, forgetting), result);
  form.oninput = guard;
  form.onsubmit = (event) => {
    event.preventDefault();
    count();
  };
  return folded("Purge", form);
}
