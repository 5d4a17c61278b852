"""Anthropic's own client against the gateway: nothing but its base URL changes, whoever answers."""

import anthropic
import pytest
from conftest import CLIENT_KEY
from dialects import NAMES, PIXEL
from strict_server import PROMPT_TOKENS, Answer, BreaksOff, Call, Fails, fails

pytestmark = pytest.mark.anyio
ASKED = [{"role": "user", "content": "How is Røros in winter? \U0001f976"}]
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


def every(names):
    return pytest.mark.parametrize("dialect", names, indirect=True)


@pytest.fixture
def create(claude_client, model):
    def create(messages=ASKED, **options):
        return claude_client.messages.create(
            model=model, max_tokens=50, messages=messages, **options
        )

    return create


@every(NAMES)
def test_create(create, dialect, model):
    dialect.script(model, Answer("Cold, –40 °C at times."))
    message = create(system="Be brief.", stop_sequences=["END"])
    assert [block.type for block in message.content] == ["text"]
    assert message.content[0].text == "Cold, –40 °C at times."
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert message.id.startswith("msg_")
    assert message.usage.output_tokens > 0
    assert message._request_id.startswith("req_")
    heard = dialect.heard(model)
    said = [("user", [("text", ASKED[0]["content"])])]
    if heard.system is None:
        assert heard.turns == [("system", [("text", "Be brief.")]), *said]
    else:
        assert (heard.system, heard.turns) == ("Be brief.", said)


@every(NAMES)
def test_stream_helper(claude_client, dialect, model):
    dialect.script(model, Answer("One two  three.\nFour \U0001f680!"))
    with claude_client.messages.stream(model=model, max_tokens=50, messages=ASKED) as stream:
        texts = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(texts) == "One two  three.\nFour \U0001f680!"
    assert len(texts) > 3
    assert message.content[0].text == "One two  three.\nFour \U0001f680!"
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.output_tokens > 0


@every(NAMES)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_tools_round_trip(claude_client, create, dialect, model, stream):
    calls = [Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"})]
    dialect.script(model, Answer(calls=calls), Answer("Both are fine."))
    options = {"tools": [WEATHER], "tool_choice": {"type": "auto"}}
    if stream:
        with claude_client.messages.stream(
            model=model, max_tokens=50, messages=ASKED, **options
        ) as events:
            message = events.get_final_message()
    else:
        message = create(**options)
    assert message.stop_reason == "tool_use"
    asked = [(block.name, block.input) for block in message.content]
    assert asked == [("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]
    results = [
        {
            "type": "tool_result",
            "tool_use_id": block.id,
            "content": f"fine in {block.input['city']}",
        }
        for block in message.content
    ]
    turns = [
        *ASKED,
        {"role": "assistant", "content": [block.to_dict() for block in message.content]},
        {"role": "user", "content": results},
    ]
    assert create(turns, **options).content[0].text == "Both are fine."
    heard = [item for _, items in dialect.heard(model).turns for item in items]
    assert [item[2] for item in heard if item[0] == "call"] == [{"city": "Oslo"}, {"city": "Rome"}]
    told = [str(item[2]) for item in heard if item[0] == "result"]
    assert ["Oslo" in told[0], "Rome" in told[1]] == [True, True]


def test_thoughts_keep_their_signatures(claude_client, claude):
    model = "claude-sonnet-4-5-thinks"
    claude.script(model, Answer("Yes.", thoughts="Let me think."), Answer("Still yes."))
    options = {"model": model, "max_tokens": 2000}
    thinking = {"type": "enabled", "budget_tokens": 1024}
    with claude_client.messages.stream(**options, thinking=thinking, messages=ASKED) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == "Let me think."
    assert message.content[0].signature
    turns = [
        *ASKED,
        {"role": "assistant", "content": [block.to_dict() for block in message.content]},
        {"role": "user", "content": "Sure?"},
    ]
    again = claude_client.messages.create(**options, thinking=thinking, messages=turns)
    assert again.content[0].text == "Still yes."
    # The strict fake takes back only what it signed.
    [_, sent] = claude.received(model)
    assert sent.body["messages"][1]["content"][0]["signature"] == message.content[0].signature


@every(["gemini", "ollama"])
def test_others_thoughts_are_told(create, dialect, model):
    dialect.script(model, Answer("Yes.", thoughts="Let me think."))
    message = create(thinking={"type": "enabled", "budget_tokens": 1024})
    assert message.content[-1].text == "Yes."
    assert {block.type for block in message.content} <= {"thinking", "text"}


def test_anthropic_gets_the_clients_words(claude_client, claude):
    model = "claude-sonnet-4-5-verbatim"
    claude.script(model, Answer("Yes."))
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    picture = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": picture}, {"type": "text", "text": "What is this?"}]
    body = {
        "model": model,
        "max_tokens": 50,
        "system": system,
        "messages": [{"role": "user", "content": content}],
        "metadata": {"user_id": "ann"},
    }
    answer = claude_client.messages.with_raw_response.create(**body)
    [received] = claude.received(model)
    assert received.body == body
    assert answer.parse().model == f"{model}-20260101"
    again = claude_client.messages.with_raw_response.create(**body)
    assert again.headers["x-refrain-cache"] == "exact"


@every(["openai", "gemini", "ollama"])
def test_hints_split_no_entries(create, claude_client, dialect, model):
    dialect.script(model, Answer("Yes."))
    create()
    marked = {"type": "text", "text": ASKED[0]["content"], "cache_control": {"type": "ephemeral"}}
    turns = [{"role": "user", "content": [marked]}]
    answer = claude_client.messages.with_raw_response.create(
        model=model, max_tokens=50, messages=turns, metadata={"user_id": "ann"}
    )
    assert answer.headers["x-refrain-cache"] == "exact"


@every(NAMES)
def test_count_tokens(claude_client, dialect, model):
    counted = claude_client.messages.count_tokens(model=model, messages=ASKED, system="Be brief.")
    if dialect.name == "anthropic":
        assert counted.input_tokens == PROMPT_TOKENS
    else:
        assert 5 <= counted.input_tokens <= 100
        assert dialect.fake.received(model) == []


@every(NAMES)
@pytest.mark.parametrize(
    ("about", "kind"),
    [
        ("bad_request", anthropic.BadRequestError),
        ("not_found", anthropic.NotFoundError),
        ("rate_limit", anthropic.RateLimitError),
        ("internal", anthropic.InternalServerError),
    ],
)
def test_errors_are_the_clients_own(create, dialect, model, about, kind):
    dialect.script(model, fails(about))
    with pytest.raises(anthropic.APIStatusError) as raised:
        create()
    assert isinstance(raised.value, kind)
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["message"]
    assert raised.value.request_id.startswith("req_")


def test_what_the_gateway_refuses(claude_client, create):
    with pytest.raises(anthropic.NotFoundError):
        claude_client.messages.create(model="nobody-has-it", max_tokens=5, messages=ASKED)
    with pytest.raises(anthropic.BadRequestError, match="anthropic-version"):
        create(extra_headers={"anthropic-version": "1999-01-01"})
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        claude_client.post("/v1/messages", body={"model": "t-x", "messages": ASKED}, cast_to=object)
    search = {"type": "web_search_20250305", "name": "web_search"}
    with pytest.raises(anthropic.BadRequestError, match="web_search"):
        create(tools=[search])


def test_a_key_that_is_none(guarded):
    http_client = anthropic.DefaultHttpxClient(trust_env=False)
    options = {"base_url": guarded.url, "max_retries": 0, "http_client": http_client}
    with anthropic.Anthropic(api_key="sk-of-nobody", **options) as client:
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.create(model="t-x", max_tokens=5, messages=ASKED)
    http_client = anthropic.DefaultHttpxClient(trust_env=False)
    with anthropic.Anthropic(
        api_key=CLIENT_KEY, **{**options, "http_client": http_client}
    ) as client:
        assert client.messages.create(model="t-x", max_tokens=5, messages=ASKED).content
        with pytest.raises(anthropic.PermissionDeniedError):
            client.messages.create(model="gpt-4o", max_tokens=5, messages=ASKED)


@every(NAMES)
def test_a_stream_that_breaks_raises(claude_client, dialect, model):
    dialect.script(model, BreaksOff("One two three", Fails("internal")))
    with pytest.raises(anthropic.APIError):
        with claude_client.messages.stream(model=model, max_tokens=50, messages=ASKED) as stream:
            stream.until_done()


@every(NAMES)
async def test_async_client(surfaces, dialect, model):
    dialect.script(model, Answer("Both are fine."))
    async with anthropic.AsyncAnthropic(
        base_url=surfaces.url,
        api_key=CLIENT_KEY,
        max_retries=0,
        http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False),
    ) as client:
        message = await client.messages.create(model=model, max_tokens=50, messages=ASKED)
        assert message.content[0].text == "Both are fine."
        async with client.messages.stream(model=model, max_tokens=50, messages=ASKED) as stream:
            texts = [text async for text in stream.text_stream]
    assert "".join(texts) == "Both are fine."


def test_models_are_listed(claude_client, guarded):
    http_client = anthropic.DefaultHttpxClient(trust_env=False)
    with anthropic.Anthropic(
        base_url=guarded.url, api_key=CLIENT_KEY, http_client=http_client
    ) as client:
        for model in client.models.list():
            assert model.type == "model" and model.id and model.display_name
