// Spans of time as people write them.

/** `36h`, `7d`, `1h 30m`. */
const SPAN = /^\s*(\d+\s*[a-z]+\s*)+$/i;

/** Whether `input` has a span, or nothing; marks it if not. */
export function isSpan(input) {
  const isRight = input.value.trim() === "" || SPAN.test(input.value);
  if (isRight) input.removeAttribute("aria-invalid");
  else input.setAttribute("aria-invalid", "true");
  return isRight;
}
