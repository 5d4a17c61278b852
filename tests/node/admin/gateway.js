// The gateway's program, running with the admin page; ended by SIGTERM.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../..');
const MODEL = join(ROOT, 'models/all-MiniLM-L6-v2');
const RUNTIME = join(ROOT, 'models/onnxruntime/libonnxruntime.so');
/** Loading the encoder takes a debug build a while. */
const READY_WITHIN_MS = 60_000;

export const ADMIN_KEY = 'planted-admin-key-3c90';
const CLIENT_KEYS = { web: 'planted-web-key-a41f', batch: 'planted-batch-key-b52e' };
const SECRETS = { REFRAIN_ADMIN_KEY: ADMIN_KEY, FAKE_KEY: 'sk-planted-upstream-7d1c', WEB_KEY: CLIENT_KEYS.web, BATCH_KEY: CLIENT_KEYS.batch };

/** Whether prompts can be compared by meaning here. */
export const HAS_MODEL = existsSync(MODEL) && existsSync(RUNTIME);

const configuration = (url) => `
[embedding]
model = "${MODEL}"
runtime = "${RUNTIME}"
deadline = "30s"

[cache]
semantic = ${HAS_MODEL}
data_dir = "data"
# Each hit by meaning is compared with a fresh answer: what the threshold's curve is drawn from.
shadow_checks = 1

[telemetry]
capture_content = true

[[providers]]
name = "fake"
kind = "openai"
base_url = "${url}"
api_key_env = "FAKE_KEY"
limits = { requests_per_minute = 100000, concurrent = 64 }

[[providers]]
name = "spare"
kind = "openai"
base_url = "${url}"
api_key_env = "FAKE_KEY"

[[providers]]
name = "away"
kind = "anthropic"
api_key_env = "NO_SUCH_KEY"

[[models]]
name = "small"
targets = ["fake/small"]
price = { input = 0.15, output = 0.6 }

[[models]]
name = "large"
targets = ["fake/large", "spare/large"]
price = { input = 2.5, output = 10.0 }

[[clients]]
name = "web"
key_env = "WEB_KEY"
limits = { requests_per_minute = 100000 }
budget = { daily_usd = 5.0 }

[[clients]]
name = "batch"
key_env = "BATCH_KEY"
namespace = "reports"
`;

/**
 * Starts it before the provider at `url`. Gives its `url` and process id `pid`; `ask(prompt, options)`, which is a client's request;
 * `admin(path, options)`, which is an operator's; and `stop()`, which fails unless it ended well and kept its secrets.
 */
export async function startGateway(url) {
  const program = process.env.REFRAIN_BIN;
  assert.ok(program, 'REFRAIN_BIN has to name the program under test; `make test` sets it');
  const folder = mkdtempSync(join(tmpdir(), 'refrain-page-'));
  const config = join(folder, 'providers.toml');
  writeFileSync(config, configuration(url));
  const log = join(folder, 'output');
  const output = createWriteStream(log);
  await once(output, 'open');
  const running = spawn(resolve(program), ['serve', '--config', config], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, RUST_LOG: process.env.REFRAIN_LOG ?? 'debug', REFRAIN_SERVER__LISTEN: '127.0.0.1:0', ...SECRETS },
    stdio: ['ignore', output, output],
  });
  const ended = once(running, 'exit');
  const kill = () => running.kill('SIGKILL');
  process.on('exit', kill);
  const told = () => readFileSync(log, 'utf8');
  const origin = await readyAt(running, told);

  const bearer = (key) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });
  return {
    url: origin,
    pid: running.pid,
    async ask(prompt, { model = 'small', client = 'web', headers = {}, ...more } = {}) {
      const answer = await fetch(`${origin}/v1/chat/completions`, {
        method: 'POST',
        headers: { ...bearer(CLIENT_KEYS[client]), ...headers },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: prompt }], ...more }),
      });
      await answer.text();
      return answer;
    },
    async admin(path, { method = 'GET', body } = {}) {
      const answer = await fetch(`${origin}/admin/api${path}`, { method, headers: bearer(ADMIN_KEY), body: body && JSON.stringify(body) });
      const text = await answer.text();
      assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
      return JSON.parse(text);
    },
    async stop() {
      process.off('exit', kill);
      running.kill('SIGTERM');
      const [code] = await ended;
      const all = told();
      if (process.env.SUITE_OUTPUT) writeFileSync(join(process.env.SUITE_OUTPUT, `gateway-page-${running.pid}.log`), all);
      rmSync(folder, { recursive: true });
      assert.equal(code, 0, all.slice(-4000));
      const bad = all.split('\n').filter((line) => /planted-|panicked/.test(line));
      assert.deepEqual(bad.map((line) => line.slice(0, 500)), []);
    },
  };
}

async function readyAt(running, told) {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline) {
    assert.equal(running.exitCode, null, `the gateway ended at its start:\n${told()}`);
    const [, origin] = told().match(/endpoint +(http:\/\/\S+)\/v1$/m) ?? [];
    if (origin && (await fetch(`${origin}/health/ready`).then(({ status }) => status === 200, () => false))) return origin;
    await new Promise((resume) => setTimeout(resume, 20));
  }
  running.kill('SIGKILL');
  throw new Error(`the gateway was not ready in time:\n${told()}`);
}
