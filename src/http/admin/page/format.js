// How numbers and times are written. What isn't known is a dash.

const NONE = "–";
const count = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const is = (value) => typeof value === "number" && Number.isFinite(value);
const written = (show) => (value) => (is(value) ? show(value) : NONE);

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
function bytes(value) {
  let unit = 0;
  let left = value;
  while (Math.abs(left) >= 1024 && unit < UNITS.length - 1) {
    left /= 1024;
    unit += 1;
  }
  return `${left.toFixed(unit === 0 || left >= 100 ? 0 : 1)} ${UNITS[unit]}`;
}

function digits(value) {
  const size = Math.abs(value);
  if (size === 0 || size >= 100) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

function ms(value) {
  if (value < 1000) return `${digits(value)} ms`;
  return value < 60_000 ? `${digits(value / 1000)} s` : span(value / 1000);
}

function span(value) {
  const size = Math.abs(value);
  if (size < 1) return `${digits(value)} s`;
  if (size < 60) return `${Number(value.toFixed(1))} s`;
  const whole = Math.round(size);
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([unit]) => whole >= unit);
  let left = whole;
  const said = parts.slice(first, first + 2).map(([unit, letter]) => {
    const many = Math.floor(left / unit);
    left -= many * unit;
    return many ? `${count.format(many)} ${letter}` : "";
  });
  return `${value < 0 ? "−" : ""}${said.filter(Boolean).join(" ")}`;
}

function usd(value) {
  const size = Math.abs(value);
  const places = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 3 : size >= 0.0001 ? 5 : 7;
  const sign = value < 0 ? "−" : "";
  return `${sign}$${size.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places })}`;
}

const pad = (value) => String(value).padStart(2, "0");
const clock = (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
const day = (date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
function time(value) {
  const date = new Date(value * 1000);
  return day(date) === day(new Date()) ? clock(date) : `${day(date)} ${clock(date)}`;
}

function ago(value) {
  const age = Date.now() / 1000 - value;
  return age < 1 ? "just now" : `${span(Math.floor(age))} ago`;
}

/** Each takes a number and gives a text. */
export const format = {
  /** `1,234` */
  count: written((value) => count.format(value)),
  /** `1.2K` */
  compact: written((value) => (Math.abs(value) < 10_000 ? count.format(value) : compact.format(value))),
  /** `0.42`, `12.3`, `1,234`: three digits that matter. */
  number: written((value) => (Math.abs(value) >= 1000 ? count.format(value) : digits(value))),
  /** Dollars, with the digits that a small sum needs. */
  usd: written(usd),
  /** `1.5 MiB` */
  bytes: written(bytes),
  /** A share of 0 to 1: `41.2 %` */
  percent: written((value) => `${(value * 100).toFixed(1)} %`),
  /** Milliseconds: `0.42 ms`, `1.20 s` */
  ms: written(ms),
  /** Seconds: `12 s`, `3 min 20 s`, `2 d 4 h` */
  seconds: written(span),
  /** Unix seconds: `3 min 20 s ago` */
  ago: written(ago),
  /** Unix seconds: `06:14:03`, with the date if it isn't today's; in the reader's time zone. */
  time: written(time),
};
