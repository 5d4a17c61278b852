// OpenAI's client for Node against the gateway, whatever dialect the provider behind it speaks.
// `tests/python/test_node.py` starts the gateway, scripts the providers and runs this.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const { REFRAIN_URL, REFRAIN_KEY, REFRAIN_MODELS } = process.env;
const client = new OpenAI({ baseURL: `${REFRAIN_URL}/v1`, apiKey: REFRAIN_KEY, maxRetries: 0 });
const messages = [
  { role: 'developer', content: 'Be brief.' },
  { role: 'user', content: 'How is Røros in winter? 🥶' },
];

// Of each dialect a prefix, which with a word behind it is the name of a scripted model.
for (const prefix of REFRAIN_MODELS.split(',')) {
  const model = (word) => `${prefix}-node-${word}`;

  test(`${prefix}: create`, async () => {
    const completion = await client.chat.completions.create({ model: model('says'), messages });
    assert.equal(completion.choices[0].message.content, 'Cold, –40 °C at times.');
    assert.equal(completion.choices[0].finish_reason, 'stop');
    assert.ok(completion._request_id.startsWith('req_'));
    const { usage } = completion;
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  });

  test(`${prefix}: stream`, async () => {
    const stream = await client.chat.completions.create({
      model: model('says'),
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.equal(chunks[0].choices[0].delta.role, 'assistant');
    const texts = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '');
    assert.equal(texts.join(''), 'Cold, –40 °C at times.');
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.ok(chunks.at(-1).usage.total_tokens > 0);
    assert.equal(chunks.at(-2).choices[0].finish_reason, 'stop');
  });

  test(`${prefix}: stream helper`, async () => {
    const runner = client.chat.completions.stream({ model: model('says'), messages });
    const heard = [];
    runner.on('content', (delta) => heard.push(delta));
    assert.equal(await runner.finalContent(), 'Cold, –40 °C at times.');
    assert.equal(heard.join(''), 'Cold, –40 °C at times.');
  });

  for (const stream of [false, true]) {
    test(`${prefix}: tools, run by the helper${stream ? ', streamed' : ''}`, async () => {
      const asked = [];
      const weather = {
        type: 'function',
        function: {
          name: 'get_weather',
          description: 'The weather of a city.',
          parameters: {
            type: 'object',
            properties: { city: { type: 'string' } },
            required: ['city'],
          },
          parse: JSON.parse,
          function: ({ city }) => {
            asked.push(city);
            return `fine in ${city}`;
          },
        },
      };
      const word = stream ? 'calls-streamed' : 'calls';
      const body = { model: model(word), messages, tools: [weather], stream };
      const runner = client.chat.completions.runTools(body);
      assert.equal(await runner.finalContent(), 'Both are fine.');
      assert.deepEqual(asked, ['Oslo', 'Rome']);
    });
  }

  test(`${prefix}: structured answer`, async () => {
    const Planet = z.object({ name: z.string(), moons: z.number().nullable() });
    const completion = await client.chat.completions.parse({
      model: model('planet'),
      messages,
      response_format: zodResponseFormat(Planet, 'planet'),
    });
    assert.deepEqual(completion.choices[0].message.parsed, { name: 'Saturn', moons: 274 });
  });

  test(`${prefix}: structured call`, async () => {
    const parameters = z.object({ city: z.string() });
    const completion = await client.chat.completions.parse({
      model: model('call'),
      messages,
      tools: [zodFunction({ name: 'get_weather', parameters })],
    });
    const [call] = completion.choices[0].message.tool_calls;
    assert.deepEqual(call.function.parsed_arguments, { city: 'Oslo' });
  });

  test(`${prefix}: errors`, async () => {
    const fails = (word, more = {}) =>
      client.chat.completions.create({ model: model(word), messages, ...more }).then(
        () => assert.fail('it did not fail'),
        (error) => error,
      );
    const limited = await fails('limited');
    assert.ok(limited instanceof OpenAI.RateLimitError);
    assert.equal(limited.code, 'rate_limit_exceeded');
    const busy = await fails('busy', { stream: true });
    assert.ok(busy instanceof OpenAI.InternalServerError);
    assert.deepEqual([busy.status, busy.code], [503, 'upstream_unavailable']);
    const bad = await fails('says', { temperature: 9 });
    assert.ok(bad instanceof OpenAI.BadRequestError);
    assert.deepEqual([bad.type, bad.param], ['invalid_request_error', 'temperature']);
  });

  test(`${prefix}: a stream that breaks`, async () => {
    const asked = { model: model('breaks'), messages, stream: true };
    const stream = await client.chat.completions.create(asked);
    await assert.rejects(async () => {
      for await (const chunk of stream) assert.ok(chunk.choices);
    }, OpenAI.APIError);
  });
}

test('models', async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.length > 0);
});
