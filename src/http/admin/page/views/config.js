// The configuration in force: where it is from, what is wrong with it, and every value, without secrets.

import { format, get } from "../api.js";
import { block, el, put, say } from "../dom.js";
import { inert } from "../text.js";
import { update } from "../update.js";
import { field } from "../widgets.js";
import { asking, chip, facts, polling, section } from "./parts.js";

const OFTEN_MS = 5_000;

const list = (texts) => el("ul", { class: "tight" }, (texts ?? []).map((text) => el("li", null, inert(text, 1000))));
const isTable = (setting) => typeof setting === "object" && setting !== null && !Array.isArray(setting);

/** A setting's value: texts as they are, lists of them one after the other. */
function value(setting) {
  if (setting === null || (Array.isArray(setting) && setting.length === 0)) return el("span", { class: "dim" }, setting ? "none" : "not set");
  if (!Array.isArray(setting)) return el("code", null, inert(setting, 500));
  return setting.some(isTable) ? setting.map((one) => (isTable(one) ? table(Object.entries(one)) : value(one))) : setting.map((one, index) => [index ? ", " : "", value(one)]);
}

/** Names and values; what is a table is set in. */
function table(rows) {
  return el("dl", { class: "settings" }, rows.map(([key, set]) =>
    el("div", { class: isTable(set) ? "nests" : null, dataset: { key } }, el("dt", null, inert(key, 80)), el("dd", null, isTable(set) ? table(Object.entries(set)) : value(set)))));
}

function settings(name, of, wanted) {
  const all = Object.entries(isTable(of) ? of : { [name]: of });
  const rows = all.filter(([key, set]) => wanted === "" || `${name}.${key} ${JSON.stringify(set)}`.toLowerCase().includes(wanted));
  if (rows.length === 0) return null;
  return el("section", { class: "part", dataset: { key: name }, "aria-label": name }, el("h3", { class: "section-name" }, el("code", null, `[${inert(name, 80)}]`)), table(rows));
}

function state(config) {
  const isGood = config.state === "current";
  return [
    facts([
      ["State", chip(isGood ? "current" : config.state.replaceAll("_", " "), isGood ? "good" : "bad")],
      ["File", config.path ? el("code", null, inert(config.path, 300)) : "none: built-in settings"],
      ["Last read", `${format.time(config.loaded_at)} (${format.ago(config.loaded_at)})`],
      ["Generation", format.count(config.generation)],
      ["Version", inert(config.version, 40)],
      ["Started", `${format.time(config.started_at)} (${format.ago(config.started_at)})`],
    ]),
    config.problems?.length ? el("div", { class: "banner bad" }, el("strong", null, "Problems; the last good configuration is in force"), list(config.problems)) : null,
    config.needs_restart?.length ? el("div", { class: "banner" }, el("strong", null, "In force after the next start; below they are shown as they are written"), list(config.needs_restart)) : null,
    config.notices?.length ? el("div", null, el("h3", null, "Notices"), list(config.notices)) : null,
  ];
}

function sources(config) {
  const { overrides, environment } = config;
  return [
    el("h3", null, "Overrides written by this page"),
    overrides?.text ? [block(overrides.text), el("p", { class: "hint" }, "In ", el("code", null, inert(overrides.path ?? "", 300)), "; they win over the file.")] : el("p", { class: "empty" }, "None."),
    el("h3", null, "Set by the environment"),
    environment?.length ? el("ul", { class: "tight" }, environment.map((name) => el("li", null, el("code", null, inert(name, 200))))) : el("p", { class: "empty" }, "Nothing."),
  ];
}

function mount(root) {
  let config = null;
  let shown = "";
  const problem = el("p", { class: "failure", role: "status" });
  const about = el("div");
  const from = el("div");
  const all = el("div", { class: "grid" });
  const filter = el("input", { type: "search", spellcheck: "false", oninput: () => draw(true) });
  const many = el("p", { class: "status", role: "status" });
  put(root, problem, section("Now", about), section("Overrides and environment", from),
    field("Filter settings", filter), many, all);

  function draw(isAsked = false) {
    if (!config) return;
    update(about, state(config));
    const wanted = filter.value.trim().toLowerCase();
    const seen = JSON.stringify([config.effective, config.overrides, config.environment, wanted]);
    if (seen === shown) return;
    shown = seen;
    update(from, sources(config));
    const parts = Object.entries(config.effective ?? {}).map(([name, of]) => settings(name, of, wanted)).filter(Boolean);
    update(all, parts);
    say(many, isAsked && parts.length === 0 ? "No setting has that." : "");
  }

  const ask = asking((signal) => get("/config", { signal }), (answer) => {
    config = answer;
    say(problem, "");
    draw();
  }, (error) => say(problem, `No configuration: ${inert(error.message, 300)}`));
  return { unmount: polling(OFTEN_MS, ask) };
}

export const view = { id: "config", title: "Config", mount };
