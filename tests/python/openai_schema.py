"""Holds what a client of OpenAI's gets from the gateway to OpenAI's own description of it.

`Checked` and `AsyncChecked` are transports for clients; they pass every answer on untouched, read
along, and note what is wrong with it in a list.
"""

import gzip
import json
from pathlib import Path

import httpx2
import jsonschema

SCHEMA = json.loads((Path(__file__).parent / "schema" / "openai.json").read_text())


def validator(name):
    return jsonschema.Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{name}"})


VALIDATORS = {name: validator(name) for name in SCHEMA["$defs"] if name[0].isupper()}


def kind_of(path, status, body):
    """What an answer is, by what was asked."""
    if status >= 400 or "error" in body:
        return "ErrorResponse"
    path = path.removeprefix("/v1")
    if path == "/chat/completions":
        is_chunk = body.get("object") == "chat.completion.chunk"
        return f"CreateChatCompletion{'Stream' if is_chunk else ''}Response"
    if path.startswith("/models/"):
        return "Model"
    return {"/models": "ListModelsResponse", "/embeddings": "CreateEmbeddingResponse"}[path]


def events(data):
    """The data of a stream's whole events."""
    for event in data.split(b"\n\n")[:-1]:
        if event != b"data: [DONE]":
            yield event.removeprefix(b"data: ")


def faults(path, status, data):
    """What is wrong with an answer, or with an event of one."""
    try:
        body = json.loads(data)
        kind = kind_of(path, status, body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"{path}: {error!r} of {data[:200]}"]
    errors = VALIDATORS[kind].iter_errors(body)
    return [f"{kind}: {error.json_path}: {error.message[:200]}" for error in errors]


class Overheard(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """An answer's body on its way to the client, in either way of reading."""

    def __init__(self, request, response, found):
        self._stream = response.stream
        self._data = b""
        self._is_whole = False
        self._found = found
        self._is_gzip = response.headers.get("content-encoding") == "gzip"
        self._is_stream = response.headers["content-type"].startswith("text/event-stream")
        self._answer = (request.url.path, response.status_code)

    def __iter__(self):
        for data in self._stream:
            self._data += data
            yield data
        self._is_whole = True

    async def __aiter__(self):
        async for data in self._stream:
            self._data += data
            yield data
        self._is_whole = True

    def close(self):
        self._judge()
        self._stream.close()

    async def aclose(self):
        self._judge()
        await self._stream.aclose()

    def _judge(self):
        data = gzip.decompress(self._data) if self._is_gzip else self._data
        if self._is_stream:
            for event in events(data):
                self._found += faults(*self._answer, event)
        elif self._is_whole:
            self._found += faults(*self._answer, data)
        # It may be closed again.
        self._data, self._is_whole = b"", False


class Checked(httpx2.HTTPTransport):
    def __init__(self, found):
        # Certificates take a while to read, and nothing here has one.
        super().__init__(trust_env=False, verify=False)
        self._found = found

    def handle_request(self, request):
        response = super().handle_request(request)
        if "content-type" in response.headers:
            response.stream = Overheard(request, response, self._found)
        return response


class AsyncChecked(httpx2.AsyncHTTPTransport):
    def __init__(self, found):
        super().__init__(trust_env=False, verify=False)
        self._found = found

    async def handle_async_request(self, request):
        response = await super().handle_async_request(request)
        if "content-type" in response.headers:
            response.stream = Overheard(request, response, self._found)
        return response
