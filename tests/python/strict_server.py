"""What the fakes of the providers have in common, those of their own interfaces above all.

Each is a server that reads a request as the provider's official types would, and by the rules that
the real server has beyond them, and answers from scripts in that provider's words. Whatever a real
one would not take, or must never see (the gateway's own controls, a client's key), is answered as
the real one answers and noted in `complaints`, which have to be empty at the end of the session.
Scripts are the same for all of them.
"""

import json
import threading
import traceback
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from strict_types import Refusal

# Of each answer's input; what of it came from the provider's cache is a script's to say.
PROMPT_TOKENS = 12


@dataclass
class Call:
    """A call of a tool."""

    name: str
    arguments: dict


@dataclass
class Answer:
    """A whole answer; `finish` is in OpenAI's words, of one without calls."""

    text: str = ""
    calls: list = field(default_factory=list)
    thoughts: str = ""
    finish: str = "stop"
    cached: int = 0
    logprobs: bool = False
    headers: dict = field(default_factory=dict)

    @property
    def thought_tokens(self):
        return len(self.thoughts.split())

    @property
    def said_tokens(self):
        return len(self.text.split()) + 5 * len(self.calls)

    def words(self):
        """The text in pieces, as a stream has it."""
        return [word + " " for word in self.text.split(" ")[:-1]] + self.text.split(" ")[-1:]


@dataclass
class Fails:
    """One of the provider's errors, by what it is about; each dialect has its own form of it."""

    about: str
    message: str = "The provider says no."
    headers: dict = field(default_factory=dict)


def fails(about):
    """An error of which a limit lasts longer than the gateway waits: it is asked once, at once."""
    return Fails(about, headers={"retry-after": "17"} if about == "rate_limit" else {})


@dataclass
class BreaksOff:
    """A stream that ends after some words: by a closed connection, or by the provider's error."""

    text: str
    fails: Fails | None = None


@dataclass
class Raw:
    """An answer that no script has words for."""

    status: int
    body: dict | str


@dataclass
class Received:
    """One request."""

    path: str
    query: dict
    headers: dict
    raw: bytes
    body: dict

    def is_from_gateway(self):
        return self.headers.get("user-agent", "").startswith("refrain/")


@dataclass
class Heard:
    """What a request says, in words that all dialects share.

    A turn is its role and its items: `("text", words)`, `("thought", words)`,
    `("call", name, arguments)`, `("result", what it answers, content)`,
    `("media", type, base64 or address)`.
    """

    system: str | None
    turns: list


class Fake:
    """A provider at an address of its own."""

    handler: type

    def __init__(self, key=None, forbidden=()):
        self.key = key
        self.forbidden = [secret for secret in forbidden if secret != key]
        self.complaints = []
        # Signatures of thoughts that were given out.
        self.signatures = set()
        self._scripts = defaultdict(deque)
        self._received = defaultdict(list)
        self._lock = threading.Lock()
        self._count = 0
        outer = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request, client_address):
                outer.complain("the fake provider failed: " + traceback.format_exc())

        self._server = Server(("127.0.0.1", 0), type("Bound", (self.handler,), {"fake": self}))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def url(self):
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def script(self, model, *answers):
        """What to answer for `model`, in order; the last answer is given again and again."""
        with self._lock:
            self._scripts[model] = deque(answers)
        return answers[0]

    def received(self, model):
        """The requests for `model` so far."""
        with self._lock:
            return list(self._received[model])

    def complain(self, text):
        with self._lock:
            self.complaints.append(text)

    def number(self):
        """Another number each time, for names that have to differ."""
        with self._lock:
            self._count += 1
            return self._count

    def take(self, model, received):
        """Notes a request and picks its answer."""
        with self._lock:
            self._received[model].append(received)
            script = self._scripts[model]
            if not script:
                return self.unscripted(received)
            return script.popleft() if len(script) > 1 else script[0]

    def unscripted(self, received):
        """What a model without a script says."""
        return Answer("Understood.")


def vectors(texts, size):
    """Embeddings that tell their texts and places apart."""
    return [[len(text) / 100 + at for at in range(size or 4)] for text in texts]


def no_duplicates(pairs):
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is given twice")
    return fields


class Handler(BaseHTTPRequestHandler):
    fake: Fake
    # Where the provider's key belongs.
    key_header: str | None = None
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:
            # Whoever hung up has asked nothing.
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            received = self.read(raw, headers)
            self.respond(received)
        except Refusal as refusal:
            self.fake.complain(f"{self.command} {self.path}: {refusal}")
            self.fail(Fails("bad_request", str(refusal)))

    def read(self, raw, headers):
        url = urlsplit(self.path)
        body = {}
        if raw:
            if headers.get("content-type", "").split(";")[0] != "application/json":
                raise Refusal(f"content-type {headers.get('content-type')!r}")
            try:
                body = json.loads(raw, object_pairs_hook=no_duplicates)
            except ValueError as error:
                raise Refusal(f"unreadable body: {error}") from None
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        received = Received(url.path, query, headers, raw, body)
        for name, value in headers.items():
            theirs = ("x-refrain", "x-stainless", "cookie", "cache-control")
            if received.is_from_gateway() and name.startswith(theirs):
                raise Refusal(f"the header {name} is none of a provider's business")
            if any(secret in value for secret in self.fake.forbidden):
                raise Refusal(f"the header {name} holds a secret")
            stray = self.fake.key and self.fake.key in value and name != self.key_header
            if received.is_from_gateway() and stray:
                raise Refusal(f"the header {name} holds the key")
        seen = self.path.encode() + raw
        secrets = [*self.fake.forbidden, *filter(None, [self.fake.key])]
        if any(secret.encode() in seen for secret in secrets):
            raise Refusal("the address or the body holds a secret")
        return received

    def respond(self, received):
        raise NotImplementedError

    def fail(self, fails):
        raise NotImplementedError

    # --- ways to answer -------------------------------------------------------------------------

    def send(self, status, body, headers=None):
        is_text = isinstance(body, str)
        data = body.encode() if is_text else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "text/html" if is_text else "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def open_stream(self, content_type, headers=None):
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("transfer-encoding", "chunked")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def piece(self, text):
        """Sends `text` in two halves, wherever that cuts it."""
        data = text.encode()
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            try:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(half), half))
            except ConnectionError:
                self.close_connection = True

    def end_stream(self):
        self.wfile.write(b"0\r\n\r\n")
