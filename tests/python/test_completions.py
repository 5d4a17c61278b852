"""OpenAI's own client and its legacy completions, native where offered and mapped elsewhere."""

import openai
import pytest
from dialects import NAMES
from strict_server import Answer, fails

every_dialect = pytest.mark.parametrize("dialect", NAMES, indirect=True)


@pytest.fixture
def create(openai_client, model):
    def create(prompt="Once upon a time", **options):
        return openai_client.completions.create(model=model, prompt=prompt, **options)

    return create


@every_dialect
def test_create(create, dialect, model):
    dialect.script(model, Answer(" there was a cat."))
    completion = create(max_tokens=50, stop="END")
    assert completion.object == "text_completion" and completion.id.startswith("cmpl-")
    [choice] = completion.choices
    assert (choice.text, choice.index, choice.finish_reason) == (" there was a cat.", 0, "stop")
    assert completion.usage.total_tokens > 0
    turns = dialect.heard(model).turns
    assert turns[-1] == ("user", [("text", "Once upon a time")])


@every_dialect
def test_stream(create, dialect, model):
    said = "One two  three.\nFour \U0001f680!"
    dialect.script(model, Answer(said))
    chunks = list(create(stream=True, max_tokens=50, stream_options={"include_usage": True}))
    texts = [choice.text for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == said
    assert len(texts) > 3
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert [reason for reason in reasons if reason] == ["stop"]
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0


@every_dialect
def test_echo(create, dialect, model):
    dialect.script(model, Answer(" there was a cat."))
    assert create(echo=True).choices[0].text == "Once upon a time there was a cat."
    texts = [chunk.choices[0].text for chunk in create(echo=True, stream=True) if chunk.choices]
    assert "".join(texts) == "Once upon a time there was a cat."


@every_dialect
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_lists_of_prompts(create, dialect, model, stream):
    dialect.script(model, Answer("Yes."))
    answer = create(["One?", "Two?", "Three?"], stream=stream)
    texts = ["", "", ""]
    for chunk in answer if stream else [answer]:
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == ["Yes."] * 3
    heard = (
        {body["messages"][-1]["content"] for body in dialect.bodies(model)}
        if (dialect.name == "openai")
        else None
    )
    assert heard in (None, {"One?", "Two?", "Three?"})


@every_dialect
def test_several_answers(create, dialect, model):
    dialect.script(model, Answer("Yes."))
    choices = create(n=2).choices
    # The fake of the provider that takes `n` itself gives one answer to all.
    expected = 1 if dialect.name == "openai" else 2
    assert [choice.index for choice in choices] == list(range(expected))


def test_native_where_offered(openai_client, whole):
    model = "w-native"
    whole.script(model, Answer("Two words"))
    completion = openai_client.completions.create(
        model=model, prompt=["a", "b"], n=2, max_tokens=9, suffix="!"
    )
    assert [choice.index for choice in completion.choices] == [0, 1, 2, 3]
    [received] = whole.received(model)
    assert received.path == "/v1/completions"
    body = {"model": model, "prompt": ["a", "b"], "n": 2, "max_tokens": 9, "suffix": "!"}
    assert received.body == body
    tokens = openai_client.completions.create(model=model, prompt=[[464], [3290]], max_tokens=9)
    assert len(tokens.choices) == 2
    stream = openai_client.completions.create(model=model, prompt="a", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream if chunk.choices) == "Two words"


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"prompt": {}}, "prompt"),
        ({"prompt": [464, 3290]}, "prompt"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
        ({"prompt": "a", "logprobs": 9}, "logprobs"),
        ({"prompt": ["a"] * 5000}, "prompt"),
        ({"prompt": "a", "n": 0}, "n"),
    ],
    ids=str,
)
def test_bad_input(openai_client, options, param):
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.completions.create(model="t-x", **options)
    assert raised.value.param.startswith(param)


@every_dialect
def test_errors(create, dialect, model):
    dialect.script(model, fails("rate_limit"))
    with pytest.raises(openai.RateLimitError):
        create()
