"""Anthropic's Messages API, as strict as the real one (`rules_anthropic.py`).

Answers are read by the types of `anthropic` before they are sent.
"""

import base64
import json
import re

from anthropic.types import Message, MessageCountTokensParams, RawMessageStreamEvent
from rules_anthropic import BETA, REQUESTS, check
from strict_server import (
    PROMPT_TOKENS,
    Answer,
    BreaksOff,
    Fails,
    Fake,
    Handler,
    Raw,
)
from strict_types import Strict, refuse_unless

RESPONSE = Strict(Message)
COUNT = Strict(MessageCountTokensParams)
EVENT = Strict(RawMessageStreamEvent)
STATUSES = {
    "bad_request": (400, "invalid_request_error"),
    "context": (400, "invalid_request_error"),
    "key": (401, "authentication_error"),
    "permission": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "too_large": (413, "request_too_large"),
    "rate_limit": (429, "rate_limit_error"),
    "internal": (500, "api_error"),
    "overloaded": (529, "overloaded_error"),
}
STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


class AnthropicHandler(Handler):
    key_header = "x-api-key"

    def respond(self, received):
        headers = received.headers
        key, version = headers.get(self.key_header), headers.get("anthropic-version")
        if not received.is_from_gateway():
            # The package itself has come to send its key as others do.
            key = key or headers.get("authorization", "").removeprefix("Bearer ")
        if key != self.fake.key:
            return self.fail(Fails("key", "invalid x-api-key"))
        betas = [name.strip() for name in headers.get("anthropic-beta", "").split(",") if name]
        for name in betas:
            BETA.read(json.dumps(name))
        kind = (version, bool(betas))
        refuse_unless(kind in REQUESTS, f"anthropic-version {version!r}")
        is_count = received.path == "/v1/messages/count_tokens"
        is_call = self.command == "POST" and (is_count or received.path == "/v1/messages")
        refuse_unless(is_call and not received.query, f"no such address: {self.path}")
        if is_count:
            COUNT.read(received.raw)
            self.fake.take(received.body["model"], received)
            return self.send(200, {"input_tokens": PROMPT_TOKENS})
        REQUESTS[kind].read(received.raw)
        check(received.body, self.fake.signatures)
        self.answer(received.body, self.fake.take(received.body["model"], received))

    def answer(self, body, answer):
        match answer:
            case Answer() if body.get("stream"):
                self.open_stream("text/event-stream; charset=utf-8", answer.headers)
                for event in self.events(body, answer):
                    self.event(event)
                self.end_stream()
            case Answer():
                self.send(200, self.whole(body, answer), answer.headers)
            case BreaksOff():
                self.open_stream("text/event-stream; charset=utf-8")
                # Without the end of the block and of the message.
                for event in list(self.events(body, Answer(answer.text)))[:-3]:
                    self.event(event)
                if answer.fails:
                    self.event(self.error(answer.fails)[1], checked=False)
                self.close_connection = True
            case Fails():
                self.fail(answer)
            case Raw():
                self.send(answer.status, answer.body)

    def event(self, event, checked=True):
        if checked and event["type"] != "ping":
            EVENT.read(json.dumps(event))
        data = json.dumps(event, ensure_ascii=False)
        self.piece(f"event: {event['type']}\ndata: {data}\n\n")

    def message(self, body, answer):
        return {
            "id": f"msg_{self.fake.number():05}",
            "type": "message",
            "role": "assistant",
            "model": f"{body['model']}-20260101",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": PROMPT_TOKENS - answer.cached,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": answer.cached,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 0,
                    "ephemeral_1h_input_tokens": 0,
                },
                "output_tokens": 1,
                "service_tier": "standard",
            },
        }

    def blocks(self, answer):
        """The blocks of an answer, complete."""
        if answer.thoughts:
            mark = f"signature {self.fake.number()}"
            signature = base64.b64encode(mark.encode()).decode()
            self.fake.signatures.add((answer.thoughts, signature))
            yield {"type": "thinking", "thinking": answer.thoughts, "signature": signature}
        if answer.text:
            yield {"type": "text", "text": answer.text}
        for call in answer.calls:
            name = f"toolu_{self.fake.number():05}"
            yield {"type": "tool_use", "id": name, "name": call.name, "input": call.arguments}

    def stop(self, answer):
        return "tool_use" if answer.calls else STOPS[answer.finish]

    def output(self, answer):
        return {
            "output_tokens": answer.said_tokens + answer.thought_tokens,
            "output_tokens_details": {"thinking_tokens": answer.thought_tokens},
        }

    def whole(self, body, answer):
        message = self.message(body, answer)
        message["content"] = list(self.blocks(answer))
        message["stop_reason"] = self.stop(answer)
        message["usage"] |= self.output(answer)
        RESPONSE.read(json.dumps(message))
        return message

    def events(self, body, answer):
        yield {"type": "message_start", "message": self.message(body, answer)}
        yield {"type": "ping"}
        for index, block in enumerate(self.blocks(answer)):
            start, deltas = cut(block)
            yield {"type": "content_block_start", "index": index, "content_block": start}
            for delta in deltas:
                yield {"type": "content_block_delta", "index": index, "delta": delta}
            yield {"type": "content_block_stop", "index": index}
        delta = {"stop_reason": self.stop(answer), "stop_sequence": None}
        yield {"type": "message_delta", "delta": delta, "usage": self.output(answer)}
        yield {"type": "message_stop"}

    def error(self, fails):
        status, kind = STATUSES[fails.about]
        error = {"type": kind, "message": fails.message}
        name = f"req_{self.fake.number():05}"
        return status, {"type": "error", "error": error, "request_id": name}

    def fail(self, fails):
        status, body = self.error(fails)
        self.send(status, body, {"request-id": body["request_id"], **fails.headers})


def cut(block):
    """A block as its start and its deltas."""
    match block["type"]:
        case "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": word}
                for word in Answer(block["thinking"]).words()
            ]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
        case "text":
            words = Answer(block["text"]).words()
            deltas = [{"type": "text_delta", "text": word} for word in words]
            return {"type": "text", "text": ""}, deltas
        case "tool_use":
            text = json.dumps(block["input"]) if block["input"] else ""
            # The first piece is empty, as the real ones are.
            pieces = ["", *re.findall(r".{1,5}", text, re.DOTALL)]
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            return {**block, "input": {}}, deltas


class Anthropic(Fake):
    handler = AnthropicHandler
