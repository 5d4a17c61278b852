"""A provider with OpenAI's interface that answers from scripts and forgives nothing.

A test scripts the answers to one model name and reads back what was asked for it. Whatever a real
provider would not take by OpenAI's own types, or must never see (the gateway's own controls, a
client's key), is answered with 400 and noted in `complaints`, which have to be empty at the end of
the session.
"""

import json
import re
import select
import socket
import struct
import threading
from base64 import b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from openai.types import EmbeddingCreateParams
from openai.types.chat.completion_create_params import CompletionCreateParams
from strict_server import Fake, no_duplicates, vectors
from strict_types import Refusal, Strict

REQUEST = Strict(CompletionCreateParams)
EMBEDDING_REQUEST = Strict(EmbeddingCreateParams)
# What clients of a particular server send and a gateway has to hand on.
VENDOR = "vendor_"
# How long a handler waits for what a test is about to do; it bounds a test that has gone wrong.
PATIENCE = 20


@dataclass
class Says:
    """A whole answer, as JSON or as a stream, whichever is asked for."""

    text: str | None = None
    tool_calls: list = field(default_factory=list)
    finish: str | None = None
    refusal: str | None = None
    headers: dict = field(default_factory=dict)
    choices: int = 1
    extra: dict = field(default_factory=dict)

    def finish_reason(self):
        return self.finish or ("tool_calls" if self.tool_calls else "stop")


@dataclass
class Refuses:
    """An error; `after` that has been set by the test, if there is one."""

    status: int
    body: dict | str
    headers: dict = field(default_factory=dict)
    after: threading.Event | None = None


@dataclass
class Breaks:
    """A stream that ends after some words, if any: by a closed connection, or an error event."""

    text: str | None
    error: dict | None = None


class Holds:
    """A stream that stops in the middle until the test, or the gateway hanging up, ends it."""

    def __init__(self, text):
        self.text = text
        self.go_on = threading.Event()
        self.abandoned = threading.Event()


class Silent:
    """No answer at all before the caller hangs up."""

    def __init__(self):
        self.abandoned = threading.Event()


class Barrier:
    """An answer that is given only when as many requests are waiting for theirs."""

    def __init__(self, parties):
        self.barrier = threading.Barrier(parties)


def echo(text):
    """What a model without a script says."""
    return f"You said: {text}"


def usage(text):
    said = len(text.split())
    return {"prompt_tokens": 10, "completion_tokens": said, "total_tokens": 10 + said}


def last_text(messages):
    content = messages[-1].get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


@dataclass
class Received:
    """One request: its headers, its very bytes, and what they say."""

    headers: dict
    raw: bytes
    body: dict


def fault(received):
    """Why a provider would not take this request, or None."""
    body = {name: value for name, value in received.body.items() if not name.startswith(VENDOR)}
    try:
        REQUEST.read(json.dumps(body))
    except Refusal as refusal:
        return str(refusal)
    if not body["messages"]:
        return "no messages"
    if "stream_options" in body and not body.get("stream"):
        return "stream_options without stream"
    names = [tool[tool["type"]]["name"] for tool in body.get("tools", [])]
    if len(set(names)) != len(names):
        return "two tools of one name"
    return unpaired(body["messages"])


def unpaired(messages):
    """Which call of a tool has no result, or which result no call, in a real provider's words."""
    waiting = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                return (
                    "messages with role 'tool' must be a response to a preceding message with "
                    "'tool_calls'"
                )
            waiting.discard(message["tool_call_id"])
        elif waiting:
            break
        else:
            waiting = {call["id"] for call in message.get("tool_calls") or []}
    if waiting:
        return (
            "an assistant message with 'tool_calls' must be followed by tool messages responding "
            f"to each 'tool_call_id': {sorted(waiting)}"
        )
    return None


class Handler(BaseHTTPRequestHandler):
    fake: Fake
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def secrets(self):
        return [self.fake.key, *self.fake.forbidden]

    def setup(self):
        super().setup()
        self.fake.connections.add(self.connection)

    def finish(self):
        self.fake.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.refuse_strangely(f"unexpected GET {self.path}")

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path not in ("/v1/chat/completions", "/v1/embeddings"):
            return self.refuse_strangely(f"unexpected POST {self.path}")
        key = headers.get("authorization", "").removeprefix("Bearer ")
        if key != self.fake.key and key not in self.fake.refused:
            return self.refuse_strangely("not the gateway's key")
        if headers.get("content-type") != "application/json":
            return self.refuse_strangely(f"content-type {headers.get('content-type')!r}")
        for name, value in headers.items():
            if name.startswith(("x-refrain", "x-stainless", "cookie")) or name == "cache-control":
                return self.refuse_strangely(f"the header {name} is none of a provider's business")
            if name != "authorization" and any(secret in value for secret in self.secrets):
                return self.refuse_strangely(f"the header {name} holds a secret")
        if any(secret.encode() in raw for secret in self.secrets):
            return self.refuse_strangely("the body holds a secret")
        try:
            body = json.loads(raw, object_pairs_hook=no_duplicates)
        except ValueError as error:
            return self.refuse_strangely(f"unreadable body: {error}")
        received = Received(headers, raw, body)
        if self.path == "/v1/embeddings":
            return self.embed(received)
        if why := fault(received):
            return self.refuse_strangely(why)
        scripted = self.fake.take(body["model"], received)
        self.answer(received, self.fake.refused.get(key, scripted))

    def answer(self, received, answer):
        body = received.body
        match answer:
            case Says():
                if body.get("stream"):
                    self.stream(body, answer)
                else:
                    self.whole(body, answer)
            case Refuses():
                if answer.after and not self.waits_for(answer.after, threading.Event()):
                    return
                is_text = isinstance(answer.body, str)
                payload = answer.body.encode() if is_text else json.dumps(answer.body).encode()
                content_type = "text/html" if is_text else "application/json"
                self.send(answer.status, content_type, payload, answer.headers)
            case Breaks():
                self.open_stream({})
                if answer.text is not None:
                    for chunk in self.words(body, answer.text):
                        self.event(chunk)
                if answer.error:
                    self.event({"error": answer.error})
                # Without the empty chunk that ends a body.
                self.close_connection = True
            case Holds():
                self.open_stream({})
                first, *rest = self.words(body, answer.text)
                self.event(first)
                self.event(rest[0])
                if self.waits_for(answer.go_on, answer.abandoned):
                    for chunk in rest[1:]:
                        self.event(chunk)
                    self.end_stream(body, Says(answer.text))
            case Silent():
                self.waits_for(threading.Event(), answer.abandoned)
            case Barrier():
                answer.barrier.wait(PATIENCE)
                said = Says(echo(last_text(body["messages"])))
                self.stream(body, said) if body.get("stream") else self.whole(body, said)

    def waits_for(self, go_on, abandoned):
        """Whether the test said to go on; False when the gateway hung up first."""
        for _ in range(PATIENCE * 100):
            if go_on.is_set():
                return True
            readable, _, _ = select.select([self.connection], [], [], 0.01)
            if readable and not self.connection.recv(1):
                abandoned.set()
                self.close_connection = True
                return False
        self.fake.complain("a held stream was neither released nor abandoned")
        self.close_connection = True
        return False

    # --- answers as a whole ---------------------------------------------------------------------

    def head(self, body, kind):
        return {
            "id": "chatcmpl-upstream",
            "object": kind,
            "created": 1_760_000_000,
            "model": f"{body['model']}-2026-01-01",
            "service_tier": "default",
            "system_fingerprint": "fp_upstream",
        }

    def whole(self, body, answer):
        message = {"role": "assistant", "content": answer.text, "refusal": answer.refusal}
        if answer.tool_calls:
            message["tool_calls"] = answer.tool_calls
        choice = {"message": message, "logprobs": None, "finish_reason": answer.finish_reason()}
        choices = [{"index": index, **choice} for index in range(answer.choices)]
        payload = {
            **self.head(body, "chat.completion"),
            "choices": choices,
            "usage": usage(answer.text or ""),
            **answer.extra,
        }
        headers = {"x-request-id": "req_of_upstream", "openai-processing-ms": "7"}
        data = json.dumps(payload, ensure_ascii=False).encode()
        self.send(200, "application/json", data, {**headers, **answer.headers})

    def embed(self, received):
        try:
            EMBEDDING_REQUEST.read(received.raw)
        except Refusal as refusal:
            return self.refuse_strangely(str(refusal))
        body = received.body
        self.fake.take(body["model"], received)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        found = vectors(texts, body.get("dimensions"))
        if body.get("encoding_format") == "base64":
            found = [b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in found]
        payload = {
            "object": "list",
            "model": body["model"],
            "data": [
                {"object": "embedding", "index": at, "embedding": vector}
                for at, vector in enumerate(found)
            ],
            "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)},
        }
        self.send(200, "application/json", json.dumps(payload).encode(), {})

    def send(self, status, content_type, data, headers):
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse_strangely(self, why):
        self.fake.complain(why)
        error = {"message": f"fake upstream: {why}", "type": "invalid_request_error"}
        self.send(400, "application/json", json.dumps({"error": error}).encode(), {})

    # --- answers as a stream --------------------------------------------------------------------

    def open_stream(self, headers):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        for name, value in {"x-request-id": "req_of_upstream", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def event(self, data):
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        payload = f"data: {text}\n\n".encode()
        try:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(payload), payload))
        except ConnectionError:
            self.close_connection = True

    def chunk(self, body, delta, finish=None, index=0):
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {**self.head(body, "chat.completion.chunk"), "choices": [choice]}
        if body.get("stream_options", {}).get("include_usage"):
            chunk["usage"] = None
        return chunk

    def words(self, body, text, index=0):
        first = {"role": "assistant", "content": "", "refusal": None}
        yield self.chunk(body, first, index=index)
        for word in re.findall(r"\S+\s*|\s+", text):
            yield self.chunk(body, {"content": word}, index=index)

    def stream(self, body, answer):
        self.open_stream(answer.headers)
        for index in range(answer.choices):
            if answer.tool_calls:
                first = {"role": "assistant", "content": None, "refusal": None}
                self.event(self.chunk(body, first, index=index))
                for place, call in enumerate(answer.tool_calls):
                    function = call["function"]
                    start = {**call, "index": place, "function": {**function, "arguments": ""}}
                    self.event(self.chunk(body, {"tool_calls": [start]}, index=index))
                    for piece in re.findall(r".{1,5}", function["arguments"], re.DOTALL):
                        delta = {"index": place, "function": {"arguments": piece}}
                        self.event(self.chunk(body, {"tool_calls": [delta]}, index=index))
            else:
                for chunk in self.words(body, answer.text, index):
                    self.event(chunk)
        self.end_stream(body, answer)

    def end_stream(self, body, answer):
        for index in range(answer.choices):
            self.event(self.chunk(body, {}, answer.finish_reason(), index))
        if body.get("stream_options", {}).get("include_usage"):
            head = self.head(body, "chat.completion.chunk")
            self.event({**head, "choices": [], "usage": usage(answer.text or "")})
        self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


class Upstream(Fake):
    handler = Handler

    def __init__(self, key=None, forbidden=(), refused=()):
        # Further keys of the gateway's, and what each of them is answered with.
        self.refused = dict(refused)
        self.connections = set()
        super().__init__(key, forbidden)

    @contextmanager
    def down(self):
        """Nobody is there: its connections are closed, and no new one is taken."""
        address, handler = self._server.server_address, self._server.RequestHandlerClass
        self.close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # Bound without listening, so that nobody else gets the port meanwhile.
        self._server = type(self._server)(address, handler, bind_and_activate=False)
        self._server.server_bind()
        try:
            yield
        finally:
            self._server.server_activate()
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(0.05,), daemon=True
            )
            self._thread.start()

    @property
    def base_url(self):
        return f"{self.url}/v1"

    def unscripted(self, received):
        return Says(echo(last_text(received.body.get("messages", [{}]))))
