// The admin page in a real browser, before a real gateway.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open, signIn } from './admin/browser.js';
import { cacheTests } from './admin/cache.js';
import { startGateway } from './admin/gateway.js';
import { startProvider } from './admin/provider.js';
import { reachTests } from './admin/reach.js';
import { screenshots } from './admin/shots.js';
import { steerTests } from './admin/steer.js';
import { ANSWERS } from './admin/traffic.js';
import { troubleTests } from './admin/trouble.js';

const world = {};

before(async () => {
  world.provider = await startProvider(ANSWERS);
  // One after the other: what runs when something fails is ended in `after`.
  world.browser = await launch();
  world.gateway = await startGateway(world.provider.url);
  world.page = await open(world.browser, world.gateway.url);
});

after(async () => {
  await world.browser?.close();
  await world.gateway?.stop();
  await world.provider?.close();
});

test('a wrong key is told, the right one signs in', async () => {
  const { page } = world;
  page.expected.add(401);
  await page.goto(`${world.gateway.url}/admin`);
  const key = page.getByLabel('Admin key');
  await key.fill('not-the-key');
  await key.press('Enter');
  await page.getByText('That is not the admin key.').waitFor();
  assert.ok(await key.evaluate((input) => input === document.activeElement));
  page.expected.delete(401);
  await signIn(page);
  await page.getByText('No request yet').waitFor();
  await page.reload();
  await page.getByRole('navigation', { name: 'Views' }).waitFor();
  const cookies = await page.context().cookies();
  assert.deepEqual(cookies.map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite]), [['refrain_session', true, 'Strict']]);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('You are signed out.').waitFor();
  await page.reload();
  await page.getByLabel('Admin key').waitFor();
  await signIn(page);
});

test('numbers move as requests come', async () => {
  const { page, gateway } = world;
  await page.getByText('No request yet').waitFor();
  const tile = (title) => page.locator('.tile', { has: page.getByText(title, { exact: true }) });
  await gateway.ask('How long is the coast of Norway?');
  await tile('Hit rate').getByText('of 1 looked up').waitFor();
  for (let times = 0; times < 3; times += 1) await gateway.ask('How long is the coast of Norway?');
  await tile('Hit rate').getByText('75.0 %').waitFor();
  assert.equal(await page.getByText('No request yet').count(), 0);
});

test('the ranges of time', async () => {
  const { page } = world;
  for (const [name, title] of [['1 h', 'the last hour'], ['24 h', 'the last 24 hours'], ['7 d', 'the last 7 days'], ['15 min', 'the last 15 minutes']]) {
    await page.getByRole('button', { name, exact: true }).click();
    await page.getByRole('heading', { name: `Billed and saved, ${title}` }).waitFor();
    await page.locator('.tile', { hasText: 'Hit rate' }).getByText('75.0 %').waitFor();
  }
});

cacheTests(world);
steerTests(world);
troubleTests(world);
reachTests(world);
screenshots(world);

test('nothing was out of order on the page', () => assert.deepEqual(world.page.faults, []));
