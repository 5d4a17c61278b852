// One request: how it was answered, and what took how long.

import { format, get } from "../../api.js";
import { el, put } from "../../dom.js";
import { inert } from "../../text.js";
import { table } from "../../widgets.js";
import { asking, chip, facts, failed, link, near, section, status, whole, word } from "../parts.js";
import { nameOf, waterfall } from "./waterfall.js";

const STEPS = [
  { title: "Step", cell: (step) => nameOf(step) },
  { title: "Began", numeric: true, cell: (step) => format.ms(step.began_ms) },
  { title: "Answer began", numeric: true, cell: (step) => format.ms(step.answered_ms) },
  { title: "Ended", numeric: true, cell: (step) => format.ms(step.ended_ms) },
  { title: "Took", numeric: true, cell: (step) => (step.ended_ms === null ? "–" : format.ms(step.ended_ms - step.began_ms)) },
  { title: "Outcome", cell: (step) => (step.outcome === null ? "–" : word(step.outcome)) },
  { title: "Tokens", numeric: true, cell: (step) => (step.tokens ? `${format.count(step.tokens.input)} in, ${format.count(step.tokens.output)} out` : "–") },
  { title: "Cost", numeric: true, cell: (step) => format.usd(step.usd) },
];

const FAULTS = { client: "the client's", provider: "a provider's", gateway: "the gateway's" };

/** How a request was answered, as a word with its colour. */
export function way(request) {
  const isHit = ["exact", "semantic", "stale", "coalesced"].includes(request.way);
  if (request.error !== null || request.status >= 400) return chip(request.way ?? "failed", "bad");
  return chip(request.way ?? "gone", isHit ? "good" : "");
}

/** Why's view of a request that it can open; else why it can't. */
function inWhy(request) {
  if (request.request !== null) return el("p", null, el("a", { class: "button", href: `#/why?request=${request.seq}` }, "Open in Why"));
  if (request.has_content) {
    return el("p", { class: "hint" }, "Why reads chat requests; this one came in the form of ", word(request.route), ".");
  }
  return el("p", { class: "hint" }, "Its content is not kept, so it can't be opened in Why. To keep the contents of requests from now on, set ", word("capture_content = true"), " under ", word("[telemetry]"), " in the configuration. They stay in memory, and are seen by whoever may see this page.");
}

/** The page of the request number `seq`. */
export function detail(root, context, seq) {
  const content = el("div", { class: "view-request" }, status("Loading…"));
  put(root, el("p", { class: "crumbs" }, link("#/requests", "Requests"), " / request"), content);
  const ask = asking((signal) => get(`/requests/${encodeURIComponent(seq)}`, { signal }), (request) => {
    const { steps } = request;
    put(content,
      inWhy(request),
      section("Time", waterfall(request), table({ caption: "Steps of the request", columns: STEPS, rows: steps, empty: "No step was noted: it was answered, or refused, at once." })),
      section("Facts", facts([
        ["Answered", [way(request), ` ${request.status ?? ""}`]],
        ["Error", request.error === null ? null : [inert(request.error, 500), request.fault && ` (${FAULTS[request.fault] ?? inert(request.fault, 40)} fault)`]],
        ["Reason", request.reason === null ? null : [word(request.reason), request.sentence && ` ${inert(request.sentence, 300)}`]],
        ["Similarity", request.similarity === null ? null : near(request.similarity)],
        ["Id", word(request.id)],
        ["Trace", request.trace_id === null ? null : word(request.trace_id)],
        ["When", format.time(request.at / 1000)],
        ["Route", word(request.route ?? "–")],
        ["Client", request.client === null ? "no name" : inert(request.client, 100)],
        ["Asked model", request.asked_model === null ? null : inert(request.asked_model, 200)],
        ["Answered by", request.provider === null ? null : inert(`${request.provider}/${request.model ?? "?"}`, 200)],
        ["Task", request.task === null ? null : inert(request.task, 100)],
        ["Attempts", format.count(request.attempts)],
        ["Tokens cut from the prompt", request.trimmed_tokens ? format.count(request.trimmed_tokens) : null],
        ["Tokens", request.tokens ? `${format.count(request.tokens.input)} in, ${format.count(request.tokens.output)} out` : null],
        ["Billed", format.usd(request.usd)],
        ["Saved", format.usd(request.saved_usd)],
        ["Gateway's own time", format.ms(request.overhead_ms)],
        ["Waited for providers", format.ms(request.upstream_ms)],
        ["Until the answer began", format.ms(request.head_ms)],
        ["In all", `${format.ms(request.total_ms)}${request.complete || request.way === "background" ? "" : ", the client was gone before the end"}`],
      ])),
      request.content !== null && section("Content", whole(pretty(request.content), "Body of the request")));
  }, (error) => {
    put(content, error.status === 404 ? el("p", { class: "empty" }, "This request is not remembered any more.") : failed(error, "The request can't be shown"));
  });
  ask();
  return { unmount: ask.end };
}

/** JSON with its lines, anything else as it is. */
function pretty(text) {
  if (text.length > 200_000) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
