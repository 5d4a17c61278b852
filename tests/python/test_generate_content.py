"""Google's own client against the gateway, whoever answers."""

import base64

import pytest
from conftest import CLIENT_KEY
from dialects import NAMES, PIXEL
from google import genai
from google.genai import types
from strict_server import Answer, BreaksOff, Call, Fails, fails

pytestmark = pytest.mark.anyio
ASKED = "How is Røros in winter? \U0001f976"
PICTURE = base64.b64decode(PIXEL)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def every(names):
    return pytest.mark.parametrize("dialect", names, indirect=True)


@pytest.fixture
def models(google_client, gemini, model):
    # The client writes some names as Python does.
    gemini.verbatim.add(model)
    return google_client.models


@every(NAMES)
def test_generate_content(models, dialect, model):
    dialect.script(model, Answer("Cold, –40 °C at times."))
    config = types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=50)
    answer = models.generate_content(model=model, contents=ASKED, config=config)
    assert answer.text == "Cold, –40 °C at times."
    [candidate] = answer.candidates
    assert candidate.finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage.total_token_count >= usage.prompt_token_count + usage.candidates_token_count > 0
    heard = dialect.heard(model)
    said = ("user", [("text", ASKED)])
    if heard.system is None:
        assert heard.turns == [("system", [("text", "Be brief.")]), said]
    else:
        assert (heard.system, heard.turns) == ("Be brief.", [said])


@every(NAMES)
def test_stream(models, dialect, model):
    said = "One two  three.\nFour \U0001f680!"
    dialect.script(model, Answer(said))
    chunks = list(models.generate_content_stream(model=model, contents=ASKED))
    assert "".join(chunk.text or "" for chunk in chunks) == said
    assert len(chunks) > 3
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


@every(NAMES)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_functions_round_trip(models, dialect, model, stream):
    calls = [Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"})]
    dialect.script(model, Answer(calls=calls), Answer("Both are fine."))
    declared = types.FunctionDeclaration(name="get_weather", parameters_json_schema=CITY)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked = types.UserContent(parts=[types.Part(text=ASKED)])
    if stream:
        chunks = models.generate_content_stream(model=model, contents=[asked], config=config)
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or []]
        parts = [part for part in parts if part.function_call]
    else:
        answer = models.generate_content(model=model, contents=[asked], config=config)
        parts = answer.candidates[0].content.parts
    assert [part.function_call.args for part in parts] == [{"city": "Oslo"}, {"city": "Rome"}]
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=part.function_call.id,
                name=part.function_call.name,
                response={"result": f"fine in {part.function_call.args['city']}"},
            )
        )
        for part in parts
    ]
    turns = [asked, types.ModelContent(parts=parts), types.UserContent(parts=results)]
    again = models.generate_content(model=model, contents=turns, config=config)
    assert again.text == "Both are fine."
    heard = [item for _, items in dialect.heard(model).turns for item in items]
    assert [item[2] for item in heard if item[0] == "call"] == [{"city": "Oslo"}, {"city": "Rome"}]
    told = [str(item[2]) for item in heard if item[0] == "result"]
    assert ["Oslo" in told[0], "Rome" in told[1]] == [True, True]


@every(NAMES)
def test_json_by_a_schema(models, dialect, model):
    dialect.script(model, Answer('{"city": "Oslo"}'))
    config = types.GenerateContentConfig(
        response_mime_type="application/json",
        response_json_schema={**CITY, "additionalProperties": False},
    )
    answer = models.generate_content(model=model, contents="A city?", config=config)
    assert answer.parsed == {"city": "Oslo"}


@every(["openai", "gemini", "anthropic"])
def test_pictures(models, dialect, model):
    dialect.script(model, Answer("A dot."))
    picture = types.Part(inline_data=types.Blob(mime_type="image/png", data=PICTURE))
    answer = models.generate_content(model=model, contents=[picture, "What is this?"])
    assert answer.text == "A dot."
    heard = [item for _, items in dialect.heard(model).turns for item in items]
    [(_, kind, data)] = [item for item in heard if item[0] == "media"]
    assert kind == "image/png"
    assert base64.urlsafe_b64decode(data.translate(str.maketrans("+/", "-_"))) == PICTURE


@every(NAMES)
def test_count_tokens(models, dialect, model):
    counted = models.count_tokens(model=model, contents=ASKED)
    assert 5 <= counted.total_tokens <= 100


@every(["openai", "gemini", "ollama"])
def test_embed_content(models, dialect, model):
    config = types.EmbedContentConfig(output_dimensionality=3)
    # Of several texts, the client makes one for models that are called Gemini's.
    texts = ["Hi"] if dialect.name == "gemini" else ["Hi", "Hello"]
    answer = models.embed_content(model=model, contents=texts, config=config)
    found = [embedding.values for embedding in answer.embeddings]
    expected = [[0.02, 1.02, 2.02], [0.05, 1.05, 2.05]][: len(texts)]
    assert found == [pytest.approx(values, abs=1e-6) for values in expected]


def test_models_are_listed(models, demo, surfaces):
    options = types.HttpOptions(
        base_url=demo.url, api_version="v1beta", client_args={"trust_env": False}
    )
    with genai.Client(api_key=CLIENT_KEY, http_options=options) as client:
        found = list(client.models.list())
        assert found and all(model.name.startswith("models/") for model in found)
        one = client.models.get(model=found[0].name)
        assert one.name == found[0].name
    with pytest.raises(genai.errors.ClientError) as raised:
        models.get(model="nobody-has-it")
    assert raised.value.code == 404


@every(NAMES)
@pytest.mark.parametrize(
    ("about", "code"), [("bad_request", 400), ("not_found", 404), ("rate_limit", 429)]
)
def test_errors_are_the_clients_own(models, dialect, model, about, code):
    dialect.script(model, fails(about))
    with pytest.raises(genai.errors.ClientError) as raised:
        models.generate_content(model=model, contents=ASKED)
    assert raised.value.code == code
    assert raised.value.status and raised.value.message


@every(["openai", "anthropic", "ollama"])
def test_a_stream_that_breaks(models, dialect, model):
    dialect.script(model, BreaksOff("One two three", Fails("internal")))
    with pytest.raises(genai.errors.APIError):
        list(models.generate_content_stream(model=model, contents=ASKED))


def test_what_only_google_has_is_refused_by_name(models):
    config = types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])
    with pytest.raises(genai.errors.ClientError, match="(?i)google_?search"):
        models.generate_content(model="t-x", contents=ASKED, config=config)


def test_the_version_that_the_client_takes_by_itself(surfaces, gemini):
    """Nothing but the base URL is said."""
    gemini.script("gemini-2.5-flash-plain", Answer("Yes."))
    options = types.HttpOptions(base_url=surfaces.url, client_args={"trust_env": False})
    with genai.Client(api_key=CLIENT_KEY, http_options=options) as client:
        answer = client.models.generate_content(model="gemini-2.5-flash-plain", contents=ASKED)
    assert answer.text == "Yes."


async def test_async_client(google_client, gemini):
    gemini.script("gemini-2.5-flash-async", Answer("Both are fine."))
    asked = {"model": "gemini-2.5-flash-async", "contents": ASKED}
    async with google_client.aio as client:
        answer = await client.models.generate_content(**asked)
        assert answer.text == "Both are fine."
        stream = await client.models.generate_content_stream(**asked)
        assert "".join([chunk.text or "" async for chunk in stream]) == "Both are fine."
