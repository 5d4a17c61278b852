"""What tests of all interfaces share: what the gateway sends, read strictly by the official types."""

import json
import urllib.error
import urllib.request

import anthropic.types
from google.genai import types
from openai.types import Completion
from openai.types.completion_usage import PromptTokensDetails
from openai.types.responses import Response, ResponseStreamEvent
from strict_openai import as_typed
from strict_types import Strict

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
TYPES = {
    "responses": (Strict(Response), Strict(ResponseStreamEvent)),
    "messages": (Strict(anthropic.types.Message), Strict(anthropic.types.RawMessageStreamEvent)),
    "generate_content": (Strict(types.GenerateContentResponse),) * 2,
    # What was written to a provider's cache has another name in chat, and so here.
    "completions": (Strict(Completion, [PromptTokensDetails]), None),
}


class Told:
    """An answer: its status, its headers, and its body, of which a stream is a list of events."""

    def __init__(self, answer):
        self.status, self.headers, self.raw = answer.status, answer.headers, answer.read()
        self.is_stream = answer.headers["content-type"].startswith("text/event-stream")
        self.events = list(events(self.raw)) if self.is_stream else []
        self.body = None if self.is_stream else json.loads(self.raw)

    @property
    def way(self):
        return self.headers["x-refrain-cache"]


def events(raw):
    """The name and the data of each event; every one is whole."""
    text = raw.decode().replace("\r\n", "\n")
    assert text.endswith("\n\n"), text[-200:]
    for event in text[:-2].split("\n\n"):
        lines = dict(line.split(": ", 1) for line in event.split("\n"))
        assert set(lines) <= {"event", "data"}, event
        data = lines["data"]
        yield lines.get("event"), data if data == "[DONE]" else json.loads(data)


def ask(gateway, path, body, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers = {"content-type": "application/json", **headers}
    request = urllib.request.Request(gateway.url + path, json.dumps(body).encode(), headers)
    try:
        with _direct.open(request, timeout=30) as answer:
            return Told(answer)
    except urllib.error.HTTPError as error:
        with error:
            return Told(error)


def check(surface, told):
    """Holds an answer to the published types: nothing is missing, and nothing has another name."""
    whole, event = TYPES[surface]
    if not told.is_stream:
        whole.read(json.dumps(as_typed(told.body)))
    elif event:
        for name, data in told.events:
            # Anthropic's types know no `ping`.
            if name != "ping":
                event.read(json.dumps(as_typed(data)))
    return told


def ask_for(gateway, surface, model, text, stream=False, **more):
    """Asks the same in any interface; `more` are fields of the body."""
    messages = [{"role": "user", "content": text}]
    parts = [{"role": "user", "parts": [{"text": text}]}]
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    path, body = {
        "chat": ("/v1/chat/completions", {"messages": messages, "max_tokens": 50}),
        "responses": ("/v1/responses", {"input": text, "max_output_tokens": 50}),
        "messages": ("/v1/messages", {"messages": messages, "max_tokens": 50}),
        "completions": ("/v1/completions", {"prompt": text, "max_tokens": 50}),
        "generate_content": (
            f"/v1beta/models/{model}:{method}",
            {"contents": parts, "generationConfig": {"maxOutputTokens": 50}},
        ),
    }[surface]
    if surface != "generate_content":
        body = {"model": model, **body, **({"stream": True} if stream else {})}
    return ask(gateway, path, {**body, **more})


def text_of(surface, told):
    """What an answer says."""
    data = [data for _, data in told.events if data != "[DONE]"] or [told.body]
    return "".join(_text(surface, one) for one in data)


def _text(surface, one):
    match surface:
        case "chat":
            said = [c["delta"] if "delta" in c else c["message"] for c in one["choices"]]
            return "".join(message.get("content") or "" for message in said)
        case "completions":
            return "".join(choice["text"] for choice in one["choices"])
        case "generate_content":
            parts = [c.get("content", {}).get("parts", []) for c in one.get("candidates", [])]
            return "".join(part.get("text", "") for found in parts for part in found)
        case "messages":
            if "content" in one:
                return "".join(block.get("text", "") for block in one["content"])
            return one.get("delta", {}).get("text", "")
        case "responses":
            if "output" in one:
                items = [item for item in one["output"] if item["type"] == "message"]
                return "".join(part["text"] for item in items for part in item["content"])
            return one["delta"] if one["type"] == "response.output_text.delta" else ""
