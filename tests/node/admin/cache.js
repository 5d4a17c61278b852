// Finding, reading, keeping and forgetting entries.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { visit } from './browser.js';
import { HAS_MODEL } from './gateway.js';
import { HOSTILE, LONG, TOPICS } from './traffic.js';

const file = (name, text) => ({ name, mimeType: 'application/x-ndjson', buffer: Buffer.from(text) });

export function cacheTests(world) {
  const results = () => world.page.getByRole('region', { name: 'Entries of the cache' });
  const search = () => world.page.getByLabel('Search prompts and answers');
  /** Opens the entry whose prompt has these words. */
  const openOnly = async (words) => {
    await visit(world.page, 'Cache');
    await search().fill(words);
    await results().getByRole('link', { name: words }).click();
    await world.page.getByRole('heading', { name: 'Facts' }).waitFor();
  };

  test('what means harm stays text, wherever it is shown', async () => {
    const { page, gateway } = world;
    for (const prompt of [...HOSTILE, LONG]) {
      const { status } = await gateway.ask(prompt, { headers: { 'x-refrain-cache-tags': 'harm' } });
      assert.equal(status, 200, prompt.slice(0, 60));
    }
    await visit(page, 'Cache');
    for (const [prompt, word, shown] of [
      [HOSTILE[0], 'zebra', '<script>window.__pwned = 1; alert(1)</script>'],
      [HOSTILE[1], 'quagga', '<img src=x onerror="window.__pwned = 2; alert(2)">'],
      [HOSTILE[2], 'okapi', '<U+202E>txt.exe'],
      [HOSTILE[3], 'tapir', 'set-cookie: a=b'],
      [HOSTILE[4], 'dugong', '<svg onload="window.__pwned = 3">'],
      [LONG, 'manatee', '0123456789abcdef'],
    ]) {
      await openOnly(word);
      const text = await page.locator('pre.text').first().textContent();
      assert.ok(text.includes(shown), text.slice(0, 300));
      assert.ok(text.length < 60_000, prompt.slice(0, 30));
      assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u202e\u200b]/);
    }
    await visit(page, 'Requests');
    const rows = page.getByRole('region', { name: 'The latest requests, newest first' }).locator('tbody tr');
    for (let index = 0; index < 3; index += 1) {
      await rows.nth(index).getByRole('link').first().click();
      await page.getByRole('heading', { name: 'Facts' }).waitFor();
      await page.goBack();
      await rows.first().waitFor();
    }
    await visit(page, 'Why');
    await page.getByLabel('Model', { exact: true }).fill('small');
    await page.getByLabel('As the client').fill('web');
    for (const prompt of HOSTILE) {
      await page.getByLabel('A prompt, or').fill(prompt);
      await page.getByRole('button', { name: 'Explain' }).click();
      await page.locator('.explained').waitFor();
    }
    assert.equal(await page.evaluate(() => window.__pwned), undefined);
    assert.equal(await page.locator('main script, main img, main svg[onload]').count(), 0);
    assert.deepEqual(page.faults, []);
  });

  test('entries are found by their words and by what they mean', { skip: !HAS_MODEL && 'the model is not there' }, async () => {
    const { page, gateway } = world;
    for (const [kept] of TOPICS) await gateway.ask(kept);
    await visit(page, 'Cache');
    await search().fill('');
    await search().pressSequentially('eiffel');
    await page.locator('.found').getByText('1 entry', { exact: true }).waitFor();
    await results().getByText(TOPICS[1][0]).waitFor();
    await page.getByLabel('by meaning').check();
    await search().fill('the size of a tower in Paris');
    await results().getByRole('columnheader', { name: 'Similarity' }).waitFor();
    await page.waitForFunction((first) => document.querySelector('.results tbody tr')?.textContent.includes(first), TOPICS[1][0]);
    await page.getByRole('button', { name: 'Clear the filter' }).click();
    await page.locator('.found').getByText(/^\d+ entries$/).waitFor();
    await page.getByLabel('Model', { exact: true }).first().fill('no-such-model');
    await page.getByText('No entry is like that.').waitFor();
    await page.getByRole('button', { name: 'Clear the filter' }).click();
  });

  test('an entry is pinned, deleted, called wrong', async () => {
    const { page, gateway } = world;
    await gateway.ask('Where do storks spend the winter?');
    await gateway.ask('Where do cranes rest in autumn?');
    await openOnly('storks');
    await page.getByRole('button', { name: 'Pin', exact: true }).click();
    await page.getByRole('button', { name: 'Unpin' }).waitFor();
    await page.waitForFunction(() => document.activeElement.textContent === 'Unpin');
    await page.getByRole('button', { name: 'Delete…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Delete…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('The entry is deleted').waitFor();
    assert.equal((await gateway.ask('Where do storks spend the winter?')).headers.get('x-refrain-cache'), 'miss');
    await openOnly('cranes');
    await page.getByRole('button', { name: 'Wrong answer…' }).click();
    await page.getByRole('button', { name: 'It is wrong: forget it' }).click();
    await page.getByText('Noted, and the entry is forgotten').waitFor();
    assert.equal((await gateway.ask('Where do cranes rest in autumn?')).headers.get('x-refrain-cache'), 'miss');
  });

  test('what is forgotten is counted first', async () => {
    const { page, gateway } = world;
    for (const colour of ['red', 'green']) await gateway.ask(`Which apples are ${colour}?`, { headers: { 'x-refrain-cache-tags': 'fruit' } });
    await visit(page, 'Cache');
    const purge = page.locator('details', { has: page.locator('form.purge') });
    await purge.locator('summary').click();
    const forget = purge.locator('button.danger');
    assert.ok(await forget.isDisabled());
    await purge.getByRole('button', { name: 'Count' }).click();
    await purge.getByText('Say what to forget').waitFor();
    await purge.getByLabel('Tag', { exact: true }).fill('fruit');
    await purge.getByRole('button', { name: 'Count' }).click();
    await purge.getByText('Nothing is forgotten yet.').waitFor();
    assert.equal(await forget.textContent(), 'Forget 2 entries');
    await purge.getByLabel('Tag', { exact: true }).fill('frui');
    assert.ok(await forget.isDisabled(), 'it does what was counted, nothing else');
    await purge.getByLabel('Tag', { exact: true }).fill('fruit');
    await purge.getByRole('button', { name: 'Count' }).click();
    await purge.getByText('Nothing is forgotten yet.').waitFor();
    assert.equal((await gateway.admin('/cache/entries?tag=fruit')).total, 2);
    await forget.click();
    await purge.getByRole('status').getByText(/^2 entries, .* forgotten\.$/).waitFor();
    assert.equal((await gateway.admin('/cache/entries?tag=fruit')).total, 0);
    assert.ok((await gateway.admin('/cache/entries')).total > 0, 'the others stay');
  });

  test('entries go out to a file and come in from one, whole or not at all', async () => {
    const { page, gateway } = world;
    await gateway.ask('How deep is Lake Baikal?', { headers: { 'x-refrain-cache-tags': 'lakes' } });
    await gateway.ask('How deep is Lake Ladoga?', { headers: { 'x-refrain-cache-tags': 'lakes' } });
    await visit(page, 'Cache');
    // What was looked for last is there again.
    await page.getByRole('button', { name: 'Clear the filter' }).click();
    await page.getByLabel('Tag', { exact: true }).first().fill('lakes');
    await page.locator('.found').getByText('2 entries', { exact: true }).waitFor();
    const transfer = page.locator('details', { has: page.locator('input[type=file]') });
    await transfer.locator('summary').click();
    const [download] = await Promise.all([page.waitForEvent('download'), transfer.getByRole('button', { name: /^Export/ }).click()]);
    assert.match(download.suggestedFilename(), /^refrain-cache-\d{4}-\d\d-\d\d\.jsonl$/);
    const text = readFileSync(await download.path(), 'utf8');
    const lines = text.trimEnd().split('\n');
    assert.ok(lines.filter((line) => JSON.parse(line) && line.includes('Lake ')).length === 2, text);
    await gateway.admin('/cache/purge', { method: 'POST', body: { tag: 'lakes', dry_run: false } });
    page.expected.add(400);
    const picker = transfer.locator('input[type=file]');
    await picker.setInputFiles(file('lakes.jsonl', `${text}{"half":\nno <i>JSON</i>\n`));
    await transfer.getByRole('alert').getByText(/^lakes\.jsonl: 2 of \d+ lines can't be taken in\. Nothing is imported\.$/).waitFor();
    const wrong = transfer.getByRole('region', { name: "Lines that can't be taken in" }).locator('tbody tr');
    assert.deepEqual(await wrong.evaluateAll((rows) => rows.map((row) => row.cells[0].textContent)), [lines.length + 1, lines.length + 2].map(String));
    page.expected.delete(400);
    assert.equal(await picker.inputValue(), '', 'or the browser would not tell that it was picked again');
    assert.equal((await gateway.admin('/cache/entries?tag=lakes')).total, 0);
    await picker.setInputFiles(file('lakes.jsonl', text));
    await transfer.getByText('Nothing is imported yet.').waitFor();
    await transfer.getByRole('button', { name: 'Import 2 entries' }).click();
    await page.getByText('2 entries imported').waitFor();
    assert.ok(await picker.evaluate((input) => input === document.activeElement));
    assert.equal((await gateway.ask('How deep is Lake Ladoga?')).headers.get('x-refrain-cache'), 'exact');
    await page.getByRole('button', { name: 'Clear the filter' }).click();
  });
}
