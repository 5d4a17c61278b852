"""OpenAI's own client and its Responses interface, whoever answers."""

import json

import openai
import pytest
from conftest import CLIENT_KEY, MATE_KEY
from dialects import NAMES, PIXEL
from pydantic import BaseModel
from strict_server import Answer, BreaksOff, Call, Fails, fails

pytestmark = pytest.mark.anyio
ASKED = "How is Røros in winter? \U0001f976"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": False,
}


class Planet(BaseModel):
    name: str
    moons: int


def every(names):
    return pytest.mark.parametrize("dialect", names, indirect=True)


@pytest.fixture
def responses(openai_client):
    return openai_client.responses


@every(NAMES)
def test_create(responses, dialect, model):
    dialect.script(model, Answer("Cold, –40 °C at times."))
    metadata = {"team": "search"}
    response = responses.create(
        model=model, input=ASKED, instructions="Be brief.", max_output_tokens=50, metadata=metadata
    )
    assert response.output_text == "Cold, –40 °C at times."
    assert (response.object, response.status, response.error) == ("response", "completed", None)
    assert response.id.startswith("resp_") and response.output[-1].id.startswith("msg_")
    assert (response.instructions, response.metadata) == ("Be brief.", metadata)
    assert response.max_output_tokens == 50
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0


@every(NAMES)
def test_stream_and_its_final_response(responses, dialect, model):
    said = "One two  three.\nFour \U0001f680!"
    dialect.script(model, Answer(said))
    with responses.stream(model=model, input=ASKED) as stream:
        events = list(stream)
        final = stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == said == final.output_text
    assert len(deltas) > 3
    order = ["response.output_item.added", "response.content_part.added"]
    order += [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    places = [kinds.index(kind) for kind in order]
    assert places == sorted(places)
    assert events[0].response.id == final.id


@every(NAMES)
def test_parse(responses, dialect, model):
    dialect.script(model, Answer('{"name": "Saturn", "moons": 274}'))
    response = responses.parse(model=model, input="Most moons?", text_format=Planet)
    assert response.output_parsed == Planet(name="Saturn", moons=274)


@every(NAMES)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_tools_round_trip(responses, dialect, model, stream):
    calls = [Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"})]
    dialect.script(model, Answer(calls=calls), Answer("Both are fine."))
    asked = [{"role": "user", "content": ASKED}]
    if stream:
        with responses.stream(model=model, input=asked, tools=[WEATHER]) as events:
            response = events.get_final_response()
    else:
        response = responses.create(model=model, input=asked, tools=[WEATHER])
    found = [item for item in response.output if item.type == "function_call"]
    assert [json.loads(item.arguments)["city"] for item in found] == ["Oslo", "Rome"]
    outputs = [
        {
            "type": "function_call_output",
            "call_id": item.call_id,
            "output": f"fine in {json.loads(item.arguments)['city']}",
        }
        for item in found
    ]
    turns = [*asked, *[item.to_dict() for item in response.output], *outputs]
    again = responses.create(model=model, input=turns, tools=[WEATHER])
    assert again.output_text == "Both are fine."
    heard = [item for _, items in dialect.heard(model).turns for item in items]
    assert [item[2] for item in heard if item[0] == "call"] == [{"city": "Oslo"}, {"city": "Rome"}]
    told = [str(item[2]) for item in heard if item[0] == "result"]
    assert ["Oslo" in told[0], "Rome" in told[1]] == [True, True]


@every(NAMES)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_going_on_from_an_earlier_response(responses, dialect, model, stream):
    dialect.script(model, Answer("It is Saturn."), Answer("274."))
    first = responses.create(model=model, input="Most moons?", instructions="Be brief.")
    options = {"model": model, "input": "How many?", "previous_response_id": first.id}
    if stream:
        with responses.stream(**options) as events:
            second = events.get_final_response()
    else:
        second = responses.create(**options)
    assert (second.output_text, second.previous_response_id) == ("274.", first.id)
    texts = [
        item[1] for role, items in dialect.heard(model).turns for item in items if role != "system"
    ]
    assert texts == ["Most moons?", "It is Saturn.", "How many?"]


@every(["openai", "gemini"])
def test_what_is_kept_can_be_asked_for(responses, dialect, model):
    dialect.script(model, Answer("It is Saturn."))
    response = responses.create(model=model, input="Most moons?")
    assert responses.retrieve(response.id).to_dict() == response.to_dict()
    [item] = responses.input_items.list(response.id)
    assert (item.type, item.role) == ("message", "user")
    assert item.content[0].text == "Most moons?" and item.id
    # A client gets an id of its own, also for an answer from the cache.
    again = responses.create(model=model, input="Most moons?")
    assert again.id != response.id
    with responses.stream(model=model, input="Most moons?") as stream:
        streamed = stream.get_final_response()
    assert responses.retrieve(streamed.id).output_text == "It is Saturn."
    with pytest.raises(openai.BadRequestError):
        responses.cancel(response.id)
    responses.delete(response.id)
    for gone in (response.id, "resp_0", "no-id"):
        with pytest.raises(openai.NotFoundError):
            responses.retrieve(gone)
    with pytest.raises(openai.NotFoundError):
        responses.delete(response.id)
    with pytest.raises(openai.BadRequestError) as raised:
        responses.create(model=model, input="How many?", previous_response_id=response.id)
    assert raised.value.param == "previous_response_id"
    assert raised.value.code == "previous_response_not_found"


def test_what_is_not_to_be_kept(responses):
    response = responses.create(model="t-not-kept", input="Hello", store=False)
    with pytest.raises(openai.NotFoundError):
        responses.retrieve(response.id)


def test_nobody_sees_anothers_response(guarded):
    def client(key):
        http_client = openai.DefaultHttpxClient(trust_env=False)
        base_url = f"{guarded.url}/v1"
        return openai.OpenAI(base_url=base_url, api_key=key, http_client=http_client, max_retries=0)

    with client(CLIENT_KEY) as mine, client(MATE_KEY) as theirs:
        response = mine.responses.create(model="t-mine", input="Hello")
        assert mine.responses.retrieve(response.id).id == response.id
        with pytest.raises(openai.NotFoundError):
            theirs.responses.retrieve(response.id)
        with pytest.raises(openai.BadRequestError):
            theirs.responses.create(model="t-mine", input="And?", previous_response_id=response.id)


def test_openai_gets_the_clients_words(responses, whole):
    model = "w-verbatim"
    whole.script(model, Answer("Let me see.", [Call("get_weather", {"city": "Oslo"})], "Hm."))
    picture = {
        "type": "input_image",
        "image_url": f"data:image/png;base64,{PIXEL}",
        "detail": "auto",
    }
    text = {"type": "input_text", "text": "What is this?"}
    body = {
        "model": model,
        "input": [{"role": "user", "content": [text, picture]}],
        "tools": [WEATHER, {"type": "web_search"}],
        "reasoning": {"effort": "low"},
        "metadata": {"team": "search"},
    }
    response = responses.create(**body)
    [received] = whole.received(model)
    assert (received.path, received.body) == ("/v1/responses", body)
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    with responses.stream(**body) as stream:
        assert stream.get_final_response().output_text == "Let me see."
    # Another provider's built-in tool is refused by name.
    with pytest.raises(openai.BadRequestError, match="web_search") as raised:
        responses.create(**{**body, "model": "t-verbatim"})
    assert raised.value.param.startswith("tools[1]")


@every(NAMES)
@pytest.mark.parametrize(
    ("about", "kind"),
    [
        ("bad_request", openai.BadRequestError),
        ("not_found", openai.NotFoundError),
        ("rate_limit", openai.RateLimitError),
        ("internal", openai.InternalServerError),
    ],
)
def test_errors_are_the_clients_own(responses, dialect, model, about, kind):
    dialect.script(model, fails(about))
    with pytest.raises(kind) as raised:
        responses.create(model=model, input=ASKED)
    assert set(raised.value.body) == {"message", "type", "param", "code"}


@every(NAMES)
def test_a_stream_that_breaks(responses, dialect, model):
    dialect.script(model, BreaksOff("One two three", Fails("internal")))
    try:
        events = list(responses.create(model=model, input=ASKED, stream=True))
    except openai.APIError:
        return
    assert events[-1].type in ("error", "response.failed")


@every(NAMES)
async def test_async_client(surfaces, dialect, model):
    dialect.script(model, Answer("Both are fine."))
    async with openai.AsyncOpenAI(
        base_url=f"{surfaces.url}/v1",
        api_key=CLIENT_KEY,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
    ) as client:
        async with client.responses.stream(model=model, input=ASKED) as stream:
            response = await stream.get_final_response()
        assert response.output_text == "Both are fine."
        again = await client.responses.create(model=model, input=ASKED)
        assert again.output_text == "Both are fine."
