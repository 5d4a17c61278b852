// Charts as inline SVG: `lines`, `bars` and `histogram`. Each gives a <figure> with a method `redraw(changes)`, which
// draws nothing if the data is what it was. Its legend has the values of where the reader points, or the latest ones;
// the arrow keys move the pointer; a hidden table has the numbers for those who hear the page.

import { el, fresh, put, say, svg } from "./dom.js";
import { format as written } from "./format.js";
import { numbers, scale, times } from "./scale.js";
import { inert } from "./text.js";

const LEFT = 52;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;
/** A line of labels above the drawing, and about how wide a letter of them is. */
const LABELS = 14;
const LETTER = 6;
const MOST_ROWS = 40;
const TOLD_EVERY_MS = 30_000;

const known = (value) => typeof value === "number" && Number.isFinite(value);
const round = (value) => Math.round(value * 10) / 10;
/** `2.50 ms` is `2.5 ms` beside an axis. */
const short = (text) => text.replace(/(\.\d*?)0+(?!\d)/, "$1").replace(/\.(?!\d)/, "");

/**
 * Lines over time, or over whatever `x` says.
 *
 * `title`; `points`; `series`: `{name, value(point) -> number|null, class}`; `format(value)` for the axis and the
 * read-out; `step`: points further apart than 1.5 of it are not connected. May be given too: `x(point)` (unix seconds
 * in `at` if not), `xFormat`, `from` and `to` of the horizontal axis, `most` and `least` of the vertical one,
 * `stacked`, `whole` where values are counts, `height` in pixels, `bands`: `{low(point), high(point), class}`, `marks`: `{at, label, class}` (vertical),
 * `onpick(point)`, `empty`: what is said where there are no points, `unknown`: the same while nobody knows whether there
 * are any, `describe`.
 */
export const lines = (options) => chart(options, "lines");

/** As `lines`, with a stack of bars for each point, `step` wide. */
export const bars = (options) => chart({ stacked: true, ...options }, "bars");

/** Bars of `bins`: `{from, to, …}`; otherwise as `bars`. `format` is of the heights, `xFormat` of the edges. */
export function histogram({ bins, ...options }) {
  const spread = (all) => {
    const [first, last] = [all[0], all.at(-1)];
    return all.length ? { points: all, from: first.from, to: last.to, step: first.to - first.from } : { points: all };
  };
  const figure = chart({ x: (bin) => bin.from, xFormat: (value) => value.toFixed(2), stacked: true, timeless: true, ...options, ...spread(bins) }, "bars");
  const { redraw } = figure;
  figure.redraw = ({ bins: changed, ...more } = {}) => redraw(changed ? { ...more, ...spread(changed) } : more);
  return figure;
}

function chart(given, kind) {
  let options = { x: (point) => point.at, format: written.number, height: 180, empty: "No data yet.", ...given };
  /** Where the reader points, on the horizontal axis. */
  let picked = null;
  let drawn = "";
  let frame = null;
  let places = [];

  const titled = fresh("chart");
  const described = fresh("chart");
  const moment = el("span", { class: "moment" });
  const values = options.series.map(() => el("span", { class: "value" }));
  const legend = el("ul", { class: "legend" }, options.series.map((one, index) =>
    el("li", null, el("span", { class: `key ${one.class}`, "aria-hidden": "true" }), el("span", { class: "name" }, one.name), values[index])));
  const description = el("p", { id: described, class: "unseen" });
  const pointer = svg("line", { class: "crosshair", y1: TOP, visibility: "hidden" });
  const drawing = svg("g");
  const picture = svg("svg", { "aria-hidden": "true", focusable: "false" }, svg("title", null, options.title), svg("desc"), drawing, pointer);
  const nothing = el("p", { class: "empty" });
  const plot = el("div", { class: "plot", tabindex: "0", role: "slider", "aria-labelledby": titled, "aria-describedby": described, "aria-orientation": "horizontal" }, picture, nothing);
  const numbersOf = el("div", { class: "unseen" });
  const figure = el("figure", { class: `chart ${kind}` },
    el("figcaption", null, el("span", { id: titled, class: "title" }, options.title), moment), legend, description, plot, numbersOf);
  // `update` leaves a drawing alone.
  figure.fixed = true;

  const label = (point) => (options.xFormat ?? written.time)(options.x(point));
  const indexOf = (at) => (at === null ? -1 : options.points.findIndex((point) => options.x(point) === at));
  const nothingSaid = () => options.unknown ?? options.empty;

  function readOut(byReader = false) {
    const index = indexOf(picked);
    const point = options.points.at(index);
    say(moment, picked === null || !point ? "" : label(point));
    options.series.forEach((one, index) => {
      const value = point && (picked !== null || !options.timeless) ? one.value(point) : null;
      say(values[index], known(value) ? options.format(value) : picked === null && options.timeless ? "" : "–");
    });
    // What has focus is read out whenever it changes: only if the reader has moved.
    if (byReader || document.activeElement !== plot) readAloud(point, index);
    const place = places[index];
    pointer.setAttribute("visibility", place === undefined ? "hidden" : "visible");
    if (place !== undefined) for (const end of ["x1", "x2"]) pointer.setAttribute(end, place);
  }

  function readAloud(point, index) {
    const last = Math.max(0, options.points.length - 1);
    plot.setAttribute("aria-valuemin", "0");
    plot.setAttribute("aria-valuemax", String(last));
    plot.setAttribute("aria-valuenow", String(index < 0 ? last : index));
    const parts = point ? options.series.map((one) => `${one.name} ${known(one.value(point)) ? options.format(one.value(point)) : "unknown"}`) : [];
    plot.setAttribute("aria-valuetext", point ? `${label(point)}: ${parts.join(", ")}` : nothingSaid());
  }

  function pick(index, told = false) {
    if (options.points.length === 0) return;
    const point = index === null ? null : options.points[Math.min(Math.max(index, 0), options.points.length - 1)];
    picked = point === null ? null : options.x(point);
    readOut(true);
    if (told && point !== null) options.onpick?.(point);
  }

  function nearest(event) {
    const at = event.clientX - picture.getBoundingClientRect().left;
    let best = 0;
    places.forEach((place, index) => {
      if (Math.abs(place - at) < Math.abs(places[best] - at)) best = index;
    });
    return best;
  }

  plot.onpointermove = (event) => pick(nearest(event));
  plot.onpointerleave = () => pick(null);
  plot.onblur = () => pick(null);
  plot.onclick = (event) => pick(nearest(event), true);
  plot.onkeydown = (event) => {
    const last = options.points.length - 1;
    const from = picked === null ? last : indexOf(picked);
    const far = Math.max(1, Math.round(last / 10));
    const to = { ArrowLeft: from - 1, ArrowDown: from - 1, ArrowRight: from + 1, ArrowUp: from + 1, PageDown: from - far, PageUp: from + far, Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    pick(to, true);
  };

  function draw() {
    const width = Math.round(plot.clientWidth) || 600;
    const { points, series, height, x, step } = options;
    const seen = JSON.stringify([width, height, options.from, options.to, step, options.marks, nothingSaid(), points.map((point) => [x(point), ...series.map((one) => one.value(point)), ...(options.bands ?? []).flatMap((band) => [band.low(point), band.high(point)])])]);
    if (seen === drawn) return;
    drawn = seen;
    if (indexOf(picked) < 0) picked = null;
    nothing.hidden = points.length > 0;
    say(nothing, points.length > 0 ? "" : nothingSaid());
    for (const [name, value] of [["viewBox", `0 0 ${width} ${height}`], ["width", width], ["height", height]]) picture.setAttribute(name, value);
    pointer.setAttribute("y2", height - BOTTOM);

    const first = options.from ?? (points.length ? x(points[0]) : 0);
    const end = options.to ?? (points.length ? x(points.at(-1)) + (kind === "bars" ? step ?? 0 : 0) : 1);
    const across = scale(first, end > first ? end : first + 1, LEFT, width - RIGHT);
    const rows = points.map((point) => heights(point));
    const highest = options.most ?? Math.max(0, ...rows.flat().map(([, top]) => top ?? 0), ...(options.bands ?? []).flatMap((band) => points.map((point) => band.high(point) ?? 0)));
    const marks = labelled((options.marks ?? []).filter((mark) => mark.at >= first && mark.at <= end), across, width);
    const top = TOP + LABELS * Math.max(0, ...marks.map(({ line }) => line));
    pointer.setAttribute("y1", top);
    const axis = numbers(options.least ?? 0, highest, Math.max(2, Math.round(height / 50)), { isExact: options.most !== undefined, isWhole: options.whole });
    const up = scale(axis.from, axis.to, height - BOTTOM, top);
    const middle = kind === "bars" ? (step ?? 0) / 2 : 0;
    places = points.map((point) => round(across(x(point) + middle)));

    put(drawing,
      axis.ticks.map((value) => tickY(value, up(value), width)),
      ticksX(first, end, width).map((tick) => tickX(tick, across(tick.at), width, height)),
      (options.bands ?? []).map((band) => outline(points.map((point) => [across(x(point)), clamp(band.low(point), axis), clamp(band.high(point), axis)]), up, `band ${band.class ?? ""}`)),
      kind === "bars" ? stacks(rows, across, up, axis) : curves(rows, across, up, axis),
      marks.map((mark) => markAt(mark, top, height)));
    tell();
    readOut();
  }

  /** Of each series at a point: from where to where it reaches. */
  function heights(point) {
    let base = 0;
    return options.series.map((one) => {
      const value = one.value(point);
      if (!known(value)) return [null, null];
      const reach = options.stacked ? [base, base + value] : [0, value];
      if (options.stacked) base += value;
      return reach;
    });
  }

  const clamp = (value, axis) => (known(value) ? Math.min(Math.max(value, axis.from), axis.to) : null);

  function tickY(value, y, width) {
    return svg("g", { class: "tick" }, svg("line", { x1: LEFT, x2: width - RIGHT, y1: round(y), y2: round(y) }),
      svg("text", { x: LEFT - 6, y: round(y), "text-anchor": "end", "dominant-baseline": "middle" }, short(options.format(value))));
  }

  function ticksX(first, end, width) {
    const many = Math.max(2, Math.floor((width - LEFT) / 72));
    if (options.xFormat) return numbers(first, end, many, { isExact: true }).ticks.map((at) => ({ at, label: options.xFormat(at) }));
    return times(first, end, many);
  }

  function tickX({ at, label: text }, x, width, height) {
    return svg("g", { class: "tick", "data-at": at }, svg("text", { x: round(x), y: height - 6, "text-anchor": x > width - 16 ? "end" : "middle" }, text));
  }

  /** Where marks have their labels: above the drawing, beside each other or on a further `line`; 0 without one. */
  function labelled(marks, across, width) {
    const all = marks.map((mark) => ({ ...mark, x: across(mark.at), text: inert(mark.label, 60), line: 0 }));
    const taken = [];
    for (const mark of all.filter(({ text }) => text !== "")) {
      const long = 4 + LETTER * mark.text.length;
      const sides = [[mark.x, mark.x + long], [mark.x - long, mark.x]].filter(([from, to]) => from >= 0 && to <= width);
      const crosses = ([from, to]) => all.some(({ x, text }) => text !== "" && x > from && x < to);
      const isFree = ([from, to]) => !taken.some((one) => one.line === mark.line && one.from < to && from < one.to);
      let side;
      while (!side) {
        mark.line += 1;
        // Beyond that it may as well be crossed by a line.
        side = sides.find((one) => isFree(one) && (mark.line > 2 || !crosses(one))) ?? (mark.line > all.length ? [mark.x, mark.x + long] : null);
      }
      mark.isLeft = side[0] < mark.x;
      taken.push({ line: mark.line, from: side[0], to: side[1] });
    }
    return all;
  }

  function markAt({ x, text, isLeft, line, class: kind = "" }, top, height) {
    const from = line > 0 ? TOP + LABELS * (line - 1) : top;
    return svg("g", { class: `mark ${kind}` }, svg("line", { x1: round(x), x2: round(x), y1: from, y2: height - BOTTOM }),
      text && svg("text", { x: round(isLeft ? x - 4 : x + 4), y: from + 10, "text-anchor": isLeft ? "end" : "start" }, text));
  }

  /** Runs of points that are next to each other. */
  function runs(places) {
    const all = [];
    let run = [];
    places.forEach((place, index) => {
      const { x, step } = options;
      const isApart = index > 0 && step && x(options.points[index]) - x(options.points[index - 1]) > step * 1.5;
      if (isApart || !known(place[2])) {
        if (run.length) all.push(run);
        run = [];
      }
      if (known(place[2])) run.push(place);
    });
    if (run.length) all.push(run);
    return all;
  }

  const path = (run, up, top) => run.map((place) => `${round(place[0])} ${round(up(place[top]))}`).join("L");

  function outline(places, up, classes) {
    const shape = runs(places).map((run) => `M${path(run, up, 2)}L${path([...run].reverse(), up, 1)}Z`);
    return svg("path", { class: classes, d: shape.join("") });
  }

  function curves(rows, across, up, axis) {
    return options.series.flatMap((one, index) => {
      const places = rows.map((row, at) => [across(options.x(options.points[at])), clamp(row[index][0], axis), clamp(row[index][1], axis)]);
      const all = runs(places);
      const line = svg("path", { class: `line ${one.class}`, d: all.filter((run) => run.length > 1).map((run) => `M${path(run, up, 2)}`).join("") });
      const dots = all.filter((run) => run.length === 1).map(([[x, , y]]) => svg("circle", { class: `dot ${one.class}`, cx: round(x), cy: round(up(y)), r: 2 }));
      return options.stacked ? [outline(places, up, `area ${one.class}`), line, dots] : [line, dots];
    });
  }

  /** One path for each series: there may be hundreds of bars, drawn every second. */
  function stacks(rows, across, up, axis) {
    const shapes = options.series.map(() => "");
    rows.forEach((row, at) => {
      const from = options.x(options.points[at]);
      const [left, right] = [across(from), across(from + (options.step ?? 1))];
      const wide = round(Math.max(1, right - left - (right - left > 4 ? 1 : 0)));
      row.forEach(([low, high], index) => {
        if (!known(high) || high <= low) return;
        const top = up(clamp(high, axis));
        const tall = round(Math.max(0.5, up(clamp(low, axis)) - top));
        shapes[index] += `M${round(left)} ${round(top)}h${wide}v${tall}h${-wide}Z`;
      });
    });
    return shapes.map((shape, index) => svg("path", { class: `bar ${options.series[index].class}`, d: shape }));
  }

  let told = "";
  let toldAt = 0;
  /** The same numbers in words; not with every second. */
  function tell() {
    const { points, series, title, describe } = options;
    const state = JSON.stringify([options.step, points.length > 0, options.xFormat && points.length, options.unknown]);
    if (state === told && performance.now() - toldAt < TOLD_EVERY_MS) return;
    told = state;
    toldAt = performance.now();
    const text = describe ?? (points.length ? `${points.length} points from ${label(points[0])} to ${label(points.at(-1))}. The arrow keys move through them.` : nothingSaid());
    say(description, text);
    say(picture.querySelector("desc"), text);
    const every = Math.max(1, Math.ceil(points.length / MOST_ROWS));
    const few = points.filter((_, index) => (points.length - 1 - index) % every === 0);
    put(numbersOf, few.length === 0 ? null : el("table", null, el("caption", null, `${title}, as a table`),
      el("thead", null, el("tr", null, el("th", { scope: "col" }, options.timeless || options.xFormat ? "at" : "time"), series.map((one) => el("th", { scope: "col" }, one.name)))),
      el("tbody", null, few.map((point) => el("tr", null, el("th", { scope: "row" }, label(point)), series.map((one) => el("td", null, known(one.value(point)) ? options.format(one.value(point)) : "–")))))));
  }

  figure.redraw = (changes = {}) => {
    options = { ...options, ...changes };
    if (frame === null) {
      frame = requestAnimationFrame(() => {
        frame = null;
        draw();
      });
    }
  };
  new ResizeObserver(() => figure.redraw()).observe(plot);
  figure.redraw();
  return figure;
}
