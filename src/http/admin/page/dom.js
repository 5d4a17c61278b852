// Makes elements. Every string becomes a text node or an attribute's value, never markup.

/** What shows nothing or changes how its neighbours are shown: bidi controls, zero-width and invisible characters. */
const UNSEEN = /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}\ud800-\udfff]/gu;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;
const SVG = "http://www.w3.org/2000/svg";

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

/** A text as it was written, isolated from what is around it. */
export function block(text, most = 20000) {
  return el("pre", { class: "text", dir: "auto", tabindex: "0" }, lines(text, most));
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/** Properties that no attribute sets once the element is there. */
const LIVE = new Set(["value", "checked", "disabled", "selected", "indeterminate", "open"]);

/**
 * An element. `props`: attributes (`true` is one without a value; `false`, `null` none), `on…` functions,
 * `dataset` and `style` objects. Children: nodes, texts, lists of them; nothing of `null` and `false`.
 */
export function el(tag, props, ...children) {
  const node = document.createElement(tag);
  // The value of a select or a range needs what is set before it.
  append(node, children);
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined) continue;
    if (key.startsWith("on")) {
      node[key] = value;
      (node.handlers ??= []).push(key);
    } else if (key === "dataset") Object.assign(node.dataset, value);
    else if (key === "style") for (const [property, to] of Object.entries(value)) node.style.setProperty(property, to);
    else if (LIVE.has(key) && key in node) {
      node[key] = value;
      if (value === true) node.toggleAttribute(key, true);
    } else if (value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  return node;
}

/** An element of a drawing. */
export function svg(tag, attrs, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attrs ?? {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  return append(node, children);
}

/** Puts `children` in the place of all that is in `node`. */
export function put(node, ...children) {
  node.replaceChildren();
  return append(node, children);
}

/** Sets a node's text, and touches nothing if it is the text already. */
export function say(node, text) {
  const string = String(text);
  if (node.textContent !== string) node.textContent = string;
  return node;
}

/**
 * As `put`, keeping what is there: of elements with the same name and `data-key`, attributes, texts and handlers are
 * brought up to date and nothing is built anew, so that focus, selection and scroll positions stay.
 */
export function update(node, ...children) {
  merge(node, children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function merge(node, wanted) {
  const known = new Map();
  for (const child of node.children) if (child.dataset?.key) known.set(child.dataset.key, child);
  let at = node.firstChild;
  for (const one of wanted) {
    const child = one instanceof Node ? one : document.createTextNode(String(one));
    const key = child.dataset?.key;
    let old = key ? known.get(key) : at;
    if (!key && old?.dataset?.key) old = null;
    const isKept = child.parentNode === node;
    if (isKept || (old && old.nodeName === child.nodeName && !old.fixed && !child.fixed)) {
      const stays = isKept ? child : old;
      known.delete(key);
      if (stays === at) at = at.nextSibling;
      else node.insertBefore(stays, at);
      if (!isKept) renew(old, child);
    } else node.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function renew(old, child) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== child.data) old.data = child.data;
    return;
  }
  for (const { name: attribute } of [...old.attributes]) {
    // What an open row or dialog is, the reader decided.
    if (!child.hasAttribute(attribute) && attribute !== "open") old.removeAttribute(attribute);
  }
  for (const { name: attribute, value } of child.attributes) {
    if (old.getAttribute(attribute) !== value && attribute !== "style") old.setAttribute(attribute, value);
  }
  if (child.style?.length || old.style?.length) {
    for (const property of child.style) old.style.setProperty(property, child.style.getPropertyValue(property));
  }
  if ("disabled" in child) old.disabled = child.disabled;
  for (const handler of old.handlers ?? []) if (!child.handlers?.includes(handler)) old[handler] = null;
  for (const handler of child.handlers ?? []) old[handler] = child[handler];
  old.handlers = child.handlers;
  merge(old, [...child.childNodes]);
}

let ids = 0;
/** An id that nothing on the page has. */
export const fresh = (prefix = "id") => `${prefix}-${(ids += 1)}`;

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
 * Asks or tells something before the page goes on. `actions`: `{label, kind?: "danger"|"plain", keepsOpen?, run?()}`;
 * `run` may give a promise, and what it throws is said in the dialog, which then stays open. The last action is what Enter in a
 * field does. Gives the dialog; it is gone once closed, and focus is back where it was.
 */
export function dialog({ title, body, actions = [{ label: "Close" }] }) {
  const heading = el("h2", { id: fresh("dialog") }, title);
  const failure = el("p", { class: "failure", role: "alert" });
  const before = document.activeElement;
  const buttons = actions.map(({ label, kind, run, keepsOpen }, index) => {
    const type = run && index === actions.length - 1 ? "submit" : "button";
    const button = el("button", { type, class: kind ?? (type === "submit" ? "primary" : "plain") }, label);
    const act = async (event) => {
      event.preventDefault();
      say(failure, "");
      for (const one of buttons) one.disabled = true;
      try {
        await run?.();
        if (!keepsOpen) node.close();
      } catch (error) {
        say(failure, inert(error.message, 500));
      } finally {
        for (const one of buttons) one.disabled = false;
      }
    };
    button.onclick = act;
    return button;
  });
  const node = el("dialog", { "aria-labelledby": heading.id, class: "dialog" },
    el("form", { method: "dialog" }, heading, el("div", { class: "dialog-body" }, body), failure, el("div", { class: "actions" }, buttons)));
  node.onclose = () => {
    node.remove();
    before?.focus?.();
  };
  document.body.append(node);
  node.showModal();
  return node;
}

/** Says in the corner what happened. `kind`: "good", "bad" or nothing. */
export function toast(text, kind = "") {
  let place = document.getElementById("toasts");
  if (!place) document.body.append((place = el("div", { id: "toasts", role: "status", "aria-live": "polite" })));
  const note = el("p", { class: `toast ${kind}` }, inert(text, 400));
  place.append(note);
  setTimeout(() => note.remove(), kind === "bad" ? 10_000 : 5_000);
}
