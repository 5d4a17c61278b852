// The threshold: what another one would have saved, how many answers would have been wrong, and taking it over.

import { format, get, post } from "../api.js";
import { el, put, say } from "../dom.js";
import { inert } from "../text.js";
import { busy, dialog, field, toast } from "../widgets.js";
import { asking, facts, failed, section, status, word } from "./parts.js";
import { LEAST, charts, nearest, sentence } from "./threshold/curve.js";
import { counted } from "./words.js";

const [LOW, HIGH, STEP] = [0.8, 1, 0.005];
const DEFAULT = 0.93;

const nameOf = ({ client, model, has_matter: matter }) =>
  [client === null || client === undefined ? "" : `${inert(client, 40)}, `, inert(model, 60), matter ? ", about a given text" : ", on their own"].join("");

function mount(root) {
  const content = el("div", { class: "view-threshold" }, status("Loading…"));
  put(root, content);
  const problem = (error) => put(content, failed(error, "The threshold can't be shown"));
  const ask = asking(load, show, problem);
  const tryOut = asking(dryRun, confirm, (error) => toast(`It can't be applied: ${error.message}`, "bad"));
  let at = null;
  let chosen = "";

  function show(known) {
    const now = known.override?.threshold ?? known.admission.threshold ?? startOf(known) ?? DEFAULT;
    at ??= Math.min(HIGH, Math.max(LOW, now));
    put(content, inForce(known), explorer(known), explanation(known));
  }

  /** What holds now. */
  function inForce(known) {
    const { admission, override, mode } = known;
    const isPolicy = admission.kind === "policy";
    return section("In force", facts([
      ["Admission", isPolicy ? ["the policy ", word(admission.policy)] : `the threshold ${admission.threshold?.toFixed(3) ?? "–"}`],
      ["Set by", override ? "this page" : "the configuration"],
      ["Mode", mode === "shadow" ? "shadow: nothing is served from the cache" : "serve"],
      ["Looked up", `${format.count(known.looked_up)} requests`],
      ["Comparisons", format.count(known.labels)],
    ]), override && el("div", { class: "actions" }, el("button", { type: "button", class: "plain", disabled: !known.can_apply, onclick: remove }, "Remove the override…")));
  }

  /** The curves with the slider. */
  function explorer(known) {
    const groups = [{ name: "all questions", curve: known.curve, labels: known.labels, looked: known.looked_up, points: pointsOf(known) },
      ...known.classes.map((one) => ({ name: nameOf(one), curve: one.curve, labels: one.labels, looked: one.looked_up, points: pointsOf(known, one) }))];
    const isEmpty = known.curve.every((point) => point.saved === null);
    if (isEmpty) return section("What another threshold would have done", el("p", { class: "empty" }, "Nothing to draw yet: no question has been looked up that something near was kept for."));

    const line = el("p", { class: "verdict", "aria-live": "polite" });
    const warning = el("p", { class: "hint" });
    const slider = el("input", { type: "range", min: LOW, max: HIGH, step: STEP, value: at });
    const number = el("input", { type: "number", min: LOW, max: HIGH, step: STEP, value: at.toFixed(3), inputmode: "decimal" });
    const apply = el("button", { type: "button", class: "primary", disabled: !known.can_apply, onclick: () => busy([apply], () => tryOut({ known, apply, threshold: Number(at.toFixed(3)) })) });
    const pictures = el("div", { class: "curves" });
    const picker = el("select", null, groups.map((group, index) => el("option", { value: String(index) }, `${group.name} (${counted(group.labels, "comparison")})`)));
    const kept = groups.findIndex((group) => group.name === chosen);
    picker.value = String(Math.max(0, kept));
    let drawn;
    let group;

    function move(to, from) {
      if (!Number.isFinite(to)) return;
      at = Math.round(Math.min(HIGH, Math.max(LOW, to)) / STEP) * STEP;
      if (from !== slider) slider.value = at;
      if (from !== number) number.value = at.toFixed(3);
      slider.setAttribute("aria-valuetext", at.toFixed(3));
      const point = nearest(group.curve, at);
      say(line, sentence(point, at, group.looked));
      const few = point && point.labelled < LEAST;
      say(warning, few ? `Fewer than ${LEAST} comparisons at or above it: too few to rely on.` : "");
      say(apply, `Apply ${at.toFixed(3)}…`);
      drawn.mark(at);
    }
    function pick() {
      group = groups[Number(picker.value)];
      chosen = group.name;
      drawn = charts(group, (point) => move(point.at));
      put(pictures, drawn.node);
      move(at);
    }
    picker.onchange = pick;
    slider.oninput = () => move(slider.valueAsNumber, slider);
    number.oninput = () => {
      const isRight = number.validity.valid || number.validity.stepMismatch;
      if (isRight) number.removeAttribute("aria-invalid");
      else number.setAttribute("aria-invalid", "true");
      if (isRight) move(number.valueAsNumber, number);
    };
    number.onchange = () => {
      number.removeAttribute("aria-invalid");
      number.value = at.toFixed(3);
    };
    pick();
    return section("What another threshold would have done",
      el("div", { class: "steer" }, field("Questions", picker), field("Threshold", slider), field("Exactly", number)),
      line, warning, pictures,
      el("div", { class: "actions" }, apply),
      !known.can_apply && el("p", { class: "failure" }, `It can't be applied here: ${inert(known.why_not ?? "no reason is given", 300)}`));
  }

  /** What would be written. */
  async function dryRun(signal, wanted) {
    const { text } = await post("/threshold", { threshold: wanted.threshold, dry_run: true }, { signal });
    return { ...wanted, text };
  }

  function confirm({ known: { admission }, apply, threshold, text }) {
    const now = admission.kind === "policy" ? ["the policy ", word(admission.policy)] : `the threshold ${admission.threshold?.toFixed(3)}`;
    dialog({
      title: `Apply the threshold ${threshold.toFixed(3)}?`,
      body: [
        el("p", null, "It takes the place of ", now, " at once, and is still there after a restart. What a client, a model, a task or a request sets for itself goes before it."),
        el("p", null, "Learning may raise it where answers turn out wrong; it is never lowered."),
        el("p", null, "This is written to ", word("overrides.toml"), " in the cache's ", word("data_dir"), ":"),
        el("pre", { class: "text", tabindex: "0" }, text),
      ],
      before: apply,
      actions: [{ label: "Cancel" }, { label: "Apply", async run() {
        await post("/threshold", { threshold, dry_run: false });
        toast(`The threshold is ${threshold.toFixed(3)} now`, "good");
        await ask();
      } }],
    });
  }

  function remove() {
    dialog({
      title: "Remove the override?",
      body: el("p", null, "What the configuration says is in force again, at once."),
      actions: [{ label: "Keep it" }, { label: "Remove it", async run() {
        await post("/threshold", { threshold: null, dry_run: false });
        toast("The override is removed", "good");
        at = null;
        await ask();
      } }],
    });
  }

  ask();
  return {
    unmount() {
      ask.end();
      tryOut.end();
    },
  };
}

/** What is known, with the points of the policy, which are told with the cache's numbers. */
async function load(signal) {
  const [known, stats] = await Promise.all([get("/threshold", { signal }), get("/stats", { signal }).catch(() => null)]);
  return { ...known, starts: stats?.similarity?.thresholds ?? [] };
}

/** Where the policy starts for questions on their own, or about a given text. */
function startOf({ admission, starts }, one) {
  const name = one?.has_matter ? `${admission.policy}, with matter` : admission.policy;
  return starts.find(({ what }) => what === name)?.at ?? null;
}

/** The lines that are drawn: where the point is now, and where the policy starts. */
function pointsOf(known, one) {
  const { admission } = known;
  const start = startOf(known, one);
  const now = one?.point ?? admission.threshold ?? null;
  const isDrawn = (value) => typeof value === "number" && value <= HIGH;
  if (isDrawn(now) && isDrawn(start) && Math.abs(now - start) < STEP / 2) return [{ at: now, label: "now, as at its start" }];
  return [isDrawn(now) && { at: now, label: "now" }, isDrawn(start) && { at: start, label: admission.policy ? `${admission.policy} starts` : "start" }].filter(Boolean);
}

function explanation({ mode, labels }) {
  return section("Where this comes from",
    labels < LEAST && el("p", null, `There are ${labels === 0 ? "no" : "only"} ${labels === 0 ? "" : `${format.count(labels)} `}comparisons so far; below ${LEAST} the share of wrong answers is not told with any certainty.`),
    el("p", null, "A comparison holds a fresh answer of a provider against the answer that was kept for the nearest question, and says whether the two are the same. They come from misses, from hits that were asked again unseen (", word("shadow_checks"), ") and from what clients said of answers."),
    el("p", null, "“Saved” is the share of the requests that were looked up and would have been answered from the cache. “Wrong” is the share of those answers that would have been wrong; the band is where it lies with a confidence of 80 %."),
    mode === "shadow" ? el("p", null, "In shadow mode every request goes to a provider, so every near question is compared: this is the quickest way to comparisons.") : el("p", null, "To get more of them without serving anything from the cache, set ", word('mode = "shadow"'), " under ", word("[cache]"), "; to keep serving, raise ", word("shadow_checks"), "."));
}

export const view = { id: "threshold", title: "Threshold", mount };
