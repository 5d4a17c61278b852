"""Ollama's own API, as strict as its documents.

Requests are read by the types of `ollama`, then by the rules of
https://github.com/ollama/ollama/blob/main/docs/api.md (seen 2026-11). Answers are read by the
package's types too before they are sent.
"""

import base64
import json
from collections.abc import Sequence
from typing import Literal

from ollama import ChatResponse, EmbedResponse, ListResponse, Message, Options, Tool
from ollama._types import ChatRequest, EmbedRequest, ShowRequest
from strict_server import (
    PROMPT_TOKENS,
    Answer,
    BreaksOff,
    Fails,
    Fake,
    Handler,
    Heard,
    Raw,
    vectors,
)
from strict_types import Refusal, Strict, refuse_unless

# The package's types name of a tool's schema what its own helper makes; the server takes any. They
# leave out the ids of calls, which the server gives out and takes back.
Parameters = Tool.Function.Parameters


class ServersChatRequest(ChatRequest):
    """What the server takes besides: https://github.com/ollama/ollama/blob/main/api/types.go."""

    truncate: bool | None = None
    shift: bool | None = None


CHAT = Strict(ServersChatRequest, open_ones=(Parameters, Parameters.Property))
CALL = (Message.ToolCall, Message.ToolCall.Function)
MESSAGES = Strict(Sequence[Message], open_ones=(Message, *CALL))
# The package's type of an image is what it is made from.
IMAGES = Strict(list[str])
OPTIONS = Strict(Options)
FORMAT = Strict(Literal["json"] | dict)
THINK = Strict(bool | Literal["low", "medium", "high"])
EMBED = Strict(EmbedRequest)
SHOW = Strict(ShowRequest)
CHAT_RESPONSE = Strict(ChatResponse, open_ones=CALL)
EMBED_RESPONSE = Strict(EmbedResponse)
LIST_RESPONSE = Strict(ListResponse, open_ones=(ListResponse.Model,))

MESSAGE_FIELDS = {
    "system": {"content"},
    "user": {"content", "images"},
    "assistant": {"content", "thinking", "tool_calls"},
    "tool": {"content", "tool_name", "tool_call_id"},
}
STATUSES = {
    "bad_request": 400,
    "context": 400,
    "key": 401,
    "permission": 403,
    "not_found": 404,
    "rate_limit": 429,
    "internal": 500,
    "overloaded": 503,
}
# What stands in the list of installed models.
INSTALLED = ["llama3.2:latest", "qwen3:8b"]
CREATED = "2026-01-01T00:00:00.123456789Z"
DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "3.2B",
    "quantization_level": "Q4_K_M",
}


# --- what a request may say -----------------------------------------------------------------------


def check_messages(messages):
    refuse_unless(messages, "no messages")
    asked = []
    for message in messages:
        role = message.get("role")
        refuse_unless(role in MESSAGE_FIELDS, f"role {role!r}")
        unknown = set(message) - MESSAGE_FIELDS[role] - {"role"}
        refuse_unless(not unknown, f"fields of a {role} message: {sorted(unknown)}")
        if role == "tool":
            refuse_unless(message.get("tool_name"), "a tool message without tool_name")
            refuse_unless(asked and message["tool_name"] in asked, "a result without its call")
            asked.remove(message["tool_name"])
            continue
        refuse_unless(not asked, f"calls without a result: {asked}")
        says = message.get("content") or message.get("images") or message.get("tool_calls")
        refuse_unless(says, f"an empty {role} message")
        for image in message.get("images", []):
            refuse_unless(not image.startswith("data:"), "an image as a data URL")
            refuse_unless(base64.b64decode(image, validate=True), "an empty image")
        for call in message.get("tool_calls", []):
            refuse_unless(set(call) <= {"function", "id"}, f"a call with {sorted(call)}")
            function = set(call["function"])
            refuse_unless(function <= {"name", "arguments", "index"}, f"a function {function}")
            asked.append(call["function"]["name"])
    refuse_unless(not asked, f"calls without a result at the end: {asked}")


def check_chat(received):
    CHAT.read(received.raw)
    body = received.body
    refuse_unless("messages" in body, "no messages")
    for message in body["messages"]:
        IMAGES.read(json.dumps(message.get("images", [])))
    bare = [{k: v for k, v in message.items() if k != "images"} for message in body["messages"]]
    MESSAGES.read(json.dumps(bare))
    check_messages(body["messages"])
    refuse_unless(isinstance(body.get("stream"), bool), "it has to say whether it is a stream")
    if "options" in body:
        OPTIONS.read(json.dumps(body["options"]))
        refuse_unless(body["options"].get("num_ctx", 1) > 0, "num_ctx")
    if "format" in body:
        FORMAT.read(json.dumps(body["format"]))
    if "think" in body:
        THINK.read(json.dumps(body["think"]))
    for tool in body.get("tools", []):
        refuse_unless(tool.get("type") == "function", "a tool that is no function")
        refuse_unless(tool["function"].get("name"), "a tool without a name")
        parameters = tool["function"].get("parameters", {})
        refuse_unless(parameters.get("type") == "object", "parameters that are no object")
        refuse_unless(isinstance(parameters.get("properties"), dict), "no properties")
    refuse_unless("top_logprobs" not in body or body.get("logprobs"), "top_logprobs alone")


def heard(body):
    """What a request says; see `Heard`. Its system messages keep their places."""
    turns = []
    for message in body["messages"]:
        items = []
        if message["role"] == "tool":
            items.append(("result", message["tool_name"], message["content"]))
        else:
            if message.get("thinking"):
                items.append(("thought", message["thinking"]))
            if message.get("content"):
                items.append(("text", message["content"]))
            items += [("media", None, image) for image in message.get("images", [])]
            for call in message.get("tool_calls", []):
                items.append(("call", call["function"]["name"], call["function"]["arguments"]))
        turns.append((message["role"], items))
    return Heard(None, turns)


# --- what is answered -----------------------------------------------------------------------------


class OllamaHandler(Handler):
    key_header = "authorization"

    def respond(self, received):
        if self.fake.key and received.headers.get("authorization") != f"Bearer {self.fake.key}":
            return self.fail(Fails("key", "unauthorized"))
        match self.command, received.path:
            case "POST", "/api/chat":
                check_chat(received)
                self.chat(received.body, self.pick(received))
            case "POST", "/api/embed":
                EMBED.read(received.raw)
                if isinstance(self.pick(received), Fails):
                    return
                self.embed(received.body)
            case "GET", "/api/tags":
                self.tags()
            case "GET", "/api/ps":
                self.send(200, {"models": []})
            case "GET", "/api/version":
                self.send(200, {"version": "0.30.0"})
            case "POST", "/api/show":
                SHOW.read(received.raw)
                self.send(
                    200, {"details": DETAILS, "model_info": {"llama.context_length": 131072}}
                )
            case _:
                raise Refusal("no such address")

    def pick(self, received):
        """The script's answer, if there is such a model."""
        model = received.body["model"]
        answer = self.fake.take(model, received)
        if "missing" in model:
            return Fails("not_found", f"model '{model}' not found")
        return answer

    def chat(self, body, answer):
        match answer:
            case Answer() if body["stream"]:
                self.open_stream("application/x-ndjson", answer.headers)
                for line in self.lines(body, answer):
                    self.line(line)
                self.end_stream()
            case Answer():
                response = self.line_of(body, self.message(answer), **self.end(answer))
                CHAT_RESPONSE.read(json.dumps(response))
                self.send(200, response, answer.headers)
            case BreaksOff():
                self.open_stream("application/x-ndjson")
                for line in list(self.lines(body, Answer(answer.text)))[:-1]:
                    self.line(line)
                if answer.fails:
                    self.line({"error": answer.fails.message}, checked=False)
                self.close_connection = True
            case Fails():
                self.fail(answer)
            case Raw():
                self.send(answer.status, answer.body)

    def line(self, line, checked=True):
        if checked:
            CHAT_RESPONSE.read(json.dumps(line))
        self.piece(json.dumps(line, ensure_ascii=False) + "\n")

    def line_of(self, body, message, **rest):
        message = {"role": "assistant", "content": "", **message}
        head = {"model": body["model"], "created_at": CREATED, "message": message}
        return {**head, "done": False, **rest}

    def calls(self, answer):
        return [
            {
                "id": f"call_{self.fake.number():08}",
                "function": {"index": at, "name": call.name, "arguments": call.arguments},
            }
            for at, call in enumerate(answer.calls)
        ]

    def message(self, answer):
        message = {"content": answer.text}
        if answer.thoughts:
            message["thinking"] = answer.thoughts
        if answer.calls:
            message["tool_calls"] = self.calls(answer)
        return message

    def end(self, answer):
        end = {
            "done": True,
            "done_reason": "length" if answer.finish == "length" else "stop",
            "total_duration": 174560334,
            "load_duration": 101397084,
            "prompt_eval_count": PROMPT_TOKENS,
            "prompt_eval_duration": 13074791,
            "eval_count": answer.said_tokens + answer.thought_tokens,
            "eval_duration": 52479709,
        }
        if answer.logprobs:
            end["logprobs"] = logprobs(answer.words())
        return end

    def lines(self, body, answer):
        for word in filter(None, Answer(answer.thoughts).words()):
            yield self.line_of(body, {"thinking": word})
        for word in filter(None, answer.words()):
            found = {"logprobs": logprobs([word])} if answer.logprobs else {}
            yield self.line_of(body, {"content": word}, **found)
        for call in self.calls(answer):
            yield self.line_of(body, {"tool_calls": [call]})
        end = self.end(answer)
        end.pop("logprobs", None)
        yield self.line_of(body, {}, **end)

    def embed(self, body):
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        response = {
            "model": body["model"],
            "embeddings": vectors(texts, body.get("dimensions")),
            "total_duration": 14143917,
            "load_duration": 1019500,
            "prompt_eval_count": sum(len(text.split()) for text in texts),
        }
        EMBED_RESPONSE.read(json.dumps(response))
        self.send(200, response)

    def tags(self):
        models = [
            {
                "name": name,
                "model": name,
                "modified_at": CREATED,
                "size": 2019393189,
                "digest": "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
                "details": DETAILS,
            }
            for name in INSTALLED
        ]
        LIST_RESPONSE.read(json.dumps({"models": models}))
        self.send(200, {"models": models})

    def fail(self, fails):
        self.send(STATUSES[fails.about], {"error": fails.message}, fails.headers)


def logprobs(words):
    return [
        {
            "token": word,
            "logprob": -0.25,
            "top_logprobs": [{"token": word, "logprob": -0.25}],
        }
        for word in words
    ]


class Ollama(Fake):
    handler = OllamaHandler
