"""That OpenAI's schemas are applied: an answer that breaks them is found out."""

import gzip
import json

import httpx2
import pytest
from openai_schema import Overheard, faults
from test_strict_fakes import changed

CHAT = "/v1/chat/completions"
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
CHUNK = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}],
}
ERROR = {"error": {"message": "No.", "type": "server_error", "param": None, "code": None}}
MODELS = {
    "object": "list",
    "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}],
}
VECTORS = {
    "object": "list",
    "model": "m",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}
CALL = {"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("path", "status", "body", "change", "fault"),
    [
        (CHAT, 200, COMPLETION, {}, None),
        (CHAT, 200, COMPLETION, {"vendor_field": 1}, None),
        (CHAT, 200, COMPLETION, {"choices.0.message.tool_calls": [CALL]}, None),
        (CHAT, 200, COMPLETION, {"id": ...}, "$: 'id'"),
        (CHAT, 200, COMPLETION, {"created": "now"}, "$.created"),
        (CHAT, 200, COMPLETION, {"choices.0.logprobs": ...}, "$.choices[0]: 'logprobs'"),
        (CHAT, 200, COMPLETION, {"choices.0.finish_reason": "STOP"}, "$.choices[0].finish_reason"),
        (CHAT, 200, COMPLETION, {"choices.0.message.refusal": ...}, "$.choices[0].message"),
        (CHAT, 200, COMPLETION, {"choices.0.message.tool_calls": [{}]}, "tool_calls[0]"),
        (CHAT, 200, COMPLETION, {"choices.0.message.tool_calls": None}, "tool_calls"),
        (CHAT, 200, COMPLETION, {"usage.total_tokens": 1.5}, "$.usage.total_tokens"),
        (CHAT, 200, COMPLETION, {"usage.prompt_tokens": -1}, "$.usage.prompt_tokens"),
        (CHAT, 200, CHUNK, {"usage": None}, None),
        (CHAT, 200, CHUNK, {"choices": []}, None),
        (CHAT, 200, CHUNK, {"choices.0.finish_reason": ...}, "'finish_reason'"),
        (CHAT, 200, CHUNK, {"choices.0.delta": ...}, "'delta'"),
        (CHAT, 200, CHUNK, {"choices.0.delta.tool_calls": [CALL]}, "'index'"),
        (CHAT, 200, CHUNK, {"choices.0.delta.role": "model"}, "delta.role"),
        (CHAT, 200, CHUNK, {"choices": ..., "error": ERROR["error"]}, None),
        (CHAT, 502, ERROR, {}, None),
        (CHAT, 502, ERROR, {"error.param": ...}, "'param'"),
        (CHAT, 502, COMPLETION, {}, "'error'"),
        ("/v1/models", 200, MODELS, {}, None),
        ("/models", 200, MODELS, {"data.0.created": ...}, "'created'"),
        ("/v1/models/a/b", 200, MODELS["data"][0], {}, None),
        ("/v1/models/a/b", 200, MODELS, {}, "'id'"),
        ("/v1/embeddings", 200, VECTORS, {}, None),
        ("/v1/embeddings", 200, VECTORS, {"data.0.embedding": []}, "embedding"),
    ],
    ids=lambda value: None,
)
def test_faults(path, status, body, change, fault):
    found = " ".join(faults(path, status, json.dumps(changed(body, change)).encode()))
    assert (fault in found) if fault else (found == "")


@pytest.mark.parametrize("data", [b"", b"<html>", b"[1]", b"null"])
def test_what_is_no_answer_at_all(data):
    assert faults(CHAT, 200, data) != []


def overhear(data, content_type, **headers):
    """What is found in an answer that a client reads to its end."""
    found = []
    request = httpx2.Request("POST", f"http://gateway{CHAT}")
    response = httpx2.Response(200, headers={"content-type": content_type, **headers})
    response.stream = httpx2.ByteStream(data)
    overheard = Overheard(request, response, found)
    assert b"".join(overheard) == data
    overheard.close()
    overheard.close()
    return found


def test_answers_are_overheard():
    good, bad = json.dumps(COMPLETION).encode(), json.dumps({**COMPLETION, "id": 1}).encode()
    assert overhear(good, "application/json") == []
    assert len(overhear(bad, "application/json")) == 1
    assert (
        len(overhear(gzip.compress(bad), "application/json", **{"content-encoding": "gzip"})) == 1
    )

    good, bad = (json.dumps({**CHUNK, "id": name}).encode() for name in ("1", 1))
    stream = b"data: " + good + b"\n\ndata: " + bad + b"\n\ndata: " + bad + b"\n\ndata: [DONE]\n\n"
    assert len(overhear(stream, "text/event-stream; charset=utf-8")) == 2
    # The last event of a stream that broke off is none.
    assert overhear(b"data: " + good + b"\n\ndata: {", "text/event-stream") == []
    assert overhear(b"event: error\n\n", "text/event-stream") != []
