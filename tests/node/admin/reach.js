// For everybody: by keyboard alone, on a phone, in the dark, with a screen reader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PHONE, VIEWS, WIDE, findings, go, visit } from './browser.js';

const title = (view) => view[0].toUpperCase() + view.slice(1);

export function reachTests(world) {
  for (const colorScheme of ['light', 'dark']) {
    test(`every view is within reach, wide and on a phone, ${colorScheme}`, async () => {
      const { page } = world;
      await page.emulateMedia({ colorScheme });
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const brightness = Number(background.match(/\d+/)[0]);
      assert.ok(colorScheme === 'dark' ? brightness < 80 : brightness > 200, background);
      const found = {};
      for (const [name, viewport] of Object.entries({ wide: WIDE, phone: PHONE })) {
        await page.setViewportSize(viewport);
        for (const view of VIEWS) {
          await visit(page, title(view));
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= viewport.width, `${view}: ${wide} px wide at ${viewport.width}`);
          const all = await findings(page);
          if (all.length) found[`${view}, ${name}`] = all;
        }
      }
      await page.setViewportSize(WIDE);
      await page.emulateMedia({ colorScheme: null });
      assert.deepEqual(found, {});
    });
  }

  test('a keyboard is enough', async () => {
    const { page } = world;
    await go(page, 'overview');
    await page.reload();
    await page.locator('.tile').first().waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    const link = page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Providers' });
    await link.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Providers' }).waitFor();
    await page.waitForFunction(() => document.activeElement.tagName === 'H1');
    const button = page.getByRole('button', { name: 'Open: fake/small' });
    await button.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    for (let step = 0; step < 6; step += 1) {
      await page.keyboard.press('Tab');
      const isOutside = await page.evaluate(() => document.activeElement !== document.body && !document.activeElement.closest('dialog'));
      assert.ok(!isOutside, 'focus stays in the dialog');
    }
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.ok(await button.evaluate((element) => element === document.activeElement), 'and comes back');
  });

  test('a page that is not looked at asks nothing', async () => {
    const { page } = world;
    await visit(page, 'Overview');
    await page.locator('#state').getByText('live', { exact: true }).waitFor();
    const turn = (hidden) => page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    const isLive = (request) => request.url().endsWith('/live');
    const ended = page.waitForEvent('requestfailed', isLive);
    await turn(true);
    await ended;
    await page.locator('#state').getByText('paused').waitFor();
    await turn(false);
    await page.locator('#state').getByText('live', { exact: true }).waitFor();
  });
}
