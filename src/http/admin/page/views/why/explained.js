// What the cache and the routes would do with one request.

import { format } from "../../api.js";
import { el } from "../../dom.js";
import { inert } from "../../text.js";
import { table } from "../../widgets.js";
import { cell, chip, facts, link, near, pointOf, section, whole, word } from "../parts.js";
import { BREAKERS, WHYS } from "../words.js";

const OUTCOMES = { hit: ["hit", "good"], miss: ["miss", "warn"], bypass: ["bypass", ""] };
const VERDICTS = { hit: ["hit", "good"], veto: ["veto", "bad"], below_point: ["below the point", "warn"], expired: ["expired", "warn"], brake: ["braked", "warn"], not_nearest: ["not the nearest", ""] };
const ROLES = { first: "asked first", fallback: "if that fails", if_too_long: "if it is too long", if_content_refused: "if the content is refused", passed_over: "passed over" };

const marked = (of, key) => chip(...(of[key] ?? [String(key).replaceAll("_", " ")]));
const tokens = ({ least, most }) => (least === most ? format.count(least) : `${format.count(least)} to ${format.count(most)}`);

const CANDIDATES = [
  { title: "Kept prompt", class: "prompt", cell: (one) => link(`#/cache/${encodeURIComponent(one.id)}`, inert(one.prompt, 200) || "(empty)") },
  { title: "Similarity", numeric: true, cell: (one) => near(one.similarity) },
  { title: "Score", numeric: true, cell: (one) => near(one.score) },
  { title: "Age", numeric: true, cell: (one) => `${format.seconds(one.age_seconds)}${one.is_fresh ? "" : " (over)"}` },
  { title: "Verdict", cell: (one) => marked(VERDICTS, one.verdict) },
  { title: "Reason", class: "reason", cell: (one) => cell(one.reason && word(one.reason), one.reason && " ", inert(one.sentence ?? "", 400)) },
];

const TARGETS = [
  { title: "Target", class: "name", cell: (one) => inert(`${one.provider}/${one.model}`, 100) },
  { title: "Role", cell: (one) => ROLES[one.role] ?? inert(String(one.role).replaceAll("_", " "), 60) },
  { title: "Passed over because", class: "reason", cell: (one) => (one.reason === null ? "–" : inert(one.reason, 200)) },
  { title: "Breaker", cell: (one) => marked(BREAKERS, one.breaker) },
  { title: "Prompt tokens", numeric: true, cell: (one) => tokens(one.tokens) },
  { title: "Room", numeric: true, cell: (one) => format.count(one.room) },
  { title: "Cut to", numeric: true, cell: (one) => format.count(one.cut_to) },
  { title: "Prompt costs", numeric: true, cell: (one) => format.usd(one.prompt_usd) },
  { title: "In flight", numeric: true, cell: (one) => format.count(one.in_flight) },
  { title: "Latency", numeric: true, cell: (one) => format.ms(one.latency_ms) },
];

/** What `POST /admin/api/why` says. */
export function explained({ cache, identity, candidates, admission, route }) {
  return el("div", { class: "explained" },
    section("Outcome",
      el("p", { class: "verdict" }, marked(OUTCOMES, cache.outcome), cache.tier && chip(cache.tier, "good"), " ", inert(cache.sentence, 500)),
      facts([
        ["Reason", cache.reason === null ? null : word(cache.reason)],
        ["Looked up", cache.lookup ? "yes" : "no"],
        ["Over since", typeof cache.stale_seconds === "number" ? format.seconds(cache.stale_seconds) : null],
        ["Kept for", cache.keep_seconds === null ? "not kept" : format.seconds(cache.keep_seconds)],
        ["By meaning", cache.semantic.eligible ? "yes" : ["no", cache.semantic.reason && ": ", cache.semantic.reason && word(cache.semantic.reason)]],
        ["Admission point", admission && [pointOf(admission.point), `, ${WHYS[admission.why] ?? inert(admission.why, 60)}`, admission.start !== admission.point && ` (starts at ${pointOf(admission.start)})`, admission.policy && ` by the policy ${inert(admission.policy, 40)}`]],
      ])),
    section("Candidates", table({
      caption: "Kept questions that are near",
      columns: CANDIDATES,
      rows: candidates,
      empty: cache.semantic.eligible ? "Nothing near is kept in its partition." : "Meaning is not looked at for this request.",
    })),
    identity && section("Identity",
      el("p", { class: "hint" }, "Requests share answers only within a partition: same client or namespace, same model, same everything but the wording of the question."),
      facts([
        ["Scope", inert(identity.scope, 200)],
        ["Partition", word(identity.partition)],
        ["Fingerprint", word(identity.fingerprint)],
        ["Surface", identity.surface === null ? null : word(identity.surface)],
      ]),
      identity.question === null ? el("p", { class: "hint" }, "No part of it is taken as the question.") : [el("h3", null, "Question"), whole(identity.question, "Question")]),
    route && section("Route", ways(route)));
}

function ways(route) {
  const [first] = route.targets.filter((one) => one.role !== "passed_over");
  const where = route.refused !== null ? `It would be refused: ${inert(route.refused, 400)}` : first ? `On a miss it would go to ${inert(`${first.provider}/${first.model}`, 120)}.` : "Nobody would be asked.";
  const scores = Object.entries(route.task?.scores ?? {}).sort((a, b) => b[1] - a[1]);
  return [
    el("p", { class: "verdict" }, where, route.trimmed_tokens ? ` ${format.count(route.trimmed_tokens)} tokens would be cut from the prompt.` : ""),
    facts([
      ["Asked model", inert(route.model, 120)],
      ["Task", route.task && [inert(route.task.name, 80), `, ${inert(String(route.task.why).replaceAll("_", " "), 60)}`, typeof route.task.margin === "number" && `, ahead by ${near(route.task.margin)}`]],
      ["Order by", inert(route.strategy.replaceAll("_", " "), 60)],
      ["Stays with", route.pinned === null ? null : `${inert(route.pinned, 120)}, which has answered so far`],
      ["Prompts that are too long", inert(route.on_overflow.replaceAll("_", " "), 60)],
      ["Prompt tokens", tokens(route.tokens)],
      ["Tokens cut", route.trimmed_tokens ? format.count(route.trimmed_tokens) : "none"],
    ]),
    table({ caption: "Targets in the order in which they would be asked", columns: TARGETS, rows: route.targets, empty: "The route has no target." }),
    scores.length > 1 && el("details", null, el("summary", null, "How near each kind of work is"), facts(scores.map(([name, score]) => [inert(name, 60), near(score)]))),
  ];
}
