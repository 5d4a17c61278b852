// OpenAI's client for Node where the gateway chooses the model, and where a prompt is too long.
// `tests/python/test_routing.py` starts the gateway and runs this.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const { REFRAIN_URL, REFRAIN_KEY, REFRAIN_SMALL } = process.env;
const client = new OpenAI({ baseURL: `${REFRAIN_URL}/v1`, apiKey: REFRAIN_KEY, maxRetries: 0 });
const ask = (content) => [{ role: 'user', content }];
const noted = { role: 'assistant', content: 'Noted.' };
const long = [...ask('water '.repeat(9000)), noted, ...ask('Well?')];

test('a declared task', async () => {
  const { data, response } = await client.chat.completions
    .create({ model: 'auto', messages: ask('Well?'), task_type: 'sql', prefer_fast: true })
    .withResponse();
  assert.equal(response.headers.get('x-refrain-task'), 'sql');
  assert.equal(response.headers.get('x-refrain-model'), 'quick');
  assert.equal(data.choices[0].message.content, 'You said: Well?');
});

test('a task that there is not', async () => {
  const asked = { model: 'auto', messages: ask('Well?'), task_type: 'sqll' };
  await assert.rejects(client.chat.completions.create(asked), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'task');
    return true;
  });
});

for (const stream of [false, true]) {
  const way = stream ? ', streamed' : '';
  const asked = { model: REFRAIN_SMALL, messages: long, stream };

  test(`a prompt that is too long${way}`, async () => {
    await assert.rejects(client.chat.completions.create(asked), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.code, 'context_length_exceeded');
      assert.match(error.message, /maximum context length is 4000 tokens/);
      return true;
    });
  });

  test(`a prompt that is cut${way}`, async () => {
    const { response } = await client.chat.completions
      .create({ ...asked, trim_messages: true })
      .withResponse();
    assert.ok(Number(response.headers.get('x-refrain-trimmed-tokens')) > 4000);
  });
}
