"""The OpenAPI document is one by the standard, and what the gateway answers is as it says."""

import json
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import jsonschema
import pytest
from conftest import ADMIN_KEY, CLIENT_KEY
from openapi_spec_validator import OpenAPIV31SpecValidator
from strict_server import Answer
from surfaces import events

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def document(surfaces):
    return surfaces.told("/openapi.json")[0]


def test_the_document_is_valid(document):
    found = [str(error)[:300] for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert found == []


def test_every_schema_is_one(document):
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


class Described:
    """What the document says of the answers to one operation."""

    def __init__(self, document, method, path):
        self._document = document
        path = path if path.startswith(("/v1", "/health", "/admin", "/metrics")) else f"/v1{path}"
        item = document["paths"].get(path) or self._template(path)
        self._operation = item[method.lower()]

    def _template(self, path):
        for template, item in self._document["paths"].items():
            head, brace, tail = template.partition("{")
            tail = tail.partition("}")[2]
            inner = path[len(head) :].removesuffix(tail) if tail else path[len(head) :]
            is_it = brace and path.startswith(head) and path.endswith(tail) and inner
            if is_it and ":" not in inner and "/" not in inner:
                return item
        raise AssertionError(f"nothing is said of {path}")

    def check(self, status, content_type, raw, sent):
        answers = self._operation["responses"]
        answer = answers.get(str(status)) or answers[f"{status // 100}XX"]
        if "$ref" in answer:
            answer = self._found(answer["$ref"])
        media = answer["content"][content_type.split(";")[0]]
        if "x-event-schema" in media:
            for _, data in events(raw):
                if data != "[DONE]":
                    self._validate(media["x-event-schema"], data)
        elif content_type.startswith("application/json"):
            self._validate(media["schema"], json.loads(raw))
        if status == 200 and sent is not None:
            body = self._operation["requestBody"]["content"]["application/json"]["schema"]
            self._validate(body, sent)

    def _found(self, reference):
        found = self._document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        return found

    def _validate(self, schema, value):
        # References are to the document.
        whole = {**schema, "components": self._document["components"]}
        errors = jsonschema.Draft202012Validator(whole).iter_errors(value)
        assert [f"{error.json_path}: {error.message[:300]}" for error in errors] == []


def answered(document, gateway, method, path, body=None, key=CLIENT_KEY, **headers):
    """Asks, and holds the answer to the document; its status."""
    data = None if body is None else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"content-type": "application/json"}
    headers |= {"authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(gateway.url + path, data, headers, method=method)
    try:
        answer = _direct.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        raw = answer.read()
        described = Described(document, method, urlsplit(path).path)
        described.check(answer.status, answer.headers["content-type"], raw, body)
        return answer.status


MESSAGES = [{"role": "user", "content": "How deep is the Mariana trench?"}]
GOOGLE = {"contents": [{"role": "user", "parts": [{"text": "How deep?"}]}]}
ASKED = [
    ("/v1/chat/completions", {"messages": MESSAGES}, True),
    ("/v1/responses", {"input": "How deep?"}, True),
    ("/v1/messages", {"messages": MESSAGES, "max_tokens": 50}, True),
    ("/v1/messages/count_tokens", {"messages": MESSAGES}, False),
    ("/v1/completions", {"prompt": "How deep?"}, True),
]


@pytest.mark.parametrize("dialect", ["openai", "gemini", "anthropic", "ollama"], indirect=True)
@pytest.mark.parametrize(("path", "body", "streams"), ASKED, ids=[path for path, *_ in ASKED])
def test_answers(document, surfaces, dialect, model, path, body, streams):
    dialect.script(model, Answer("Eleven km.", thoughts="Hm."))
    body = {"model": model, **body}
    assert answered(document, surfaces, "POST", path, body) == 200
    if streams:
        assert answered(document, surfaces, "POST", path, {**body, "stream": True}) == 200
        # The same once more, not from the cache.
        fresh = {"cache-control": "no-cache"}
        body = {**body, "stream": True}
        assert answered(document, surfaces, "POST", path, body, **fresh) == 200


@pytest.mark.parametrize("dialect", ["openai", "gemini", "anthropic", "ollama"], indirect=True)
def test_googles_answers(document, surfaces, dialect, model):
    dialect.script(model, Answer("Eleven km."))
    for method in ("generateContent", "streamGenerateContent", "countTokens"):
        path = f"/v1beta/models/{model}:{method}"
        assert answered(document, surfaces, "POST", path, GOOGLE) == 200
    path = f"/v1beta/models/{model}:streamGenerateContent?alt=sse"
    assert answered(document, surfaces, "POST", path, GOOGLE) == 200


def test_vectors(document, surfaces):
    for body in ({"input": "a"}, {"input": ["a", "b"], "encoding_format": "base64"}):
        assert (
            answered(document, surfaces, "POST", "/v1/embeddings", {"model": "t-v", **body}) == 200
        )
    content = {"content": {"parts": [{"text": "a"}]}}
    path = "/v1beta/models/t-v:embedContent"
    assert answered(document, surfaces, "POST", path, content) == 200
    path = "/v1beta/models/t-v:batchEmbedContents"
    assert answered(document, surfaces, "POST", path, {"requests": [content]}) == 200


def test_kept_responses(document, surfaces):
    body = {"model": "t-kept", "input": "Hello"}
    # Only who has asked for it is told.
    created, _ = surfaces.told("/v1/responses", body, CLIENT_KEY)
    path = f"/v1/responses/{created['id']}"
    for method, below, status in (
        ("GET", "", 200),
        ("GET", "/input_items?limit=5&order=asc", 200),
        ("POST", "/cancel", 400),
        ("DELETE", "", 200),
        ("GET", "", 404),
    ):
        assert answered(document, surfaces, method, path + below) == status


def test_errors(document, surfaces, guarded):
    for path, body, _ in ASKED:
        assert answered(document, surfaces, "POST", path, {"model": "nobody-has-it", **body}) == 404
        assert answered(document, surfaces, "POST", path, {"model": 7}) == 400
        assert (
            answered(document, guarded, "POST", path, {"model": "t-x", **body}, key="sk-no") == 401
        )
    path = "/v1beta/models/nobody-has-it:generateContent"
    assert answered(document, surfaces, "POST", path, GOOGLE) == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", None),
        ("GET", "/v1beta/models", None),
        ("GET", "/health", None),
        ("GET", "/health/live", None),
        ("GET", "/health/ready", None),
        ("GET", "/metrics", None),
        ("GET", "/admin", None),
        ("GET", "/admin/api/session", None),
        ("POST", "/admin/api/session", {"key": ADMIN_KEY}),
        ("DELETE", "/admin/api/session", None),
        ("GET", "/admin/assets/main.js", None),
        ("GET", "/admin/api/stats", None),
        ("GET", "/admin/api/history?range=1h", None),
        ("GET", "/admin/api/breakers", None),
        ("POST", "/admin/api/breakers", {"provider": "openai", "model": "t-x", "state": "auto"}),
        ("POST", "/admin/api/route?client=one", {"model": "t-x", "messages": MESSAGES}),
        ("GET", "/admin/api/clients", None),
        ("GET", "/admin/api/cache/entries?limit=3&sort=uses&text=deep", None),
        ("POST", "/admin/api/cache/search", {"text": "How deep is the sea?", "limit": 2}),
        ("GET", "/admin/api/providers", None),
        ("POST", "/admin/api/providers/openai/test", {"model": "t-x"}),
        ("POST", "/admin/api/cache/purge", {"model": "nobody-has-it", "dry_run": True}),
        ("POST", "/admin/api/cache/generation", {"dry_run": True}),
        ("GET", "/admin/api/cache/export?limit=1", None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_operators_are_told(document, guarded, method, path, body):
    # The page itself is open, so that it can ask for the key.
    is_open = path.startswith("/health") or path == "/admin" or path.startswith("/admin/assets/")
    of_operators = path.startswith(("/admin/api/", "/metrics"))
    key = ADMIN_KEY if of_operators else CLIENT_KEY
    assert answered(document, guarded, method, path, body, key) == 200
    if path == "/admin/api/session":
        # It looks at no key.
        assert answered(document, guarded, method, path, body, "sk-no") == 200
    elif of_operators:
        # Not with a wrong one: after ten of these there is another answer.
        assert answered(document, guarded, method, path, body, key=None) == 401
    elif not is_open:
        assert answered(document, guarded, method, path, body, "sk-no") == 401
