// Brings what is shown up to date.

/**
 * As `put`, keeping what is there: of elements with the same name and `data-key`, attributes, texts and handlers are
 * brought up to date and nothing is built anew, so that focus, selection and scroll positions stay.
 */
export function update(node, ...children) {
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  merge(node, children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  // What is moved loses it.
  if (focused && focused !== document.activeElement && node.contains(focused)) focused.focus({ preventScroll: true });
  return node;
}

function merge(node, wanted) {
  const children = wanted.map((one) => (one instanceof Node ? one : document.createTextNode(String(one))));
  const given = new Set(children);
  const old = [...node.childNodes].filter((one) => !given.has(one));
  const keyed = new Map(old.filter((one) => one.dataset?.key).map((one) => [one.dataset.key, one]));
  const others = old.filter((one) => !one.dataset?.key);
  const unwanted = new Set(old);
  const all = children.map((child) => {
    if (child.parentNode === node) return child;
    const key = child.dataset?.key;
    const kept = key ? keyed.get(key) : others[0];
    if (!kept || kept.nodeName !== child.nodeName || kept.fixed || child.fixed) return child;
    if (key) keyed.delete(key);
    else others.shift();
    unwanted.delete(kept);
    renew(kept, child);
    return kept;
  });
  // First, so that what stays need not be moved past it.
  for (const one of unwanted) one.remove();
  let at = node.firstChild;
  for (const one of all) {
    if (one === at) at = at.nextSibling;
    else node.insertBefore(one, at);
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
