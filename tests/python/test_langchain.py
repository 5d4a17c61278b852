"""LangChain's `ChatOpenAI` on top of the gateway: nothing but the base URL changes."""

import openai
import pytest
from conftest import CLIENT_KEY
from dialects import FAMILIES
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai_schema import AsyncChecked, Checked
from pydantic import BaseModel
from strict_server import Answer, Call, fails

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("dialect", FAMILIES, indirect=True),
]
OSLO = Call("weather", {"city": "Oslo"})
ROME = Call("weather", {"city": "Rome"})


def chat_model(native, model, **options):
    return ChatOpenAI(
        model=model,
        base_url=f"{native.url}/v1",
        api_key=CLIENT_KEY,
        max_retries=0,
        stream_usage=True,
        **options,
    )


@pytest.fixture
def chat(native, model, found):
    """A chat model of LangChain's, whose answers are held to OpenAI's schemas too."""
    with openai.DefaultHttpxClient(trust_env=False, transport=Checked(found)) as client:
        yield chat_model(native, model, http_client=client)


@pytest.fixture
async def async_chat(native, model, found):
    client = openai.DefaultAsyncHttpxClient(trust_env=False, transport=AsyncChecked(found))
    async with client:
        yield chat_model(native, model, http_async_client=client)


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"{len(city)} degrees in {city}"


MESSAGES = [SystemMessage("Be brief."), HumanMessage("How is Oslo?")]


def test_invoke(chat, dialect, model):
    dialect.script(model, Answer("Cold there."))
    message = chat.invoke(MESSAGES, stop=["END"])
    assert message.content == "Cold there."
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.usage_metadata["output_tokens"] == 2


def test_stream(chat, dialect, model):
    dialect.script(model, Answer("One two three"))
    chunks = list(chat.stream(MESSAGES))
    whole = sum(chunks[1:], chunks[0])
    assert whole.content == "One two three"
    assert len(chunks) > 3
    assert whole.usage_metadata["output_tokens"] == 3


async def test_async(async_chat, dialect, model):
    chat = async_chat
    dialect.script(model, Answer("One two three"))
    assert (await chat.ainvoke(MESSAGES)).content == "One two three"
    pieces = [chunk.content async for chunk in chat.astream(MESSAGES)]
    assert "".join(pieces) == "One two three"
    answers = await chat.abatch(["One?", "Two?", "Three?"])
    assert [answer.content for answer in answers] == ["One two three"] * 3


@pytest.mark.parametrize("way", ["invoke", "stream"])
@pytest.mark.parametrize("effort", [None, "low"])
def test_tools(chat, dialect, model, way, effort):
    # LangChain keeps nothing that OpenAI has no field for; what a provider needs is restored.
    thoughts = "I need to look" if effort and dialect.is_native else ""
    options = {"reasoning_effort": effort} if thoughts else {}
    bound = chat.bind_tools([weather], **options)
    calls = Answer("", [OSLO, ROME], thoughts)
    dialect.script(model, calls, Answer("Colder than Rome."))

    def answer(messages):
        if way == "invoke":
            return bound.invoke(messages)
        first, *rest = bound.stream(messages)
        return sum(rest, first)

    messages = list(MESSAGES)
    message = answer(messages)
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [
        (call.name, call.arguments) for call in (OSLO, ROME)
    ]
    messages.append(message)
    for call in message.tool_calls:
        content = weather.invoke(call["args"])
        messages.append(ToolMessage(content, tool_call_id=call["id"]))
    assert answer(messages).content == "Colder than Rome."
    if dialect.is_native:
        said = [item for _, items in dialect.heard(model).turns for item in items]
        assert [item[1:] for item in said if item[0] == "call"] == [
            (call.name, call.arguments) for call in (OSLO, ROME)
        ]


class Planet(BaseModel):
    """A planet."""

    name: str
    moons: int


SATURN = Planet(name="Saturn", moons=274)


def test_structured_answers(chat, dialect, model):
    dialect.script(model, Answer(SATURN.model_dump_json()))
    structured = chat.with_structured_output(Planet, method="json_schema")
    assert structured.invoke("With rings?") == SATURN


# With that method, LangChain asks for a certain call and for one only.
NO_FUNCTION_CALLING = {
    "claude-opus-5-5": "tool_choice",
    "llama": "tool_choice",
}


def test_structured_answers_by_calls(chat, dialect, model):
    dialect.script(model, Answer(calls=[Call("Planet", SATURN.model_dump())]))

    def asks():
        structured = chat.with_structured_output(Planet, method="function_calling")
        return structured.invoke("With rings?")

    if field := NO_FUNCTION_CALLING.get(dialect.prefix):
        with pytest.raises(openai.BadRequestError, match=f"`{field}`"):
            asks()
        chat.extra_body = {"drop_unsupported": True}
    assert asks() == SATURN


def test_errors(chat, dialect, model):
    dialect.script(model, fails("rate_limit"))
    with pytest.raises(openai.RateLimitError):
        chat.invoke(MESSAGES)
