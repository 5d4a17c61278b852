// Scales and the round values that are written beside an axis.

/** Maps `from`…`to` to `start`…`end`. */
export function scale(from, to, start, end) {
  const factor = (end - start) / (to - from || 1);
  return (value) => start + (value - from) * factor;
}

/**
 * Round values between two, about `many` of them. Unless it `isExact`, the axis ends at a round value; what `isWhole`
 * is counted and has no halves.
 */
export function numbers(from, to, many, { isExact = false, isWhole = false } = {}) {
  const span = to > from ? to - from : 1;
  const raw = span / many;
  const size = 10 ** Math.floor(Math.log10(raw));
  const round = size * ([1, 2, 2.5, 5, 10].find((one) => one * size >= raw * 0.999) ?? 10);
  const step = isWhole ? Math.ceil(round) : round;
  const end = isExact ? from + span : Math.ceil((from + span) / step - 1e-9) * step;
  const ticks = [];
  for (let index = Math.ceil(from / step - 1e-9); index * step <= end + step * 1e-9 && ticks.length < 50; index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return { from, to: end, ticks };
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const STEPS = [10, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 30 * DAY];
const two = (value) => String(value).padStart(2, "0");
const month = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });

/** Round moments between two (unix seconds), in the reader's time zone. */
export function times(from, to, many) {
  const step = STEPS.find((one) => (to - from) / one <= many) ?? STEPS.at(-1);
  const offset = new Date(from * 1000).getTimezoneOffset() * -MINUTE;
  const ticks = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to && ticks.length < 50; at += step) {
    const date = new Date(at * 1000);
    const hours = `${two(date.getHours())}:${two(date.getMinutes())}`;
    const isMidnight = date.getHours() === 0 && date.getMinutes() === 0;
    ticks.push({ at, label: step >= DAY || (isMidnight && step >= HOUR) ? month.format(date) : step < MINUTE ? `${hours}:${two(date.getSeconds())}` : hours });
  }
  return ticks;
}
