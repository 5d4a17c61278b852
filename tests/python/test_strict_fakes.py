"""The fakes themselves: the providers' official clients are at home with them, and what the real
servers refuse is refused.
"""

import json
import re
import urllib.error
import urllib.request

import anthropic
import ollama
import pytest
import rules_anthropic
import rules_gemini
import strict_ollama
from dialects import PIXEL
from google import genai
from google.genai import types
from rules_gemini import SKIP_SIGNATURE
from strict_anthropic import Anthropic
from strict_gemini import Gemini
from strict_ollama import Ollama
from strict_server import Answer, BreaksOff, Call, Fails, Heard

KEY = "planted-key-of-a-fake-2e8a"
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OSLO, ROME = Call("weather", {"city": "Oslo"}), Call("weather", {"city": "Røma"})
THOUGHTFUL = Answer("Cold there.", thoughts="North is cold", cached=4)


@pytest.fixture(scope="module")
def fakes():
    fakes = {kind: kind(KEY) for kind in (Gemini, Anthropic, Ollama)}
    yield fakes
    for fake in fakes.values():
        fake.close()


@pytest.fixture
def fake(request, fakes):
    """A fake that may complain, other than those behind the gateway."""
    fake = fakes[request.param]
    fake.complaints.clear()
    return fake


def post(fake, path, body, **headers):
    """The status of an answer, and what the fake complained of."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **headers}
    request = urllib.request.Request(fake.url + path, data, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, "; ".join(fake.complaints)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "; ".join(fake.complaints)


def changed(body, change):
    """A copy of `body` in which each path of `change`, such as `messages.0.role`, has a value."""
    body = json.loads(json.dumps(body))
    for path, value in change.items():
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        place = body
        for step in way:
            place = place[step]
        if isinstance(place, list) and last == len(place):
            place.append(value)
        elif value is ...:
            del place[last]
        else:
            place[last] = value
    return body


# --- Gemini ---------------------------------------------------------------------------------------


def google(fake):
    options = types.HttpOptions(
        base_url=fake.url, api_version="v1beta", client_args={"trust_env": False}
    )
    return genai.Client(api_key=KEY, http_options=options)


@pytest.mark.parametrize("fake", [Gemini], indirect=True)
def test_googles_client(fake):
    fake.script("m", THOUGHTFUL)
    config = types.GenerateContentConfig(
        system_instruction="Be brief.", temperature=0.5, stop_sequences=["END"], seed=7
    )
    with google(fake) as client:
        picture = types.Part(inline_data=types.Blob(mime_type="image/png", data=b"\x89PNG"))
        whole = client.models.generate_content(model="m", contents=["Hi", picture], config=config)
        chunks = list(client.models.generate_content_stream(model="m", contents="Hi"))
        sizes = types.EmbedContentConfig(output_dimensionality=3)
        vectors = client.models.embed_content(model="m", contents=["a", "b"], config=sizes)
    assert whole.text == "Cold there."
    assert whole.usage_metadata.thoughts_token_count == 3
    assert whole.usage_metadata.cached_content_token_count == 4
    assert "".join(chunk.text or "" for chunk in chunks) == "Cold there."
    assert {chunk.response_id for chunk in chunks} == {chunks[0].response_id}
    assert chunks[-1].candidates[0].finish_reason is types.FinishReason.STOP
    assert [len(vector.values) for vector in vectors.embeddings] == [3, 3]
    assert fake.complaints == []


@pytest.mark.parametrize("fake", [Gemini], indirect=True)
@pytest.mark.parametrize("model", ["m", "thinking"])
def test_googles_client_with_tools(fake, model):
    fake.script(model, Answer(calls=[OSLO, ROME]), Answer("Cold there, warm here."))
    weather = types.FunctionDeclaration(name="weather", parameters_json_schema=PLACE)
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[weather])])
    contents = [types.Content(role="user", parts=[types.Part(text="Compare Oslo and Rome.")])]
    with google(fake) as client:
        first = client.models.generate_content(model=model, contents=contents, config=config)
        results = [
            types.FunctionResponse(id=call.id, name=call.name, response={"result": "fine"})
            for call in first.function_calls
        ]
        contents.append(first.candidates[0].content)
        parts = [types.Part(function_response=result) for result in results]
        contents.append(types.Content(role="user", parts=parts))
        second = client.models.generate_content(model=model, contents=contents, config=config)
    assert [call.args for call in first.function_calls] == [OSLO.arguments, ROME.arguments]
    assert second.text == "Cold there, warm here."
    assert fake.complaints == []


@pytest.mark.parametrize("fake", [Gemini], indirect=True)
def test_googles_client_and_errors(fake):
    with google(fake) as client:
        for about, code, status in [
            ("key", 400, "INVALID_ARGUMENT"),
            ("rate_limit", 429, "RESOURCE_EXHAUSTED"),
            ("overloaded", 503, "UNAVAILABLE"),
        ]:
            fake.script("m", Fails(about))
            with pytest.raises(genai.errors.APIError) as raised:
                client.models.generate_content(model="m", contents="Hi")
            assert (raised.value.code, raised.value.status) == (code, status)
        fake.script("m", BreaksOff("One two", Fails("overloaded")))
        with pytest.raises(genai.errors.APIError, match="UNAVAILABLE"):
            list(client.models.generate_content_stream(model="m", contents="Hi"))
    assert fake.complaints == []


GEMINI_CALL = {"functionCall": {"id": "1", "name": "weather", "args": {}}}
GEMINI_RESULT = {"functionResponse": {"id": "1", "name": "weather", "response": {"result": 1}}}
GEMINI_BODY = {
    "contents": [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{**GEMINI_CALL, "thoughtSignature": SKIP_SIGNATURE}]},
        {"role": "user", "parts": [GEMINI_RESULT]},
    ],
    "tools": [{"functionDeclarations": [{"name": "weather", "parameters": PLACE}]}],
    "generationConfig": {"temperature": 1, "maxOutputTokens": 9},
}
PARAMETERS = "tools.0.functionDeclarations.0.parameters"


@pytest.mark.parametrize("fake", [Gemini], indirect=True)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"cached_content": "x"}, "cached_content"),
        ({"model": "m"}, "model: Extra inputs"),
        ({"contents": []}, "not specified"),
        ({"contents.0.role": "system"}, "role 'system'"),
        ({"contents.0.role": "model"}, "after no user turn"),
        ({"contents.0.parts": []}, "must not be empty"),
        ({"contents.0.parts.0": {}}, "no data"),
        ({"contents.0.parts.0.text": ""}, "empty text"),
        ({"contents.0.parts.0.text": 7}, "valid string"),
        ({"contents.0.parts.0.toolResponse": {}}, None),
        (
            {"contents.0.parts.1": {"inlineData": {"mimeType": "image/gif", "data": "aGk="}}},
            "MIME",
        ),
        ({"contents.0.parts.1": {"inlineData": {"mimeType": "image/png", "data": "%"}}}, "base64"),
        ({"contents.0.parts.1": {"inlineData": {"mime_type": "image/png"}}}, "as Google spells"),
        ({"contents.1.parts.0.thoughtSignature": ...}, "misses a thought_signature"),
        ({"contents.1.parts.0.thoughtSignature": "aGVsbG8="}, "corrupted"),
        ({"contents.2.parts.0.functionResponse.id": "2"}, "another id"),
        ({"contents.2.parts.0.functionResponse.name": "time"}, "another order"),
        ({"contents.2.parts.0.functionResponse.response": "fine"}, "response: Input should"),
        ({"contents.2.parts.0": {"text": "Well?"}}, "number of function response parts"),
        ({"contents.2": ...}, "a call without a response"),
        ({"contents.3": {"role": "user", "parts": [{"text": "Well?"}]}}, None),
        ({"tools.0.functionDeclarations.0.name": "get weather"}, "invalid function name"),
        ({f"{PARAMETERS}.additionalProperties": False}, "unknown keywords"),
        ({f"{PARAMETERS}.$defs": {}}, "Extra inputs"),
        ({f"{PARAMETERS}.properties.city.type": ["string", "null"]}, "is no Type"),
        ({f"{PARAMETERS}.properties.city.format": "email"}, "format 'email'"),
        ({PARAMETERS: {"type": "OBJECT"}}, None),
        ({PARAMETERS: {"type": "OBJECT", "properties": {}}}, "should be non-empty"),
        ({f"{PARAMETERS}.properties": {}}, "required: 'city' is not defined|should be non-empty"),
        ({f"{PARAMETERS}JsonSchema": PLACE}, "two kinds"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "SOMETIMES"}}}, "SOMETIMES"),
        ({"toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["weather"]}}}, "ANY"),
        ({"generationConfig.responseSchema": PLACE}, "needs a JSON response"),
        ({"generationConfig.routingConfig": {}}, "not here"),
        ({"generationConfig.stopSequences": ["1", "2", "3", "4", "5", "6"]}, "stopSequences"),
        ({"generationConfig.seed": 2**40}, "seed"),
        ({"generationConfig.logprobs": 2}, "without responseLogprobs"),
        (
            {"generationConfig.thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}},
            "thinking budget and",
        ),
        (
            {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "method": "SEVERITY"}]},
            "m",
        ),
        ({"systemInstruction": {"parts": [{"text": ""}]}}, "empty system text"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_gemini_refuses(fake, change, why):
    path = "/v1beta/models/thinking:generateContent"
    headers = {"x-goog-api-key": KEY, "user-agent": "refrain/1"}
    status, complaint = post(fake, path, changed(GEMINI_BODY, change), **headers)
    assert re.search(why or "^$", complaint)
    assert status == (400 if why else 200)


@pytest.mark.parametrize("fake", [Gemini], indirect=True)
@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({**PLACE, "additionalProperties": False}, None),
        ({**PLACE, "properties": {"city": {"type": ["string", "null"]}}}, None),
        ({**PLACE, "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": PLACE}}, None),
        ({**PLACE, "properties": {"a": {"$ref": "#/$defs/A"}}}, "dangling"),
        ({**PLACE, "properties": {"a": {"$ref": "#", "title": "A"}}}, "company"),
        ({**PLACE, "properties": {"a": {"const": 1}}}, "unknown keywords"),
        ({**PLACE, "$schema": "https://json-schema.org/draft/2020-12/schema"}, "unknown keywords"),
        ({**PLACE, "properties": {"a": {"enum": [None]}}}, "enum of None"),
    ],
    ids=lambda value: None,
)
def test_what_gemini_refuses_of_json_schema(fake, schema, why):
    change = {
        PARAMETERS: ...,
        f"{PARAMETERS}JsonSchema": schema,
        "generationConfig.responseMimeType": "application/json",
        "generationConfig.responseJsonSchema": schema,
    }
    path = "/v1beta/models/m:streamGenerateContent?alt=sse"
    headers = {"x-goog-api-key": KEY}
    status, complaint = post(fake, path, changed(GEMINI_BODY, change), **headers)
    assert re.search(why or "^$", complaint)
    assert status == (400 if why else 200)


@pytest.mark.parametrize("fake", [Gemini], indirect=True)
@pytest.mark.parametrize(
    ("path", "headers", "why"),
    [
        ("generateContent", {}, None),
        ("generateContent?alt=sse", {}, "the query"),
        ("streamGenerateContent", {}, "the query"),
        (f"generateContent?key={KEY}", {}, "secret"),
        ("countTokens", {}, "no countTokens"),
        ("generateContent", {"content-type": "text/plain"}, "content-type"),
        ("generateContent", {"user-agent": "refrain/1", "x-refrain-task": "a"}, "none of a pro"),
        ("generateContent", {"user-agent": "refrain/1", "authorization": KEY}, "holds the key"),
    ],
)
def test_the_envelope(fake, path, headers, why):
    headers = {"x-goog-api-key": KEY, **headers}
    status, complaint = post(fake, f"/v1beta/models/m:{path}", GEMINI_BODY, **headers)
    assert re.search(why or "^$", complaint)
    assert status == (400 if why else 200)


# --- Anthropic ------------------------------------------------------------------------------------


@pytest.fixture
def claude(fake):
    http_client = anthropic.DefaultHttpxClient(trust_env=False)
    with anthropic.Anthropic(
        api_key=KEY, base_url=fake.url, max_retries=0, http_client=http_client
    ) as client:
        yield client


WEATHER = {"name": "weather", "input_schema": PLACE}


@pytest.mark.parametrize("fake", [Anthropic], indirect=True)
def test_anthropics_client(fake, claude):
    fake.script("m", Answer("Cold there.", "", "North is cold", cached=4))
    fake.script("m", THOUGHTFUL)
    picture = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": picture}, {"type": "text", "text": "What is it?"}]
    asked = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": content}]}
    whole = claude.messages.create(**asked, system="Be brief.", stop_sequences=["END"])
    with claude.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    for message in (whole, streamed):
        thought, said = message.content
        assert (thought.thinking, said.text) == ("North is cold", "Cold there.")
        assert message.stop_reason == "end_turn"
        assert message.usage.input_tokens + message.usage.cache_read_input_tokens == 12
        assert message.usage.output_tokens == 5
    assert fake.complaints == []


@pytest.mark.parametrize("fake", [Anthropic], indirect=True)
def test_anthropics_client_with_tools(fake, claude):
    calls = Answer("Let me see.", [OSLO, ROME], "Two cities")
    fake.script("m", calls, Answer("Cold there, warm here."))
    messages = [{"role": "user", "content": "Compare Oslo and Rome."}]
    asked = {
        "model": "m",
        "max_tokens": 2000,
        "tools": [WEATHER],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    with claude.messages.stream(**asked, messages=messages) as stream:
        first = stream.get_final_message()
    assert first.stop_reason == "tool_use"
    uses = [block for block in first.content if block.type == "tool_use"]
    assert [block.input for block in uses] == [OSLO.arguments, ROME.arguments]
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "fine"} for block in uses
    ]
    messages += [first.to_param(), {"role": "user", "content": results}]
    second = claude.messages.create(**asked, messages=messages)
    assert second.content[0].text == "Cold there, warm here."

    # What the model thought of the call may not be left out.
    messages[1]["content"] = messages[1]["content"][1:]
    with pytest.raises(anthropic.BadRequestError, match="expected thinking"):
        claude.messages.create(**asked, messages=messages)
    assert len(fake.complaints) == 1


@pytest.mark.parametrize("fake", [Anthropic], indirect=True)
def test_anthropics_client_and_errors(fake, claude):
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    for about, kind in [
        ("key", anthropic.AuthenticationError),
        ("too_large", anthropic.RequestTooLargeError),
        ("rate_limit", anthropic.RateLimitError),
        ("overloaded", anthropic.OverloadedError),
    ]:
        fake.script("m", Fails(about))
        with pytest.raises(kind):
            claude.messages.create(**asked)
    fake.script("m", BreaksOff("One two", Fails("overloaded")))
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        list(claude.messages.create(**asked, stream=True))
    assert fake.complaints == []


ANTHROPIC_BODY = {
    "model": "m",
    "max_tokens": 2000,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "1", "name": "weather", "input": {}}],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "fine"},
                {"type": "text", "text": "Well?"},
            ],
        },
    ],
    "tools": [WEATHER],
}
IMAGE = {"type": "base64", "media_type": "image/png", "data": PIXEL}
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "Hm"}
MARKED = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize("fake", [Anthropic], indirect=True)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"seed": 7}, "seed: Extra inputs"),
        ({"messages.0.name": "ann"}, "name: Extra inputs"),
        ({"messages.2.content.1.index": 0}, "index: Extra inputs"),
        ({"messages": []}, "at least one"),
        ({"messages.0.role": "assistant"}, "user first"),
        ({"messages.0.role": "system"}, "user first"),
        ({"messages.0.content": " "}, "non-empty"),
        ({"messages.0.content": []}, "content is empty"),
        ({"messages.3": {"role": "user", "content": "Hello?"}}, "alternate"),
        ({"messages.3": {"role": "assistant", "content": "It is"}}, None),
        ({"messages.3": {"role": "assistant", "content": "It is "}}, "white space"),
        ({"messages.1.content.0.id": "a.b"}, "tool_use id 'a.b'|is answered by"),
        ({"messages.1.content.0.input": "{}"}, "should be|Extra inputs"),
        ({"messages.1.content.0": THOUGHT}, "invalid signature"),
        ({"messages.2.content.0.tool_use_id": "2"}, "is answered by"),
        ({"messages.2.content.0": {"type": "text", "text": "So?"}}, "is answered by"),
        ({"messages.2": ...}, "without its tool_result"),
        (
            {
                "messages.2.content.0": {"type": "text", "text": "So?"},
                "messages.2.content.1": {"type": "tool_result", "tool_use_id": "1"},
            },
            "comes first",
        ),
        ({"messages.2.content.2": {"type": "image", "source": IMAGE}}, None),
        (
            {"messages.2.content.2": {"type": "image", "source": {**IMAGE, "media_type": "x/y"}}},
            "media_type",
        ),
        (
            {
                "messages.2.content.2": {
                    "type": "image",
                    "source": {"type": "url", "url": "http:a"},
                }
            },
            "only HTTPS",
        ),
        ({"tools.0.name": "get weather"}, "name 'get weather'"),
        ({"tools.1": WEATHER}, "unique"),
        ({"tools.0.input_schema.type": "array"}, "no object"),
        ({"tools.0.input_schema.properties.city.type": "text"}, "JSON schema is invalid"),
        ({"tools.0.input_schema.anyOf": []}, "at the top"),
        ({"tools.0.strict": True}, "additionalProperties must be false"),
        ({"tool_choice": {"type": "tool", "name": "time"}}, "no tool 'time'"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "at least 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "must exceed"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "expected thinking"),
        ({"thinking": {"type": "adaptive"}, "temperature": 0.5}, "temperature may only"),
        ({"thinking": {"type": "adaptive"}, "tool_choice": {"type": "any"}}, "are forced"),
        ({"temperature": 1.5}, "temperature: range"),
        ({"stop_sequences": ["\n"]}, "white space only"),
        ({"messages.0.content": [MARKED] * 4}, "maximum of 4 blocks"),
        ({"output_config": {"format": {"type": "json_schema", "schema": PLACE}}}, "must be false"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_anthropic_refuses(fake, change, why):
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "user-agent": "refrain/1"}
    body = changed(ANTHROPIC_BODY, change)
    status, complaint = post(fake, "/v1/messages", body, **headers)
    assert re.search(why or "^$", complaint)
    assert status == (400 if why else 200)


# --- Ollama ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fake", [Ollama], indirect=True)
def test_ollamas_client(fake):
    fake.script("m", Answer("Cold there.", [OSLO], "North is cold"))
    headers = {"authorization": f"Bearer {KEY}"}
    client = ollama.Client(host=fake.url, headers=headers, trust_env=False)
    asked = {
        "messages": [{"role": "user", "content": "Hi", "images": [PIXEL]}],
        "options": {"num_ctx": 4096, "seed": 7, "stop": ["END"]},
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": PLACE}}],
        "format": PLACE,
        "think": "low",
    }
    whole = client.chat("m", **asked)
    assert (whole.message.content, whole.message.thinking) == ("Cold there.", "North is cold")
    assert whole.message.tool_calls[0].function.arguments == OSLO.arguments
    lines = list(client.chat("m", **asked, stream=True))
    assert "".join(line.message.content for line in lines) == "Cold there."
    assert (lines[-1].done_reason, lines[-1].prompt_eval_count) == ("stop", 12)
    assert [model.model for model in client.list().models] == ["llama3.2:latest", "qwen3:8b"]
    assert client.show("m").modelinfo["llama.context_length"] == 131072
    assert len(client.embed("m", ["a", "b"], dimensions=3).embeddings[1]) == 3
    with pytest.raises(ollama.ResponseError, match="model 'missing' not found"):
        client.chat("missing", messages=[{"role": "user", "content": "Hi"}])
    fake.script("m", BreaksOff("One two", Fails("internal", "llama runner terminated")))
    with pytest.raises(ollama.ResponseError, match="llama runner terminated"):
        list(client.chat("m", messages=asked["messages"], stream=True))
    assert fake.complaints == []


OLLAMA_CALL = {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
OLLAMA_BODY = {
    "model": "m",
    "stream": False,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "tool_calls": [OLLAMA_CALL]},
        {"role": "tool", "tool_name": "weather", "content": "fine"},
    ],
    "tools": [{"type": "function", "function": {"name": "weather", "parameters": PLACE}}],
    "options": {"num_ctx": 4096},
}


@pytest.mark.parametrize("fake", [Ollama], indirect=True)
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"temperature": 1}, "temperature: Extra inputs"),
        ({"stream": ...}, "whether it is a stream"),
        ({"options.max_tokens": 9}, "max_tokens: Extra inputs"),
        ({"options.num_ctx": "4096"}, "valid integer"),
        ({"options.stop": "END"}, "stop"),
        ({"format": "yaml"}, "'json'"),
        ({"think": "very much"}, "'high'"),
        ({"messages.0.role": "developer"}, "role 'developer'"),
        ({"messages.1.content": ""}, "empty user"),
        ({"messages.1.content": [{"type": "text", "text": "Hi"}]}, "content"),
        ({"messages.1.name": "ann"}, "fields of a user"),
        ({"messages.1.images": ["data:image/png;base64,aa=="]}, "data URL"),
        ({"messages.1.images": [{"url": "aa=="}]}, "valid string"),
        ({"messages.2.tool_calls.0.function.arguments": '{"city": "Oslo"}'}, "arguments"),
        ({"messages.2.tool_calls.0.id": "call_1"}, None),
        ({"messages.2.tool_calls.0.type": "function"}, "a call with"),
        ({"messages.3.tool_name": ...}, "without tool_name"),
        ({"messages.3.tool_name": "time"}, "without its call"),
        ({"messages.3": ...}, "without a result at the end"),
        ({"tools.0.type": "custom"}, "no function"),
        ({"tools.0.function.strict": True}, "strict: Extra inputs"),
        ({"tools.0.function.parameters": {}}, "no object"),
        ({"top_logprobs": 2}, "top_logprobs alone"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_ollama_refuses(fake, change, why):
    body = changed(OLLAMA_BODY, change)
    status, complaint = post(fake, "/api/chat", body, authorization=f"Bearer {KEY}")
    assert re.search(why or "^$", complaint)
    assert status == (400 if why else 200)


# --- all of them ----------------------------------------------------------------------------------


def test_what_is_heard_is_the_same_in_all_dialects():
    turns = [
        ("user", [("text", "Hi")]),
        ("assistant", [("call", "weather", {})]),
        ("user", [("result", "weather", {"result": 1})]),
    ]
    assert rules_gemini.heard(GEMINI_BODY) == Heard(None, turns)
    turns[2] = ("user", [("result", "weather", "fine"), ("text", "Well?")])
    assert rules_anthropic.heard(ANTHROPIC_BODY) == Heard("Be brief.", turns)
    turns = [
        ("system", [("text", "Be brief.")]),
        ("user", [("text", "Hi")]),
        ("assistant", [("call", "weather", {"city": "Oslo"})]),
        ("tool", [("result", "weather", "fine")]),
    ]
    assert strict_ollama.heard(OLLAMA_BODY) == Heard(None, turns)
