"""Providers that fail, limits and budgets, as a user of OpenAI's client meets them.

The providers are strict fakes that fail by script or are not there at all; what is asserted is what
the client sees and how often a provider was asked.
"""

import asyncio
import itertools
import re
import signal
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

import openai
import pytest
from conftest import (
    ADMIN_KEY,
    CLIENT_KEY,
    REVOKED_KEY,
    SECRETS,
    SPENT_KEY,
    UPSTREAM_KEY,
    running,
)
from gateway import program
from node import needs_node, run
from openai_schema import AsyncChecked
from upstream import Breaks, Holds, Refuses, Says, Silent, Upstream, echo

pytestmark = pytest.mark.anyio

# Of every wait for something that has to come.
PATIENCE = 30
# What may reach a provider that is down, of any number of requests: three until it is left alone,
# and then one at a time, less and less often.
HANDFUL = 10

OOPS = {"error": {"message": "Oops.", "type": "server_error"}}
REVOKED = {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}}
SLOW_DOWN = {"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit"}}

PROVIDERS = """
[[providers]]
name = "main"
kind = "openai"
base_url = "{main}"
api_key_env = "OPENAI_API_KEY"
timeout = {{ first_token = "1s", total = "2s" }}
breaker = {{ min_requests = 3, open_for = "1s" }}

[[providers]]
name = "spare"
kind = "openai"
base_url = "{spare}"
api_key_env = "OPENAI_API_KEY"
retry = {{ attempts = 0 }}
breaker = {{ min_requests = 3, open_for = "60s" }}

[[providers]]
name = "one-revoked"
kind = "openai"
base_url = "{main}"
api_key_envs = ["REVOKED_KEY", "OPENAI_API_KEY"]

[[providers]]
name = "one-spent"
kind = "openai"
base_url = "{main}"
api_key_envs = ["SPENT_KEY", "OPENAI_API_KEY"]

[[models]]
name = "t-*"
targets = ["main/*"]
fallbacks = ["spare/*"]

[[models]]
name = "old-*"
targets = ["main/*"]
ttl = "1s"
"""

CACHE = """
[cache]
semantic = "off"
stale_if_error = "1h"
"""

ALONE = """
[cache]
semantic = "off"
data_dir = "data"

[[providers]]
name = "main"
kind = "openai"
base_url = "{main}"
api_key_env = "OPENAI_API_KEY"

[[models]]
name = "t-*"
targets = ["main/*"]
# A dollar for each answer of the fakes, which count ten tokens of a prompt.
price = {{ input = 100_000.0, output = 0.0 }}
"""

THRIFTY = """
[[clients]]
name = "thrifty"
key_env = "CLIENT_KEY"
budget = { monthly_usd = 2.5 }
"""

HASTY = """
[[clients]]
name = "hasty"
key_env = "CLIENT_KEY"
limits = { requests_per_minute = 30, tokens_per_minute = 600 }
"""

LEAVING = """
[[clients]]
name = "leaving"
key_env = "CLIENT_KEY"
expires = "%s"
"""


@pytest.fixture(scope="module")
def main():
    refused = {
        REVOKED_KEY: Refuses(401, REVOKED),
        SPENT_KEY: Refuses(429, SLOW_DOWN, {"retry-after": "600"}),
    }
    keys = (UPSTREAM_KEY, *refused)
    forbidden = [secret for secret in SECRETS if secret not in keys]
    yield from running(Upstream(UPSTREAM_KEY, forbidden, refused))


@pytest.fixture(scope="module")
def spare():
    yield from running(Upstream(UPSTREAM_KEY, SECRETS))


@pytest.fixture(scope="module")
def failing(start, main, spare):
    """Two providers, one instead of the other; an admin key, no client keys."""
    return start(
        "failing",
        CACHE + PROVIDERS.format(main=main.base_url, spare=spare.base_url),
        OPENAI_API_KEY=UPSTREAM_KEY,
        REVOKED_KEY=REVOKED_KEY,
        SPENT_KEY=SPENT_KEY,
        REFRAIN_ADMIN_KEY=ADMIN_KEY,
    )


@pytest.fixture
def client(connect, failing):
    return connect(failing)


@pytest.fixture
async def asynchronous(failing, found):
    client = openai.AsyncOpenAI(
        base_url=f"{failing.url}/v1",
        api_key=CLIENT_KEY,
        max_retries=0,
        timeout=30,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False, transport=AsyncChecked(found)),
    )
    async with client:
        yield client


@pytest.fixture
def naps(monkeypatch):
    """The pauses that the client makes before it tries again, slept through."""
    naps = Naps()
    monkeypatch.setattr("openai._base_client.time.sleep", naps.take)
    return naps


class Naps:
    def __init__(self):
        self.seconds = []
        # What happens meanwhile.
        self.meanwhile = lambda: None

    def take(self, seconds):
        self.seconds.append(seconds)
        self.meanwhile()
        sleep(seconds)


def ask(text):
    return [{"role": "user", "content": text}]


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def answered(client, model, text, stream=False):
    """What was said, and the headers."""
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=ask(text), stream=stream
    )
    answer = raw.parse()
    return text_of(answer) if stream else answer.choices[0].message.content, raw.headers


async def answered_later(client, model, text, stream=False):
    raw = await client.chat.completions.with_raw_response.create(
        model=model, messages=ask(text), stream=stream
    )
    answer = raw.parse()
    if stream:
        return text_of([chunk async for chunk in answer]), raw.headers
    return answer.choices[0].message.content, raw.headers


def refused(call, kind):
    """The error that `call` raises."""
    with pytest.raises(kind) as raised:
        call()
    assert type(raised.value) is kind
    return raised.value


def tries(error):
    """How often the client has asked before it gave up."""
    return 1 + int(error.request.headers["x-stainless-retry-count"])


def until(holds, what):
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        if found := holds():
            return found
        sleep(0.02)
    raise AssertionError(f"not within {PATIENCE} s: {what}")


def breaker(gateway, provider, model):
    """How the gateway thinks that a target fares."""
    told, _ = gateway.told("/admin/api/breakers", key=ADMIN_KEY)
    [found] = [
        one for one in told["breakers"] if (one["provider"], one["model"]) == (provider, model)
    ]
    return found


def attempts(gateway, provider):
    """How often a provider was asked, whether it heard of it or not."""
    metrics = gateway.text("/metrics", key=ADMIN_KEY)
    found = re.findall(r"^refrain_upstream_attempts_total\{(.*?)\} (\d+)$", metrics, re.M)
    return sum(int(count) for labels, count in found if f'provider="{provider}"' in labels)


# --- one provider is down -------------------------------------------------------------------------


def fails(main, model):
    main.script(model, Refuses(500, OOPS))


def is_silent(main, model):
    main.script(model, Silent())


@pytest.mark.parametrize("how", [fails, is_silent], ids=["fails", "silent"])
async def test_an_outage_is_not_noticed(client, asynchronous, failing, main, spare, model, how):
    how(main, model)
    await sixty_answers(client, asynchronous, model)
    assert 3 <= len(main.received(model)) <= HANDFUL
    assert len(spare.received(model)) == 60
    assert breaker(failing, "main", model)["state"] in ("open", "half_open")
    main.script(model, Says("Back."))
    is_back(client, failing, model)


async def test_nobody_notices_that_nobody_is_there(
    client, asynchronous, failing, main, spare, model
):
    before = attempts(failing, "main")
    # A connection that was used before is one that is found closed.
    assert answered(client, model, "Hello")[1]["x-refrain-provider"] == "main"
    with main.down():
        await sixty_answers(client, asynchronous, model)
    assert 3 <= attempts(failing, "main") - before <= 1 + HANDFUL
    assert len(main.received(model)) == 1
    assert len(spare.received(model)) == 60
    is_back(client, failing, model)


async def sixty_answers(client, asynchronous, model):
    """All of them of the other provider: one after the other, then many at once."""
    answers = [answered(client, model, f"Number {n}", n % 2 == 1) for n in range(30)]
    answers += await asyncio.gather(
        *(answered_later(asynchronous, model, f"Number {n}", n % 2 == 1) for n in range(30, 60))
    )
    assert [text for text, _ in answers] == [echo(f"Number {n}") for n in range(60)]
    assert {headers["x-refrain-provider"] for _, headers in answers} == {"spare"}


def is_back(client, failing, model):
    numbers = itertools.count(1000)
    until(
        lambda: answered(client, model, f"{next(numbers)}")[1]["x-refrain-provider"] == "main",
        "the provider is asked again",
    )
    until(lambda: breaker(failing, "main", model)["state"] == "closed", "it is trusted again")


@pytest.mark.parametrize("after", ["One", "One two three"], ids=["first", "some"])
def test_a_cut_stream_is_an_error(client, main, spare, model, after):
    main.script(model, Breaks(after))
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=ask("Count"), stream=True
    )
    heard = []
    with pytest.raises(openai.APIError) as raised:
        for chunk in raw.parse():
            heard.append(chunk)
    assert text_of(heard) == after
    assert {choice.finish_reason for chunk in heard for choice in chunk.choices} == {None}
    assert (raised.value.type, raised.value.code) == ("server_error", "upstream_error")
    assert spare.received(model) == []


async def test_a_cut_stream_is_an_error_to_the_asynchronous(asynchronous, main, model):
    main.script(model, Breaks("One two"))
    stream = await asynchronous.chat.completions.create(
        model=model, messages=ask("Count"), stream=True
    )
    heard = []
    with pytest.raises(openai.APIError):
        async for chunk in stream:
            heard.append(chunk)
    assert text_of(heard) == "One two"


@needs_node
def test_openais_client_for_node(failing, main, spare, model):
    down, cut = f"{model}-down", f"{model}-cut"
    main.script(down, Refuses(500, OOPS))
    main.script(cut, Breaks("One two"))
    passed = run("resilience.test.js", failing, REFRAIN_DOWN=down, REFRAIN_CUT=cut)
    assert passed == 3
    assert len(spare.received(down)) == 40
    assert len(main.received(down)) <= HANDFUL


@pytest.mark.parametrize("provider", ["one-revoked", "one-spent"])
def test_one_of_two_keys(client, main, model, provider):
    for n in range(20):
        text, headers = answered(client, f"{provider}/{model}", f"Number {n}", n % 2 == 1)
        assert text == echo(f"Number {n}")
        assert headers["x-refrain-provider"] == provider
    keys = [received.headers["authorization"] for received in main.received(model)]
    assert keys.count(f"Bearer {UPSTREAM_KEY}") == 20
    assert len(keys) == 21


# --- all providers are down -----------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_all_are_down(client, asynchronous, failing, main, spare, model, stream):
    main.script(model, Refuses(500, OOPS))
    spare.script(model, Refuses(500, OOPS))

    def are_left_alone():
        error = refused(
            lambda: answered(client, model, "Hello", stream), openai.InternalServerError
        )
        assert error.code in ("upstream_error", "circuit_open")
        return all(
            breaker(failing, name, model)["state"] != "closed" for name in ("main", "spare")
        )

    until(are_left_alone, "both are left alone")

    # One call is a last resort; beside it, others are told when to come back.
    go_on = threading.Event()
    for fake in (main, spare):
        fake.script(model, Refuses(500, OOPS, after=go_on))
    asks = [
        asyncio.create_task(answered_later(asynchronous, model, f"Number {n}", stream))
        for n in range(10)
    ]
    told, held = [], asks
    while len(held) > 2:
        done, held = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
        told += done
    go_on.set()
    await asyncio.wait(held)
    errors = [task.exception() for task in told]
    assert {type(error) for error in errors} == {openai.InternalServerError}
    assert {(error.status_code, error.code) for error in errors} == {(503, "circuit_open")}
    for error in errors:
        assert int(error.response.headers["retry-after"]) >= 1
        assert float(error.response.headers["retry-after-ms"]) > 0
    assert {task.exception().status_code for task in held} == {503}


def test_an_old_answer_is_better_than_none(client, main):
    model = "old-answer"
    main.script(model, Says("As it was."))
    text, headers = answered(client, model, "How is it?")
    assert (text, headers["x-refrain-cache"]) == ("As it was.", "miss")
    main.script(model, Refuses(500, OOPS))

    def stale(stream):
        text, headers = answered(client, model, "How is it?", stream)
        assert text == "As it was."
        return headers["x-refrain-cache"] == "stale" and headers

    for stream in (False, True):
        headers = until(lambda stream=stream: stale(stream), "an old answer")
        assert int(headers["age"]) >= 1
        assert headers["cache-status"].startswith("refrain; hit; ttl=-")
    with main.down():
        assert stale(False)
    error = refused(
        lambda: answered(client, model, "And how is that?"), openai.InternalServerError
    )
    assert (error.status_code, error.code) == (503, "circuit_open")


# --- operators ------------------------------------------------------------------------------------


def status(gateway):
    return gateway.told("/health/ready")[0]["status"]


def force(gateway, provider, model, state):
    wanted = {"provider": provider, "model": model, "state": state}
    told, _ = gateway.told("/admin/api/breakers", wanted, key=ADMIN_KEY)
    [changed] = told["breakers"]
    return changed["state"], changed["forced"]


def test_breakers_by_hand(start, connect, main, spare, model):
    config = CACHE + PROVIDERS.format(main=main.base_url, spare=spare.base_url)
    keys = dict(OPENAI_API_KEY=UPSTREAM_KEY, REVOKED_KEY=REVOKED_KEY, SPENT_KEY=SPENT_KEY)
    gateway = start("operated", config, REFRAIN_ADMIN_KEY=ADMIN_KEY, **keys)
    client = connect(gateway)
    numbers = itertools.count()

    def provider():
        return answered(client, model, f"Number {next(numbers)}")[1]["x-refrain-provider"]

    assert (provider(), status(gateway)) == ("main", "ready")
    assert force(gateway, "main", model, "open") == ("open", "open")
    assert (provider(), status(gateway)) == ("spare", "degraded")
    assert len(main.received(model)) == 1
    assert force(gateway, "main", model, "auto") == ("closed", None)
    assert (provider(), status(gateway)) == ("main", "ready")

    main.script(model, Refuses(500, OOPS))
    until(lambda: provider() == "spare" and status(gateway) == "degraded", "it is degraded")
    # Asked whatever happens.
    assert force(gateway, "main", model, "closed") == ("closed", "closed")
    assert status(gateway) == "ready"
    before = len(main.received(model))
    assert [provider() for _ in range(5)] == ["spare"] * 5
    assert len(main.received(model)) >= before + 5
    main.script(model, Says("Back."))
    assert provider() == "main"
    assert force(gateway, "main", model, "auto") == ("closed", None)


# --- clients --------------------------------------------------------------------------------------


@pytest.fixture
def guarding(start, main, model):
    """Starts a gateway with one provider and these further lines."""

    def guarding(more):
        return start(
            model,
            ALONE.format(main=main.base_url) + more,
            OPENAI_API_KEY=UPSTREAM_KEY,
            CLIENT_KEY=CLIENT_KEY,
        )

    return guarding


def test_a_key_that_ends(connect, guarding, model):
    # In time for a slow machine to start the gateway.
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
    gateway = guarding(LEAVING % ends.isoformat())
    client = connect(gateway, max_retries=2)
    numbers = itertools.count()

    def ended():
        asked = datetime.now(UTC)
        try:
            answered(client, model, f"Number {next(numbers)}")
        except openai.PermissionDeniedError as error:
            assert datetime.now(UTC) >= ends
            return error
        assert asked < ends
        return None

    error = until(ended, "the key is not taken any more")
    assert (error.status_code, error.code, tries(error)) == (403, "expired_api_key", 1)
    assert next(numbers) > 1, "it was taken before"
    refused(client.models.list, openai.PermissionDeniedError)

    stranger = connect(gateway, api_key="rk-nobody", max_retries=2)
    error = refused(lambda: answered(stranger, model, "Hello"), openai.AuthenticationError)
    assert (error.status_code, error.code, tries(error)) == (401, "invalid_api_key", 1)


def test_a_new_key(connect, guarding, model):
    made = subprocess.run(
        [program(), "key", "new", "--name", "web"], capture_output=True, text=True, check=True
    )
    key, lines = made.stdout.strip(), made.stderr
    assert key.startswith("rk-") and key not in lines
    gateway = guarding(lines[lines.index("[[clients]]") :])
    text, _ = answered(connect(gateway, api_key=key), model, "Hello")
    assert text == echo("Hello")
    other = connect(gateway, api_key=key[:-1])
    refused(lambda: answered(other, model, "Hello"), openai.AuthenticationError)


def test_a_limit_of_requests(connect, guarding, model, naps):
    gateway = guarding(HASTY)
    client = connect(gateway)
    _, headers = answered(client, model, "Hello")
    for what, limit in (("requests", 30), ("tokens", 600)):
        assert headers[f"x-ratelimit-limit-{what}"] == str(limit)
        assert 0 <= int(headers[f"x-ratelimit-remaining-{what}"]) < limit
        assert re.fullmatch(r"(\d+m)?(\d+ms|\d+(\.\d+)?s)", headers[f"x-ratelimit-reset-{what}"])

    def limited():
        try:
            _, headers = answered(client, model, "Hello")
        except openai.RateLimitError as error:
            return error
        # It costs no tokens, but is a request.
        assert headers["x-refrain-cache"] == "exact"
        return None

    error = until(limited, "the limit is reached")
    assert (error.code, error.type) == ("rate_limit_exceeded", "rate_limit_error")
    assert error.response.headers["retry-after"] in ("1", "2")
    assert error.response.headers["x-ratelimit-remaining-requests"] == "0"

    # A client that waits as it is told waits once, and not for long.
    patient = connect(gateway, max_retries=2)
    # Those of the gateway's start are none of the client's.
    naps.seconds.clear()

    def has_waited():
        before = len(naps.seconds)
        text, _ = answered(patient, model, "Hello")
        assert text == echo("Hello")
        assert len(naps.seconds) <= before + 1
        return len(naps.seconds) == 2

    until(has_waited, "it had to wait twice")
    assert all(0 < nap <= 2 for nap in naps.seconds)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_budget_outlives_the_gateway(connect, guarding, main, model, how):
    gateway = guarding(THRIFTY)
    with pytest.raises(openai.RateLimitError):
        for n in range(10):
            _, headers = answered(connect(gateway), model, f"Number {n}")
            assert float(headers["x-refrain-cost-usd"]) == 1
    spent = len(main.received(model))
    assert spent == 2

    def is_over():
        # It would be told to come back in days.
        client = connect(gateway, max_retries=2)
        error = refused(lambda: answered(client, model, "One more"), openai.RateLimitError)
        assert (error.code, error.type) == ("budget_exceeded", "budget_exceeded")
        assert error.response.headers["x-should-retry"] == "false"
        assert int(error.response.headers["retry-after"]) > 0
        assert (tries(error), len(main.received(model))) == (1, spent)
        # What is in the cache costs nothing.
        assert answered(client, model, "Number 0")[1]["x-refrain-cache"] == "exact"

    is_over()
    if how == signal.SIGKILL:
        # Only what was spent in the last second is forgotten.
        sleep(2)
    assert gateway.restart(how) == (0 if how == signal.SIGTERM else -how)
    is_over()


# --- too much at once -----------------------------------------------------------------------------


def test_one_too_many_at_once(connect, guarding, main, model, naps):
    gateway = guarding("\n[server]\nmax_in_flight = 2\n")
    held = [Holds("One two three"), Holds("One two three")]
    main.script(model, *held, Says("At last."))
    client = connect(gateway)
    streams = [
        client.chat.completions.create(model=model, messages=ask(f"Number {n}"), stream=True)
        for n in range(2)
    ]
    begun = [next(stream) for stream in streams]
    error = refused(lambda: answered(client, model, "Number 2"), openai.InternalServerError)
    assert (error.status_code, error.code) == (503, "overloaded")
    assert error.response.headers["retry-after"] == "1"
    assert len(main.received(model)) == 2
    assert status(gateway) == "ready"

    # A client that tries again is let in when there is room.
    def make_room():
        for hold in held:
            hold.go_on.set()

    naps.meanwhile = make_room
    patient = connect(gateway, max_retries=2)
    raw = patient.chat.completions.with_raw_response.create(model=model, messages=ask("Number 2"))
    assert raw.parse().choices[0].message.content == "At last."
    assert raw.http_request.headers["x-stainless-retry-count"] in ("1", "2")
    for first, stream in zip(begun, streams, strict=True):
        assert text_of([first, *stream]) == "One two three"
