"""OpenAI's client against every dialect that providers speak: what it says arrives, in that
provider's words, and what the provider answers comes back in OpenAI's.

The providers are strict fakes: a request that the real one would not take fails the session.
"""

import base64
import json
from typing import Literal

import openai
import pytest
from dialects import FAMILIES, NAMES, PIXEL
from pydantic import BaseModel, Field
from strict_server import PROMPT_TOKENS, Answer, BreaksOff, Call, Fails, Raw

NATIVE = [name for name in NAMES if name != "openai"]
THINKING = [name for name in FAMILIES if name != "openai"]
PDF = base64.b64encode(b"%PDF-1.4 nothing much").decode()
WAV = base64.b64encode(b"RIFF nothing much").decode()


def every(names):
    return pytest.mark.parametrize("dialect", names, indirect=True)


@pytest.fixture
def client(connect, native):
    return connect(native)


@pytest.fixture
def create(client, model):
    def create(messages="Hello", **options):
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return client.chat.completions.create(model=model, messages=messages, **options)

    return create


def refused(call, kind=openai.BadRequestError):
    with pytest.raises(kind) as raised:
        call()
    assert type(raised.value) is kind
    assert set(raised.value.body) == {"message", "type", "param", "code"}
    return raised.value


def cannot(call, dialect, param):
    """It is refused by name: the field and the provider."""
    error = refused(call)
    assert (error.type, error.code) == ("invalid_request_error", "unsupported_parameter")
    # The part, or what in it.
    assert error.param == param or error.param.startswith(f"{param}.")
    assert dialect.name in error.body["message"].lower()
    assert error.response.headers["x-refrain-error-origin"] == "gateway"


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# --- answers --------------------------------------------------------------------------------------

ASKED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How is Røros in winter? \U0001f976"},
]


@every(NAMES)
def test_chat(create, dialect, model):
    dialect.script(model, Answer("Cold, –40 °C at times. \U0001f976", cached=4))
    completion = create(ASKED, max_completion_tokens=50, temperature=0.5, stop="END")
    [choice] = completion.choices
    assert choice.message.content == "Cold, –40 °C at times. \U0001f976"
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert choice.message.tool_calls is None
    assert completion.id and completion.created > 1_700_000_000

    heard = dialect.heard(model)
    system = [("system", [("text", "Be brief.")])]
    user = ("user", [("text", ASKED[1]["content"])])
    if heard.system is None:
        assert heard.turns == [*system, user]
    else:
        assert (heard.system, heard.turns) == ("Be brief.", [user])

    [body] = dialect.bodies(model)
    said = {
        "openai": lambda: {key: body[key] for key in ("max_completion_tokens", "stop")},
        "gemini": lambda: body["generationConfig"],
        "anthropic": lambda: {
            key: body[key] for key in ("max_tokens", "stop_sequences", "temperature")
        },
        "ollama": lambda: {
            key: body["options"][key] for key in ("num_predict", "stop", "temperature")
        },
    }[dialect.name]()
    expected = {
        "openai": {"max_completion_tokens": 50, "stop": "END"},
        "gemini": {
            "maxOutputTokens": 50,
            "stopSequences": ["END"],
            "temperature": 0.5,
        },
        "anthropic": {"max_tokens": 50, "stop_sequences": ["END"], "temperature": 0.5},
        "ollama": {"num_predict": 50, "stop": ["END"], "temperature": 0.5},
    }[dialect.name]
    assert said == expected

    if dialect.is_native:
        usage = completion.usage
        assert (usage.prompt_tokens, usage.completion_tokens) == (PROMPT_TOKENS, 6)
        assert usage.total_tokens == PROMPT_TOKENS + 6
        if dialect.name != "ollama":
            assert usage.prompt_tokens_details.cached_tokens == 4


@every(FAMILIES)
@pytest.mark.parametrize("include_usage", [True, False])
def test_stream(create, dialect, model, include_usage):
    said = "One two  three.\nFour \U0001f680! " + "And so on, and so on. " * 3 + "End"
    dialect.script(model, Answer(said))
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    with create(stream=True, **options) as stream:
        chunks = list(stream)
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == said
    assert len(chunks) > 6
    last = chunks[-1]
    if include_usage:
        assert last.choices == []
        assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
        assert last.usage.completion_tokens == len(said.split())
        last = chunks[-2]
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert last.choices[0].finish_reason == "stop"
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons == [None] * (len(reasons) - 1) + ["stop"]
    roles = [choice.delta.role for chunk in chunks for choice in chunk.choices]
    assert set(roles[1:]) <= {None}


@every(NAMES)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_finish_reasons(create, dialect, model, stream, finish):
    if (dialect.name, finish) == ("ollama", "content_filter"):
        return  # It has no filter.
    dialect.script(model, Answer("Once upon a", finish=finish))
    if stream:
        reasons = [
            choice.finish_reason for chunk in create(stream=True) for choice in chunk.choices
        ]
        assert reasons[-1] == finish
    else:
        assert create().choices[0].finish_reason == finish


@every(["gemini"])
def test_a_prompt_that_is_filtered(create, dialect, model):
    usage = {"promptTokenCount": 12, "totalTokenCount": 12}
    feedback = {"blockReason": "PROHIBITED_CONTENT"}
    dialect.fake.script(model, Raw(200, {"promptFeedback": feedback, "usageMetadata": usage}))
    [choice] = create().choices
    assert choice.finish_reason == "content_filter"
    assert choice.message.content in (None, "")


@every(FAMILIES)
def test_a_hit_says_the_same(create, dialect, model):
    dialect.script(model, Answer("One two three", [OSLO, ROME]))
    first = create(tools=[WEATHER])
    again = create(tools=[WEATHER])
    with create(tools=[WEATHER], stream=True) as stream:
        chunks = list(stream)
        assert stream.response.headers["x-refrain-cache"] == "exact"
    assert len(dialect.bodies(model)) == 1
    assert first.choices == again.choices
    assert text_of(chunks) == "One two three"
    assert assembled(chunks) == calls_of(first.choices[0].message)


# --- conversations --------------------------------------------------------------------------------


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def turns(*texts):
    return [(role, [("text", text) for text in said]) for role, *said in texts]


CONVERSATIONS = {
    "several_turns": (
        [user("Hi"), assistant("Hello."), user("How are you?")],
        None,
        turns(("user", "Hi"), ("assistant", "Hello."), ("user", "How are you?")),
    ),
    "system_in_the_middle": (
        [
            {"role": "developer", "content": "Be brief."},
            user("Hi"),
            assistant("Hello."),
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            user("How are you?"),
        ],
        "Be brief.\n\nBe kind.",
        turns(("user", "Hi"), ("assistant", "Hello."), ("user", "How are you?")),
    ),
    "neighbours_of_one_role": (
        [user("Hi"), user("Are you there?"), assistant("Yes."), assistant("I am."), user("Good.")],
        None,
        turns(("user", "Hi", "Are you there?"), ("assistant", "Yes.", "I am."), ("user", "Good.")),
    ),
    "parts": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "text", "text": ""},
                    {"type": "text", "text": "there"},
                ],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
            user("Bye"),
        ],
        None,
        turns(("user", "Hi", "there"), ("assistant", "Hello."), ("user", "Bye")),
    ),
}


@every(["gemini", "anthropic"])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations(create, dialect, model, name):
    messages, system, expected = CONVERSATIONS[name]
    create(messages)
    heard = dialect.heard(model)
    assert (heard.system, heard.turns) == (system, expected)


@every(["ollama"])
def test_a_system_message_keeps_its_place_where_it_can(create, dialect, model):
    messages, _, _ = CONVERSATIONS["system_in_the_middle"]
    create(messages)
    roles = [role for role, _ in dialect.heard(model).turns]
    assert roles == ["system", "user", "assistant", "system", "user"]


@every(NAMES)
def test_only_a_system_message(create, dialect, model):
    assert create([{"role": "system", "content": "Say hello."}]).choices[0].message.content


@every(THINKING)
def test_a_conversation_that_the_assistant_starts(create, dialect, model):
    create([assistant("Welcome! What can I do?"), user("Sing.")])
    heard = dialect.heard(model).turns
    assert heard[-2:] == turns(("assistant", "Welcome! What can I do?"), ("user", "Sing."))
    if dialect.name != "ollama":
        assert [role for role, _ in heard] == ["user", "assistant", "user"]


@every(THINKING)
def test_a_conversation_that_the_assistant_ends(create, dialect, model):
    create([user("Sing."), assistant("La la ")])
    [text] = [items[0][1] for role, items in dialect.heard(model).turns if role == "assistant"]
    assert text.strip() == "La la"


# --- tools ----------------------------------------------------------------------------------------

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Its name."}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
TIME = {"type": "function", "function": {"name": "get-time", "description": "The time."}}
OSLO = Call("get_weather", {"city": "Oslo"})
ROME = Call("get_weather", {"city": 'Røma "eterna"\n'})


def calls_of(message):
    return [
        (call.id, call.function.name, json.loads(call.function.arguments))
        for call in message.tool_calls
    ]


def assembled(chunks):
    """The calls of tools in a stream, put together as clients do."""
    calls = {}
    for chunk in chunks:
        for piece in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            call = calls.setdefault(piece.index, {"id": None, "name": None, "arguments": ""})
            call["id"] = call["id"] or piece.id
            call["name"] = call["name"] or piece.function.name
            call["arguments"] += piece.function.arguments or ""
    assert list(calls) == list(range(len(calls)))
    return [(call["id"], call["name"], json.loads(call["arguments"])) for call in calls.values()]


@every(FAMILIES)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_tools(create, dialect, model, stream):
    dialect.script(model, Answer(calls=[OSLO, ROME, Call("get-time", {})]))
    answer = create(tools=[WEATHER, TIME], stream=stream)
    if stream:
        chunks = list(answer)
        calls, reason = assembled(chunks), chunks[-1].choices[0].finish_reason
    else:
        calls, reason = calls_of(answer.choices[0].message), answer.choices[0].finish_reason
        assert answer.choices[0].message.content is None
    assert reason == "tool_calls"
    assert [call[1:] for call in calls] == [
        ("get_weather", OSLO.arguments),
        ("get_weather", ROME.arguments),
        ("get-time", {}),
    ]
    # Each has an id of its own, for its result.
    assert len({call[0] for call in calls}) == 3


def kept(message):
    """What an agent sends back that keeps all that it got."""
    return message.model_dump(exclude_none=True)


def lost(message):
    """The same by a framework that knows of OpenAI's fields only."""
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in message.tool_calls
    ]
    return {"role": "assistant", "content": message.content, "tool_calls": calls}


def without_helpers(message):
    """Takes away what only the client's own helper has put there, as OpenAI asks for."""
    message.pop("parsed", None)
    for call in message["tool_calls"]:
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)


@every(FAMILIES)
@pytest.mark.parametrize("send_back", [kept, lost])
@pytest.mark.parametrize("way", ["json", "stream", "thinking", "thinking-stream"])
def test_a_loop_of_tools(client, create, dialect, model, send_back, way):
    thoughts = "I need to look" if way.startswith("thinking") and dialect.is_native else ""
    options = {"tools": [WEATHER, TIME], **({"reasoning_effort": "low"} if thoughts else {})}
    dialect.script(
        model,
        Answer("Let me see.", [OSLO, ROME], thoughts),
        Answer("", [Call("get-time", {})], thoughts),
        Answer("Cold there, warm here."),
    )
    messages = [user("Compare Oslo and Rome.")]
    results = {"get_weather": "-3 °C", "get-time": [{"type": "text", "text": "noon"}]}
    for _ in range(2):
        if way.endswith("stream"):
            with client.chat.completions.stream(
                model=model, messages=messages, **options
            ) as stream:
                message = stream.get_final_completion().choices[0].message
        else:
            message = create(messages, **options).choices[0].message
        back = send_back(message)
        if not dialect.is_native:
            without_helpers(back)
        messages.append(back)
        for call in message.tool_calls:
            content = results[call.function.name]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
    last = create(messages, **options)
    assert last.choices[0].message.content == "Cold there, warm here."
    if dialect.is_native:
        said = [item for _, items in dialect.heard(model).turns for item in items]
        calls = [item[1:] for item in said if item[0] == "call"]
        assert calls == [
            ("get_weather", OSLO.arguments),
            ("get_weather", ROME.arguments),
            ("get-time", {}),
        ]
        answered = [item[1] for item in said if item[0] == "result"]
        assert answered == ["get_weather", "get_weather", "get-time"]


@every(NAMES)
@pytest.mark.parametrize(
    "choice",
    ["auto", "none", "required", {"type": "function", "function": {"name": "get_weather"}}],
    ids=["auto", "none", "required", "named"],
)
def test_tool_choice(create, dialect, model, choice):
    if dialect.name == "ollama" and choice not in ("auto", "none"):
        cannot(lambda: create(tools=[WEATHER], tool_choice=choice), dialect, "tool_choice")
        return
    create(tools=[WEATHER, TIME], tool_choice=choice)
    [body] = dialect.bodies(model)
    name = choice if isinstance(choice, str) else "named"
    match dialect.name:
        case "gemini":
            config = body.get("toolConfig", {}).get("functionCallingConfig", {"mode": "AUTO"})
            modes = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}
            assert config["mode"] == modes[name]
            allowed = ["get_weather"] if name == "named" else None
            assert config.get("allowedFunctionNames") == allowed
        case "anthropic":
            kinds = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}
            chosen = body.get("tool_choice", {"type": "auto"})
            assert chosen["type"] == kinds[name]
            assert chosen.get("name") == ("get_weather" if name == "named" else None)
        case "ollama":
            assert bool(body.get("tools")) == (choice == "auto")
        case "openai":
            assert body["tool_choice"] == choice


@every(["anthropic"])
@pytest.mark.parametrize("choice", ["auto", "required"])
def test_one_tool_at_a_time(create, dialect, model, choice):
    create(tools=[WEATHER], tool_choice=choice, parallel_tool_calls=False)
    [body] = dialect.bodies(model)
    assert body["tool_choice"]["disable_parallel_tool_use"] is True


@every(["gemini", "ollama"])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_one_tool_at_a_time_where_nothing_can_say_so(create, dialect, model, stream):
    dialect.script(model, Answer(calls=[OSLO, ROME]))
    answer = create(tools=[WEATHER], parallel_tool_calls=False, stream=stream)
    calls = assembled(list(answer)) if stream else calls_of(answer.choices[0].message)
    assert [call[1:] for call in calls] == [("get_weather", OSLO.arguments)]


@every(FAMILIES)
def test_tools_by_the_hundred(create, dialect, model):
    tools = [
        {
            "type": "function",
            "function": {**WEATHER["function"], "name": f"tool_{number}", "strict": False},
        }
        for number in range(200)
    ]
    create(tools=tools)
    assert json.dumps(dialect.bodies(model)[0]).count('"tool_') == 200


class Address(BaseModel):
    street: str = Field(min_length=1, max_length=80, pattern="^[A-Z]")
    number: int = Field(ge=1, lt=10_000)
    kind: Literal["home", "work"] = "home"


class Person(BaseModel):
    name: str
    born: str = Field(json_schema_extra={"format": "date"})
    email: str | None = Field(default=None, json_schema_extra={"format": "email"})
    addresses: list[Address] = Field(max_length=5)
    friends: list["Person"] = []
    extras: dict[str, int | str] = {}
    size: tuple[float, float] = (0, 0)
    state: Literal[1, 2, 3] = 1


@every(FAMILIES)
def test_a_rich_schema_of_a_tool(create, dialect, model):
    person = Person.model_json_schema()
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **person["$defs"]["Person"],
        "$defs": person["$defs"],
    }
    schema["properties"] = schema["properties"] | {
        "either": {"oneOf": [{"type": "integer"}, {"const": "none"}]},
        "never": {"type": ["string", "null"], "examples": ["x"], "deprecated": True},
        "all": {"allOf": [{"type": "object", "properties": {"a": {"type": "boolean"}}}]},
        "any": {},
        "bare": {"type": "object"},
        "choice": {"enum": ["a", "b", None]},
    }
    function = {"name": "save", "description": "Saves.", "parameters": schema}
    dialect.script(model, Answer(calls=[Call("save", {"name": "Ann"})]))
    answer = create(tools=[{"type": "function", "function": function}])
    assert calls_of(answer.choices[0].message)[0][1:] == ("save", {"name": "Ann"})
    sent = json.dumps(dialect.bodies(model)[0])
    for name in ("street", "friends", "either", "never", "choice"):
        assert f'"{name}"' in sent


# --- structured answers ---------------------------------------------------------------------------


@every(["openai", "gemini", "ollama"])
def test_json_object(create, dialect, model):
    dialect.script(model, Answer('{"a": 1}'))
    answer = create("As JSON, please", response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content) == {"a": 1}
    [body] = dialect.bodies(model)
    if dialect.name == "gemini":
        assert body["generationConfig"]["responseMimeType"] == "application/json"
    if dialect.name == "ollama":
        assert body["format"] == "json"


class Planet(BaseModel):
    name: str
    moons: int | None
    kind: Literal["rock", "gas"]


@every(FAMILIES)
def test_parse(client, dialect, model):
    saturn = Planet(name="Saturn", moons=274, kind="gas")
    dialect.script(model, Answer(saturn.model_dump_json()))
    answer = client.chat.completions.parse(
        model=model, messages=[user("The one with rings")], response_format=Planet
    )
    assert answer.choices[0].message.parsed == saturn
    [body] = dialect.bodies(model)
    schema = {
        "openai": lambda: body["response_format"]["json_schema"]["schema"],
        "gemini": lambda: (
            body["generationConfig"].get("responseSchema")
            or body["generationConfig"]["responseJsonSchema"]
        ),
        "anthropic": lambda: body["output_config"]["format"]["schema"],
        "ollama": lambda: body["format"],
    }[dialect.name]()
    assert set(schema["properties"]) == {"name", "moons", "kind"}
    assert schema["required"] == ["name", "moons", "kind"]


@every(FAMILIES)
def test_a_rich_schema_of_an_answer(create, dialect, model):
    # At its top is nothing but a reference to itself.
    dialect.script(model, Answer('{"name": "Ann"}'))
    schema = {"name": "person", "schema": Person.model_json_schema()}
    answer = create(response_format={"type": "json_schema", "json_schema": schema})
    assert answer.choices[0].message.content == '{"name": "Ann"}'


# --- more than text -------------------------------------------------------------------------------


def asks_with(part):
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


def media_of(heard):
    return [item for _, items in heard.turns for item in items if item[0] == "media"]


@every(NATIVE)
def test_an_image(create, dialect, model):
    create(asks_with(image(f"data:image/png;base64,{PIXEL}")))
    [(_, kind, data)] = media_of(dialect.heard(model))
    assert data == PIXEL
    assert kind == (None if dialect.name == "ollama" else "image/png")


@every(NATIVE)
def test_an_image_elsewhere(create, dialect, model):
    messages = asks_with(image("https://pictures.example/cat.jpg"))
    if dialect.name == "ollama":
        cannot(lambda: create(messages), dialect, "messages[0].content[1]")
        return
    create(messages)
    [(_, _, address)] = media_of(dialect.heard(model))
    assert address == "https://pictures.example/cat.jpg"


@every(NATIVE)
@pytest.mark.parametrize(
    "url",
    ["data:image/tiff;base64,aGVsbG8=", "data:image/png;base64,%%%", "data:,hello", "ftp://a/b"],
    ids=["type", "base64", "no-image", "scheme"],
)
def test_an_image_that_is_none(create, dialect, model, url):
    error = refused(lambda: create(asks_with(image(url))))
    assert error.type == "invalid_request_error"
    assert error.param.startswith("messages[0].content[1]")
    assert dialect.bodies(model) == []


@every(NATIVE)
def test_sound(create, dialect, model):
    sound = {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
    if dialect.name == "gemini":
        create(asks_with(sound))
        assert media_of(dialect.heard(model)) == [("media", "audio/wav", WAV)]
    else:
        cannot(lambda: create(asks_with(sound)), dialect, "messages[0].content[1]")


@every(NATIVE)
def test_a_document(create, dialect, model):
    file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    part = {"type": "file", "file": file}
    if dialect.name == "ollama":
        cannot(lambda: create(asks_with(part)), dialect, "messages[0].content[1]")
    else:
        create(asks_with(part))
        assert media_of(dialect.heard(model)) == [("media", "application/pdf", PDF)]


# --- parameters -----------------------------------------------------------------------------------


@every(NATIVE)
def test_several_choices(create, dialect, model):
    dialect.script(model, Answer("Heads it is"))
    completion = create(n=2)
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert {choice.message.content for choice in completion.choices} == {"Heads it is"}
    if dialect.name == "gemini":
        assert dialect.bodies(model)[0]["generationConfig"]["candidateCount"] == 2
    else:
        assert len(dialect.bodies(model)) == 2
        assert completion.usage.prompt_tokens == 2 * PROMPT_TOKENS
        assert completion.usage.completion_tokens == 2 * 3


@every(NATIVE)
def test_several_choices_in_a_stream(create, dialect, model):
    dialect.script(model, Answer("Heads it is"))
    texts, reasons = {0: "", 1: ""}, {}
    for chunk in create(n=2, stream=True, stream_options={"include_usage": True}):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
    assert texts == {0: "Heads it is", 1: "Heads it is"}
    assert reasons == {0: "stop", 1: "stop"}
    assert chunk.choices == [] and chunk.usage.total_tokens > PROMPT_TOKENS


@every(["gemini", "ollama"])
def test_logprobs(create, dialect, model):
    dialect.script(model, Answer("One two", logprobs=True))
    completion = create(logprobs=True, top_logprobs=2)
    tokens = completion.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == "One two"
    assert {token.logprob for token in tokens} == {-0.25}
    assert all(len(token.top_logprobs) == 1 for token in tokens)


@every(["gemini", "ollama"])
def test_seed_and_penalties(create, dialect, model):
    create(seed=7, presence_penalty=0.5, frequency_penalty=0.25)
    [body] = dialect.bodies(model)
    if dialect.name == "gemini":
        said, names = body["generationConfig"], ["seed", "presencePenalty", "frequencyPenalty"]
    else:
        said, names = body["options"], ["seed", "presence_penalty", "frequency_penalty"]
    assert [said[name] for name in names] == [7, 0.5, 0.25]


CANNOT = {
    "anthropic": [
        {"seed": 7},
        {"logprobs": True},
        {"logit_bias": {"50256": -100}},
        {"presence_penalty": 0.5},
        {"frequency_penalty": 0.5},
        {"functions": [WEATHER["function"]]},
    ],
    "gemini": [{"logit_bias": {"50256": -100}}],
    "ollama": [{"logit_bias": {"50256": -100}}, {"tool_choice": "required", "tools": [TIME]}],
}
CASES = [
    pytest.param(name, options, id=f"{name}-{next(iter(options))}")
    for name, all_options in CANNOT.items()
    for options in all_options
]


@pytest.mark.parametrize(("dialect", "options"), CASES, indirect=["dialect"])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_what_a_provider_cannot_do(create, dialect, model, options, stream):
    field = next(iter(options))
    cannot(lambda: create(**options, stream=stream), dialect, field)
    assert dialect.bodies(model) == []


@pytest.mark.parametrize(("dialect", "options"), CASES, indirect=["dialect"])
@pytest.mark.parametrize("by", ["body", "header"])
def test_leaving_out_what_a_provider_cannot_do(client, dialect, model, options, by):
    says = {
        "body": {"extra_body": {"drop_unsupported": True}},
        "header": {"extra_headers": {"x-refrain-drop-unsupported": "true"}},
    }[by]
    dialect.script(model, Answer("Well then."))
    raw = client.chat.completions.with_raw_response.create(
        model=model, messages=[user("Hello")], **options, **says
    )
    assert raw.headers["x-refrain-dropped"] == next(iter(options))
    assert raw.parse().choices[0].message.content == "Well then."


@every(NATIVE)
def test_what_says_nothing_is_no_matter(create, dialect, model):
    create(presence_penalty=0, frequency_penalty=0, logprobs=False, n=1, logit_bias={}, user="ann")


@every(NATIVE)
def test_fields_that_openai_does_not_have(create, dialect, model):
    create(extra_body={"top_k": 5})
    [body] = dialect.bodies(model)
    places = {
        "gemini": lambda: body["generationConfig"]["topK"],
        "anthropic": lambda: body["top_k"],
        "ollama": lambda: body["options"]["top_k"],
    }
    assert places[dialect.name]() == 5
    cannot(lambda: create(extra_body={"vendor_knob": 1}), dialect, "vendor_knob")


@every(["anthropic"])
def test_marks_for_the_cache_of_the_provider(create, dialect, model):
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    create([{"role": "user", "content": [part]}])
    [body] = dialect.bodies(model)
    assert body["messages"][0]["content"][0]["cache_control"] == part["cache_control"]
    # What is long and stays the same is marked without being asked; the strict fake counts.
    rules = "You are helpful, and here is one of the many rules of this house. " * 1000
    create([{"role": "system", "content": rules}, user("Hi")], tools=[WEATHER, TIME])
    system = dialect.bodies(model)[1]["system"]
    assert system[-1]["cache_control"]["type"] == "ephemeral"


@every(["ollama"])
def test_nothing_of_a_long_prompt_is_cut_off(create, dialect, model):
    create("Hi")
    create("word " * 20_000, max_completion_tokens=1000)
    short, long = (body.get("options", {}).get("num_ctx", 0) for body in dialect.bodies(model))
    assert long >= 21_000 > short


# --- thinking -------------------------------------------------------------------------------------


@every(THINKING)
def test_reasoning(create, dialect, model):
    dialect.script(model, Answer("Cold there.", thoughts="North is cold"))
    completion = create(reasoning_effort="medium", max_completion_tokens=5000)
    message = completion.choices[0].message
    assert (message.content, message.reasoning_content) == ("Cold there.", "North is cold")
    assert completion.usage.completion_tokens == 5
    [body] = dialect.bodies(model)
    match dialect.name:
        case "gemini":
            assert body["generationConfig"]["thinkingConfig"]["includeThoughts"] is True
            assert completion.usage.completion_tokens_details.reasoning_tokens == 3
        case "anthropic":
            assert body["thinking"]["type"] in ("enabled", "adaptive")
            [block] = message.thinking_blocks
            assert (block["type"], block["thinking"]) == ("thinking", "North is cold")
            assert block["signature"]
        case "ollama":
            assert body["think"] in (True, "medium")


@every(THINKING)
def test_reasoning_in_a_stream(create, dialect, model):
    dialect.script(model, Answer("Cold there.", thoughts="North is cold"))
    chunks = list(create(reasoning_effort="low", stream=True))
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    thoughts = [getattr(delta, "reasoning_content", None) or "" for delta in deltas]
    assert "".join(thoughts) == "North is cold"
    assert text_of(chunks) == "Cold there."
    if dialect.name == "anthropic":
        blocks = [block for d in deltas for block in getattr(d, "thinking_blocks", None) or []]
        assert [block["thinking"] for block in blocks] == ["North is cold"]
        assert blocks[0]["signature"]


@every(["gemini"])
def test_a_signature(create, dialect, model):
    dialect.script(model + "-thinking", Answer(calls=[OSLO]))
    message = create(extra_body={"model": model + "-thinking"}, tools=[WEATHER]).choices[0].message
    [call] = message.tool_calls
    assert call.extra_content["google"]["thought_signature"] in dialect.fake.signatures


@every(["anthropic"])
def test_reasoning_leaves_room_for_the_answer(create, dialect, model):
    # The strict fake refuses a budget that max_tokens does not exceed.
    create(reasoning_effort="high", max_completion_tokens=100)
    create("Again", reasoning_effort="high", temperature=1, tools=[WEATHER])
    create("And again", reasoning_effort="none")


# --- usage ----------------------------------------------------------------------------------------


@every(["gemini", "anthropic"])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_usage(create, dialect, model, stream):
    dialect.script(model, Answer("One two three four", thoughts="Hm hm", cached=8))
    if stream:
        *_, last = create(stream=True, stream_options={"include_usage": True})
    else:
        last = create()
    usage = last.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (12, 6, 18)
    assert usage.prompt_tokens_details.cached_tokens == 8
    assert usage.completion_tokens_details.reasoning_tokens == 2


# --- errors ---------------------------------------------------------------------------------------

ERRORS = {
    "bad_request": (openai.BadRequestError, 400, None),
    "context": (openai.BadRequestError, 400, "context_length_exceeded"),
    "key": (openai.InternalServerError, 502, "upstream_auth"),
    "permission": (openai.InternalServerError, 502, "upstream_auth"),
    "not_found": (openai.NotFoundError, 404, "model_not_found"),
    "rate_limit": (openai.RateLimitError, 429, "rate_limit_exceeded"),
    "internal": (openai.InternalServerError, 502, "upstream_error"),
    "overloaded": (openai.InternalServerError, 503, "upstream_unavailable"),
}
# What each says when a prompt is too long.
TOO_LONG = {
    "openai": "This model's maximum context length is 8 tokens.",
    "gemini": "The input token count (1200000) exceeds the maximum number of tokens allowed "
    "(1048576).",
    "anthropic": "prompt is too long: 250000 tokens > 200000 maximum",
    "ollama": "the input length exceeds the context length",
}
MISSING = {
    "openai": "The model `{}` does not exist or you do not have access to it.",
    "gemini": "models/{} is not found for API version v1beta, or is not supported for "
    "generateContent. Call ListModels to see the list of available models.",
    "anthropic": "model: {}",
    "ollama": "model '{}' not found",
}


@every(NAMES)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("about", ERRORS)
def test_errors(create, dialect, model, about, stream):
    message = TOO_LONG[dialect.name] if about == "context" else "The provider says no."
    if about == "not_found":
        message = MISSING[dialect.name].format(model)
    # Gemini says in its body when to come again.
    headers = {"retry-after": "17"} if about == "rate_limit" and dialect.name != "gemini" else {}
    dialect.script(model, Fails(about, message, headers))
    kind, status, code = ERRORS[about]
    error = refused(lambda: create(stream=stream), kind)
    assert error.status_code == status
    if code:
        assert error.code == code
    if about in ("bad_request", "context"):
        assert error.type == "invalid_request_error"
        assert message in error.body["message"]
    if about == "rate_limit":
        assert error.response.headers["retry-after"] == "17"
    if about == "overloaded":
        assert int(error.response.headers["retry-after"]) >= 1
    assert error.response.headers["x-refrain-error-origin"] == "upstream"


@every(["ollama"])
def test_how_to_get_a_model_that_is_missing(create, dialect, model):
    error = refused(lambda: create(extra_body={"model": "llama-missing"}), openai.NotFoundError)
    assert error.code == "model_not_found"
    assert "ollama pull llama-missing" in error.body["message"]


@every(["anthropic"])
def test_a_request_that_is_too_large_for_the_provider(create, dialect, model):
    dialect.script(model, Fails("too_large", "Request exceeds the maximum size"))
    error = refused(create, openai.APIStatusError)
    assert error.status_code == 413


@every(NAMES)
@pytest.mark.parametrize("fails", [None, Fails("overloaded", "Too busy.")], ids=["cut", "error"])
def test_a_stream_that_breaks(create, dialect, model, fails):
    dialect.script(model, BreaksOff("One two three", fails), Answer("Whole."))
    heard = []
    with pytest.raises(openai.APIError) as raised:
        for chunk in create(stream=True):
            heard.append(chunk)
    assert "One two three".startswith(text_of(heard)) and heard
    assert type(raised.value) is openai.APIError
    if fails:
        assert "Too busy." in raised.value.message
    # What broke is not kept.
    assert create().choices[0].message.content == "Whole."


# --- what is wrong with a request -----------------------------------------------------------------


def called(*ids):
    function = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    calls = [{"id": name, "type": "function", "function": function} for name in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(name, content="fine"):
    return {"role": "tool", "tool_call_id": name, "content": content}


def broken(arguments):
    message = called("a")
    message["tool_calls"][0]["function"] = {"name": "get_weather", "arguments": arguments}
    return message


BAD_MESSAGES = {
    "result_without_call": ([user("Hi"), result("a")], "messages[1].tool_call_id"),
    "result_of_another": (
        [user("Hi"), called("a"), result("b"), user("So?")],
        "messages[2].tool_call_id",
    ),
    "call_without_result": ([user("Hi"), called("a"), user("So?")], "messages[1].tool_calls"),
    "half_answered": (
        [user("Hi"), called("a", "b"), result("a"), user("So?")],
        "messages[1].tool_calls",
    ),
    "call_at_the_end": ([user("Hi"), called("a")], "messages[1].tool_calls"),
    "answered_twice": (
        [user("Hi"), called("a"), result("a"), result("a")],
        "messages[3].tool_call_id",
    ),
}


@every(NATIVE)
@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_bad_messages(create, dialect, model, name):
    messages, param = BAD_MESSAGES[name]
    error = refused(lambda: create(messages, tools=[WEATHER]))
    assert (error.type, error.param) == ("invalid_request_error", param)
    assert dialect.bodies(model) == []


@every(NATIVE)
@pytest.mark.parametrize("arguments", ['{"city": ', "[1]", "Oslo"])
def test_arguments_that_are_no_object(create, dialect, model, arguments):
    # A model wrote them; it is told what it wrote.
    create([user("Hi"), broken(arguments), result("a", "Error: no JSON")], tools=[WEATHER])
    said = [item for _, items in dialect.heard(model).turns for item in items]
    assert ("call", "get_weather", {"INVALID_JSON": arguments}) in said


@every(THINKING)
def test_empty_messages(create, dialect, model):
    error = refused(lambda: create(""))
    assert error.param.startswith("messages")
    assert dialect.bodies(model) == []
    # One that is empty among others is left out.
    create([user("Hi"), assistant(""), user("Hello?")])
    said = [text for _, items in dialect.heard(model).turns for _, text in items]
    assert "\n\n".join(said) == "Hi\n\nHello?"


@every(NATIVE)
def test_results_that_are_empty_or_structured(create, dialect, model):
    messages = [user("Hi"), called("a", "b"), result("b", ""), result("a", '{"temp": -3}')]
    create(messages, tools=[WEATHER])
    said = [item for _, items in dialect.heard(model).turns for item in items]
    assert [item[1] for item in said if item[0] == "result"] == ["get_weather"] * 2
    assert "-3" in json.dumps(dialect.bodies(model)[0])


BAD_TOOLS = {
    "no_object": ({"name": "a", "parameters": {"type": "array", "items": {}}}, "parameters"),
    "no_schema": ({"name": "a", "parameters": {"type": "thing"}}, "parameters"),
    "name": ({"name": "what is this?", "parameters": {"type": "object"}}, "name"),
}


@every(["gemini", "anthropic"])
@pytest.mark.parametrize("name", BAD_TOOLS)
def test_bad_tools(create, dialect, model, name):
    function, field = BAD_TOOLS[name]
    error = refused(lambda: create(tools=[{"type": "function", "function": function}]))
    assert error.type == "invalid_request_error"
    assert error.param.startswith(f"tools[0].function.{field}")
    assert dialect.bodies(model) == []


@every(NATIVE)
def test_two_tools_of_one_name(create, dialect, model):
    error = refused(lambda: create(tools=[WEATHER, WEATHER]))
    assert error.param.startswith("tools[1]")


# --- embeddings -----------------------------------------------------------------------------------


@every(["openai", "gemini", "ollama"])
@pytest.mark.parametrize("options", [{}, {"encoding_format": "float"}], ids=["base64", "float"])
def test_embeddings(client, dialect, model, options):
    answer = client.embeddings.create(model=model, input=["Hi", "Hello"], dimensions=3, **options)
    assert [vector.index for vector in answer.data] == [0, 1]
    expected = [[0.02, 1.02, 2.02], [0.05, 1.05, 2.05]]
    for vector, values in zip(answer.data, expected, strict=True):
        assert vector.embedding == pytest.approx(values, abs=1e-6)
    one = client.embeddings.create(model=model, input="Hi")
    assert one.data[0].embedding == pytest.approx([0.02, 1.02, 2.02, 3.02], abs=1e-6)


@every(NAMES)
def test_what_is_no_text_to_embed(client, dialect, model):
    for inputs in ("", [], ["Hi", ""]):
        error = refused(lambda: client.embeddings.create(model=model, input=inputs))
        assert error.param.startswith("input")
    assert dialect.fake.received(model) == []


@every(["anthropic"])
def test_a_provider_without_embeddings(client, dialect, model):
    error = refused(lambda: client.embeddings.create(model=model, input="Hi"))
    assert "anthropic" in error.body["message"]


# --- models ---------------------------------------------------------------------------------------


def test_models_of_ollama_are_found(client):
    names = [model.id for model in client.models.list() if model.owned_by == "ollama"]
    assert any(name.endswith("llama3.2:latest") for name in names)
    assert any(name.endswith("qwen3:8b") for name in names)
    answer = client.chat.completions.create(model="qwen3:8b", messages=[user("Hi")])
    assert answer.choices[0].message.content == "Understood."
