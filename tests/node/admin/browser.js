// A headless Chromium on the admin page, which notes everything that a page must not do.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { ADMIN_KEY } from './gateway.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WITHIN_MS = 15_000;

export const VIEWS = ['overview', 'cache', 'why', 'requests', 'threshold', 'providers', 'clients', 'config'];
export const WIDE = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };

/** A browser with nothing in it: each launch has a new profile. */
export const launch = () => chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS });

/**
 * A page of `browser`. `page.faults` are its errors, dialogs, requests to elsewhere and messages of the browser; a message that an answer had
 * the status 4xx is one unless `page.expected` has the status.
 */
export async function open(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: WIDE, acceptDownloads: true, ...options });
  context.setDefaultTimeout(WITHIN_MS);
  const page = await context.newPage();
  page.faults = [];
  page.expected = new Set();
  page.on('pageerror', (error) => page.faults.push(`error: ${error.stack}`));
  page.on('console', (message) => {
    const [, status] = message.text().match(/responded with a status of (\d+)/) ?? [];
    const isExpected = status && page.expected.has(Number(status));
    if (['error', 'warning'].includes(message.type()) && !isExpected) page.faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on('dialog', (dialog) => {
    page.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    const url = request.url();
    const isOwn = url.startsWith(`${origin}/`) || url.startsWith(`blob:${origin}/`) || url === 'data:,';
    if (!isOwn) page.faults.push(`request to ${url}`);
  });
  page.origin = origin;
  return page;
}

export const go = (page, hash) => page.goto(`${page.origin}/admin#/${hash}`);

export async function signIn(page) {
  await page.getByLabel('Admin key').fill(ADMIN_KEY);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Views' }).waitFor();
}

/** A view by its link, as people come to it; there when its heading is, and what it loads has come. */
export async function visit(page, title) {
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: title, exact: true }).click();
  await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
  await page.waitForFunction(() => !/Loading…/.test(document.getElementById('main').textContent));
}

/** Serious and critical findings of axe on what is shown, each with the elements. */
export async function findings(page) {
  const session = await page.context().newCDPSession(page);
  // Through the debugger: the page's policy lets no script in.
  const known = await session.send('Runtime.evaluate', { expression: 'typeof axe' });
  const run = `${known.result.value === 'undefined' ? AXE : ''};axe.run(document, {resultTypes: ['violations']}).then(({violations}) => JSON.stringify(violations))`;
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', { expression: run, awaitPromise: true, returnByValue: true });
  await session.detach();
  assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
  return JSON.parse(result.value)
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}
