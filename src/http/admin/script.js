"use strict";
// Shows /admin/api/stats, once a second while the page is visible. Everything is set as text, so
// nothing that a client or provider sent can become markup.
const show = (id, text) => { document.getElementById(id).textContent = text; };
const number = new Intl.NumberFormat("en");
const usd = new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumFractionDigits: 4 });
const bytes = (n) => n < 1048576 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1048576).toFixed(1)} MiB`;
let before = null;

function render(stats) {
  const r = stats.requests;
  const hits = r.exact + r.semantic + r.stale + r.coalesced;
  const looked = hits + r.miss;
  show("hit-rate", looked ? `${(100 * hits / looked).toFixed(1)} %` : "–");
  for (const id of ["exact", "semantic", "coalesced", "miss", "bypass", "failed"]) show(id, number.format(r[id]));
  show("billed-tokens", number.format(r.billed_tokens));
  show("saved-tokens", number.format(r.saved_tokens));
  show("billed-usd", usd.format(r.billed_usd));
  show("saved-usd", usd.format(r.saved_usd));
  const c = stats.cache;
  for (const id of ["entries", "questions", "partitions", "graphs"]) show(id, number.format(c[id]));
  show("bytes", bytes(c.bytes));
  show("semantic-tier", c.semantic ? "on" : "off");
  const now = { total: looked + r.bypass + r.failed, at: performance.now() };
  if (before) show("rate", ((now.total - before.total) * 1000 / (now.at - before.at)).toFixed(1));
  before = now;
  const list = document.getElementById("providers");
  const rows = stats.providers.active.map((name) => [name, "active"])
    .concat(stats.providers.inactive.map((p) => [p.name, `inactive: ${p.reason}`]));
  if (stats.providers.demo) rows.unshift(["demo", "answers every model, because no provider is active"]);
  list.replaceChildren(...rows.map(([name, state]) => {
    const row = document.createElement("li");
    const reason = document.createElement("span");
    reason.className = "reason";
    reason.textContent = ` — ${state}`;
    row.append(name, reason);
    return row;
  }));
  document.getElementById("breakers").replaceChildren(...stats.breakers.worst.map((b) => {
    const row = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = `${b.provider}/${b.model}`;
    const words = { open: "left alone", half_open: "being tried", closed: "asked" };
    const soon = b.retry_in_seconds === 0 ? "with the next request" : `in ${b.retry_in_seconds} s`;
    const wait = b.retry_in_seconds === null ? "" : `, tried again ${soon}`;
    const told = b.forced === null ? "" : ", as an operator wants";
    const cells = [`${words[b.state]}${wait}${told}`, `${number.format(b.failures)} of ${number.format(b.requests)}`, number.format(b.in_flight)];
    row.className = b.state;
    row.append(name, ...cells.map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
  const old = stats.config.state === "current" ? "" : "; the configuration file has problems, the last good one is in force";
  const waiting = stats.config.needs_restart.length ? `; at the next start: ${stats.config.needs_restart.join(", ")}` : "";
  show("state", `version ${stats.version}, live${old}${waiting}`);
}

async function tick() {
  if (!document.hidden) {
    try {
      const answer = await fetch("/admin/api/stats");
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      render(await answer.json());
    } catch (error) {
      show("state", `no numbers: ${error.message}`);
    }
  }
  setTimeout(tick, 1000);
}
tick();
