// The clients: what each asks, saves and spends, and what it may.

import { format, get } from "../api.js";
import { el, put, say } from "../dom.js";
import { inert } from "../text.js";
import { update } from "../update.js";
import { table } from "../widgets.js";
import { meter } from "./meter.js";
import { asking, chip, polling, share } from "./parts.js";

const OFTEN_MS = 5_000;

function budget({ budget: may, spent }) {
  if (!may || (may.daily_usd === null && may.monthly_usd === null)) return `${format.usd(spent.month_usd)} this month`;
  const bounds = [[spent.day_usd, may.daily_usd, "today"], [spent.month_usd, may.monthly_usd, "this month"]];
  return bounds.filter(([, most]) => most !== null).map(([used, most, when]) =>
    meter({ used, most, said: `${format.usd(used)} of ${format.usd(most)} ${when}` }));
}

function limits({ limits: may, in_flight: now }) {
  const levels = [[may.requests_per_minute, "requests/min"], [may.tokens_per_minute, "tokens/min"]];
  const meters = levels.filter(([level]) => level).map(([{ limit, remaining }, what]) =>
    meter({ used: limit - remaining, most: limit, said: `${format.count(remaining)} of ${format.count(limit)} ${what} left` }));
  if (may.concurrent) meters.push(meter({ used: now ?? 0, most: may.concurrent, said: `${format.count(now)} of ${format.count(may.concurrent)} in flight` }));
  return meters.length ? meters : "none";
}

function rate({ requests }) {
  return requests ? format.percent(share(requests.hits, requests.hits + requests.misses)) : "–";
}

function validity({ expires }) {
  if (!expires) return null;
  const isOver = Date.parse(expires) <= Date.now();
  return chip(isOver ? "expired" : `until ${expires}`, isOver ? "bad" : "");
}

const COLUMNS = [
  { title: "Client", cell: (client) => [inert(client.name, 80), " ", validity(client)] },
  { title: "Hits", numeric: true, cell: ({ requests }) => format.count(requests?.hits) },
  { title: "Misses", numeric: true, cell: ({ requests }) => format.count(requests?.misses) },
  { title: "Bypassed", numeric: true, cell: ({ requests }) => format.count(requests?.bypasses) },
  { title: "Failed", numeric: true, cell: ({ requests }) => format.count(requests?.failed) },
  { title: "Hit rate", numeric: true, cell: rate },
  { title: "Tokens in / out", numeric: true, cell: ({ tokens }) => (tokens ? `${format.compact(tokens.input)} / ${format.compact(tokens.output)}` : "–") },
  { title: "Billed", numeric: true, cell: (client) => format.usd(client.billed_usd) },
  { title: "Saved", numeric: true, cell: (client) => format.usd(client.saved_usd) },
  { title: "Budget", cell: budget },
  { title: "Limits", cell: limits },
  { title: "Last seen", cell: (client) => (client.last_seen === null || client.last_seen === undefined ? "never" : format.ago(client.last_seen)) },
];

function mount(root) {
  const place = el("div", { class: "part" }, el("p", { class: "empty" }, "Loading…"));
  const problem = el("p", { class: "failure", role: "status" });
  put(root, el("p", { class: "hint" }, "Counted since the start of the gateway; money that is spent is kept over restarts. Calls that were shared with an equal request count as hits. Budgets and days are in UTC."), problem, place);
  const ask = asking((signal) => get("/clients", { signal }), ({ clients }) => {
    say(problem, "");
    update(place, table({
      caption: "Clients, in the order of the configuration", columns: COLUMNS, rows: clients, key: (client) => client.name,
      empty: "No client is configured: whoever reaches the gateway may ask. Tables [[clients]] in the configuration give each a key, limits and a budget.",
    }));
  }, (error) => say(problem, `No numbers: ${inert(error.message, 300)}`));
  return { unmount: polling(OFTEN_MS, ask) };
}

export const view = { id: "clients", title: "Clients", mount };
