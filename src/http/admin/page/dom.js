// Makes elements. Every string becomes a text node or an attribute's value, never markup.

import { lines } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

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

let ids = 0;
/** An id that nothing on the page has. */
export const fresh = (prefix = "id") => `${prefix}-${(ids += 1)}`;
