// Pictures for docs/admin.md, from a gateway with made-up traffic: written only with UPDATE_SCREENSHOTS=1.
import { createServer, request as forward } from 'node:http';
import { once } from 'node:events';
import { mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, WIDE, open, signIn, visit } from './browser.js';
import { TOPICS } from './traffic.js';

const FOLDER = resolve(import.meta.dirname, '../../../docs/admin');
const MOST_BYTES = 150_000;
const STEP = 5;
const POINTS = 180;

/** A quarter of an hour of a gateway that warms up: the same whenever it is made, but for the time of day. */
function history(to) {
  const wave = (index, length, phase) => Math.sin((index / length) * 2 * Math.PI + phase);
  return Array.from({ length: POINTS }, (_, index) => {
    const warm = 1 - Math.exp(-index / 45);
    const all = Math.round(42 + 14 * wave(index, 71, 0) + 7 * wave(index, 13, 1) + 4 * wave(index, 5, 2));
    const exact = Math.round(all * 0.3 * warm);
    const semantic = Math.round(all * (0.16 + 0.03 * wave(index, 19, 1)) * warm);
    const coalesced = Math.round(all * 0.03);
    const failed = index % 47 === 20 ? 2 : 0;
    const bypass = Math.round(all * 0.06);
    const miss = all - exact - semantic - coalesced - bypass;
    const quantiles = (count, p50, spread) => ({ count, p50, p95: p50 * spread, p99: p50 * spread * 1.7 });
    const hits = exact + semantic + coalesced;
    return {
      at: to - (POINTS - index) * STEP, step_seconds: STEP,
      requests: { exact, semantic, stale: 0, coalesced, miss, bypass, background: 0, failed },
      errors: { client: index % 61 === 9 ? 1 : 0, provider: failed, gateway: 0 },
      latency_ms: {
        hit: quantiles(hits, 2.1 + 0.4 * wave(index, 31, 0), 2.2 + 0.3 * wave(index, 9, 0)),
        miss: quantiles(miss, 640 + 90 * wave(index, 41, 1), 2.4 + 0.3 * wave(index, 11, 2)),
        overhead: quantiles(miss, 1.3 + 0.2 * wave(index, 23, 0), 1.9 + 0.2 * wave(index, 7, 1)),
      },
      tokens: { billed: miss * 410, saved: hits * 395 },
      usd: { billed: miss * 0.0021, saved: hits * 0.002 },
      waited_seconds: { billed: miss * 0.71, saved: hits * 0.7 },
    };
  });
}

/** What goes to the gateway, but for the history and what is live. */
async function startStage(gateway) {
  const to = Math.floor(Date.now() / (1000 * STEP)) * STEP;
  const points = history(to);
  const sum = (of) => points.reduce((total, point) => total + of(point), 0);
  const known = await gateway.admin('/stats');
  const tick = () => ({
    at: Date.now(), version: '0.1.0', started_at: to - 26 * 3600, config: { state: 'current', generation: 1, loaded_at: to - 26 * 3600, problems: [], needs_restart: [] },
    requests_per_second: 9.4, in_flight: { requests: 7, bytes: 18_432 },
    totals: { ...known.requests, billed_tokens: 8 * sum(({ tokens }) => tokens.billed), saved_tokens: 8 * sum(({ tokens }) => tokens.saved), billed_usd: 8 * sum(({ usd }) => usd.billed), saved_usd: 8 * sum(({ usd }) => usd.saved) },
    cache: known.cache, breakers: { open: 0, half_open: 0, closed: 3, forced: 0 }, latest: { ...points.at(-1), at: to }, previous: points.at(-1),
    providers: { active: ['fake', 'spare'], inactive: [], demo: false },
  });
  const { port, hostname } = new URL(gateway.url);
  const server = createServer((request, response) => {
    if (request.url.startsWith('/admin/api/history')) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ range: '15m', step_seconds: STEP, from: to - POINTS * STEP, to, points }));
    } else if (request.url === '/admin/api/live') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`event: tick\ndata: ${JSON.stringify(tick())}\n\n`);
    } else {
      const on = forward({ port, hostname, path: request.url, method: request.method, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      on.on('error', () => response.destroy());
      request.pipe(on);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => (server.closeAllConnections(), server.close()) };
}

/** Traffic of a day, in short: kept questions, other wordings of them, what only looks alike. */
async function play(gateway) {
  const tagged = { headers: { 'x-refrain-cache-tags': 'docs,faq' } };
  for (const client of ['web', 'batch']) for (const prompts of TOPICS) for (const prompt of prompts) await gateway.ask(prompt, { client, ...tagged });
  for (const [kept, same, other] of TOPICS) {
    await gateway.ask(other, { model: 'large' });
    await gateway.ask(same, { model: 'small' });
    await gateway.ask(kept, { client: 'batch' });
    await gateway.ask(kept, { client: 'batch', headers: { 'cache-control': 'no-store' } });
  }
}

export function screenshots(world) {
  test('pictures', { skip: !process.env.UPDATE_SCREENSHOTS && 'only with UPDATE_SCREENSHOTS=1' }, async () => {
    const { gateway, browser } = world;
    mkdirSync(FOLDER, { recursive: true });
    await gateway.admin('/cache/purge', { method: 'POST', body: { everything: true, dry_run: false } });
    await play(gateway);
    const stage = await startStage(gateway);
    try {
      const page = await open(browser, stage.url, { colorScheme: 'light', reducedMotion: 'reduce' });
      await page.goto(`${stage.url}/admin`);
      await signIn(page);
      const shoot = async (name, options) => {
        const path = join(FOLDER, `${name}.png`);
        await page.locator('.toast').first().waitFor({ state: 'detached' });
        await page.screenshot({ path, ...options });
        assert.ok(statSync(path).size < MOST_BYTES, `${path} is too large`);
      };
      await page.locator('.tile').getByText(/^of [\d,]+ looked up/).waitFor();
      await page.mouse.move(0, 0);
      await shoot('overview');
      await page.emulateMedia({ colorScheme: 'dark' });
      await shoot('overview-dark');
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize(PHONE);
      await shoot('overview-phone');
      await page.setViewportSize(WIDE);
      await visit(page, 'Cache');
      await page.locator('.results tbody tr').first().waitFor();
      await shoot('cache');
      await page.locator('.results tbody tr', { hasText: 'bicycle pump' }).first().getByRole('link').click();
      await page.getByRole('heading', { name: 'Facts' }).waitFor();
      await shoot('entry');
      await visit(page, 'Why');
      await page.getByRole('tab', { name: 'Two prompts' }).click();
      await page.getByLabel('Kept: this was asked before').fill('How many of the 12 boxes are red?');
      await page.getByLabel('Asked: this is asked now').fill('How many of the 14 boxes are red?');
      await page.getByRole('button', { name: 'Compare' }).click();
      await page.locator('.compared').waitFor();
      await shoot('why');
      await visit(page, 'Threshold');
      await page.getByRole('slider', { name: 'Threshold' }).waitFor();
      await shoot('threshold');
      await visit(page, 'Providers');
      await page.getByRole('button', { name: 'Test: fake/small' }).waitFor();
      await shoot('providers');
      await visit(page, 'Requests');
      await page.locator('.results tbody tr').first().waitFor();
      await shoot('requests');
      assert.deepEqual(page.faults, []);
      await page.context().close();
    } finally {
      stage.close();
    }
  });
}
