// Makes texts harmless for the eye: nothing of them hides or changes how its neighbours are shown.

/** What shows nothing or changes how its neighbours are shown: bidi controls, zero-width and invisible characters. */
const UNSEEN = /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}\ud800-\udfff]/gu;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

const name = (char) => `<U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}>`;

function picture(char) {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : name(char);
}

function shortened(text, most) {
  if (text.length <= most) return text;
  const splits = /[\ud800-\udbff]/.test(text.charAt(most - 1));
  return `${text.slice(0, splits ? most - 1 : most)}…`;
}

/**
 * A text harmless for the eye, on one line: controls (CR, LF and tab among them) as pictures, bidi controls and
 * invisible characters by their names, cut after `most` characters. Nothing for `null`.
 */
export function inert(text, most = 2000) {
  return shortened(String(text ?? ""), most).replace(CONTROLS, picture).replace(UNSEEN, name);
}

/** As `inert`, with line feeds and tabs kept. Do not give it what `inert` made: its lines are gone. */
export function lines(text, most = 20000) {
  const keeps = (char) => (char === "\n" || char === "\t" ? char : picture(char));
  return shortened(String(text ?? ""), most).replace(/\r\n/g, "\n").replace(CONTROLS, keeps).replace(UNSEEN, name);
}
