// What each threshold would have saved, and how many answers would have been wrong.

import { format } from "../../api.js";
import { lines } from "../../chart.js";
import { el } from "../../dom.js";
import { counted } from "../words.js";

/** Comparisons below which a share is not relied on. */
export const LEAST = 30;

/** The point of the curve that is nearest to a threshold. */
export function nearest(curve, at) {
  let best = null;
  for (const point of curve) if (best === null || Math.abs(point.at - at) < Math.abs(best.at - at)) best = point;
  return best;
}

/** "At 0.930 you would have saved 41.2 % of 1,204 requests, with 0.8 % wrong (0.2 to 2.1 %, 95 comparisons)." */
export function sentence(point, at, looked) {
  if (!point || point.saved === null) return `At ${at.toFixed(3)}: nothing is known yet.`;
  const of = typeof looked === "number" ? `${format.count(looked)} requests` : "its requests";
  const saved = `At ${at.toFixed(3)} you would have saved ${format.percent(point.saved)} of ${of}`;
  if (point.wrong === null) return `${saved}; how many of the answers would have been wrong is not known, as nothing was compared there.`;
  const comparisons = counted(point.labelled, "comparison");
  const between = point.wrong_low === null || point.wrong_high === null ? "" : `${(100 * point.wrong_low).toFixed(1)} to ${format.percent(point.wrong_high)}, `;
  return `${saved}, with ${format.percent(point.wrong)} wrong (${between}${comparisons}).`;
}

/** Both curves; `mark(at)` shows a threshold in them, `pick(point)` is called when one is pointed at. */
export function charts({ curve, points }, pick) {
  const shared = { points: curve, from: curve[0]?.at, to: curve.at(-1)?.at, xFormat: (at) => at.toFixed(2), format: format.percent, onpick: pick, timeless: true, step: 0.005 };
  const most = Math.max(0.02, ...curve.filter((point) => point.labelled >= LEAST).map((point) => Math.min(1, (point.wrong_high ?? 0) * 1.1)), ...curve.map((point) => (point.wrong ?? 0) * 1.1));
  const saved = lines({ ...shared, title: "Saved, share of the requests looked up", height: 170, series: [{ name: "saved", value: (point) => point.saved, class: "saved" }] });
  const wrong = lines({
    ...shared,
    title: "Wrong, share of the answers from the cache",
    height: 170,
    most: Math.min(1, most),
    series: [{ name: "wrong", value: (point) => point.wrong, class: "wrong" }],
    bands: [{ low: (point) => point.wrong_low, high: (point) => point.wrong_high, class: "wrong" }],
    empty: "Nothing was compared.",
  });
  return {
    node: el("div", null, saved, wrong),
    mark(at) {
      const marks = [...points, { at, label: "", class: "chosen" }];
      saved.redraw({ marks });
      wrong.redraw({ marks });
    },
  };
}
