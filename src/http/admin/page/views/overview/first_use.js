// What to do with a gateway that nobody has asked anything yet.

import { block, el } from "../../dom.js";
import { inert } from "../../text.js";

/** `origin`: where the gateway is reached; `providers`: those of the live stream. */
export function firstUse(origin, providers) {
  const isDemo = providers?.demo;
  const curl = `curl -s ${origin}/v1/chat/completions \\
  -H 'content-type: application/json' \\
  -d '{"model": "${isDemo ? "demo" : "MODEL"}", "messages": [{"role": "user", "content": "Hello"}]}'`;
  const whom = isDemo
    ? "No provider is active, so a demonstration answers. Set a provider's key and start again to ask a real model."
    : `Active: ${inert((providers?.active ?? []).join(", "), 200) || "no provider"}.`;
  return el("section", { class: "part", dataset: { key: "first" }, "aria-labelledby": "first-use" },
    el("h2", { id: "first-use" }, "No request yet"),
    el("p", null, "Point a client at ", el("code", null, `${origin}/v1`), " instead of its provider, or ask once yourself:"),
    block(curl),
    el("p", { class: "hint" }, "Ask twice: the second answer comes from the cache, and the numbers below move. ", whom));
}
