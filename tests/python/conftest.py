"""What the tests share: one fake provider, and gateways that live for the whole session."""

import hashlib
import re

import anthropic
import dialects
import openai
import pytest
from gateway import ROOT, Gateway
from google import genai
from openai_schema import AsyncChecked, Checked
from strict_anthropic import Anthropic
from strict_gemini import Gemini
from strict_ollama import Ollama
from strict_openai import OpenAI
from upstream import Upstream

UPSTREAM_KEY = "sk-planted-upstream-7d1c"
GEMINI_KEY = "planted-gemini-key-18ab"
ANTHROPIC_KEY = "planted-anthropic-key-5f90"
ADMIN_KEY = "planted-admin-key-90be"
CLIENT_KEY = "planted-client-key-a41f"
OTHER_CLIENT_KEY = "planted-client-key-b52e"
MATE_KEY = "planted-client-key-c63d"
# Of the gateway's account at a provider, which takes them no more.
REVOKED_KEY = "sk-planted-revoked-83c5"
SPENT_KEY = "sk-planted-spent-2e6b"
SECRETS = [
    UPSTREAM_KEY,
    GEMINI_KEY,
    ANTHROPIC_KEY,
    ADMIN_KEY,
    CLIENT_KEY,
    OTHER_CLIENT_KEY,
    MATE_KEY,
    REVOKED_KEY,
    SPENT_KEY,
]
# Part of prompts and of answers; what people say to models is in no log either.
CONFIDENTIAL = "planted-words-of-a-person"

CONFIG = """
[embedding]
model = "{root}/models/all-MiniLM-L6-v2"
runtime = "{root}/models/onnxruntime/libonnxruntime.so"
deadline = "30s"

# Checks of hits by chance are requests that no test has asked for.
[cache]
shadow_checks = 0

[[providers]]
name = "openai"
kind = "openai"
base_url = "{upstream}"
api_key_env = "OPENAI_API_KEY"

[[providers]]
name = "hasty"
kind = "openai"
base_url = "{upstream}"
api_key_env = "OPENAI_API_KEY"
timeout = {{ first_token = "300ms", total = "300ms" }}

[[providers]]
name = "gone"
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
api_key_env = "OPENAI_API_KEY"

[[providers]]
name = "keyless"
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
api_key_env = "NO_SUCH_KEY"

[[models]]
name = "t-*"
targets = ["openai/*"]

[[models]]
name = "gpt-4o"
targets = ["openai/gpt-4o"]
aliases = ["house-model"]
price = {{ input = 2.5, output = 10.0 }}

[[models]]
name = "waits-for-a-key"
targets = ["keyless/x"]
"""

CLIENTS = """
[[clients]]
name = "one"
key_env = "CLIENT_KEY"
allowed_models = ["t-*"]

[[clients]]
name = "other"
key_sha256 = "{other}"
namespace = "team"

[[clients]]
name = "mate"
key_env = "MATE_KEY"
namespace = "team"
"""

NATIVE = """
[[providers]]
name = "openai"
kind = "openai"
base_url = "{openai}"
api_key_env = "OPENAI_API_KEY"

[[providers]]
name = "gemini"
kind = "gemini"
base_url = "{gemini}/v1beta"
api_key_env = "GEMINI_API_KEY"

[[providers]]
name = "anthropic"
kind = "anthropic"
base_url = "{anthropic}/v1"
api_key_env = "ANTHROPIC_API_KEY"

[[providers]]
name = "ollama"
kind = "ollama"
base_url = "{ollama}"

[[models]]
name = "t-*"
targets = ["openai/*"]

[[models]]
name = "gemini-*"
targets = ["gemini/*"]

[[models]]
name = "claude-*"
targets = ["anthropic/*"]

[[models]]
name = "llama-*"
targets = ["ollama/*"]
"""

# A provider that has OpenAI's other interfaces too.
WHOLE = """
[[providers]]
name = "whole"
kind = "openai"
base_url = "{whole}/v1"
api_key_env = "OPENAI_API_KEY"
interfaces = ["responses", "completions"]

[[models]]
name = "w-*"
targets = ["whole/*"]
"""

ENDPOINTS = """
[endpoints]
moderations = "whole"
audio = "whole"
images = "whole"
"""

# Of each gateway's output, under a test that failed.
MOST_LINES = 40
GATEWAYS = pytest.StashKey[list[Gateway]]()


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def upstream():
    yield from running(Upstream(UPSTREAM_KEY, SECRETS))


@pytest.fixture(scope="session")
def gemini():
    yield from running(Gemini(GEMINI_KEY, SECRETS))


@pytest.fixture(scope="session")
def claude():
    yield from running(Anthropic(ANTHROPIC_KEY, SECRETS))


@pytest.fixture(scope="session")
def llama():
    yield from running(Ollama(None, SECRETS))


@pytest.fixture(scope="session")
def whole():
    yield from running(OpenAI(UPSTREAM_KEY, SECRETS))


def running(fake):
    yield fake
    fake.close()
    assert fake.complaints == []


@pytest.fixture(scope="session")
def start(request):
    """Starts gateways; at the end each has to stop cleanly and to have kept its secrets."""
    gateways = request.config.stash.setdefault(GATEWAYS, [])

    def start(name, config, **environment):
        gateways.append(Gateway(name, config, environment))
        return gateways[-1]

    yield start
    # All are ended before anything is asserted, so that a failure leaves none behind.
    ended = {gateway.name: gateway.stop() for gateway in gateways}
    gateways.clear()
    assert {name: code for name, (code, _) in ended.items()} == dict.fromkeys(ended, 0)
    for name, (_, output) in ended.items():
        planted = [word for word in [*SECRETS, CONFIDENTIAL] if word in output]
        assert not planted, f"the output of the gateway `{name}` holds {planted}"
        assert not re.search(r"panic", output), f"the gateway `{name}` panicked:\n{output}"


@pytest.fixture(scope="session")
def gateway(start, upstream):
    """Both tiers of the cache, the real encoder, no client keys."""
    config = CONFIG.format(root=ROOT, upstream=upstream.base_url)
    return start("open", config, OPENAI_API_KEY=UPSTREAM_KEY)


@pytest.fixture(scope="session")
def guarded(start, upstream):
    """Client keys, an admin key, exact tier only."""
    clients = CLIENTS.format(other=hashlib.sha256(OTHER_CLIENT_KEY.encode()).hexdigest())
    config = CONFIG.format(root=ROOT, upstream=upstream.base_url) + clients
    return start(
        "guarded",
        config,
        OPENAI_API_KEY=UPSTREAM_KEY,
        CLIENT_KEY=CLIENT_KEY,
        MATE_KEY=MATE_KEY,
        REFRAIN_ADMIN_KEY=ADMIN_KEY,
        REFRAIN_CACHE__SEMANTIC="off",
    )


@pytest.fixture(scope="session")
def native(start, upstream, gemini, claude, llama):
    """All providers, each spoken to in its own way; exact tier only, no client keys."""
    config = NATIVE.format(
        openai=upstream.base_url, gemini=gemini.url, anthropic=claude.url, ollama=llama.url
    )
    return start(
        "native",
        config,
        OPENAI_API_KEY=UPSTREAM_KEY,
        GEMINI_API_KEY=GEMINI_KEY,
        ANTHROPIC_API_KEY=ANTHROPIC_KEY,
        REFRAIN_CACHE__SEMANTIC="off",
    )


@pytest.fixture(scope="session")
def surfaces(start, upstream, gemini, claude, llama, whole):
    """The same, with a provider that has all of OpenAI's interfaces."""
    config = NATIVE.format(
        openai=upstream.base_url, gemini=gemini.url, anthropic=claude.url, ollama=llama.url
    )
    return start(
        "surfaces",
        config + WHOLE.format(whole=whole.url),
        OPENAI_API_KEY=UPSTREAM_KEY,
        GEMINI_API_KEY=GEMINI_KEY,
        ANTHROPIC_API_KEY=ANTHROPIC_KEY,
        REFRAIN_CACHE__SEMANTIC="off",
    )


@pytest.fixture(scope="session")
def passing(start, whole):
    """What is only passed on, and client keys."""
    config = ENDPOINTS + WHOLE.format(whole=whole.url) + CLIENTS
    return start(
        "passing",
        config.format(other=hashlib.sha256(OTHER_CLIENT_KEY.encode()).hexdigest()),
        OPENAI_API_KEY=UPSTREAM_KEY,
        CLIENT_KEY=CLIENT_KEY,
        MATE_KEY=MATE_KEY,
        REFRAIN_CACHE__SEMANTIC="off",
    )


@pytest.fixture(scope="session")
def demo(start):
    """The repository's own configuration, as a newcomer starts it: no key, demo provider."""
    # An Ollama of this machine would be found and used.
    return start("demo", ROOT / "providers.toml", OLLAMA_HOST="http://127.0.0.1:1")


@pytest.fixture(scope="session")
def all_dialects(upstream, gemini, claude, llama):
    return dialects.all_dialects(upstream, gemini, claude, llama)


@pytest.fixture
def dialect(request, all_dialects):
    """Of a test that is parametrised by their names; else the one that passes bytes on."""
    return all_dialects[getattr(request, "param", "openai")]


@pytest.fixture
def model(request, dialect):
    """A model name of this test alone: its scripts, its requests and its part of the cache."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{dialect.prefix}-{name}"


@pytest.fixture
def found():
    """What was wrong with the gateway's answers by OpenAI's schemas: nothing, after each test."""
    found = []
    yield found
    assert found == []


@pytest.fixture
def connect(found):
    """Makes clients that are closed with the test. They retry only where a test says so."""
    clients = []

    def connect(gateway, api_key=CLIENT_KEY, prefix="/v1", **options):
        options = {"max_retries": 0, "timeout": 30, **options}
        http_client = openai.DefaultHttpxClient(trust_env=False, transport=Checked(found))
        clients.append(
            openai.OpenAI(
                base_url=gateway.url + prefix, api_key=api_key, http_client=http_client, **options
            )
        )
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def openai_client(surfaces):
    """Of answers that `found` has no schema of."""
    http_client = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(
        base_url=f"{surfaces.url}/v1", api_key=CLIENT_KEY, max_retries=0, http_client=http_client
    ) as client:
        yield client


@pytest.fixture
def claude_client(surfaces):
    http_client = anthropic.DefaultHttpxClient(trust_env=False)
    with anthropic.Anthropic(
        base_url=surfaces.url, api_key=CLIENT_KEY, max_retries=0, http_client=http_client
    ) as client:
        yield client


@pytest.fixture
def google_client(surfaces):
    options = genai.types.HttpOptions(
        base_url=surfaces.url, api_version="v1beta", client_args={"trust_env": False}
    )
    with genai.Client(api_key=CLIENT_KEY, http_options=options) as client:
        yield client


@pytest.fixture
def client(connect, gateway):
    return connect(gateway)


@pytest.fixture
async def async_client(gateway, found):
    client = openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=CLIENT_KEY,
        max_retries=0,
        timeout=30,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False, transport=AsyncChecked(found)),
    )
    async with client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    for gateway in item.config.stash.get(GATEWAYS, []):
        gateway.seen = len(gateway.output())
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.failed:
        for gateway in item.config.stash.get(GATEWAYS, []):
            lines = gateway.output()[getattr(gateway, "seen", 0) :].splitlines()
            title = f"output of the gateway `{gateway.name}` meanwhile, last {MOST_LINES} lines"
            report.sections.append((title, "\n".join(lines[-MOST_LINES:])))
    return report
