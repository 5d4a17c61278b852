// Anthropic's client for Node, whoever answers: nothing but its base URL changes.
// `tests/python/test_node.py` starts the gateway, scripts the providers and runs this.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';

const { REFRAIN_URL, REFRAIN_KEY, REFRAIN_MODELS } = process.env;
const client = new Anthropic({ baseURL: REFRAIN_URL, apiKey: REFRAIN_KEY, maxRetries: 0 });
const messages = [{ role: 'user', content: 'How is Røros in winter? 🥶' }];

for (const prefix of REFRAIN_MODELS.split(',')) {
  const asked = (word, more) => ({
    model: `${prefix}-node-${word}`,
    max_tokens: 50,
    messages,
    ...more,
  });

  test(`${prefix}: create`, async () => {
    const message = await client.messages.create(asked('says'));
    assert.equal(message.content[0].text, 'Cold, –40 °C at times.');
    assert.equal(message.stop_reason, 'end_turn');
    assert.ok(message.usage.output_tokens > 0);
  });

  test(`${prefix}: stream`, async () => {
    const stream = client.messages.stream(asked('says'));
    let text = '';
    stream.on('text', (delta) => (text += delta));
    assert.equal(await stream.finalText(), 'Cold, –40 °C at times.');
    assert.equal(text, 'Cold, –40 °C at times.');
  });

  test(`${prefix}: tools`, async () => {
    const input_schema = { type: 'object', properties: { city: { type: 'string' } } };
    const tools = [{ name: 'get_weather', input_schema }];
    const message = await client.messages.create(asked('call', { tools }));
    assert.equal(message.stop_reason, 'tool_use');
    assert.deepEqual(message.content.at(-1).input, { city: 'Oslo' });
  });

  test(`${prefix}: count tokens`, async () => {
    const { model } = asked('says');
    const counted = await client.messages.countTokens({ model, messages });
    assert.ok(counted.input_tokens > 0);
  });

  test(`${prefix}: errors are the client's own`, async () => {
    await assert.rejects(client.messages.create(asked('limited')), Anthropic.RateLimitError);
  });
}
