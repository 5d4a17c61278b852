"""OpenAI's other interfaces, as strict as the real ones: responses, legacy completions, and what a
gateway only passes on.

Requests and answers are read by the types of `openai`. Chat completions and embeddings are
`upstream.py`'s.
"""

import email.parser
import email.policy
import json
from typing import get_args

from openai.types import (
    Completion,
    ImageGenerateParams,
    ImagesResponse,
    ModerationCreateParams,
    ModerationCreateResponse,
)
from openai.types.audio import SpeechCreateParams
from openai.types.completion_create_params import CompletionCreateParams
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import ResponseCreateParams
from strict_server import PROMPT_TOKENS, Answer, Fails, Fake, Handler, Received
from strict_types import Refusal, Strict, refuse_unless

REQUESTS = {
    "/v1/responses": Strict(ResponseCreateParams),
    "/v1/completions": Strict(CompletionCreateParams),
    "/v1/moderations": Strict(ModerationCreateParams),
    "/v1/audio/speech": Strict(SpeechCreateParams),
    "/v1/images/generations": Strict(ImageGenerateParams),
}
RESPONSE, EVENT = Strict(Response), Strict(ResponseStreamEvent)
COMPLETION = Strict(Completion)
MODERATION, IMAGES = Strict(ModerationCreateResponse), Strict(ImagesResponse)
STATUSES = {"bad_request": 400, "not_found": 404, "rate_limit": 429, "internal": 500}
STORE = "store"
SOUND = b"ID3 what is heard " * 400
CATEGORIES = [
    field.alias or name
    for name, field in get_args(ModerationCreateResponse.model_fields["results"].annotation)[0]
    .model_fields["categories"]
    .annotation.model_fields.items()
]


class OpenAIHandler(Handler):
    key_header = "authorization"

    def read(self, raw, headers):
        if not headers.get("content-type", "").startswith("multipart/form-data"):
            return super().read(raw, headers)
        secrets = [*self.fake.forbidden, self.fake.key]
        refuse_unless(not any(word.encode() in raw for word in secrets), "it holds a secret")
        head = f"content-type: {headers['content-type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + raw)
        parts = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in form.iter_parts()
        }
        body = {name: data.decode() for name, data in parts.items() if name == "model"}
        return Received(self.path, {}, headers, raw, {**body, "parts": parts})

    def serve(self):
        if self.headers.get("transfer-encoding") == "chunked":
            self.headers.replace_header("transfer-encoding", "identity")
            raw = b""
            while size := int(self.rfile.readline(), 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            del self.headers["content-length"]
            self.headers["content-length"] = str(len(raw))
            whole, self.rfile = self.rfile, _Read(raw)
            try:
                return super().serve()
            finally:
                self.rfile = whole
        return super().serve()

    def respond(self, received):
        key = received.headers.get("authorization", "")
        if key != f"Bearer {self.fake.key}":
            raise Refusal("not the gateway's key")
        if received.path == "/v1/audio/transcriptions":
            parts = received.body["parts"]
            refuse_unless({"file", "model"} <= set(parts), f"the parts are {list(parts)}")
            self.fake.take(received.body["model"], received)
            return self.send(200, {"text": f"{len(parts['file'])} bytes"})
        refuse_unless(received.path in REQUESTS, f"no such address: {received.path}")
        REQUESTS[received.path].read(received.raw)
        body = received.body
        answer = self.fake.take(body.get("model"), received)
        if isinstance(answer, Fails):
            return self.fail(answer)
        match received.path:
            case "/v1/responses":
                refuse_unless(not body.get("previous_response_id"), "a response of another's")
                self.respond_with_response(body, answer)
            case "/v1/completions":
                self.respond_with_completion(body, answer)
            case "/v1/moderations":
                self.moderate(body)
            case "/v1/audio/speech":
                self.speak()
            case "/v1/images/generations":
                images = {"created": 1_760_000_000, "data": [{"b64_json": "aW1hZ2U="}]}
                IMAGES.read(json.dumps(images))
                self.send(200, images)

    # --- responses ------------------------------------------------------------------------------

    def response(self, body, status, output, answer):
        usage = {
            "input_tokens": PROMPT_TOKENS,
            "input_tokens_details": {"cached_tokens": answer.cached, "cache_write_tokens": 0},
            "output_tokens": answer.said_tokens,
            "output_tokens_details": {"reasoning_tokens": answer.thought_tokens},
            "total_tokens": PROMPT_TOKENS + answer.said_tokens,
        }
        return {
            "id": f"resp_{self.fake.number():05}",
            "object": "response",
            "created_at": 1_760_000_000,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "model": f"{body['model']}-2026-01-01",
            "output": output,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            # The real one says it; the types do not know.
            STORE: body.get("store", True),
            "temperature": body.get("temperature", 1.0),
            "text": body.get("text", {"format": {"type": "text"}}),
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools", []),
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": usage if status == "completed" else None,
            "user": None,
            "metadata": body.get("metadata", {}),
        }

    def items(self, answer):
        if answer.thoughts:
            summary = [{"type": "summary_text", "text": answer.thoughts}]
            yield {"id": f"rs_{self.fake.number()}", "type": "reasoning", "summary": summary}
        if answer.text:
            yield {
                "id": f"msg_{self.fake.number()}",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [output_text(answer.text)],
            }
        for call in answer.calls:
            number = self.fake.number()
            yield {
                "id": f"fc_{number}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{number}",
                "name": call.name,
                "arguments": json.dumps(call.arguments),
            }

    def respond_with_response(self, body, answer):
        items = list(self.items(answer))
        response = self.response(body, "completed", items, answer)
        RESPONSE.read(json.dumps(as_typed(response)))
        if not body.get("stream"):
            return self.send(200, response, answer.headers)
        self.open_stream("text/event-stream; charset=utf-8", answer.headers)
        for number, event in enumerate(self.events(response, items, answer)):
            event = {**event, "sequence_number": number}
            EVENT.read(json.dumps(as_typed(event)))
            data = json.dumps(event, ensure_ascii=False)
            self.piece(f"event: {event['type']}\ndata: {data}\n\n")
        self.end_stream()

    def events(self, response, items, answer):
        begun = {**response, "status": "in_progress", "output": [], "usage": None}
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        for at, item in enumerate(items):
            place = {"output_index": at}
            within = {**place, "item_id": item["id"]}
            if item["type"] == "reasoning":
                open_item = {**item, "summary": []}
            elif item["type"] == "message":
                open_item = {**item, "status": "in_progress", "content": []}
            else:
                open_item = {**item, "status": "in_progress", "arguments": ""}
            yield {"type": "response.output_item.added", **place, "item": open_item}
            if item["type"] == "message":
                part = {**within, "content_index": 0}
                yield {"type": "response.content_part.added", **part, "part": output_text("")}
                for word in answer.words():
                    delta = {"delta": word, "logprobs": []}
                    yield {"type": "response.output_text.delta", **part, **delta}
                done = {"text": answer.text, "logprobs": []}
                yield {"type": "response.output_text.done", **part, **done}
                whole = output_text(answer.text)
                yield {"type": "response.content_part.done", **part, "part": whole}
            elif item["type"] == "function_call":
                name = "response.function_call_arguments"
                yield {"type": f"{name}.delta", **within, "delta": item["arguments"]}
                yield {"type": f"{name}.done", **within, "arguments": item["arguments"]}
            yield {"type": "response.output_item.done", **place, "item": item}
        yield {"type": "response.completed", "response": response}

    # --- the rest -------------------------------------------------------------------------------

    def completion(self, body, choices, **more):
        head = {
            "id": "cmpl-upstream",
            "object": "text_completion",
            "created": 1_760_000_000,
            "model": f"{body['model']}-2026-01-01",
        }
        completion = {**head, "choices": choices, **more}
        COMPLETION.read(json.dumps(completion))
        return completion

    def respond_with_completion(self, body, answer):
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        count = len(prompts) * (body.get("n") or 1)
        said = count * answer.said_tokens
        usage = {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": said,
            "total_tokens": PROMPT_TOKENS + said,
        }

        def choice(index, text, finish):
            return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}

        if not body.get("stream"):
            choices = [choice(index, answer.text, answer.finish) for index in range(count)]
            return self.send(200, self.completion(body, choices, usage=usage))
        self.open_stream("text/event-stream")
        for index in range(count):
            *words, last = answer.words()
            texts = [(word, None) for word in words] + [(last, answer.finish)]
            for word, finish in texts:
                # The types know no chunk that has not ended.
                event = self.completion(body, []) | {"choices": [choice(index, word, finish)]}
                self.piece(f"data: {json.dumps(event)}\n\n")
        if body.get("stream_options", {}).get("include_usage"):
            self.piece(f"data: {json.dumps(self.completion(body, [], usage=usage))}\n\n")
        self.piece("data: [DONE]\n\n")
        self.end_stream()

    def moderate(self, body):
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        result = {
            "flagged": False,
            "categories": dict.fromkeys(CATEGORIES, False),
            "category_scores": dict.fromkeys(CATEGORIES, 0.01),
            "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
        }
        answer = {"id": "modr-1", "model": "omni", "results": [result] * len(texts)}
        self.send(200, answer)

    def speak(self):
        self.open_stream("audio/mpeg")
        for at in range(0, len(SOUND), 1000):
            data = SOUND[at : at + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.end_stream()

    def fail(self, fails):
        status = STATUSES[fails.about]
        kind = "invalid_request_error" if status < 500 else "server_error"
        error = {"message": fails.message, "type": kind, "param": None, "code": None}
        self.send(status, {"error": error}, fails.headers)


class _Read:
    """A body that has been read, to be read once more."""

    def __init__(self, data):
        self._data = data

    def read(self, size):
        return self._data[:size]


def as_typed(value):
    """A response, or an event with one, without what the official types leave out."""
    response = {name: field for name, field in value.items() if name != STORE}
    if "response" in response:
        response["response"] = as_typed(response["response"])
    return response


def output_text(text):
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class OpenAI(Fake):
    handler = OpenAIHandler

    def unscripted(self, received):
        return Answer("Understood.")
