// Why an answer came from the cache or did not, and what an operator sets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { visit } from './browser.js';
import { HAS_MODEL } from './gateway.js';
import { TOPICS } from './traffic.js';

const NO_MODEL = !HAS_MODEL && 'the model is not there';

export function steerTests(world) {
  const tab = (name) => world.page.getByRole('tab', { name });
  const dialog = () => world.page.getByRole('dialog');
  const headingHasFocus = () => world.page.waitForFunction(() => document.activeElement.tagName === 'H1');

  test('why: two prompts, one request, a recent request', { skip: NO_MODEL }, async () => {
    const { page, gateway, provider } = world;
    const asked = provider.asked.length;
    const { total } = await gateway.admin('/cache/entries');
    await visit(page, 'Why');
    await tab('One request').focus();
    await page.keyboard.press('ArrowRight');
    await page.getByLabel('Kept: this was asked before').fill('How many of the 12 boxes are red?');
    await page.getByLabel('Asked: this is asked now').fill('How many of the 14 boxes are red?');
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.locator('.vetoes').getByText('The numbers differ: 12 and 14.').waitFor();
    assert.deepEqual(await page.locator('pre mark').allTextContents(), ['12', '14']);
    await page.locator('.compared .verdict').getByText('miss', { exact: true }).waitFor();

    await tab('One request').click();
    await page.getByLabel('Model', { exact: true }).fill('small');
    await page.getByLabel('As the client').fill('web');
    await page.getByLabel('A prompt, or').fill(TOPICS[0][1]);
    await page.getByRole('button', { name: 'Explain' }).click();
    const explained = page.locator('.explained');
    await explained.locator('.verdict').first().getByText('hit', { exact: true }).waitFor();
    await explained.getByRole('link', { name: TOPICS[0][0] }).waitFor();
    await explained.getByText('fake/small').first().waitFor();
    await page.getByLabel('A prompt, or').fill('What do hedgehogs eat?');
    await page.getByRole('button', { name: 'Explain' }).click();
    await explained.locator('.verdict').first().getByText('miss', { exact: true }).waitFor();
    await page.getByLabel('A prompt, or').fill('{"model": ');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByText('begins like JSON, but is none').waitFor();
    assert.equal(provider.asked.length, asked, 'a dry run asks nobody');
    assert.equal((await gateway.admin('/cache/entries')).total, total, 'and keeps nothing');

    await gateway.ask(TOPICS[5][0]);
    await visit(page, 'Requests');
    await page.getByRole('region', { name: 'The latest requests, newest first' }).locator('tbody a').first().click();
    await page.getByRole('link', { name: 'Open in Why' }).click();
    await explained.getByText(TOPICS[5][0]).first().waitFor();
    await explained.locator('.verdict').first().getByText('exact', { exact: true }).waitFor();
  });

  test('the threshold: what another one would have done, and taking it over', { skip: NO_MODEL }, async () => {
    const { page, gateway } = world;
    for (const prompts of TOPICS) for (const prompt of prompts) await gateway.ask(prompt);
    await visit(page, 'Threshold');
    const slider = page.getByRole('slider', { name: 'Threshold' });
    const sentence = page.locator('.verdict', { hasText: /^At 0\.\d{3}/ });
    await sentence.waitFor();
    await page.getByLabel('Exactly').fill('0.930');
    await page.getByText(/^At 0\.930/).waitFor();
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    await page.getByText(/^At 0\.935/).waitFor();
    assert.equal(await page.getByLabel('Exactly').inputValue(), '0.935');
    // What is written in the drawing lies above every curve.
    const marks = await page.locator('.curves figure').first().evaluate((figure) => {
      const edges = (selector, edge) => [...figure.querySelectorAll(selector)].map((one) => one.getBoundingClientRect()[edge]);
      return { labels: edges('.mark text', 'bottom'), curves: edges('.line', 'top') };
    });
    assert.ok(marks.labels.length > 0 && Math.max(...marks.labels) <= Math.min(...marks.curves) + 1, JSON.stringify(marks));
    const apply = page.getByRole('button', { name: 'Apply 0.935…' });
    let pass;
    const passed = new Promise((resolve) => (pass = resolve));
    const asked = '**/admin/api/threshold';
    await page.route(asked, async (route) => {
      await passed;
      await route.continue();
    });
    await apply.click();
    assert.ok(await apply.isDisabled(), 'it is asked once');
    pass();
    await dialog().getByText('threshold = 0.935').waitFor();
    await page.unroute(asked);
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    assert.ok(await apply.evaluate((button) => button === document.activeElement));
    await page.keyboard.press('Enter');
    await dialog().getByText('threshold = 0.935').waitFor();
    assert.equal((await gateway.admin('/threshold')).override, null, 'not before it is confirmed');
    await dialog().getByRole('button', { name: 'Apply' }).click();
    await page.getByText('The threshold is 0.935 now').waitFor();
    await page.getByText('this page', { exact: true }).waitFor();
    await headingHasFocus();
    assert.equal((await gateway.admin('/threshold')).override.threshold, 0.935);
    await visit(page, 'Config');
    await page.getByText('threshold = 0.935').first().waitFor();
    await visit(page, 'Threshold');
    await page.getByRole('button', { name: 'Remove the override…' }).click();
    await dialog().getByRole('button', { name: 'Remove it' }).click();
    await page.getByText('The override is removed').waitFor();
    await headingHasFocus();
    await page.getByText('the policy balanced').waitFor();
    assert.equal((await gateway.admin('/threshold')).override, null);
  });

  test('providers: a breaker by hand, a test call', async () => {
    const { page, gateway, provider } = world;
    await gateway.ask('Who was first to the South Pole?', { model: 'large' });
    await visit(page, 'Providers');
    await page.getByRole('region', { name: 'Provider away' }).getByText('NO_SUCH_KEY').waitFor();
    await page.getByRole('button', { name: 'Open: fake/large' }).click();
    await dialog().getByText('fake/large').waitFor();
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.activeElement.getAttribute('aria-label') === 'Open: fake/large');
    await page.getByRole('button', { name: 'Open: fake/large' }).click();
    await dialog().getByRole('button', { name: 'Open' }).click();
    await page.getByText('fake/large: open by hand').waitFor();
    const answer = await gateway.ask('Who was second to the South Pole?', { model: 'large' });
    assert.equal(answer.headers.get('x-refrain-provider'), 'spare');
    await page.getByRole('button', { name: 'Automatic: fake/large' }).click();
    await dialog().getByRole('button', { name: 'Automatic' }).click();
    await page.getByText('fake/large: the breaker decides by itself').waitFor();
    const asked = provider.asked.length;
    await page.getByRole('button', { name: 'Test: fake/large' }).click();
    assert.equal(provider.asked.length, asked, 'not before it is confirmed');
    await dialog().getByRole('button', { name: 'Send' }).click();
    await dialog().getByText('It answers.').waitFor();
    assert.equal(provider.asked.length, asked + 1);
    await dialog().getByRole('button', { name: 'Close' }).click();
    await dialog().waitFor({ state: 'detached' });
  });

  test('clients and the configuration, without secrets', async () => {
    const { page } = world;
    await visit(page, 'Clients');
    const clients = page.getByRole('region', { name: 'Clients, in the order of the configuration' });
    await clients.getByRole('rowheader', { name: 'web' }).waitFor();
    await clients.getByText('of $5.00 today').waitFor();
    await visit(page, 'Config');
    await page.getByText('REFRAIN_SERVER__LISTEN').waitFor();
    await page.getByLabel('Filter settings').fill('capture');
    await page.getByText('capture_content').waitFor();
    await page.getByLabel('Filter settings').fill('');
    assert.doesNotMatch(await page.content(), /planted-/);
  });
}
