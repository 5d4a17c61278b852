// OpenAI's client for Node and its Responses interface, whoever answers.
// `tests/python/test_node.py` starts the gateway, scripts the providers and runs this.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const { REFRAIN_URL, REFRAIN_KEY, REFRAIN_MODELS } = process.env;
const client = new OpenAI({ baseURL: `${REFRAIN_URL}/v1`, apiKey: REFRAIN_KEY, maxRetries: 0 });
const input = 'How is Røros in winter? 🥶';

for (const prefix of REFRAIN_MODELS.split(',')) {
  const model = (word) => `${prefix}-node-${word}`;

  test(`${prefix}: create, and go on from it`, async () => {
    const response = await client.responses.create({ model: model('says'), input });
    assert.equal(response.output_text, 'Cold, –40 °C at times.');
    assert.equal(response.status, 'completed');
    assert.ok(response.usage.total_tokens > 0);
    const more = { model: model('says'), input: 'And summer?', previous_response_id: response.id };
    assert.equal((await client.responses.create(more)).previous_response_id, response.id);
    assert.equal((await client.responses.retrieve(response.id)).id, response.id);
  });

  test(`${prefix}: stream`, async () => {
    const stream = client.responses.stream({ model: model('says'), input });
    let text = '';
    stream.on('response.output_text.delta', (event) => (text += event.delta));
    const final = await stream.finalResponse();
    assert.equal(final.output_text, 'Cold, –40 °C at times.');
    assert.equal(text, final.output_text);
  });

  test(`${prefix}: parse`, async () => {
    const planet = z.object({ name: z.string(), moons: z.number() });
    const text = { format: zodTextFormat(planet, 'planet') };
    const response = await client.responses.parse({ model: model('planet'), input, text });
    assert.deepEqual(response.output_parsed, { name: 'Saturn', moons: 274 });
  });

  test(`${prefix}: tools`, async () => {
    const parameters = {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    };
    const tools = [{ type: 'function', name: 'get_weather', parameters, strict: false }];
    const response = await client.responses.create({ model: model('call'), input, tools });
    const [call] = response.output.filter((item) => item.type === 'function_call');
    assert.deepEqual(JSON.parse(call.arguments), { city: 'Oslo' });
  });

  test(`${prefix}: errors are the client's own`, async () => {
    const asked = client.responses.create({ model: model('limited'), input });
    await assert.rejects(asked, OpenAI.RateLimitError);
  });
}
