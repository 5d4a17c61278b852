// How much of something is used.

import { el } from "../dom.js";

/** `used` of `most`, and the same in words. */
export function meter({ used, most, said }) {
  const share = most > 0 ? Math.min(1, Math.max(0, used / most)) : 1;
  const kind = share >= 0.95 ? "bad" : share >= 0.8 ? "warn" : "";
  return el("span", { class: `meter ${kind}`.trim() }, el("span", { class: "said" }, said),
    el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: "level", style: { width: `${(share * 100).toFixed(1)}%` } })));
}
