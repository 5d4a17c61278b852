"""Routing, budgets and reloads as a user of OpenAI's client or of LangChain meets them.

Which model answers and how much of a prompt it gets is read from the headers of the answer and from
what reached the providers, whose fakes take nothing that the real ones would refuse.
"""

import itertools
import json
import re
import threading
import time
import tomllib

import openai
import pytest
from conftest import ANTHROPIC_KEY, CLIENT_KEY, GEMINI_KEY, SECRETS, UPSTREAM_KEY, running
from dialects import FAMILIES
from gateway import ROOT
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from node import needs_node, run
from openai_schema import AsyncChecked, Checked
from strict_server import Answer
from upstream import Breaks, Holds, Refuses, Says, Upstream, echo, unpaired

pytestmark = pytest.mark.anyio

SHIPPED = (ROOT / "providers.toml").read_text()
TASKS = {task["name"]: task for task in tomllib.loads(SHIPPED)["tasks"]}

ROUTES = """
[[models]]
name = "falls-*"
targets = ["one/*"]
fallbacks = ["two/*"]
content_policy_fallbacks = ["three/*"]

[[models]]
name = "gone-*"
targets = ["gone/*"]
fallbacks = ["two/*"]

[[models]]
name = "any-*"
targets = ["one/*", "two/*", "three/*"]
strategy = "weighted"

[[models]]
name = "sees-*"
targets = ["one/blind", "two/*"]

[[models]]
name = "blind"
targets = ["one/blind"]
supports = ["tools"]

[[models]]
name = "small-*"
targets = ["one/*"]
context_window = 4000
max_output_tokens = 400

[[models]]
name = "grows-*"
targets = ["one/*"]
context_window = 1000
context_window_fallbacks = ["two/*"]

[[models]]
name = "t-*"
targets = ["openai/*"]
context_window = 6000
on_overflow = "trim"

[[models]]
name = "gemini-*"
targets = ["gemini/*"]
context_window = 6000
on_overflow = "trim"

[[models]]
name = "claude-*"
targets = ["anthropic/*"]
context_window = 6000
on_overflow = "trim"

[[models]]
name = "llama-*"
targets = ["ollama/*"]
context_window = 6000
on_overflow = "trim"

[[tasks]]
name = "chat"
targets = ["two/chatty"]
examples = ["Nice to meet you."]

[[tasks]]
name = "sql"
targets = ["two/coder"]
fast = ["one/quick"]
examples = ["Join the two tables."]
"""
PROVIDER = """
[[providers]]
name = "{name}"
kind = "openai"
base_url = "{url}"
api_key_env = "OPENAI_API_KEY"
"""
NATIVE = """
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
"""
# How long a test waits for what a reload brings about.
RELOADED_WITHIN = 20


@pytest.fixture(scope="module")
def shipped(start, upstream, gemini, claude):
    """The repository's own configuration and the real encoder, with providers that are fakes."""
    config = SHIPPED
    for theirs, ours in {
        "https://api.openai.com/v1": upstream.base_url,
        "https://generativelanguage.googleapis.com/v1beta": f"{gemini.url}/v1beta",
        "https://api.anthropic.com/v1": f"{claude.url}/v1",
    }.items():
        quoted = f'\nbase_url = "{theirs}"\n'
        assert config.count(quoted) == 1
        config = config.replace(quoted, f'\nbase_url = "{ours}"\n')
    return start(
        "shipped",
        config,
        OPENAI_API_KEY=UPSTREAM_KEY,
        GEMINI_API_KEY=GEMINI_KEY,
        ANTHROPIC_API_KEY=ANTHROPIC_KEY,
        # An Ollama of this machine would be found and used.
        OLLAMA_HOST="http://127.0.0.1:1",
        REFRAIN_EMBEDDING__MODEL=str(ROOT / "models/all-MiniLM-L6-v2"),
        REFRAIN_EMBEDDING__RUNTIME=str(ROOT / "models/onnxruntime/libonnxruntime.so"),
        REFRAIN_EMBEDDING__DEADLINE="30s",
        REFRAIN_CACHE__SHADOW_CHECKS="0",
    )


@pytest.fixture(scope="module")
def one():
    yield from running(Upstream(UPSTREAM_KEY, SECRETS))


@pytest.fixture(scope="module")
def two():
    yield from running(Upstream(UPSTREAM_KEY, SECRETS))


@pytest.fixture(scope="module")
def three():
    yield from running(Upstream(UPSTREAM_KEY, SECRETS))


@pytest.fixture(scope="module")
def routes(start, upstream, gemini, claude, llama, one, two, three):
    """Three of one kind, one that is not there, and one of each kind; exact tier only."""
    urls = {"one": one.base_url, "two": two.base_url, "three": three.base_url}
    urls |= {"gone": "http://127.0.0.1:1/v1", "openai": upstream.base_url}
    providers = "".join(PROVIDER.format(name=name, url=url) for name, url in urls.items())
    native = NATIVE.format(gemini=gemini.url, anthropic=claude.url, ollama=llama.url)
    return start(
        "routes",
        providers + native + ROUTES,
        OPENAI_API_KEY=UPSTREAM_KEY,
        GEMINI_API_KEY=GEMINI_KEY,
        ANTHROPIC_API_KEY=ANTHROPIC_KEY,
        REFRAIN_CACHE__SEMANTIC="off",
    )


@pytest.fixture
def auto(connect, shipped):
    return connect(shipped)


@pytest.fixture
def client(connect, routes):
    return connect(routes)


@pytest.fixture
def asynchronous(found):
    """Makes asynchronous clients, which the test closes."""

    def asynchronous(gateway):
        transport = AsyncChecked(found)
        return openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1",
            api_key=CLIENT_KEY,
            max_retries=0,
            timeout=30,
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False, transport=transport),
        )

    return asynchronous


@pytest.fixture
def chat_model(found):
    """Makes LangChain's chat models; what they are told is held to OpenAI's schemas too."""
    with openai.DefaultHttpxClient(trust_env=False, transport=Checked(found)) as http_client:

        def chat_model(gateway, model, **options):
            return ChatOpenAI(
                model=model,
                base_url=f"{gateway.url}/v1",
                api_key=CLIENT_KEY,
                max_retries=0,
                http_client=http_client,
                include_response_headers=True,
                **options,
            )

        yield chat_model


def ask(text):
    return [{"role": "user", "content": text}]


def raw(client, model, messages, **more):
    create = client.chat.completions.with_raw_response.create
    return create(model=model, messages=messages, **more)


def streamed(client, model, messages, **more):
    """The text of a stream, and its headers."""
    create = client.chat.completions.create
    with create(model=model, messages=messages, stream=True, **more) as stream:
        deltas = [choice.delta for chunk in stream for choice in chunk.choices]
        return "".join(delta.content or "" for delta in deltas), stream.response.headers


def answered(client, way, model, messages, **more):
    """The same, whichever way it is asked for."""
    if way == "stream":
        return streamed(client, model, messages, **more)
    response = raw(client, model, messages, **more)
    return response.parse().choices[0].message.content or "", response.headers


def at(headers):
    """Who answered."""
    return f"{headers['x-refrain-provider']}/{headers['x-refrain-model']}"


def until(holds, what):
    deadline = time.monotonic() + RELOADED_WITHIN
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError(f"not within {RELOADED_WITHIN} s: {what}")


# --- the kind of work -----------------------------------------------------------------------------

MINUTES = "Ida Lund (030 555 0199) opened the meeting. Bo Rask (030 555 0142) counted the boats. "
PROMPTS = {
    "code_generation": "Implement a priority queue in Java and write unit tests for it.",
    "sql": "Write a SQL query that lists the three suppliers with the most late deliveries.",
    "reasoning": "Prove that n(n+1)(n+2) is a multiple of six for every whole n. Show each step.",
    "long_context": f"Who opened most of the meetings?\n\n{MINUTES * 1200}",
    "chat": "Hey, I'm a bit bored tonight, shall we talk about something fun?",
    "summarise": f"Summarise these minutes in two sentences:\n\n{MINUTES * 4}",
    "translate": "Translate into Portuguese: The ferry to the islands leaves at noon.",
    "extract": f"Extract all names and phone numbers from these minutes as JSON:\n\n{MINUTES}",
    "simple": "What is the capital of Mongolia?",
}


@pytest.mark.parametrize("task", TASKS)
def test_auto_finds_the_kind_of_work(auto, task):
    response = raw(auto, "auto", ask(PROMPTS[task]))
    assert response.headers["x-refrain-task"] == task
    assert at(response.headers) == TASKS[task]["targets"][0]
    assert response.parse().choices[0].message.content


def test_auto_in_a_stream(auto):
    text, headers = streamed(auto, "auto", ask("How do you say fishing rod in Norwegian?"))
    assert (headers["x-refrain-task"], bool(text)) == ("translate", True)


async def test_auto_asynchronously(asynchronous, shipped):
    async with asynchronous(shipped) as client:
        create = client.chat.completions.with_raw_response.create
        response = await create(model="auto", messages=ask("What is the capital of Bhutan?"))
        assert response.headers["x-refrain-task"] == "simple"
        messages = ask("Write a SQL query that counts the boats of each harbour.")
        stream = await client.chat.completions.create(model="auto", messages=messages, stream=True)
        async with stream:
            assert [chunk async for chunk in stream]
            assert stream.response.headers["x-refrain-task"] == "sql"


def test_auto_with_langchain(chat_model, shipped):
    chat = chat_model(shipped, "auto")
    told = chat.invoke("Translate into Danish: Where is the lighthouse?").response_metadata
    assert told["headers"]["x-refrain-task"] == "translate"
    declared = chat.bind(extra_body={"task_type": "extract", "prefer_fast": True})
    told = declared.invoke("Well then").response_metadata["headers"]
    assert (told["x-refrain-task"], at(told)) == ("extract", TASKS["extract"]["fast"][0])


def test_the_same_question_again_is_the_caches(auto):
    question = ask("Write a Rust function that reverses the words of a sentence.")
    first, second = (raw(auto, "auto", question) for _ in range(2))
    ways = [response.headers["x-refrain-cache"] for response in (first, second)]
    assert ways == ["miss", "exact"]
    assert at(second.headers) == at(first.headers)


DECLARED = {
    "by name": {"model": "auto:sql"},
    "by header": {"extra_headers": {"x-refrain-task": "sql"}},
    "by field": {"extra_body": {"task_type": "sql"}},
    "by our object": {"extra_body": {"refrain": {"task": "sql"}}},
}


@pytest.mark.parametrize("way", DECLARED)
def test_a_declared_task(auto, upstream, way):
    told = {"model": "auto", **DECLARED[way]}
    response = raw(auto, messages=ask(f"Tell me a joke {way}"), **told)
    assert response.headers["x-refrain-task"] == "sql"
    [provider, model] = TASKS["sql"]["targets"][0].split("/")
    assert (provider, at(response.headers)) == ("openai", f"openai/{model}")
    body = upstream.received(model)[-1].body
    assert body == {"model": model, "messages": ask(f"Tell me a joke {way}")}


QUICKLY = {
    "by header": {"extra_headers": {"x-refrain-prefer-fast": "true"}},
    "by field": {"extra_body": {"prefer_fast": True}},
    "by our object": {"extra_body": {"refrain": {"prefer_fast": True}}},
}


@pytest.mark.parametrize("way", QUICKLY)
def test_a_quick_answer(auto, way):
    messages = ask(f"Now then {way}")
    assert at(raw(auto, "auto:sql", messages, **QUICKLY[way]).headers) == TASKS["sql"]["fast"][0]
    assert at(raw(auto, "auto:sql", messages).headers) == TASKS["sql"]["targets"][0]


def test_a_task_that_there_is_not(auto):
    for told in (
        {"extra_body": {"task_type": "sqll"}},
        {"extra_headers": {"x-refrain-task": "sqll"}},
        {"extra_body": {"task_type": "sqll"}, "stream": True},
    ):
        with pytest.raises(openai.BadRequestError, match="did you mean `sql`") as caught:
            auto.chat.completions.create(model="auto", messages=ask("Well?"), **told)
        error = caught.value
        assert (error.type, error.param) == ("invalid_request_error", "task")
    with pytest.raises(openai.NotFoundError) as caught:
        auto.chat.completions.create(model="auto:sqll", messages=ask("Well?"))
    assert caught.value.code == "model_not_found"


def test_a_conversation_stays_with_its_kind_of_work(auto):
    messages, went = [], []
    for question in (
        "Write a SQL query that lists the harbours without a lighthouse.",
        "Thanks a lot! I'm happy with that. How are you today?",
        "What is the capital of Iceland?",
    ):
        messages += ask(question)
        response = raw(auto, "auto", messages)
        messages.append(response.parse().choices[0].message)
        went.append((response.headers["x-refrain-task"], at(response.headers)))
    assert went == [("sql", TASKS["sql"]["targets"][0])] * 3


def test_auto_is_offered(auto):
    assert "auto" in [model.id for model in auto.models.list()]
    assert auto.models.retrieve("auto").id == "auto"


def test_a_named_model_is_the_one_that_answers(auto):
    for name in ("gpt-4o", "openai/gpt-4o"):
        told = {"extra_body": {"task_type": "sql", "prefer_fast": True}}
        headers = raw(auto, name, ask(f"Count the boats for {name}"), **told).headers
        assert at(headers) == "openai/gpt-4o"
        assert "x-refrain-task" not in headers


def test_a_prompt_for_a_larger_window(auto):
    # Each is a token, and the window has 128,000.
    messages = ask("boat " * 130_000 + "How many boats are there?")
    headers = raw(auto, "gpt-4o-mini", messages).headers
    assert at(headers) == "openai/gpt-4.1-mini"
    assert "x-refrain-trimmed-tokens" not in headers


@needs_node
def test_routing_with_openais_client_for_node(routes, model):
    assert run("routing.test.js", routes, REFRAIN_SMALL=f"small-{model}") == 6


# --- the length of prompts ------------------------------------------------------------------------

LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks something up.",
        "parameters": {"type": "object", "properties": {"what": {"type": "string"}}},
    },
}


def talk(rounds):
    """A conversation in which each question takes two calls of a tool, one with a long result."""
    messages = [{"role": "system", "content": "You keep the harbour's log."}]
    for n in range(rounds):
        calls = [
            {
                "id": f"call_{n}_{what}",
                "type": "function",
                "function": {"name": "look", "arguments": json.dumps({"what": what})},
            }
            for what in ("tide", "wind")
        ]
        messages += [
            {"role": "user", "content": f"How was day {n}?"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": calls[0]["id"], "content": "HIGH " + "water " * 80},
            {"role": "tool", "tool_call_id": calls[1]["id"], "content": "calm"},
            {"role": "assistant", "content": f"Day {n} was calm, with high water."},
        ]
    return [*messages, {"role": "user", "content": "Which day was the calmest?"}]


# By any count more than the window of those that are small.
LONG = talk(90)


def test_the_fake_tells_whole_pairs_from_others():
    messages = talk(2)
    assert unpaired(messages) is None
    # A result gone, a call gone, a call whose result comes too late, one that has none at the end.
    late = [*messages[:3], messages[5], messages[4], *messages[3:4], *messages[6:]]
    for broken in (messages[:3] + messages[4:], messages[:2] + messages[3:], late, messages[:3]):
        assert unpaired(broken)


@pytest.mark.parametrize("rounds", [1, 90])
@pytest.mark.parametrize("way", ["whole", "stream"])
def test_a_long_talk_is_trimmed(client, one, model, way, rounds):
    small, messages = f"small-{model}", talk(rounds)
    # One round is too long only because of one result.
    if rounds == 1:
        messages[3]["content"] = "BEGIN " + "long " * 9000 + "END"
    trim = {"trim_messages": True}
    text, headers = answered(client, way, small, messages, tools=[LOOK], extra_body=trim)
    assert text == echo("Which day was the calmest?")
    assert int(headers["x-refrain-trimmed-tokens"]) > 1000
    # The fake has seen to it that calls and results are pairs.
    [received] = one.received(small)
    sent = received.body["messages"]
    assert sent[0] == messages[0]
    assert sent[-1] == messages[-1]
    assert received.body["tools"] == [LOOK]
    assert set(received.body) <= {"model", "messages", "tools", "stream"}
    if rounds == 1:
        assert [message["role"] for message in sent] == [message["role"] for message in messages]
        assert re.fullmatch(r"BEGIN .* END", sent[3]["content"], re.S)
        assert len(sent[3]["content"]) < 10_000
    else:
        # The newest turns, each from its question on.
        assert sent[1]["role"] == "user"
        assert sent[-2] == messages[-2]
        assert len(sent) < len(messages)


@pytest.mark.parametrize("dialect", FAMILIES, indirect=True)
@pytest.mark.parametrize("way", ["whole", "stream"])
def test_a_long_task_of_an_agent_is_trimmed(client, dialect, model, way):
    """One question, and ever more calls of tools: whatever is cut, each provider takes the rest."""
    dialect.script(model, Answer("Day 12 was the calmest."))
    system, *rest = LONG[:-1]
    rest = [message for message in rest if "tool_calls" in message or message["role"] == "tool"]
    question = "Which of ninety days was the calmest?"
    messages = [system, *ask(question), *rest]
    text, headers = answered(client, way, model, messages, tools=[LOOK])
    assert text == "Day 12 was the calmest."
    assert int(headers["x-refrain-trimmed-tokens"]) > 3000
    said = [item for _, items in dialect.heard(model).turns for item in items]
    assert ("text", question) in said
    assert said[-1][0] == "result" and "calm" in str(said[-1][2])
    assert 4 <= len([item for item in said if item[0] == "call"]) < 180


async def test_a_long_talk_is_trimmed_asynchronously(asynchronous, routes, model):
    messages = LONG
    async with asynchronous(routes) as client:
        response = await client.chat.completions.with_raw_response.create(
            model=f"small-{model}",
            messages=messages,
            tools=[LOOK],
            extra_headers={"x-refrain-trim-messages": "true"},
        )
    assert int(response.headers["x-refrain-trimmed-tokens"]) > 1000


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_a_talk_that_is_too_long(client, one, model, way):
    small = f"small-{model}"
    with pytest.raises(openai.BadRequestError) as caught:
        answered(client, way, small, LONG, tools=[LOOK])
    error = caught.value
    assert (error.code, error.type, error.param) == (
        "context_length_exceeded",
        "invalid_request_error",
        "messages",
    )
    assert error.response.headers["x-refrain-error-origin"] == "gateway"
    told = re.search(
        r"This model's maximum context length is (\d+) tokens\. "
        r"However, your messages resulted in (\d+) tokens",
        error.message,
    )
    window, count = map(int, told.groups())
    assert window == 4000 < count

    with pytest.raises(openai.BadRequestError) as caught:
        answered(client, way, small, LONG, tools=[LOOK], max_tokens=90)
    told = re.search(
        r"maximum context length is (\d+) tokens\. However, you requested (\d+) tokens "
        r"\((\d+) in the messages, (\d+) in the completion\)",
        caught.value.message,
    )
    assert [int(number) for number in told.groups()] == [4000, count + 90, count, 90]
    assert one.received(small) == []


async def test_a_talk_that_is_too_long_asynchronously(asynchronous, routes, model):
    async with asynchronous(routes) as client:
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError) as caught:
                await client.chat.completions.create(
                    model=f"small-{model}", messages=LONG, stream=stream
                )
            assert caught.value.code == "context_length_exceeded"


def test_what_can_not_be_trimmed(client, one, model):
    small = f"small-{model}"
    messages = [{"role": "system", "content": "rule " * 9000}, *ask("Well?")]
    with pytest.raises(openai.BadRequestError) as caught:
        raw(client, small, messages, extra_body={"trim_messages": True})
    assert caught.value.code == "context_length_exceeded"
    assert one.received(small) == []


def in_langchains_words(messages):
    kinds = {"system": SystemMessage, "user": HumanMessage}
    for message in messages:
        content = message["content"] or ""
        if message["role"] == "tool":
            yield ToolMessage(content, tool_call_id=message["tool_call_id"])
        elif message["role"] == "assistant":
            calls = [
                {
                    "name": call["function"]["name"],
                    "args": json.loads(call["function"]["arguments"]),
                    "id": call["id"],
                }
                for call in message.get("tool_calls", [])
            ]
            yield AIMessage(content, tool_calls=calls)
        else:
            yield kinds[message["role"]](content)


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_langchain_knows_what_is_too_long(chat_model, routes, model, way):
    messages = list(in_langchains_words(LONG))
    chat = chat_model(routes, f"small-{model}").bind_tools([LOOK])
    with pytest.raises(ContextOverflowError):
        list(chat.stream(messages)) if way == "stream" else chat.invoke(messages)


def test_a_long_talk_of_langchains_is_trimmed(chat_model, routes, model):
    messages = list(in_langchains_words(LONG))
    chat = chat_model(routes, f"small-{model}", extra_body={"trim_messages": True})
    chat = chat.bind_tools([LOOK])
    answer = chat.invoke(messages)
    assert answer.content == echo("Which day was the calmest?")
    assert int(answer.response_metadata["headers"]["x-refrain-trimmed-tokens"]) > 1000
    first, *rest = chat.stream(messages)
    assert sum(rest, first).content == echo("Which day was the calmest?")


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_what_a_provider_finds_too_long(client, one, two, model, way):
    grows = f"grows-{model}"
    too_long = {"message": "Too long.", "type": "invalid_request_error", "param": "messages"}
    one.script(grows, Refuses(400, {"error": {**too_long, "code": "context_length_exceeded"}}))
    text, headers = answered(client, way, grows, ask("Shorter than it is?"))
    assert (text, at(headers)) == (echo("Shorter than it is?"), f"two/{grows}")
    assert (len(one.received(grows)), len(two.received(grows))) == (1, 1)


# --- other targets --------------------------------------------------------------------------------

BUSY = {"message": "Busy.", "type": "server_error", "param": None, "code": None}
FILTERED = {"message": "No.", "type": "invalid_request_error", "param": None}
OUTAGES = {
    "429": Refuses(429, {"error": BUSY}, {"retry-after": "30"}),
    "503": Refuses(503, {"error": BUSY}),
    "html": Refuses(502, "<html>Bad Gateway</html>"),
}
BREAKS = {"cut": Breaks(None), "error event": Breaks(None, BUSY)}


@pytest.mark.parametrize("way", ["whole", "stream"])
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage(client, one, two, model, outage, way):
    falls = f"falls-{model}"
    one.script(falls, OUTAGES[outage])
    text, headers = answered(client, way, falls, ask("Anybody there?"))
    assert (text, at(headers)) == (echo("Anybody there?"), f"two/{falls}")
    assert headers["x-refrain-attempts"] == "2"
    [first], [second] = one.received(falls), two.received(falls)
    assert first.body == second.body


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_a_provider_that_is_not_there(client, model, way):
    text, headers = answered(client, way, f"gone-{model}", ask("Anybody there?"))
    assert (text, headers["x-refrain-provider"]) == (echo("Anybody there?"), "two")


@pytest.mark.parametrize("breaks", BREAKS)
def test_a_stream_that_breaks_before_its_first_word(client, one, model, breaks):
    falls = f"falls-{model}"
    one.script(falls, BREAKS[breaks])
    text, headers = streamed(client, falls, ask("Anybody there?"))
    assert (text, at(headers)) == (echo("Anybody there?"), f"two/{falls}")


async def test_an_outage_asynchronously(asynchronous, routes, one, model):
    falls = f"falls-{model}"
    one.script(falls, OUTAGES["503"])
    async with asynchronous(routes) as client:
        stream = await client.chat.completions.create(
            model=falls, messages=ask("Anybody there?"), stream=True
        )
        async with stream:
            chunks = [chunk async for chunk in stream]
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == echo("Anybody there?")
    assert stream.response.headers["x-refrain-provider"] == "two"


def test_a_stream_that_breaks_after_its_first_word(client, one, two, model):
    falls = f"falls-{model}"
    one.script(falls, Breaks("As I was"))
    with pytest.raises(openai.APIError):
        streamed(client, falls, ask("Anybody there?"))
    assert two.received(falls) == []


def test_everybody_is_out(client, one, two, model):
    falls = f"falls-{model}"
    one.script(falls, OUTAGES["503"])
    two.script(falls, OUTAGES["429"])
    # The one that was asked last: the first, once more, since the other wants a long rest.
    with pytest.raises(openai.InternalServerError) as caught:
        raw(client, falls, ask("Anybody there?"))
    assert caught.value.code == "upstream_unavailable"
    assert int(caught.value.response.headers["retry-after"]) >= 1
    assert (len(one.received(falls)), len(two.received(falls))) == (3, 1)


def test_a_call_is_not_shared_by_who_may_not_fall_back(client, one, model):
    falls, go_on, told = f"falls-{model}", threading.Event(), []
    one.script(falls, Refuses(503, {"error": BUSY}, after=go_on))

    def asks(name):
        try:
            told.append(at(raw(client, name, ask("Anybody there?")).headers))
        except openai.InternalServerError as error:
            told.append(error.code)

    threads = [threading.Thread(target=asks, args=(name,)) for name in (falls, f"one/{falls}")]
    try:
        for n, thread in enumerate(threads, start=1):
            thread.start()
            until(lambda: len(one.received(falls)) == n, f"{n} have asked")
    finally:
        go_on.set()
        for thread in threads:
            thread.join()
    assert sorted(told) == [f"two/{falls}", "upstream_unavailable"]


@pytest.mark.parametrize("way", ["whole", "stream"])
@pytest.mark.parametrize("how", ["content_filter", "content_policy_violation", "nothing left"])
def test_content_that_a_filter_refuses(client, one, two, three, model, how, way):
    falls = f"falls-{model}"
    refuses = Refuses(400, {"error": {**FILTERED, "code": how}})
    one.script(falls, Says("", finish="content_filter") if how == "nothing left" else refuses)
    text, headers = answered(client, way, falls, ask("How do I gut a fish?"))
    assert (text, at(headers)) == (echo("How do I gut a fish?"), f"three/{falls}")
    assert (len(three.received(falls)), two.received(falls)) == (1, [])


def with_picture(text):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}}
    return [{"role": "user", "content": [{"type": "text", "text": text}, picture]}]


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_a_picture_passes_by_who_is_blind(client, one, two, model, way):
    messages = with_picture(f"A boat, {way}?")
    with pytest.raises(openai.BadRequestError, match="images") as caught:
        answered(client, way, "blind", messages)
    assert caught.value.code == "unsupported_parameter"

    sees = f"sees-{model}"
    _, headers = answered(client, way, sees, messages)
    assert (at(headers), headers["x-refrain-attempts"]) == (f"two/{sees}", "1")
    assert two.received(sees)[0].body["messages"] == messages
    _, headers = answered(client, way, sees, ask(f"A boat in words, {way}?"))
    assert at(headers) == "one/blind"
    assert all("image_url" not in str(received.body) for received in one.received("blind"))


def test_what_is_said_of_a_picture_is_not_kept_as_the_blind_ones(client, model):
    messages = with_picture("A boat for everybody?")
    assert raw(client, f"sees-{model}", messages).headers["x-refrain-provider"] == "two"
    for name in (f"sees-{model}-too", "blind"):
        try:
            assert raw(client, name, messages).headers["x-refrain-cache"] == "miss"
        except openai.BadRequestError as error:
            assert (name, error.code) == ("blind", "unsupported_parameter")


# --- conversations --------------------------------------------------------------------------------


def assembled(stream):
    """The message of a stream, as clients put it together."""
    text, calls = "", {}
    for choice in itertools.chain.from_iterable(chunk.choices for chunk in stream):
        text += choice.delta.content or ""
        for piece in choice.delta.tool_calls or []:
            call = calls.setdefault(piece.index, {"type": "function", "function": {}})
            call["id"] = call.get("id") or piece.id
            function = call["function"]
            function["name"] = function.get("name") or piece.function.name
            arguments = piece.function.arguments or ""
            function["arguments"] = function.get("arguments", "") + arguments
    message = {"role": "assistant", "content": text or None}
    return message | ({"tool_calls": list(calls.values())} if calls else {})


def called(n):
    function = {"name": "look", "arguments": json.dumps({"what": f"buoy {n}"})}
    return Says(tool_calls=[{"id": f"call_{n}", "type": "function", "function": function}])


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_a_conversation_stays_where_it_began(client, one, two, three, model, way):
    beginners = set()
    for n in range(12):
        anybody = f"any-{model}-{n}"
        for provider in (one, two, three):
            provider.script(anybody, *map(called, range(4)), Says("All buoys are lit."))
        messages, stayed = ask(f"Are the buoys lit, night {n}?"), []
        for _ in range(5):
            asked = {"model": anybody, "messages": messages, "tools": [LOOK]}
            if way == "stream":
                with client.chat.completions.create(**asked, stream=True) as stream:
                    message = assembled(stream)
                    headers = stream.response.headers
                calls = [call["id"] for call in message.get("tool_calls", [])]
            else:
                response = client.chat.completions.with_raw_response.create(**asked)
                # As it is: with all that the client's own type has.
                message, headers = response.parse().choices[0].message, response.headers
                calls = [call.id for call in message.tool_calls or []]
            stayed.append(headers["x-refrain-provider"])
            messages.append(message)
            for call in calls:
                messages.append({"role": "tool", "tool_call_id": call, "content": "lit"})
        assert stayed == stayed[:1] * 5
        assert not calls
        beginners.add(stayed[0])
    # With one chance in three for each, that all twelve began at one happens once in 177,000 times.
    assert len(beginners) > 1


def test_a_conversation_of_langchains_stays_where_it_began(
    chat_model, routes, one, two, three, model
):
    for n in range(6):
        anybody = f"any-{model}-{n}"
        for provider in (one, two, three):
            provider.script(anybody, *map(called, range(3)), Says("All buoys are lit."))
        chat = chat_model(routes, anybody).bind_tools([LOOK])
        messages, stayed = [HumanMessage(f"Are the buoys lit, night {n}?")], []
        for _ in range(4):
            message = chat.invoke(messages)
            stayed.append(message.response_metadata["headers"]["x-refrain-provider"])
            messages.append(message)
            for call in message.tool_calls:
                messages.append(ToolMessage("lit", tool_call_id=call["id"]))
        assert stayed == stayed[:1] * 4
        assert message.content == "All buoys are lit."


def test_a_conversation_goes_on_where_somebody_took_over(client, one, model):
    falls = f"falls-{model}"
    one.script(falls, Says("First."), OUTAGES["503"], Says("Back again."))
    messages, went = [], []
    for n in range(4):
        messages += ask(f"And day {n}?")
        response = raw(client, falls, messages)
        messages.append(response.parse().choices[0].message)
        went.append(response.headers["x-refrain-provider"])
    assert went == ["one", "two", "two", "two"]
    assert at(raw(client, falls, ask("Something else?")).headers) == f"one/{falls}"


# --- reloads --------------------------------------------------------------------------------------

HOUSE = '\n[[models]]\nname = "house"\ntargets = ["{name}/house"]\n'
BY_SIGNAL = "[server]\nreload = false\n"


def served_by(name, fake):
    return PROVIDER.format(name=name, url=fake.base_url) + HOUSE.format(name=name)


@pytest.fixture
def reloading(start, one):
    """Gateways that are begun with one configuration and go on with others."""

    def reloading(name, before=""):
        config = before + served_by("one", one)
        return start(name, config, OPENAI_API_KEY=UPSTREAM_KEY, REFRAIN_CACHE__SEMANTIC="off")

    return reloading


def state(gateway):
    told, headers = gateway.told("/admin/api/stats")
    ready, _ = gateway.told("/health/ready")
    return ready["status"], ready["config"], headers["x-refrain-config"], told["config"]


def test_a_file_that_is_changed_is_in_force(connect, reloading, two):
    gateway = reloading("watched")
    client = connect(gateway)
    assert at(raw(client, "house", ask("Who is there?")).headers) == "one/house"
    gateway.configure(served_by("two", two))
    until(lambda: state(gateway)[3]["generation"] == 1, "the file is read again by itself")
    assert at(raw(client, "house", ask("Who is there?")).headers) == "two/house"


def test_a_broken_file_changes_nothing_but_what_is_said_of_it(connect, reloading, one, two):
    gateway = reloading("hung-up", BY_SIGNAL)
    client = connect(gateway)
    number = itertools.count()

    def answers(name):
        headers = raw(client, "house", ask(f"Who is there? {next(number)}")).headers
        return at(headers) == f"{name}/house"

    *told, config = state(gateway)
    assert told == ["ready", "current", "current"]
    assert (config["state"], config["generation"]) == ("current", 0)

    broken = served_by("two", two).replace("base_url", "base_ulr")
    for wrong, said in {
        BY_SIGNAL + broken: r"providers\.toml:7:1: `providers\.base_ulr`: .*`base_url`",
        BY_SIGNAL + served_by("two", two) + '\n[[models]\nname = "': r"providers\.toml:\d+:\d+: ",
        BY_SIGNAL + served_by("two", two).replace('"two/', '"tow/'): r"tow",
    }.items():
        gateway.configure(wrong)
        gateway.hang_up()
        until(lambda: re.search(said, "\n".join(state(gateway)[3]["problems"])), said)
        *told, config = state(gateway)
        assert told == ["ready", "last_good", "last-good"]
        assert (config["state"], config["generation"]) == ("last_good", 0)
        assert answers("one")
    assert "not reloaded" in gateway.output()

    gateway.configure(BY_SIGNAL + served_by("two", two))
    gateway.hang_up()
    until(lambda: state(gateway)[1] == "current", "the file is mended")
    *told, config = state(gateway)
    assert told == ["ready", "current", "current"]
    assert (config["problems"], config["generation"]) == ([], 1)
    assert answers("two")
    with pytest.raises(openai.NotFoundError):
        raw(client, "one/house", ask("Is anybody left?"))


def test_nobody_notices_reloads(connect, reloading, one, two):
    """Ten of them, under requests of both kinds, between providers that are not there together."""
    gateway = reloading("busy", BY_SIGNAL)
    held = one.script("held", Holds("Held all the time."))
    client = connect(gateway)
    over, seen, failed = threading.Event(), [], []

    def asks(n):
        way = ["whole", "stream"][n % 2]
        for turn in itertools.count():
            if over.is_set():
                return
            question = f"Who is there, {n}.{turn}?"
            try:
                text, headers = answered(client, way, "house", ask(question))
                assert text == echo(question)
                seen.append(headers["x-refrain-provider"])
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=asks, args=(n,)) for n in range(6)]
    stays = {"model": "one/held", "messages": ask("Stay."), "stream": True}
    with client.chat.completions.create(**stays) as stream:
        first = next(chunk for chunk in stream if chunk.choices[0].delta.content)
        for thread in threads:
            thread.start()
        try:
            for n in range(1, 11):
                name, fake = (("one", one), ("two", two))[n % 2]
                before = len(seen)
                until(lambda: len(seen) >= before + 6 or failed, "requests are answered")
                gateway.configure(BY_SIGNAL + served_by(name, fake))
                gateway.hang_up()
                until(lambda: state(gateway)[3]["generation"] == n, f"reload {n} is in force")
        finally:
            over.set()
            held.go_on.set()
            for thread in threads:
                thread.join()
        rest = [choice.delta.content or "" for chunk in stream for choice in chunk.choices]
    assert first.choices[0].delta.content + "".join(rest) == "Held all the time."
    assert failed == []
    assert set(seen) == {"one", "two"}
