// The cache: what it holds, why it answers and why not, and an operator's hands on it.

import { get } from "../api.js";
import { el, put } from "../dom.js";
import { inert } from "../text.js";
import { browser } from "./cache/browser.js";
import { entry } from "./cache/entry.js";
import { numbers } from "./cache/numbers.js";
import { purge } from "./cache/purge.js";
import { transfer } from "./cache/transfer.js";
import { asking, polling, status } from "./parts.js";

const OFTEN_MS = 5_000;

/** The whole of it. */
function overview(root) {
  const shown = numbers();
  const problem = status();
  problem.classList.add("failure");
  const found = browser();
  const end = polling(OFTEN_MS, asking((signal) => get("/stats", { signal }), (stats) => {
    shown.show(stats);
    problem.say("");
  }, (error) => problem.say(inert(`The numbers can't be shown: ${error.message}`, 500))));
  const changed = () => found.refresh();
  put(root, el("div", { class: "view-cache" }, problem, shown.node, found.node, purge(changed), transfer(() => found.selector(), changed)));
  return {
    tick: (tick) => shown.tick(tick),
    unmount() {
      end();
      found.stop();
    },
  };
}

export const view = {
  id: "cache",
  title: "Cache",
  mount(root, context) {
    return context.path ? entry(root, context, context.path) : overview(root);
  },
};
