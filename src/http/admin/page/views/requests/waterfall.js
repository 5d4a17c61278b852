// Steps of a request as bars over time.

import { format } from "../../api.js";
import { el, fresh, svg } from "../../dom.js";
import { inert } from "../../text.js";

const ROW = 34;
const BAR = 12;
/** A bar that is too short to see is this wide, in percent. */
const LEAST = 0.4;

const STAGES = { lookup: "cache lookup", embedding: "embedding" };

/** What a step is called. */
export function nameOf({ stage, provider, model }) {
  return stage === "attempt" ? inert(`attempt at ${provider ?? "?"}/${model ?? "?"}`, 80) : STAGES[stage] ?? inert(stage, 40);
}

function sentence(step) {
  const took = step.ended_ms === null ? "not ended" : `took ${format.ms(step.ended_ms - step.began_ms)}`;
  return `${nameOf(step)}, from ${format.ms(step.began_ms)}, ${took}${step.outcome === null ? "" : `, ${inert(step.outcome, 60)}`}`;
}

/** The drawing; geometry in percent, so that it fits any width. */
export function waterfall({ steps, total_ms: total, head_ms: head }) {
  if (steps.length === 0) return null;
  const end = Math.max(total ?? 0, ...steps.map((step) => step.ended_ms ?? step.began_ms), 0.001);
  const at = (value) => `${((100 * Math.min(Math.max(value, 0), end)) / end).toFixed(3)}%`;
  const wide = (from, to) => `${Math.max(LEAST, (100 * Math.max(0, to - from)) / end).toFixed(3)}%`;
  const [title, desc] = [fresh("title"), fresh("desc")];
  const height = steps.length * ROW + 4;
  const isGood = (step) => step.outcome === null || !["attempt"].includes(step.stage) || step.outcome === "ok";
  return el("figure", { class: "waterfall" },
    svg("svg", { role: "img", width: "100%", height, "aria-labelledby": `${title} ${desc}` },
      svg("title", { id: title }, `Timeline of the request, ${format.ms(end)} in all`),
      svg("desc", { id: desc }, steps.map(sentence).join("; ")),
      typeof head === "number" && svg("line", { class: "head", x1: at(head), x2: at(head), y1: 0, y2: height }),
      steps.map((step, index) => {
        const y = index * ROW;
        const ended = step.ended_ms ?? end;
        const isLate = step.began_ms > end * 0.6;
        const waited = step.answered_ms ?? ended;
        return svg("g", { class: `step ${["lookup", "embedding"].includes(step.stage) ? step.stage : "attempt"}${isGood(step) ? "" : " bad"}` },
          svg("text", { x: at(isLate ? ended : step.began_ms), y: y + 13, "text-anchor": isLate ? "end" : "start" }, `${nameOf(step)} · ${step.ended_ms === null ? "not ended" : format.ms(ended - step.began_ms)}`),
          svg("rect", { class: "bar", x: at(step.began_ms), y: y + 18, width: wide(step.began_ms, ended), height: BAR, rx: 2 }),
          waited > step.began_ms && waited < ended && svg("rect", { class: "bar reading", x: at(waited), y: y + 18, width: wide(waited, ended), height: BAR, rx: 2 }));
      })),
    el("figcaption", null, `0 to ${format.ms(end)}.`, typeof head === "number" && ` The upright line: the answer began, after ${format.ms(head)}.`, steps.some((step) => step.answered_ms !== null) && " The lighter part of a bar: the answer was being read."));
}
