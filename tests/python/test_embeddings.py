"""OpenAI's own client and vectors: every item is kept by itself."""

import openai
import pytest
from conftest import CLIENT_KEY
from gateway import ROOT

EMBEDDING = """
[embedding]
model = "{root}/models/all-MiniLM-L6-v2"
runtime = "{root}/models/onnxruntime/libonnxruntime.so"
deadline = "30s"
"""
NAMES = ["openai", "gemini", "ollama"]
every_dialect = pytest.mark.parametrize("dialect", NAMES, indirect=True)


@pytest.fixture
def embed(openai_client, model):
    def embed(texts, **options):
        raw = openai_client.embeddings.with_raw_response.create(model=model, input=texts, **options)
        return [item.embedding for item in raw.parse().data], raw

    return embed


def asked_for(dialect, model):
    """How many texts the provider was asked for, request by request."""
    counts = []
    for body in dialect.bodies(model):
        texts = body.get("requests") or body["input"]
        counts.append(1 if isinstance(texts, str) else len(texts))
    return counts


@every_dialect
def test_a_batch_with_one_new_text_pays_for_one(embed, dialect, model):
    first, raw = embed(["a", "bb", "ccc"])
    assert raw.headers["x-refrain-cache"] == "miss"
    again, raw = embed(["a", "bb", "ccc"])
    assert (again, raw.headers["x-refrain-cache"]) == (first, "exact")
    more, raw = embed(["ccc", "dddd", "a"])
    assert (more[0], more[2]) == (first[2], first[0])
    assert more[1][0] == pytest.approx(0.04)
    assert raw.headers["x-refrain-cache-items"] == "2/3"
    assert asked_for(dialect, model) == [3, 1]
    # Gemini counts none.
    assert (raw.parse().usage.prompt_tokens > 0) == (dialect.name != "gemini")


@every_dialect
def test_both_encodings_are_the_same_numbers(embed, dialect, model):
    # The client asks for base64 by itself, and reads it.
    packed, _ = embed(["a", "bb"])
    floats, raw = embed(["a", "bb"], encoding_format="float")
    assert floats == [pytest.approx(vector, abs=1e-6) for vector in packed]
    again, raw = embed(["bb"], encoding_format="float")
    assert again == [floats[1]]
    assert raw.headers["x-refrain-cache"] == "exact"


@every_dialect
def test_dimensions_are_told_apart(embed, dialect, model):
    long, _ = embed("a")
    short, raw = embed("a", dimensions=2)
    assert (len(long[0]), len(short[0])) == (4, 2)
    assert raw.headers["x-refrain-cache"] == "miss"


def test_what_a_client_says_of_the_cache(embed, model, upstream):
    embed("a")
    _, raw = embed("a", extra_headers={"Cache-Control": "no-cache"})
    assert raw.headers["x-refrain-cache"] == "bypass" or raw.headers["x-refrain-cache"] == "miss"
    assert len(upstream.received(model)) == 2


@pytest.mark.parametrize(
    "texts",
    ["", [], ["a", ""], ["a"] * 2049, [[]], [1 << 40], [-1], [["a"]], ["a", 1]],
    ids=lambda texts: str(texts)[:20],
)
def test_what_is_no_text(openai_client, texts):
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.embeddings.create(model="t-x", input=texts)
    assert raised.value.param.startswith("input")


def test_anthropic_has_none(openai_client):
    with pytest.raises(openai.BadRequestError, match="anthropic"):
        openai_client.embeddings.create(model="claude-x", input="a")


def test_the_gateways_own_encoder(start):
    """No key and no cost."""
    gateway = start("encoding", EMBEDDING.format(root=ROOT))
    http_client = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key=CLIENT_KEY, http_client=http_client, max_retries=0
    ) as client:
        model = "local/all-MiniLM-L6-v2"
        assert model in [one.id for one in client.models.list()]
        texts = ["A cat sleeps.", "A kitten naps.", "Stocks fell."]
        answer = client.embeddings.create(model=model, input=texts)
        cat, kitten, stocks = [item.embedding for item in answer.data]
        assert len(cat) == 384
        assert sum(number * number for number in cat) == pytest.approx(1, abs=1e-3)

        def near(one, other):
            return sum(a * b for a, b in zip(one, other))

        assert near(cat, kitten) > near(cat, stocks) + 0.2
        assert answer.usage.prompt_tokens > 0
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model=model, input="a", dimensions=7)
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="local/nobody-has-it", input="a")
