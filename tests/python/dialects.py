"""The dialects that the gateway speaks to providers, seen from tests that hold for all of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import rules_anthropic
import rules_gemini
import strict_ollama
from strict_server import Answer, BreaksOff, Fails, Fake, Heard
from upstream import Breaks, Refuses, Says

# A picture of one pixel.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
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
CODES = {"context": "context_length_exceeded", "not_found": "model_not_found"}


def error_of_openai(fails):
    kind = "invalid_request_error" if STATUSES[fails.about] < 500 else "server_error"
    code = CODES.get(fails.about)
    return {"message": fails.message, "type": kind, "param": None, "code": code}


def in_openais_words(answer):
    """A script for `upstream.Upstream`."""
    match answer:
        case Answer():
            calls = [
                {
                    "id": f"call_{at}",
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
                }
                for at, call in enumerate(answer.calls)
            ]
            finish = None if answer.finish == "stop" else answer.finish
            return Says(answer.text or None, calls, finish)
        case Fails():
            body = {"error": error_of_openai(answer)}
            return Refuses(STATUSES[answer.about], body, answer.headers)
        case BreaksOff():
            error = error_of_openai(answer.fails) if answer.fails else None
            return Breaks(answer.text, error)


def heard_by_openai(body):
    """What a request says; see `Heard`. Its system messages keep their places."""
    names = {}

    def items(message):
        if message["role"] == "tool":
            return [("result", names[message["tool_call_id"]], message["content"])]
        content = message.get("content") or []
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        found = [("text", part["text"]) for part in parts if part["type"] == "text"]
        for part in parts:
            if part["type"] == "image_url":
                kind, _, data = part["image_url"]["url"].partition(";base64,")
                found.append(("media", kind.removeprefix("data:"), data))
        for call in message.get("tool_calls", []):
            names[call["id"]] = call["function"]["name"]
            arguments = json.loads(call["function"]["arguments"])
            found.append(("call", call["function"]["name"], arguments))
        return found

    return Heard(None, [(message["role"], items(message)) for message in body["messages"]])


@dataclass
class Dialect:
    """A provider behind the gateway, which calls it by `name`."""

    name: str
    # Of the models that it has.
    prefix: str
    fake: Fake
    hears: Callable

    @property
    def is_native(self):
        """Whether it has words of its own, so that something has to be translated."""
        return self.name != "openai"

    def script(self, model, *answers):
        if not self.is_native:
            answers = [in_openais_words(answer) for answer in answers]
        self.fake.script(model, *answers)

    def bodies(self, model):
        """What it was sent so far."""
        received = self.fake.received(model)
        assert all(request.headers["user-agent"].startswith("refrain/") for request in received)
        return [request.body for request in received]

    def heard(self, model):
        """What the last request said."""
        return self.hears(self.bodies(model)[-1])


NAMES = ["openai", "gemini", "anthropic", "ollama"]
# Models that think as they like have rules of their own.
FAMILIES = [*NAMES, "gemini-3", "claude-5"]


def all_dialects(upstream, gemini, claude, llama):
    def of_gemini(prefix):
        return Dialect("gemini", prefix, gemini, rules_gemini.heard)

    def of_anthropic(prefix):
        return Dialect("anthropic", prefix, claude, rules_anthropic.heard)

    return {
        "openai": Dialect("openai", "t", upstream, heard_by_openai),
        "gemini": of_gemini("gemini-2.5-flash"),
        "gemini-3": of_gemini("gemini-3.5-flash"),
        "anthropic": of_anthropic("claude-sonnet-4-5"),
        "claude-5": of_anthropic(rules_anthropic.NEWEST),
        "ollama": Dialect("ollama", "llama", llama, strict_ollama.heard),
    }
