// OpenAI's client for Node while a provider fails and another one is there.
// `tests/python/test_resilience.py` starts the gateway and runs this.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const { REFRAIN_URL, REFRAIN_KEY, REFRAIN_DOWN, REFRAIN_CUT } = process.env;
const client = new OpenAI({ baseURL: `${REFRAIN_URL}/v1`, apiKey: REFRAIN_KEY, maxRetries: 0 });
const ask = (content) => [{ role: 'user', content }];

for (const stream of [false, true]) {
  test(`a provider that is down${stream ? ', streamed' : ''}`, async () => {
    for (let n = 0; n < 20; n += 1) {
      const question = `Number ${n}${stream ? ', streamed' : ''}`;
      const { data, response } = await client.chat.completions
        .create({ model: REFRAIN_DOWN, messages: ask(question), stream })
        .withResponse();
      let said = '';
      if (stream) {
        for await (const chunk of data) said += chunk.choices[0]?.delta.content ?? '';
      } else {
        said = data.choices[0].message.content;
      }
      assert.equal(said, `You said: ${question}`);
      assert.equal(response.headers.get('x-refrain-provider'), 'spare');
    }
  });
}

test('a cut stream is an error', async () => {
  const asked = { model: REFRAIN_CUT, messages: ask('Count'), stream: true };
  const stream = await client.chat.completions.create(asked);
  let said = '';
  await assert.rejects(
    async () => {
      for await (const chunk of stream) said += chunk.choices[0]?.delta.content ?? '';
    },
    (error) => {
      assert.ok(error instanceof OpenAI.APIError);
      assert.equal(error.code, 'upstream_error');
      return true;
    },
  );
  assert.equal(said, 'One two');
});
