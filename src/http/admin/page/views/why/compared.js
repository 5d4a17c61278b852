// Two prompts side by side, with what sets them apart.

import { el } from "../../dom.js";
import { inert, lines } from "../../text.js";
import { chip, facts, near, pointOf, section, word } from "../parts.js";

/** Fragments of a text that are marked, and characters of it that are shown. */
const MOST_MARKS = 200;
const SHOWN = 20_000;

const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** `text` with each of `fragments` marked where it stands as a word. */
export function highlighted(text, fragments) {
  const all = text.slice(0, SHOWN);
  const wanted = fragments.filter((one) => typeof one === "string" && one.trim() !== "" && one.length < 500).sort((a, b) => b.length - a.length);
  if (wanted.length === 0) return lines(all, SHOWN);
  const within = new RegExp(`(?<![\\p{L}\\p{N}])(?:${wanted.map((one) => quoted(one.trim())).join("|")})(?![\\p{L}\\p{N}])`, "giu");
  const parts = [];
  let from = 0;
  for (const match of all.matchAll(within)) {
    if (parts.length > 2 * MOST_MARKS) break;
    parts.push(lines(all.slice(from, match.index), SHOWN), el("mark", null, lines(match[0], SHOWN)));
    from = match.index + match[0].length;
  }
  return [...parts, lines(all.slice(from), SHOWN)];
}

/** The words of one side of a veto, together and one by one. */
const pieces = (said) => (said ? [said, ...said.split(", ")] : []);

/** What `POST /admin/api/compare` says. */
export function compared(answer) {
  const { vetoes, question_a: kept, question_b: now } = answer;
  const text = (label, question, side) => el("div", null, el("h3", null, label),
    el("pre", { class: "text", dir: "auto", tabindex: "0", role: "region", "aria-label": `${label}, text` }, highlighted(question ?? "", vetoes.flatMap((veto) => pieces(veto[side])))));
  const side = (value) => (value === null || value === undefined || value === "" ? "nothing" : el("mark", null, inert(value, 200)));
  return el("div", { class: "compared" },
    section("Outcome",
      el("p", { class: "verdict" }, answer.verdict === "hit" ? chip("hit", "good") : chip("miss", "warn"), " ", inert(answer.sentence, 500)),
      facts([
        ["Similarity", near(answer.similarity)],
        ["Score", near(answer.score)],
        ["Admission point", `${pointOf(answer.point)}, before anything is learned`],
        ["Reason", answer.reason === null ? null : word(answer.reason)],
        ["Same wording", answer.same_surface ? "yes, but for case, spaces and signs" : "no"],
        ["By meaning", answer.eligible ? "yes" : ["no", answer.ineligible_reason && ": ", answer.ineligible_reason && word(answer.ineligible_reason)]],
      ])),
    section("What sets them apart",
      vetoes.length === 0 ? el("p", { class: "empty" }, "No veto: no number, name, negation or the like differs.") : el("ul", { class: "vetoes" }, vetoes.map((veto) =>
        el("li", null, word(veto.kind), " ", inert(veto.sentence, 300), " ", el("span", { class: "versus" }, "kept ", side(veto.a), ", asked ", side(veto.b))))),
      el("div", { class: "two" }, text("Kept", kept, "a"), text("Asked", now, "b"))));
}
