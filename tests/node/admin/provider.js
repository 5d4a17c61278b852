// A provider with OpenAI's interface, in this process: what it answers follows from what it is asked.
import { createServer } from 'node:http';
import { once } from 'node:events';

/** The words that it answers a prompt with, unless `answers` has others. */
const said = (prompt) => `An answer of ${prompt.length} characters' worth: ${prompt.slice(0, 400)}`;

/** As many tokens as a test can reckon with: a fourth of the characters. */
const tokens = (text) => Math.ceil(text.length / 4);

/**
 * Starts it. `answers` maps a prompt to what is said to it; an object `{status, message}` is an error.
 * Gives its `url`, the `asked` prompts and `close()`.
 */
export async function startProvider(answers = new Map()) {
  const asked = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    const { model, messages, stream } = JSON.parse(body);
    const prompt = messages.at(-1).content;
    asked.push(prompt);
    const answer = answers.get(prompt) ?? said(prompt);
    if (answer.status) {
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: answer.message, type: 'server_error', param: null, code: null } }));
      return;
    }
    const usage = { prompt_tokens: tokens(body), completion_tokens: tokens(answer), total_tokens: tokens(body) + tokens(answer) };
    const head = { id: `chatcmpl-${asked.length}`, created: 1_760_000_000, model };
    if (stream) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const chunk = (delta, finish_reason = null, more = {}) =>
        `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }], ...more })}\n\n`;
      response.end(`${chunk({ role: 'assistant', content: answer })}${chunk({}, 'stop', { usage })}data: [DONE]\n\n`);
      return;
    }
    const message = { role: 'assistant', content: answer, refusal: null };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...head, object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }], usage }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/v1`,
    asked,
    answers,
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
