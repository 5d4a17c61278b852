"""One cached answer serves every interface, and every interface answers as its types say."""

import pytest
from strict_server import Answer, Call
from surfaces import ask, ask_for, check, text_of

SURFACES = ["chat", "responses", "messages", "generate_content", "completions"]
NAMES = ["openai", "gemini", "anthropic", "ollama"]
TOLD = [surface for surface in SURFACES if surface != "chat"]
every_dialect = pytest.mark.parametrize("dialect", NAMES, indirect=True)
both = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


@both
@pytest.mark.parametrize("first", SURFACES)
@every_dialect
def test_an_answer_serves_every_interface(surfaces, dialect, model, first, stream):
    dialect.script(model, Answer("Cold, –40 °C at times. \U0001f976"))
    text = f"How is Røros in winter, asked by {first} {stream}?"
    told = ask_for(surfaces, first, model, text, stream)
    assert (told.status, told.way) == (200, "miss"), told.raw
    assert text_of(first, told) == "Cold, –40 °C at times. \U0001f976"
    for surface in SURFACES:
        for is_stream in (False, True):
            told = ask_for(surfaces, surface, model, text, is_stream)
            assert (told.status, told.way) == (200, "exact"), (surface, is_stream, told.raw)
            assert text_of(surface, told) == "Cold, –40 °C at times. \U0001f976"
            if surface != "chat":
                check(surface, told)
    assert len(dialect.bodies(model)) == 1


@pytest.mark.parametrize("first", ["responses", "completions"])
def test_what_was_answered_natively_serves_every_interface(surfaces, whole, first):
    model = f"w-natively-{first}"
    whole.script(model, Answer("Plankton."))
    told = ask_for(surfaces, first, model, "What do crabs eat?")
    assert (told.status, told.way) == (200, "miss"), told.raw
    [received] = whole.received(model)
    assert received.path == f"/v1/{first}"
    # A completion is another thing than a chat, where somebody can tell them apart.
    served = SURFACES[:4] if first == "responses" else ["completions"]
    for surface in served:
        for stream in (False, True):
            told = ask_for(surfaces, surface, model, "What do crabs eat?", stream)
            assert (told.status, told.way) == (200, "exact"), (surface, stream, told.raw)
            assert text_of(surface, told) == "Plankton."
            if surface != "chat":
                check(surface, told)


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {
    "responses": {
        "tools": [{"type": "function", "name": "get_weather", "parameters": CITY, "strict": False}]
    },
    "messages": {"tools": [{"name": "get_weather", "input_schema": CITY}]},
    "generate_content": {
        "tools": [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": CITY}]}]
    },
}


@both
@pytest.mark.parametrize("surface", TOLD)
@every_dialect
def test_answers_are_as_the_types_say(surfaces, dialect, model, surface, stream):
    calls = [Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"})]
    answers = [Answer("Let me see.", calls if surface in TOOLS else [])]
    answers.append(Answer("Cut", finish="length"))
    dialect.script(model, *answers)
    for text in ("Weather?", "Tell me more."):
        told = ask_for(surfaces, surface, model, text, stream, **TOOLS.get(surface, {}))
        assert told.status == 200, told.raw
        check(surface, told)
    assert text_of(surface, told) == "Cut"


@pytest.mark.parametrize("surface", SURFACES)
def test_errors_have_the_shape_of_the_interface(surfaces, surface):
    told = ask_for(surfaces, surface, "no-such-model", "Hello")
    assert told.status == 404
    body = told.body
    if surface == "messages":
        assert body["type"] == "error" and body["error"]["type"] == "not_found_error"
        assert body["request_id"] == told.headers["request-id"]
    elif surface == "generate_content":
        assert (body["error"]["code"], body["error"]["status"]) == (404, "NOT_FOUND")
    else:
        assert body["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/responses", {"model": "t-x", "input": 7}, "input"),
        ("/v1/responses", {"model": "t-x", "input": "a", "background": True}, "background"),
        (
            "/v1/responses",
            {"model": "t-x", "input": "a", "tools": [{"type": "web_search"}]},
            "tools[0]",
        ),
        ("/v1/completions", {"model": "t-x", "prompt": {}}, "prompt"),
        ("/v1/embeddings", {"model": "t-x", "input": ["a"] * 2049}, "input"),
        ("/v1/embeddings", {"model": "t-x", "input": [1 << 40]}, "input"),
        (
            "/v1/messages",
            {"model": "t-x", "messages": [{"role": "user", "content": "a"}]},
            "max_tokens",
        ),
        ("/v1beta/models/t-x:generateContent", {"contents": 7}, "contents"),
        ("/v1/nothing", {}, None),
    ],
)
def test_bad_input_is_refused_by_name(surfaces, path, body, param):
    told = ask(surfaces, path, body)
    assert told.status == (404 if param is None else 400), told.raw
    error = told.body["error"]
    if param is None:
        for known in ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings"):
            assert known in error["message"]
    elif "param" in error:
        assert error["param"].startswith(param)
    else:
        assert param.split("[")[0] in error["message"]
