// What watching the page costs the gateway: `npm run cost`, with REFRAIN_BIN naming the program. Linux only.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch, open, signIn, visit } from './browser.js';
import { startGateway } from './gateway.js';
import { startProvider } from './provider.js';

const ENTRIES = Number(process.env.ENTRIES ?? 2000);
const SECONDS = Number(process.env.SECONDS ?? 20);
/** Ticks of the kernel's clock in a second, as processes see it. */
const HERTZ = 100;

/** Seconds of processor time that the process has used. */
function used(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / HERTZ;
}

async function measure(name, pid) {
  await sleep(3000);
  const before = used(pid);
  await sleep(SECONDS * 1000);
  console.log(`${name}: ${((100 * (used(pid) - before)) / SECONDS).toFixed(2)} % of a core`);
}

const provider = await startProvider();
const gateway = await startGateway(provider.url);
const browser = await launch();
try {
  for (let number = 0; number < ENTRIES; number += 1) await gateway.ask(`What is said in paragraph ${number} of the ${number % 97}th report?`);
  const { total } = await gateway.admin('/cache/entries?limit=1');
  console.log(`${total} entries, ${SECONDS} s each, ${process.env.REFRAIN_BIN}`);
  await measure('nobody watches', gateway.pid);
  const page = await open(browser, gateway.url);
  await page.goto(`${gateway.url}/admin`);
  await signIn(page);
  for (const view of ['Overview', 'Cache', 'Requests', 'Providers']) {
    await visit(page, view);
    await measure(`one watches ${view}`, gateway.pid);
  }
  await page.close();
  await measure('nobody watches any more', gateway.pid);
} finally {
  await browser.close();
  await gateway.stop();
  await provider.close();
}
