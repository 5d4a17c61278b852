// What goes wrong, comes late or comes twice: what is shown stays true, and focus where the reader is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open, signIn, visit } from './browser.js';

const REFUSED = { status: 500, json: { error: { message: 'out of order', type: 'server_error', param: null, code: null } } };
const PAGE = 100;

/** A promise, and what resolves it. */
function gate() {
  let pass;
  const passed = new Promise((resolve) => (pass = resolve));
  return { passed, pass };
}

export function troubleTests(world) {
  const dialog = () => world.page.getByRole('dialog');
  const isFocused = (locator) => locator.evaluate((element) => element === document.activeElement);
  const headingHasFocus = () => world.page.waitForFunction(() => document.activeElement.tagName === 'H1');

  test('whom the gateway does not sign out is not told so, and no dialog is left behind', async () => {
    const { page } = world;
    await visit(page, 'Overview');
    page.expected.add(500);
    const session = '**/admin/api/session';
    await page.route(session, (route) => (route.request().method() === 'DELETE' ? route.fulfill(REFUSED) : route.continue()));
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You are still signed in: out of order').waitFor();
    await page.unroute(session);
    page.expected.delete(500);
    assert.equal(await page.getByLabel('Admin key').count(), 0);

    await visit(page, 'Providers');
    await page.getByRole('button', { name: 'Test: fake/small' }).click();
    await dialog().waitFor();
    await page.evaluate(() => (location.hash = '#/clients'));
    await page.getByRole('heading', { level: 1, name: 'Clients' }).waitFor();
    assert.equal(await dialog().count(), 0);
    await headingHasFocus();

    await visit(page, 'Providers');
    await page.getByRole('button', { name: 'Test: fake/small' }).click();
    page.expected.add(401);
    await page.context().clearCookies();
    await dialog().getByRole('button', { name: 'Send' }).click();
    await page.getByText('The session has ended').waitFor();
    assert.equal(await dialog().count(), 0);
    await signIn(page);
    await headingHasFocus();
    page.expected.delete(401);
  });

  test('another range is blank until it is there, and asked for again', async () => {
    const { page } = world;
    await visit(page, 'Overview');
    const tile = (title) => page.locator('.tile', { hasText: title }).locator('dd').first();
    await page.waitForFunction(() => !/Loading…/.test(document.getElementById('main').textContent));
    const before = await tile('Hit rate').textContent();
    assert.match(before, /%/);
    const { passed, pass } = gate();
    const asked = '**/admin/api/history?range=1h';
    page.expected.add(500);
    await page.route(asked, async (route) => {
      await passed;
      await route.fulfill(REFUSED);
    });
    await page.getByRole('button', { name: '1 h', exact: true }).click();
    const since = page.getByText(/^Since the start/);
    const told = await since.textContent();
    // A second later.
    await page.waitForFunction((text) => !document.querySelector('main').textContent.includes(text), told);
    for (const title of ['Hit rate', 'Saved', 'Errors']) assert.equal(await tile(title).textContent(), '–', title);
    assert.equal(await page.locator('.ledger tbody td').first().textContent(), '–');
    assert.equal(await page.locator('.plot > .empty').getByText('Loading…').count(), 6);
    pass();
    await page.getByText('No history: out of order').waitFor();
    assert.equal(await page.locator('.plot > .empty').getByText('Not known.').count(), 6);
    await page.unroute(asked);
    page.expected.delete(500);
    await page.locator('.tile', { hasText: 'Hit rate' }).getByText('looked up').waitFor();
    assert.equal(await page.getByText('No history').count(), 0);
    await page.getByRole('button', { name: '15 min', exact: true }).click();
    await page.locator('.tile', { hasText: 'Hit rate' }).getByText('looked up').waitFor();
  });

  test('older requests come without holes and take nothing away; a search is asked for once', async () => {
    const page = await open(world.browser, world.gateway.url);
    await page.clock.install();
    await page.goto(`${page.origin}/admin`);
    await signIn(page);
    const { requests: [one] } = await world.gateway.admin('/requests?limit=1');
    /** A while later, with all asked that is asked by then. */
    const later = async () => {
      await page.clock.fastForward(20_000);
      await page.evaluate(() => fetch('/admin/api/session').then((answer) => answer.text()));
    };
    let newest = 450;
    let lists = 0;
    let answers = [];
    await page.route('**/admin/api/requests?**', async (route) => {
      const before = Number(new URL(route.request().url()).searchParams.get('before') ?? 0);
      if (!before) lists += 1;
      const last = before ? before - 1 : newest;
      const requests = Array.from({ length: PAGE }, (_, index) => ({ ...one, seq: last - index }));
      const { passed, isRefused } = (before && answers.shift()) || {};
      await passed;
      await route.fulfill(isRefused ? REFUSED : { json: { captures: false, remembered: newest, capacity: 1000, requests } });
    });
    await visit(page, 'Requests');
    const rows = page.locator('.results tbody tr');
    const numbers = () => rows.evaluateAll((all) => all.map((row) => Number(row.querySelector('a').hash.split('/').at(-1))));
    await rows.nth(PAGE - 1).waitFor();
    const first = await numbers();
    const older = page.getByRole('button', { name: 'Show older ones' });
    page.expected.add(500);
    answers = [{ isRefused: true }];
    await older.click();
    await page.getByText("They can't be shown: out of order").waitFor();
    assert.deepEqual(await numbers(), first);
    assert.ok(await isFocused(older));
    page.expected.delete(500);

    const { passed, pass } = gate();
    answers = [{ passed }];
    const asking = page.waitForRequest(/before=/);
    await older.click();
    await asking;
    newest += 5;
    const asked = lists;
    await later();
    assert.equal(lists, asked, 'the list stands still');
    pass();
    await rows.nth(2 * PAGE - 1).waitFor();
    const all = await numbers();
    assert.deepEqual(all, all.map((_, index) => all[0] - index));
    await later();
    assert.equal(lists, asked);
    assert.equal(await page.getByText("They can't be shown").count(), 0);

    await visit(page, 'Cache');
    const searches = [];
    page.on('request', (request) => {
      if (request.url().includes('/cache/entries?') || request.url().endsWith('/cache/search')) searches.push(request.url());
    });
    const search = page.getByLabel('Search prompts and answers');
    await search.fill('coast');
    await search.press('Enter');
    await later();
    assert.equal(searches.length, 1, searches.join('\n'));
    await page.getByLabel('by meaning').check();
    await page.getByLabel('by words').check();
    await search.press('Enter');
    await search.fill('coasts');
    await page.getByLabel('Older than').first().fill('soon');
    await later();
    assert.equal(searches.length, 2, searches.join('\n'));
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });

  test('focus stays with whoever acts', async () => {
    const { page } = world;
    await visit(page, 'Cache');
    const purge = page.locator('details', { has: page.locator('form.purge') });
    await purge.locator('summary').click();
    await purge.getByLabel('Tag', { exact: true }).fill('no-such-tag');
    const count = purge.getByRole('button', { name: 'Count' });
    await count.click();
    await purge.getByText('No entry with tag').waitFor();
    assert.ok(await isFocused(count));
    const transfer = page.locator('details', { has: page.locator('input[type=file]') });
    await transfer.locator('summary').click();
    const save = transfer.getByRole('button', { name: /^Export/ });
    await Promise.all([page.waitForEvent('download'), save.click()]);
    await page.waitForFunction(() => document.activeElement.textContent.startsWith('Export'));

    await visit(page, 'Providers');
    page.expected.add(500);
    await page.route('**/admin/api/breakers', (route) => route.fulfill(REFUSED));
    await page.getByRole('button', { name: 'Open: fake/small' }).click();
    const act = dialog().getByRole('button', { name: 'Open' });
    await act.click();
    await dialog().getByRole('alert').getByText('out of order').waitFor();
    assert.ok(await isFocused(act));
    await page.unroute('**/admin/api/breakers');
    page.expected.delete(500);
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    assert.ok(await isFocused(page.getByRole('button', { name: 'Open: fake/small' })));
  });

  test('what is brought up to date keeps focus, and what is pointed at', async () => {
    const { page } = world;
    const rows = await page.evaluate(async () => {
      const { el } = await import('/admin/assets/dom.js');
      const { update } = await import('/admin/assets/update.js');
      const of = (...keys) => keys.map((key) => el('li', { dataset: { key } }, el('button', null, key)));
      const list = el('ul', null, of('a', 'b', 'c'));
      document.body.append(list);
      list.querySelector('[data-key=b] button').focus();
      update(list, of('b', 'c', 'a'));
      const moved = [...list.children].map((one) => one.dataset.key).join('');
      const focused = document.activeElement.textContent;
      const seen = new MutationObserver(() => {});
      seen.observe(list, { childList: true });
      update(list, of('n', 'b', 'a'));
      const changes = seen.takeRecords().map(({ addedNodes, removedNodes }) => [...addedNodes, ...removedNodes].map((node) => node.dataset.key).join(''));
      const kept = document.activeElement.textContent;
      list.remove();
      return { moved, focused, changes, kept };
    });
    assert.deepEqual(rows, { moved: 'bca', focused: 'b', changes: ['c', 'n'], kept: 'b' });

    const chart = await page.evaluate(async () => {
      const { lines } = await import('/admin/assets/chart.js');
      const points = (from) => Array.from({ length: 5 }, (_, index) => ({ at: from + index, value: from + index }));
      const figure = lines({ title: 'Any', points: points(1), series: [{ name: 'value', value: ({ value }) => value, class: 'hit' }], xFormat: String });
      document.body.append(figure);
      const drawn = () => new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(then)));
      await drawn();
      const plot = figure.querySelector('.plot');
      const now = () => [plot.getAttribute('aria-valuetext'), figure.querySelector('.moment').textContent];
      plot.focus();
      const focused = now();
      figure.redraw({ points: points(2) });
      await drawn();
      const later = now();
      plot.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft' }));
      const picked = now();
      figure.redraw({ points: points(4) });
      await drawn();
      const kept = now();
      figure.remove();
      return { focused, later, picked, kept };
    });
    const five = ['5: value 5.00', '5'];
    assert.deepEqual(chart, { focused: ['5: value 5.00', ''], later: ['5: value 5.00', ''], picked: five, kept: five });
  });

  test('why: a client is proposed, and who leaves asks nothing more', async () => {
    const { page, gateway } = world;
    await page.reload();
    await visit(page, 'Why');
    await page.waitForFunction(() => [...document.querySelectorAll('label')].find((one) => one.textContent === 'As the client').control.value === 'web');
    const { requests: [{ seq }] } = await gateway.admin('/requests?limit=1');
    const one = `**/admin/api/requests/${seq}`;
    const { passed, pass } = gate();
    await page.route(one, async (route) => {
      await passed;
      await route.abort().catch(() => {});
    });
    const [, failed] = [await page.evaluate((number) => (location.hash = `#/why?request=${number}`), seq), page.waitForEvent('requestfailed', (request) => request.url().endsWith(`/requests/${seq}`))];
    await page.getByText('Looking…').waitFor();
    await page.getByRole('tab', { name: 'One request' }).click();
    assert.match((await failed).failure().errorText, /ABORTED/);
    pass();
    await page.unroute(one);
  });

  test('what waits for a restart is named beside the configuration', async () => {
    const { page } = world;
    await page.route('**/admin/api/config', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), needs_restart: ['cache.index', 'server.listen'] } });
    });
    await visit(page, 'Config');
    const named = page.locator('.banner', { hasText: 'In force after the next start; below they are shown as they are written' });
    assert.deepEqual(await named.getByRole('listitem').allTextContents(), ['cache.index', 'server.listen']);
    await page.unroute('**/admin/api/config');
  });
}
