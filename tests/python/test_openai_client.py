"""OpenAI's own Python client against the running gateway: nothing but the base URL changes.

The provider is the strict fake of `upstream.py`, the encoder is the real one, the gateway is the
program that users run. What is asserted is what a user of the client sees, and what reached the
provider.
"""

import asyncio
import itertools
import json
import time

import openai
import pytest
from conftest import CLIENT_KEY, CONFIDENTIAL, MATE_KEY, OTHER_CLIENT_KEY
from pydantic import BaseModel
from upstream import Barrier, Breaks, Holds, Refuses, Says, Silent, echo, usage

pytestmark = pytest.mark.anyio


def ask(text, system=None):
    first = [{"role": "system", "content": system}] if system else []
    return [*first, {"role": "user", "content": text}]


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def cache_of(headers):
    return headers["x-refrain-cache"], headers["cache-status"]


LOCAL = "local/all-MiniLM-L6-v2"
MISS = ("miss", "refrain; fwd=miss; stored")
EXACT = ("exact", "refrain; hit; detail=exact")
SEMANTIC = ("semantic", "refrain; hit; detail=semantic")


def until_indexed(client, model, messages):
    """Waits for a question to be found by its meaning: it is indexed after its answer is out."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            return client.chat.completions.with_raw_response.create(
                model=model,
                messages=messages,
                extra_headers={"Cache-Control": "only-if-cached"},
            )
        except openai.InternalServerError as error:
            assert error.code == "not_cached"
    raise AssertionError(f"not found by its meaning within 15 s: {messages}")


# --- answers --------------------------------------------------------------------------------------


def test_create(client, upstream, model):
    upstream.script(model, Says(f"Grüße, 世界 \U0001f44b {CONFIDENTIAL}"))
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": f"Say hello. {CONFIDENTIAL}", "name": "ann"},
    ]
    completion = client.chat.completions.create(
        model=model,
        messages=messages,
        temperature=0.5,
        max_completion_tokens=50,
        seed=7,
        stop=["END"],
        user="ann",
        metadata={"team": "search"},
    )
    assert completion.object == "chat.completion"
    assert completion.id == "chatcmpl-upstream"
    assert completion.model == f"{model}-2026-01-01"
    assert completion.service_tier == "default"
    choice = completion.choices[0]
    assert choice.message.content == f"Grüße, 世界 \U0001f44b {CONFIDENTIAL}"
    assert (choice.index, choice.message.role, choice.finish_reason) == (0, "assistant", "stop")
    assert completion.usage.model_dump(exclude_unset=True) == usage(choice.message.content)

    [received] = upstream.received(model)
    assert received.body == {
        "model": model,
        "messages": messages,
        "temperature": 0.5,
        "max_completion_tokens": 50,
        "seed": 7,
        "stop": ["END"],
        "user": "ann",
        "metadata": {"team": "search"},
    }
    assert received.headers["user-agent"].startswith("refrain/")


def test_the_body_reaches_the_provider_byte_for_byte(client, upstream, model):
    parts = [
        {"type": "text", "text": "What is this?"},
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,aGVsbG8=", "detail": "low"},
        },
    ]
    raw = client.chat.completions.with_raw_response.create(
        model=model,
        messages=[{"role": "user", "content": parts}],
        extra_body={"vendor_knob": {"b": 1.50, "a": [None, True, "é\u2028"]}},
    )
    assert raw.parse().choices[0].message.content == echo("What is this? ")
    [received] = upstream.received(model)
    assert received.raw == raw.http_request.content
    assert received.body["messages"][0]["content"] == parts
    # An image is matched exactly or not at all.
    assert raw.headers["x-refrain-cache-reason"] == "not_text"


def test_unknown_fields_of_the_provider_reach_the_client(client, upstream, model):
    upstream.script(model, Says("Hi.", extra={"vendor_trace": {"steps": [1, 2]}}))
    for _ in range(2):
        completion = client.chat.completions.create(model=model, messages=ask("Hello"))
        assert completion.vendor_trace == {"steps": [1, 2]}
    assert len(upstream.received(model)) == 1


def test_several_choices(client, upstream, model):
    upstream.script(model, Says("Heads.", choices=2))
    whole = client.chat.completions.create(model=model, messages=ask("Toss"), n=2)
    assert [(c.index, c.message.content) for c in whole.choices] == [(0, "Heads."), (1, "Heads.")]

    with client.chat.completions.create(
        model=model, messages=ask("Toss"), n=2, stream=True
    ) as stream:
        texts = {0: "", 1: ""}
        for choice in itertools.chain.from_iterable(chunk.choices for chunk in stream):
            texts[choice.index] += choice.delta.content or ""
        assert stream.response.headers["x-refrain-cache"] == "exact"
    assert texts == {0: "Heads.", 1: "Heads."}


@pytest.mark.parametrize("prefix", ["/v1", "/v1/", ""])
def test_base_url(connect, gateway, model, prefix):
    client = connect(gateway, prefix=prefix)
    completion = client.chat.completions.create(model=model, messages=ask("Where am I?"))
    assert completion.choices[0].message.content == echo("Where am I?")
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


def test_other_names_of_a_model(client, upstream, model):
    pinned = client.chat.completions.create(model=f"openai/{model}", messages=ask("Who?"))
    assert pinned.model == f"{model}-2026-01-01"
    assert upstream.received(model)[0].body == {"model": model, "messages": ask("Who?")}

    alias = client.chat.completions.create(model="house-model", messages=ask(model))
    assert alias.model == "gpt-4o-2026-01-01"


# --- tools and structured answers -----------------------------------------------------------------

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
CALLS = [
    {
        "id": f"call_{city.lower()}",
        "type": "function",
        "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
    }
    for city in ("Oslo", "Rome")
]


def calls_of(message):
    return [(call.id, call.type, call.function.name, call.function.arguments) for call in message]


EXPECTED_CALLS = [
    ("call_oslo", "function", "get_weather", '{"city": "Oslo"}'),
    ("call_rome", "function", "get_weather", '{"city": "Rome"}'),
]


def test_tools(client, upstream, model):
    upstream.script(model, Says(tool_calls=CALLS), Says("Cold there, warm here."))
    question = ask("Compare Oslo and Rome.")
    first = client.chat.completions.create(
        model=model, messages=question, tools=[WEATHER], tool_choice="auto"
    )
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert calls_of(message.tool_calls) == EXPECTED_CALLS
    assert upstream.received(model)[0].body["tools"] == [WEATHER]

    # The client's own rendering of the answer goes back, as in every agent's loop.
    history = [
        *question,
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": "call_oslo", "content": "-3 °C"},
        {"role": "tool", "tool_call_id": "call_rome", "content": "24 °C"},
    ]
    second = client.chat.completions.create(model=model, messages=history, tools=[WEATHER])
    assert second.choices[0].message.content == "Cold there, warm here."
    assert upstream.received(model)[1].body["messages"][1]["tool_calls"] == CALLS

    # Complete tool calls are kept for equal requests.
    again = client.chat.completions.with_raw_response.create(
        model=model, messages=question, tools=[WEATHER], tool_choice="auto"
    )
    assert cache_of(again.headers) == EXACT
    assert calls_of(again.parse().choices[0].message.tool_calls) == EXPECTED_CALLS


def test_streamed_tools(client, upstream, model):
    upstream.script(model, Says(tool_calls=CALLS))
    # From the provider, then from the cache.
    for cache in ("miss", "exact"):
        with client.chat.completions.stream(
            model=model, messages=ask("Compare Oslo and Rome."), tools=[WEATHER]
        ) as stream:
            events = list(stream)
            final = stream.get_final_completion()
            assert stream._response.headers["x-refrain-cache"] == cache
        done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
        assert [(event.index, event.name, event.parsed_arguments) for event in done] == [
            (0, "get_weather", {"city": "Oslo"}),
            (1, "get_weather", {"city": "Rome"}),
        ]
        assert calls_of(final.choices[0].message.tool_calls) == EXPECTED_CALLS
        assert final.choices[0].finish_reason == "tool_calls"
    assert len(upstream.received(model)) == 1


class Planet(BaseModel):
    name: str
    moons: int
    rings: bool | None


SATURN = Planet(name="Saturn", moons=274, rings=True)


def test_structured_answer(client, upstream, model):
    upstream.script(model, Says(SATURN.model_dump_json()))
    for cache in ("miss", "exact"):
        raw = client.chat.completions.with_raw_response.parse(
            model=model, messages=ask("The planet with rings"), response_format=Planet
        )
        assert raw.headers["x-refrain-cache"] == cache
        assert raw.parse().choices[0].message.parsed == SATURN
    [received] = upstream.received(model)
    schema = received.body["response_format"]
    assert schema["type"] == "json_schema"
    assert (schema["json_schema"]["name"], schema["json_schema"]["strict"]) == ("Planet", True)
    assert schema["json_schema"]["schema"]["required"] == ["name", "moons", "rings"]

    # The same question for another schema is another question.
    class Body(BaseModel):
        name: str

    upstream.script(model, Says('{"name": "Saturn"}'))
    other = client.chat.completions.parse(
        model=model, messages=ask("The planet with rings"), response_format=Body
    )
    assert other.choices[0].message.parsed == Body(name="Saturn")


def test_streamed_structured_answer(client, upstream, model):
    upstream.script(model, Says(SATURN.model_dump_json()))
    with client.chat.completions.stream(
        model=model, messages=ask("The planet with rings"), response_format=Planet
    ) as stream:
        done = [event.parsed for event in stream if event.type == "content.done"]
    assert done == [SATURN]


def test_refusal(client, upstream, model):
    upstream.script(model, Says(refusal="I can't help with that."))
    for count in (1, 2):
        parsed = client.chat.completions.parse(
            model=model, messages=ask("Something bad"), response_format=Planet
        )
        assert parsed.choices[0].message.refusal == "I can't help with that."
        assert parsed.choices[0].message.parsed is None
        # Refusals are not kept.
        assert len(upstream.received(model)) == count


def test_an_answer_cut_short_is_not_kept(client, upstream, model):
    upstream.script(model, Says('{"name": "Sat', finish="length"))
    for count in (1, 2):
        with pytest.raises(openai.LengthFinishReasonError):
            client.chat.completions.parse(
                model=model, messages=ask("The planet with rings"), response_format=Planet
            )
        assert len(upstream.received(model)) == count


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", ["miss", "exact"])
def test_stream(client, upstream, model, cache):
    said = "One two  three.\nFour \U0001f680! " + "And so on, and so on. " * 5
    upstream.script(model, Says(said))
    if cache == "exact":
        client.chat.completions.create(model=model, messages=ask("Count"))
    with client.chat.completions.create(
        model=model,
        messages=ask("Count"),
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
        headers = stream.response.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["x-refrain-cache"] == cache
    assert "content-encoding" not in headers

    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[0].choices[0].finish_reason is None
    assert [chunk.choices[0].delta.role for chunk in chunks[1:-1]] == [None] * (len(chunks) - 2)
    assert text_of(chunks) == said
    assert len(chunks) > 6
    reasons = [chunk.choices[0].finish_reason for chunk in chunks[:-1]]
    assert reasons == [None] * (len(chunks) - 2) + ["stop"]
    # The last one holds the usage and nothing else; no other chunk has any.
    assert chunks[-1].choices == []
    assert chunks[-1].usage.model_dump(exclude_unset=True) == usage(said)
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


@pytest.mark.parametrize("cache", ["miss", "exact"])
def test_stream_without_usage(client, upstream, model, cache):
    if cache == "exact":
        client.chat.completions.create(model=model, messages=ask("Count"))
    with client.chat.completions.create(model=model, messages=ask("Count"), stream=True) as stream:
        chunks = list(stream)
        assert stream.response.headers["x-refrain-cache"] == cache
    assert text_of(chunks) == echo("Count")
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "stream_options" not in upstream.received(model)[0].body


def test_stream_ends_with_done(client, model):
    with client.chat.completions.with_streaming_response.create(
        model=model, messages=ask("Count"), stream=True
    ) as response:
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: {") for line in lines[:-1])


def test_stream_helper(client, upstream, model):
    upstream.script(model, Says("One two three"))
    with client.chat.completions.stream(
        model=model, messages=ask("Count"), stream_options={"include_usage": True}
    ) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    deltas = [(event.delta, event.snapshot) for event in events if event.type == "content.delta"]
    assert [delta for delta in deltas if delta[0]] == [
        ("One ", "One "),
        ("two ", "One two "),
        ("three", "One two three"),
    ]
    assert [event.content for event in events if event.type == "content.done"] == ["One two three"]
    assert final.choices[0].message.content == "One two three"
    assert final.choices[0].finish_reason == "stop"
    assert final.usage.total_tokens == usage("One two three")["total_tokens"]


def test_words_arrive_as_they_are_said(client, upstream, model):
    held = upstream.script(model, Holds("One two three"))
    with client.chat.completions.create(model=model, messages=ask("Count"), stream=True) as stream:
        begun = [next(stream), next(stream)]
        assert text_of(begun) == "One "
        assert not held.go_on.is_set()
        held.go_on.set()
        assert text_of(stream) == "two three"


def test_hanging_up_in_the_middle(client, upstream, model):
    held = upstream.script(model, Holds("One two three"))
    stream = client.chat.completions.create(model=model, messages=ask("Count"), stream=True)
    assert text_of([next(stream), next(stream)]) == "One "
    stream.close()
    assert held.abandoned.wait(20), "the provider goes on for nobody"

    # Half an answer is no answer, and nothing is left behind that would be waited for.
    upstream.script(model, Says("Four five six"))
    whole = client.chat.completions.with_raw_response.create(model=model, messages=ask("Count"))
    assert cache_of(whole.headers) == MISS
    assert whole.parse().choices[0].message.content == "Four five six"


def test_a_stream_that_breaks(client, upstream, model):
    upstream.script(model, Breaks("One two"))
    stream = client.chat.completions.create(model=model, messages=ask("Count"), stream=True)
    heard = []
    with pytest.raises(openai.APIError) as raised:
        for chunk in stream:
            heard.append(chunk)
    assert text_of(heard) == "One two"
    error = raised.value
    assert type(error) is openai.APIError
    assert (error.type, error.code) == ("server_error", "upstream_error")
    assert error.message.startswith("provider `openai` broke off its stream")

    upstream.script(model, Says("Whole."))
    after = client.chat.completions.with_raw_response.create(model=model, messages=ask("Count"))
    assert cache_of(after.headers) == MISS
    assert after.parse().choices[0].message.content == "Whole."


@pytest.mark.parametrize("error", [None, {"message": "Overloaded", "type": "server_error"}])
def test_a_stream_that_never_begins(client, upstream, model, error):
    # Nothing was sent yet, so it can still be a status, which the client may try again.
    upstream.script(model, Breaks(None, error=error))
    raised = refused(
        lambda: client.chat.completions.create(model=model, messages=ask("Count"), stream=True),
        openai.InternalServerError,
    )
    assert (raised.status_code, raised.code) == (502, "upstream_error")


def test_a_stream_with_an_error_event(client, upstream, model):
    told = {"message": "The server had an error", "type": "server_error", "code": None}
    upstream.script(model, Breaks("One two", error=told))
    stream = client.chat.completions.create(model=model, messages=ask("Count"), stream=True)
    with pytest.raises(openai.APIError) as raised:
        list(stream)
    assert raised.value.message == "The server had an error"
    assert raised.value.type == "server_error"

    upstream.script(model, Says("Whole."))
    after = client.chat.completions.create(model=model, messages=ask("Count"))
    assert after.choices[0].message.content == "Whole."


def test_the_shared_helper_of_a_broken_stream(client, upstream, model):
    upstream.script(model, Breaks("One two"))
    with (
        pytest.raises(openai.APIError, match="broke off"),
        client.chat.completions.stream(model=model, messages=ask("Count")) as stream,
    ):
        stream.until_done()


# --- the same, asynchronously ---------------------------------------------------------------------


async def test_async_create(async_client, upstream, model):
    completion = await async_client.chat.completions.create(model=model, messages=ask("Hello"))
    assert completion.choices[0].message.content == echo("Hello")
    assert completion._request_id.startswith("req_")
    raw = await async_client.chat.completions.with_raw_response.create(
        model=model, messages=ask("Hello")
    )
    assert cache_of(raw.headers) == EXACT
    assert raw.parse().choices[0].message.content == echo("Hello")
    assert len(upstream.received(model)) == 1


async def test_async_stream(async_client, upstream, model):
    upstream.script(model, Says("One two three"))
    stream = await async_client.chat.completions.create(
        model=model,
        messages=ask("Count"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert text_of(chunks) == "One two three"
    assert chunks[-1].usage.completion_tokens == 3

    async with async_client.chat.completions.stream(model=model, messages=ask("Count")) as helper:
        final = await helper.get_final_completion()
    assert final.choices[0].message.content == "One two three"
    assert len(upstream.received(model)) == 1


async def test_async_errors(async_client, upstream, model):
    upstream.script(model, Breaks("One two"))
    stream = await async_client.chat.completions.create(
        model=model, messages=ask("Count"), stream=True
    )
    with pytest.raises(openai.APIError, match="broke off its stream"):
        async for _ in stream:
            pass
    with pytest.raises(openai.BadRequestError) as raised:
        await async_client.chat.completions.create(model=model, messages=[])
    assert raised.value.param == "messages"


async def test_many_at_once(async_client, upstream, model):
    # Each is answered only when all have arrived: nobody waits for somebody else's answer.
    upstream.script(model, Barrier(50))

    async def one(number):
        text = f"Tell me about item {number}."
        if number % 2:
            stream = await async_client.chat.completions.create(
                model=model, messages=ask(text), stream=True
            )
            return text_of([chunk async for chunk in stream])
        completion = await async_client.chat.completions.create(model=model, messages=ask(text))
        return completion.choices[0].message.content

    answers = await asyncio.gather(*(one(number) for number in range(50)))
    assert answers == [echo(f"Tell me about item {number}.") for number in range(50)]
    assert len(upstream.received(model)) == 50


async def test_many_at_once_that_ask_the_same(async_client, upstream, model):
    held = upstream.script(model, Holds("One two three"))

    async def one():
        raw = await async_client.chat.completions.with_raw_response.create(
            model=model, messages=ask("Count"), stream=True
        )
        return raw.headers["x-refrain-cache"], raw.parse()

    # All have their first words while the provider is still speaking.
    replies = await asyncio.gather(*(one() for _ in range(50)))
    ways = [way for way, _ in replies]
    assert sorted(ways) == ["coalesced"] * 49 + ["miss"]
    held.go_on.set()

    async def text(stream):
        return text_of([chunk async for chunk in stream])

    texts = await asyncio.gather(*(text(stream) for _, stream in replies))
    assert texts == ["One two three"] * 50
    assert len(upstream.received(model)) == 1


# --- models ---------------------------------------------------------------------------------------


def test_models(client):
    models = client.models.list()
    assert models.object == "list"
    # Named ones with an active provider; patterns and aliases are no names to choose from. The
    # gateway's own encoder is one that `/v1/embeddings` takes.
    model, local = models.data
    assert (model.id, model.object, model.owned_by) == ("gpt-4o", "model", "openai")
    assert (local.id, local.object, local.owned_by) == (LOCAL, "model", "refrain")
    assert model.created > 1_700_000_000 and local.created > 1_600_000_000
    assert [model.id for model in client.models.list()] == ["gpt-4o", LOCAL]
    assert client.models.retrieve(LOCAL) == local


@pytest.mark.parametrize("name", ["gpt-4o", "house-model", "t-anything", "openai/org/model-x"])
def test_retrieve_a_model(client, name):
    model = client.models.retrieve(name)
    assert (model.id, model.object, model.owned_by) == (name, "model", "openai")


async def test_async_models(async_client):
    assert [model.id async for model in async_client.models.list()] == ["gpt-4o", LOCAL]
    assert (await async_client.models.retrieve("gpt-4o")).owned_by == "openai"


def test_a_model_that_is_not_there(client):
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("gpt-4oo")
    error = raised.value
    assert (error.code, error.param, error.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    assert error.body["message"] == (
        "the model `gpt-4oo` does not exist here; did you mean `gpt-4o`?"
    )


# --- errors ---------------------------------------------------------------------------------------


def refused(call, kind):
    """The error that `call` raises; it has to have the id that the log has it under."""
    with pytest.raises(kind) as raised:
        call()
    error = raised.value
    assert type(error) is kind
    assert error.request_id and error.request_id.startswith("req_")
    assert set(error.body) == {"message", "type", "param", "code"}
    return error


def test_bad_requests(client, upstream, model):
    def of(**fields):
        call = {"model": model, "messages": ask("Hello"), **fields}
        error = refused(lambda: client.chat.completions.create(**call), openai.BadRequestError)
        assert error.response.headers["x-refrain-error-origin"] == "gateway"
        assert error.type == "invalid_request_error"
        return error.param

    assert of(messages=[]) == "messages"
    assert of(messages="Hello") == "messages"
    assert of(messages=[{"role": "wizard", "content": "Hi"}]) == "messages[0].role"
    assert of(messages=[{"role": "user", "content": 7}]) == "messages[0].content"
    assert of(temperature=5) == "temperature"
    assert of(temperature="hot") == "temperature"
    assert of(n=0) == "n"
    assert of(model="") == "model"
    assert of(stream="yes") == "stream"
    assert of(extra_body={"refrain": {"no_cash": True}}) == "refrain.no_cash"
    assert of(extra_headers={"x-refrain-cache-ttl": "soon"}) == "x-refrain-cache-ttl"
    assert upstream.received(model) == []


def test_an_error_of_the_provider_about_the_request(client, upstream, model):
    told = {
        "message": "This model's maximum context length is 8 tokens.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
    for status, kind in [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
    ]:
        upstream.script(model, Refuses(status, {"error": told}))
        for stream in (False, True):
            error = refused(
                lambda: client.chat.completions.create(
                    model=model, messages=ask("Hello"), stream=stream
                ),
                kind,
            )
            assert error.body == told
            assert error.response.headers["x-refrain-error-origin"] == "upstream"


def test_no_such_model(client):
    create = client.chat.completions.create
    error = refused(
        lambda: create(model="no-such-model", messages=ask("Hi")), openai.NotFoundError
    )
    assert (error.code, error.param) == ("model_not_found", "model")
    error = refused(
        lambda: create(model="waits-for-a-key", messages=ask("Hi")), openai.NotFoundError
    )
    assert "NO_SUCH_KEY" in error.body["message"]


def test_no_such_path(client):
    error = refused(
        lambda: client.get("/chat/nothing", cast_to=object),
        openai.NotFoundError,
    )
    assert error.code == "unknown_url"


def test_too_large(client, model):
    error = refused(
        lambda: client.chat.completions.create(model=model, messages=ask("x" * (11 << 20))),
        openai.APIStatusError,
    )
    assert (error.status_code, error.code) == (413, "request_too_large")


@pytest.fixture
def naps(monkeypatch):
    """The pauses that the client makes before it tries again, not slept through."""
    naps = []
    monkeypatch.setattr("openai._base_client.time.sleep", naps.append)
    return naps


RATE_LIMITED = {"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit"}}


def test_rate_limits(connect, gateway, upstream, model, naps):
    # A short rest is waited for by the gateway.
    upstream.script(
        model, Refuses(429, RATE_LIMITED, {"retry-after": "1"}), Says("At last.")
    )
    client = connect(gateway, max_retries=2)
    completion = client.chat.completions.create(model=model, messages=ask("Hello"))
    assert completion.choices[0].message.content == "At last."
    assert (naps, len(upstream.received(model))) == ([], 2)

    # A long one is told, and the provider is left alone until it is over.
    upstream.script(model, Refuses(429, RATE_LIMITED, {"retry-after": "20"}))
    error = refused(
        lambda: client.chat.completions.create(model=model, messages=ask("Hello again")),
        openai.RateLimitError,
    )
    assert (error.code, error.type) == ("rate_limit_exceeded", "rate_limit_error")
    assert 15 <= int(error.response.headers["retry-after"]) <= 20
    assert len(naps) == 2 and all(15 <= nap <= 20 for nap in naps)
    assert len(upstream.received(model)) == 3


def test_a_provider_that_fails(connect, gateway, upstream, model, naps):
    upstream.script(
        model,
        Refuses(500, {"error": {"message": "Oops.", "type": "server_error"}}),
        Refuses(503, "<html>busy</html>"),
        Says("Better."),
    )
    client = connect(gateway, max_retries=2)
    completion = client.chat.completions.create(model=model, messages=ask("Hello"))
    assert completion.choices[0].message.content == "Better."
    assert (naps, len(upstream.received(model))) == ([], 3)


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (Refuses(500, {"error": {"message": "Oops."}}), 502, "upstream_error"),
        (Refuses(503, "<html>busy</html>", {"retry-after": "9"}), 503, "upstream_unavailable"),
        (Refuses(401, {"error": {"message": "Incorrect API key"}}), 502, "upstream_auth"),
        (Refuses(200, "<html>Welcome!</html>"), 502, "upstream_error"),
        (Refuses(200, ""), 502, "upstream_error"),
        (Refuses(200, {"choices": []}), 502, "upstream_error"),
        (Refuses(302, "", {"location": "http://127.0.0.1:1/"}), 502, "upstream_error"),
    ],
    ids=lambda value: None,
)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_what_a_broken_provider_becomes(client, upstream, model, answer, status, code, stream):
    upstream.script(model, answer)
    error = refused(
        lambda: client.chat.completions.create(model=model, messages=ask("Hi"), stream=stream),
        openai.InternalServerError,
    )
    assert (error.status_code, error.code, error.type) == (status, code, "server_error")
    assert error.body["message"].startswith("provider `openai` ")
    assert error.response.headers["x-refrain-error-origin"] == "upstream"
    assert error.response.headers.get("retry-after") == ("9" if status == 503 else None)


def test_a_provider_that_is_not_there(client):
    error = refused(
        lambda: client.chat.completions.create(model="gone/x", messages=ask("Hi")),
        openai.InternalServerError,
    )
    assert (error.status_code, error.code) == (502, "upstream_error")
    assert error.body["message"].startswith("provider `gone` could not be reached")


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_provider_that_is_silent(client, upstream, model, stream):
    silent = upstream.script(model, Silent())
    error = refused(
        lambda: client.chat.completions.create(
            model=f"hasty/{model}", messages=ask("Hi"), stream=stream
        ),
        openai.InternalServerError,
    )
    assert (error.status_code, error.code) == (504, "upstream_timeout")
    assert silent.abandoned.wait(20), "the provider is still waited for"


def test_a_client_that_is_impatient(connect, gateway, client, upstream, model):
    silent = upstream.script(model, Silent())
    with pytest.raises(openai.APITimeoutError):
        connect(gateway, timeout=0.3).chat.completions.create(model=model, messages=ask("Hi"))
    assert silent.abandoned.wait(20), "the provider is still waited for"
    upstream.script(model, Says("Now."))
    completion = client.chat.completions.create(model=model, messages=ask("Hi"))
    assert completion.choices[0].message.content == "Now."


# --- keys -----------------------------------------------------------------------------------------


def test_keys(connect, guarded, upstream, model):
    answer = connect(guarded).chat.completions.create(model=model, messages=ask("Hello"))
    assert answer.choices[0].message.content == echo("Hello")

    stranger = connect(guarded, api_key="sk-nobody")
    for call in (
        lambda: stranger.chat.completions.create(model=model, messages=ask("Hello")),
        lambda: stranger.chat.completions.create(model=model, messages=ask("Hello"), stream=True),
        lambda: stranger.models.list(),
        lambda: stranger.models.retrieve("gpt-4o"),
        # The operator's key is for the admin page.
        lambda: stranger.get("/models", cast_to=object),
    ):
        error = refused(call, openai.AuthenticationError)
        assert (error.code, error.type) == ("invalid_api_key", "invalid_request_error")
        assert error.response.headers["www-authenticate"] == "Bearer"
    assert len(upstream.received(model)) == 1


def test_a_model_that_a_key_may_not_use(connect, guarded):
    client = connect(guarded)
    for call in (
        lambda: client.chat.completions.create(model="gpt-4o", messages=ask("Hello")),
        lambda: client.models.retrieve("gpt-4o"),
    ):
        error = refused(call, openai.PermissionDeniedError)
        assert (error.code, error.param) == ("model_not_allowed", "model")
    assert client.models.list().data == []
    assert [model.id for model in connect(guarded, api_key=MATE_KEY).models.list()] == ["gpt-4o"]


def test_who_shares_a_cache(connect, guarded, gateway, upstream, model):
    def asks(server, key):
        raw = connect(server, api_key=key).chat.completions.with_raw_response.create(
            model=model, messages=ask("Hello")
        )
        return raw.headers["x-refrain-cache"]

    assert asks(guarded, CLIENT_KEY) == "miss"
    assert asks(guarded, CLIENT_KEY) == "exact"
    # Another key has another cache; one namespace is one cache.
    assert asks(guarded, OTHER_CLIENT_KEY) == "miss"
    assert asks(guarded, MATE_KEY) == "exact"
    # Without configured clients, whatever is sent as a key keeps callers apart.
    assert asks(gateway, "sk-ann") == "miss"
    assert asks(gateway, "sk-bob") == "miss"
    assert asks(gateway, "sk-ann") == "exact"
    assert len(upstream.received(model)) == 4


# --- the cache ------------------------------------------------------------------------------------


def test_exact_hits(client, upstream, model):
    create = client.chat.completions.with_raw_response.create
    first = create(model=model, messages=ask("Hello"), temperature=0, max_tokens=9)
    assert cache_of(first.headers) == MISS
    assert first.headers["x-refrain-provider"] == "openai"
    assert first.headers["x-refrain-model"] == model
    assert first.headers["x-refrain-attempts"] == "1"
    assert first.headers["x-refrain-upstream-request-id"] == "req_of_upstream"
    assert first.headers["openai-processing-ms"] == "7"
    assert "age" not in first.headers

    again = create(model=model, messages=ask("Hello"), temperature=0, max_tokens=9)
    assert cache_of(again.headers) == EXACT
    assert 0 <= int(again.headers["age"]) < 60
    # What was true of one answer's way is not of another's.
    for name in ("x-refrain-upstream-request-id", "openai-processing-ms", "x-refrain-attempts"):
        assert name not in again.headers
    one, two = first.parse(), again.parse()
    assert one.id != two.id and two.id.startswith("chatcmpl-")
    without = {"id", "created"}
    assert one.model_dump(exclude=without) == two.model_dump(exclude=without)
    assert len(upstream.received(model)) == 1

    # Other spellings of the same request, and who asks for whom.
    same = create(
        messages=[{"content": [{"type": "text", "text": "Hello"}], "role": "user"}],
        model=model,
        temperature=0.0,
        max_completion_tokens=9,
        user="bob",
    )
    assert cache_of(same.headers) == EXACT
    other = create(model=model, messages=ask("Hello"), temperature=1, max_tokens=9)
    assert cache_of(other.headers) == MISS


def test_what_a_hit_saves(client, upstream):
    create = client.chat.completions.with_raw_response.create
    messages = ask("What does a hit save?")
    first = create(model="gpt-4o", messages=messages)
    count = first.parse().usage
    cost = (count.prompt_tokens * 2.5 + count.completion_tokens * 10) / 1e6
    assert float(first.headers["x-refrain-cost-usd"]) == pytest.approx(cost)
    assert "x-refrain-saved-usd" not in first.headers
    again = create(model="gpt-4o", messages=messages)
    assert float(again.headers["x-refrain-saved-usd"]) == pytest.approx(cost)
    assert "x-refrain-cost-usd" not in again.headers


@pytest.mark.parametrize("first_is_stream", [True, False], ids=["stream-first", "json-first"])
def test_one_entry_serves_both(client, upstream, model, first_is_stream):
    upstream.script(model, Says("One two three"))

    def whole():
        raw = client.chat.completions.with_raw_response.create(model=model, messages=ask("Count"))
        message = raw.parse().choices[0]
        return raw.headers["x-refrain-cache"], message.message.content, message.finish_reason

    def stream():
        with client.chat.completions.create(
            model=model, messages=ask("Count"), stream=True
        ) as stream:
            chunks = list(stream)
        cache = stream.response.headers["x-refrain-cache"]
        return cache, text_of(chunks), chunks[-1].choices[0].finish_reason

    ways = [stream, whole, stream, whole] if first_is_stream else [whole, stream, whole, stream]
    replies = [way() for way in ways]
    assert replies == [("miss", "One two three", "stop")] + [("exact", "One two three", "stop")] * 3
    assert len(upstream.received(model)) == 1


def test_semantic_hits(client, upstream, model):
    system = "You are a helpful assistant."
    upstream.script(model, Says("Eight."))
    create = client.chat.completions.with_raw_response.create
    asked = create(
        model=model, messages=ask("How many planets are there in the solar system?", system)
    )
    assert cache_of(asked.headers) == MISS

    reworded = ask("how many planets are in our solar system", system)
    hit = until_indexed(client, model, reworded)
    assert cache_of(hit.headers) == SEMANTIC
    assert hit.parse().choices[0].message.content == "Eight."
    # An oracle about what others have asked, so not told unless configured.
    assert "x-refrain-cache-similarity" not in hit.headers

    plain = create(model=model, messages=reworded)
    assert cache_of(plain.headers) == SEMANTIC
    assert int(plain.headers["age"]) < 60
    with client.chat.completions.create(model=model, messages=reworded, stream=True) as stream:
        assert text_of(stream) == "Eight."
        assert cache_of(stream.response.headers) == SEMANTIC
    assert len(upstream.received(model)) == 1

    # Another system prompt, another model parameter: another question.
    pirate = create(model=model, messages=ask("how many planets are in our solar system", "Arr!"))
    assert cache_of(pirate.headers) == MISS
    warm = create(model=model, messages=reworded, temperature=0.9)
    assert cache_of(warm.headers) == MISS
    strict = create(
        model=model,
        messages=ask("How many planets are in our solar system, please?", system),
        extra_body={"refrain": {"threshold": 1.0}},
    )
    assert strict.headers["x-refrain-cache"] == "miss"


def test_the_opposite_is_no_hit(client, upstream, model):
    create = client.chat.completions.with_raw_response.create
    create(model=model, messages=ask("How do I turn on dark mode?"))
    hit = until_indexed(client, model, ask("How can I turn on dark mode?"))
    assert cache_of(hit.headers) == SEMANTIC
    off = create(model=model, messages=ask("How do I turn off dark mode?"))
    assert cache_of(off.headers) == MISS
    assert off.headers["x-refrain-cache-reason"] == "veto_opposites"
    assert off.parse().choices[0].message.content == echo("How do I turn off dark mode?")


@pytest.mark.parametrize(
    "control",
    [
        {"extra_headers": {"Cache-Control": "no-cache"}},
        {"extra_headers": {"Cache-Control": "max-age=0"}},
        {"extra_headers": {"x-portkey-cache-force-refresh": "true"}},
        {"extra_body": {"refrain": {"no_cache": True}}},
        {"extra_body": {"cache": {"no-cache": True}}},
    ],
    ids=["header", "max-age", "portkey", "body", "litellm"],
)
def test_a_fresh_answer(client, upstream, model, control):
    upstream.script(model, Says("Old."), Says("New."), Says("Never."))
    create = client.chat.completions.with_raw_response.create

    def answer(**options):
        raw = create(model=model, messages=ask("Hello"), **options)
        return raw.headers["x-refrain-cache"], raw.parse().choices[0].message.content

    assert answer() == ("miss", "Old.")
    assert answer(**control) == ("miss", "New.")
    # The fresh one has taken the place of the other.
    assert answer() == ("exact", "New.")
    # The provider has seen nothing of it (it refuses what it does not know).
    assert upstream.received(model)[1].body == {"model": model, "messages": ask("Hello")}


def test_not_storing(client, upstream, model):
    upstream.script(model, Says("First."), Says("Second."))
    create = client.chat.completions.with_raw_response.create
    private = create(
        model=model, messages=ask("Hello"), extra_headers={"Cache-Control": "no-store"}
    )
    assert cache_of(private.headers) == ("miss", "refrain; fwd=miss")
    after = create(model=model, messages=ask("Hello"))
    assert cache_of(after.headers) == MISS
    assert after.parse().choices[0].message.content == "Second."

    around = create(
        model=model, messages=ask("Hello"), extra_headers={"Cache-Control": "no-cache, no-store"}
    )
    assert cache_of(around.headers) == ("bypass", "refrain; fwd=bypass; detail=opt_out")


def test_only_from_the_cache(connect, gateway, upstream, model, naps):
    # It would be a 504 to try again; the gateway says that trying again is no use.
    client = connect(gateway, max_retries=2)

    def create():
        return client.chat.completions.with_raw_response.create(
            model=model, messages=ask("Hello"), extra_body={"refrain": {"only_if_cached": True}}
        )

    error = refused(create, openai.InternalServerError)
    assert (error.status_code, error.code) == (504, "not_cached")
    assert naps == [] and upstream.received(model) == []
    client.chat.completions.create(model=model, messages=ask("Hello"))
    assert cache_of(create().headers) == EXACT


def test_namespaces(client, upstream, model):
    def asks(**options):
        raw = client.chat.completions.with_raw_response.create(
            model=model, messages=ask("Hello"), **options
        )
        return raw.headers["x-refrain-cache"]

    assert asks() == "miss"
    assert asks(extra_body={"refrain": {"namespace": "a"}}) == "miss"
    assert asks(extra_headers={"x-refrain-cache-namespace": "a"}) == "exact"
    assert asks(extra_headers={"x-portkey-cache-namespace": "b"}) == "miss"
    assert asks() == "exact"
    assert len(upstream.received(model)) == 3


def test_long_answers_are_compressed(client, upstream, model):
    text = "All work and no play makes Jack a dull boy. " * 1000
    upstream.script(model, Says(text))
    for cache in ("miss", "exact"):
        raw = client.chat.completions.with_raw_response.create(
            model=model, messages=ask("A novel"), extra_headers={"accept-encoding": "gzip"}
        )
        assert raw.headers["x-refrain-cache"] == cache
        assert raw.headers["content-encoding"] == "gzip"
        assert raw.parse().choices[0].message.content == text
    with client.chat.completions.create(
        model=model,
        messages=ask("A novel"),
        stream=True,
        extra_headers={"accept-encoding": "gzip"},
    ) as stream:
        assert "content-encoding" not in stream.response.headers
        assert text_of(stream) == text


# --- request ids and headers ----------------------------------------------------------------------


def test_request_ids(client, model):
    create = client.chat.completions.create
    first, second = (create(model=model, messages=ask("Hello")) for _ in range(2))
    assert first._request_id.startswith("req_") and len(first._request_id) == 36
    assert first._request_id != second._request_id
    mine = create(
        model=model, messages=ask("Hello"), extra_headers={"x-request-id": "trace-4711"}
    )
    assert mine._request_id == "trace-4711"
    assert client.models.list()._request_id.startswith("req_")


def test_raw_response(client, model):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=ask("Hello"))
    assert raw.status_code == 200
    assert raw.request_id == raw.headers["x-request-id"] == raw.parse()._request_id
    assert raw.headers["content-type"] == "application/json"
    assert float(raw.headers["x-refrain-overhead-ms"]) >= 0
    assert raw.retries_taken == 0


def test_streaming_response(client, model):
    with client.chat.completions.with_streaming_response.create(
        model=model, messages=ask("Hello")
    ) as response:
        assert cache_of(response.headers) == MISS
        assert response.request_id.startswith("req_")
        body = json.loads(response.read())
    assert body["choices"][0]["message"]["content"] == echo("Hello")
    with client.chat.completions.with_streaming_response.create(
        model=model, messages=ask("Hello")
    ) as response:
        assert cache_of(response.headers) == EXACT
        assert response.parse().choices[0].message.content == echo("Hello")


# --- without any key ------------------------------------------------------------------------------


def test_the_demo_provider(connect, demo):
    client = connect(demo)
    assert "gpt-4o" in [model.id for model in client.models.list()]
    assert {model.owned_by for model in client.models.list() if model.id != LOCAL} == {"demo"}
    question = ask("Which planet is the largest?")
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=question)
    completion = raw.parse()
    assert completion.choices[0].message.content.startswith("[demo answer: no model was asked]")
    assert "Which planet is the largest?" in completion.choices[0].message.content
    assert completion.system_fingerprint == "refrain-demo"
    assert raw.headers["x-refrain-provider"] == "demo"
    assert cache_of(raw.headers) == MISS

    # No name is unknown where every name is answered.
    any_name = client.chat.completions.create(model="my-own-model", messages=question)
    assert any_name.model == "my-own-model"

    hit = until_indexed(client, "gpt-4o", ask("What planet is the largest?"))
    assert hit.parse().choices[0].message.content == completion.choices[0].message.content


def test_the_demo_provider_streams(connect, demo):
    client = connect(demo)
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=ask("Count to three."),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks).startswith("[demo answer: no model was asked]")
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.total_tokens == (
        chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens
    )
    again = client.chat.completions.create(model="gpt-4o-mini", messages=ask("Count to three."))
    assert again.choices[0].message.content == text_of(chunks)
