// Fields, tables, dialogs and notes.

import { el, fresh, say } from "./dom.js";
import { inert } from "./text.js";

/** An input with its label above it, and what `hint` says below. */
export function field(label, input, hint) {
  input.id ||= fresh("field");
  const note = hint ? el("small", { id: fresh("hint"), class: "hint" }, hint) : null;
  if (note) input.setAttribute("aria-describedby", note.id);
  return el("div", { class: input.type === "checkbox" ? "field check" : "field" }, el("label", { for: input.id }, label), input, note);
}

/**
 * A table in a box of its own, which scrolls sideways where it must; on a phone each row is a card.
 * `columns`: `{title, cell(row), numeric?, class?}`, the first of them heads its row; `cell` gives a text, a node or
 * a list. `key(row)` names a row for `update`, `empty` is said when there is none.
 * The box can be given to `update`.
 */
export function table({ caption, columns, rows, empty = "Nothing here.", key, rowClass, showCaption = false }) {
  if (rows.length === 0) return el("p", { class: "empty" }, empty);
  const kind = (column) => [column.numeric ? "numeric" : "", column.class ?? ""].join(" ").trim() || null;
  const head = columns.map((column) => el("th", { scope: "col", class: kind(column) }, column.title));
  const cells = (row) => columns.map((column, index) => {
    const props = { class: kind(column), dataset: { title: column.title }, role: index ? "cell" : "rowheader" };
    return el(index ? "td" : "th", index ? props : { ...props, scope: "row" }, column.cell(row));
  });
  const body = rows.map((row) => el("tr", { role: "row", class: rowClass?.(row), dataset: key ? { key: key(row) } : null }, cells(row)));
  // As cards, rows are no rows to a browser; the roles say that they are still.
  return el("div", { class: "table-box", role: "region", "aria-label": caption, tabindex: "0" },
    el("table", { role: "table" },
      el("caption", { class: showCaption ? null : "unseen" }, caption),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head)),
      el("tbody", { role: "rowgroup" }, body)));
}

/**
 * Disables `buttons` until `run()` is over, and gives what it gives. Where one of them had focus it has it again, unless
 * the reader has gone elsewhere.
 */
export async function busy(buttons, run) {
  const focused = document.activeElement;
  for (const one of buttons) one.disabled = true;
  try {
    return await run();
  } finally {
    for (const one of buttons) one.disabled = false;
    // A disabled button loses it to the body.
    if (buttons.includes(focused) && document.activeElement === document.body) focused.focus();
  }
}

const shown = new Set();

/**
 * Asks or tells something before the page goes on. `actions`: `{label, kind?: "danger"|"plain", keepsOpen?, run?()}`;
 * `run` may give a promise, and what it throws is said in the dialog, which then stays open. The last action is what Enter in a
 * field does. Gives the dialog; once it is closed it is gone, and focus is where it was `before`, or at the view's
 * heading if that is not there any more.
 */
export function dialog({ title, body, actions = [{ label: "Close" }], before = document.activeElement }) {
  const heading = el("h2", { id: fresh("dialog") }, title);
  const failure = el("p", { class: "failure", role: "alert" });
  const buttons = actions.map(({ label, kind, run, keepsOpen }, index) => {
    const type = run && index === actions.length - 1 ? "submit" : "button";
    const act = async (event) => {
      event.preventDefault();
      say(failure, "");
      try {
        await busy(buttons, async () => run?.());
        if (!keepsOpen && node.isConnected) node.close();
      } catch (error) {
        if (node.isConnected) say(failure, inert(error.message, 500));
        else toast(error.message, "bad");
      }
    };
    return el("button", { type, class: kind ?? (type === "submit" ? "primary" : "plain"), onclick: act }, label);
  });
  const node = el("dialog", { "aria-labelledby": heading.id, class: "dialog" },
    el("form", { method: "dialog" }, heading, el("div", { class: "dialog-body" }, body), failure, el("div", { class: "actions" }, buttons)));
  node.onclose = () => {
    // Whoever closed all of them decides where focus is.
    if (!shown.delete(node)) return;
    node.remove();
    if (before?.isConnected) before.focus();
    if (document.activeElement === document.body) document.querySelector("main h1")?.focus({ preventScroll: true });
  };
  shown.add(node);
  document.body.append(node);
  node.showModal();
  return node;
}

/** Takes away all dialogs. */
export function closeDialogs() {
  for (const node of shown) node.remove();
  shown.clear();
}

/** Says in the corner what happened. `kind`: "good", "bad" or nothing. */
export function toast(text, kind = "") {
  const note = el("p", { class: `toast ${kind}` }, inert(text, 400));
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), kind === "bad" ? 10_000 : 5_000);
}
