// What an operator does to a provider: sets a breaker, sends a test call.

import { format, post } from "../../api.js";
import { block, el, put } from "../../dom.js";
import { inert } from "../../text.js";
import { dialog, toast } from "../../widgets.js";
import { facts } from "../parts.js";

const ACTS = {
  open: { title: "Open the breaker?", does: "It is not asked any more, whatever its state, until you take that back or the gateway is started anew. Requests go to the other targets of their route, or fail if there are none.", label: "Open", kind: "danger" },
  closed: { title: "Close the breaker?", does: "It is asked whatever happens, also if it keeps failing, until you take that back or the gateway is started anew.", label: "Close", kind: "danger" },
  auto: { title: "Let the breaker decide again?", does: "It opens after failures and closes after successful trials, by itself.", label: "Automatic", kind: "primary" },
};

/** Sets the breaker of a model once that is confirmed; then `then()`. */
export function askForce({ provider, model, state, then }) {
  const act = ACTS[state];
  const name = `${inert(provider, 60)}/${inert(model, 120)}`;
  dialog({
    title: act.title,
    body: [el("p", null, el("code", null, name)), el("p", null, act.does)],
    actions: [{ label: "Cancel", kind: "plain" }, {
      label: act.label,
      kind: act.kind,
      run: async () => {
        await post("/breakers", { provider, model, state });
        toast(`${name}: ${state === "auto" ? "the breaker decides by itself" : `${state} by hand`}`, "good");
        then();
      },
    }],
  });
}

/** Sends one real call of a few tokens once that is confirmed, and shows what came. */
export function test({ provider, model, then }) {
  const name = model ? `${inert(provider, 60)}/${inert(model, 120)}` : inert(provider, 60);
  const result = el("div", { role: "status" });
  dialog({
    title: "Test call",
    body: [el("p", null, "One real call of a few tokens to ", el("code", null, name), model ? "" : ", with its first configured model", ". It is billed, and goes past cache, breaker and limits."), result],
    actions: [{ label: "Close", kind: "plain" }, {
      label: "Send",
      keepsOpen: true,
      run: async () => {
        put(result, el("p", { class: "dim" }, "Waiting for the answer…"));
        try {
          show(result, await post(`/providers/${encodeURIComponent(provider)}/test`, { model }));
        } catch (error) {
          put(result);
          throw error;
        }
        then();
      },
    }],
  });
}

function show(place, { ok, model, latency_ms: took, said, error, usd }) {
  put(place, el("p", null, el("strong", null, ok ? "It answers." : "It does not answer.")),
    facts([["Model", inert(model, 120)], ["Took", format.ms(took)], ["Cost", format.usd(usd)]]),
    said ? block(said, 500) : null,
    error ? el("p", { class: "failure" }, inert(error, 500)) : null);
}
