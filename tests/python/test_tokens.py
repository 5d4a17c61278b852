"""The gateway's counts against tiktoken, OpenAI's own tokenizer.

What is counted around the texts is told by OpenAI's cookbook,
https://developers.openai.com/cookbook/examples/how_to_count_tokens_with_tiktoken (seen 2026-11). The
gateway tells its counts at `POST /admin/api/route`, where no provider is called.
"""

import hashlib
import json
import random
import subprocess
from pathlib import Path

import pytest
from conftest import UPSTREAM_KEY
from gateway import ROOT

CONFIG = """
[[providers]]
name = "openai"
kind = "openai"
base_url = "{upstream}"
api_key_env = "OPENAI_API_KEY"

[[models]]
name = "*"
targets = ["openai/*"]

[[models]]
name = "short-4o"
targets = ["openai/gpt-4o"]
context_window = 1500
max_output_tokens = 200
on_overflow = "trim"

[[models]]
name = "short-4"
targets = ["openai/gpt-4"]
context_window = 1500
max_output_tokens = 200
on_overflow = "trim"
"""

# What a function begins with; all else is the same for these models.
FUNCTION = {"gpt-4o": 7, "gpt-4o-mini": 7, "gpt-4.1": 7, "o3": 7, "gpt-5": 7, "gpt-4": 10, "gpt-3.5-turbo": 10}

TEXTS = {
    "English": "We'll meet at the harbour at 07:15, won't we? Bring the BLUE folder: it isn't signed yet.",
    "German": "Die Straßenbahnhaltestelle wurde über Nacht verlegt; niemand wußte davon.",
    "Vietnamese": "Buổi sáng mẹ tôi dậy sớm nấu phở cho cả nhà.",
    "Turkish": "Kütüphanenin üçüncü katı İĞÜŞ öğrencilerle doluydu.",
    "Russian": "На прошлой неделе в нашем доме отключили горячую воду.",
    "Greek": "Το καράβι άργησε δύο ώρες εξαιτίας του ανέμου.",
    "Arabic": "وصل القطار متأخرا نصف ساعة، فجلسنا في المقهى.",
    "Hebrew": "בשוק הקטן שליד התחנה מוכרים תפוזים ולחם טרי.",
    "Hindi": "गाँव के बाहर एक पुराना कुआँ है जहाँ शाम को लोग आते हैं।",
    "Thai": "ร้านก๋วยเตี๋ยวหน้าปากซอยเปิดตั้งแต่ตีห้า",
    "Chinese": "每到周末,爷爷都会带我去城南的旧书市场。",
    "Japanese": "祖母の家の裏には小さな竹林があり、夏になると涼しい音がした。",
    "Korean": "할머니께서는 김장을 담그는 날이면 온 동네 사람들을 부르셨다.",
    "emoji": "Great 🎉🎉 see you 🙋🏽‍♂️ ❤️🔥 👨‍👩‍👧 🇧🇷",
    "code": "fn main() {\n    let mut x: Vec<u64> = vec![0x1F; 10];\n\t// ok\r\n    if a != b && c >= d { x.push(1_000); }\n}\n\n",
    "JSON": json.dumps({"id": "A-20931", "lines": [{"qty": 3, "price": 19.95, "at": None}]}, indent=2),
    "spaces": "  a \n \n\n   b\t\t c \u3000 d\u00a0\u00a0e  ",
    "special tokens": "<|endoftext|><|im_start|>user <|im_end|>",
    "a long word": "na" * 700 + "ก" * 300 + "=" * 900,
}

FERRY = {
    "type": "function",
    "function": {
        "name": "find_ferry",
        "description": "Finds the next ferry from a harbour.",
        "parameters": {
            "type": "object",
            "properties": {
                "harbour": {"type": "string", "description": "Where it leaves, such as Turku or Κέρκυρα."},
                "deck": {"type": "string", "description": "Which deck", "enum": ["upper", "lower", "car deck"]},
                "people": {"type": "integer", "description": "How many are going"},
            },
            "required": ["harbour"],
        },
    },
}
NOW = {
    "type": "function",
    "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}},
}


def requests():
    for kind, text in TEXTS.items():
        yield kind, {"messages": [{"role": "user", "content": text}]}
    talk = [{"role": "system", "content": "You are terse."}]
    for n, text in enumerate(TEXTS.values()):
        talk.append({"role": "user", "name": f"guest_{n}", "content": text})
        talk.append({"role": "assistant", "content": text[::-1]})
    yield "a talk with names", {"messages": talk}
    parts = [{"type": "text", "text": text} for text in TEXTS.values()]
    yield "parts", {"messages": [{"role": "developer", "content": parts}]}
    ask = [{"role": "user", "content": "When is the next ferry?"}]
    yield "a tool", {"messages": ask, "tools": [FERRY]}
    yield "two tools", {"messages": ask, "tools": [NOW, FERRY]}


REQUESTS = dict(requests())


@pytest.fixture(scope="module")
def tiktoken(tmp_path_factory):
    """tiktoken with the tables that the gateway is built with; it checks that they are OpenAI's."""
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--offline"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    packages = json.loads(metadata.stdout)["packages"]
    [manifest] = [package["manifest_path"] for package in packages if package["name"] == "tiktoken-rs"]
    folder = tmp_path_factory.mktemp("tiktoken")
    for name in ["o200k_base", "cl100k_base"]:
        url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
        table = Path(manifest).parent / "assets" / f"{name}.tiktoken"
        (folder / hashlib.sha1(url.encode()).hexdigest()).write_bytes(table.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
        import tiktoken

        yield tiktoken


@pytest.fixture(scope="module")
def counting(start, upstream):
    config = CONFIG.format(upstream=upstream.base_url)
    return start("tokens", config, OPENAI_API_KEY=UPSTREAM_KEY, REFRAIN_CACHE__SEMANTIC="off")


@pytest.fixture(scope="module")
def tokens(counting):
    """The gateway's count of a request, and that for its one target."""

    def tokens(body):
        told, _ = counting.told("/admin/api/route", body)
        [target] = told["targets"]
        return target["tokens"]

    return tokens


def of_messages(messages, encoding):
    """The cookbook's `num_tokens_from_messages`, for contents that may be parts."""

    def length(text):
        return len(encoding.encode_ordinary(text))

    count = 3
    for message in messages:
        count += 3 + ("name" in message)
        for value in message.values():
            texts = [value] if isinstance(value, str) else [part["text"] for part in value]
            count += sum(map(length, texts))
    return count


def said_in_texts(messages):
    """The messages with their calls of tools as texts; OpenAI makes more of them."""
    for message in messages:
        calls = [call["function"] for call in message.get("tool_calls", [])]
        called = "".join(call["name"] + call["arguments"] for call in calls)
        content = message["content"] or called
        known = {name: message[name] for name in message.keys() & {"role", "name"}}
        yield known | {"content": content}


def of_tools(tools, encoding, function):
    """The cookbook's `num_tokens_for_tools`, without the messages."""

    def length(*texts):
        return len(encoding.encode_ordinary(":".join(texts)))

    count = 0
    for tool in tools:
        tool = tool["function"]
        count += function + length(tool["name"], tool["description"].removesuffix(".")) + 12
        properties = tool["parameters"]["properties"]
        count += 3 if properties else 0
        for key, schema in properties.items():
            count += 3 + length(key, schema["type"], schema["description"].removesuffix("."))
            if "enum" in schema:
                count += -3 + sum(3 + length(value) for value in schema["enum"])
    return count


@pytest.mark.parametrize("model", FUNCTION)
@pytest.mark.parametrize("kind", REQUESTS)
def test_counts_are_those_of_tiktoken(tokens, tiktoken, model, kind):
    body = {"model": model, **REQUESTS[kind]}
    encoding = tiktoken.encoding_for_model(model)
    count = of_messages(body["messages"], encoding)
    count += of_tools(body.get("tools", []), encoding, FUNCTION[model])
    assert tokens(body) == {"least": count, "most": count}


def test_calls_of_tools_lie_between(tokens, tiktoken):
    arguments = json.dumps({"harbour": "Κέρκυρα", "people": 2}, ensure_ascii=False)
    call = {"id": "call_1", "type": "function", "function": {"name": "find_ferry", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "When is the next ferry?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "07:15"},
    ]
    count = tokens({"model": "gpt-4o", "messages": messages})
    encoding = tiktoken.encoding_for_model("gpt-4o")
    said = [{"role": "assistant", "content": f"find_ferry{arguments}"}, {"role": "tool", "content": "07:15"}]
    texts = of_messages([messages[0], *said], encoding)
    assert texts <= count["least"] < count["most"] <= texts + 50


def test_other_models_are_between_two_counts(tokens, tiktoken):
    encoding = tiktoken.get_encoding("o200k_base")
    for kind, text in TEXTS.items():
        messages = [{"role": "user", "content": text}]
        count = tokens({"model": "claude-sonnet-4-5", "messages": messages})
        near = of_messages(messages, encoding)
        assert count["least"] <= near <= count["most"], kind


def talks(seed):
    """A conversation of some length, in which tools may be called."""
    draw = random.Random(seed)

    def text():
        return " ".join(draw.choices(list(TEXTS.values())[:-1], k=draw.choice([1, 1, 3, 40])))

    has_tools = draw.random() < 0.5
    messages = [{"role": draw.choice(["system", "developer"]), "content": "You are terse. " * 5}]
    for turn in range(draw.choice([0, 1, 5, 20])):
        parts = [{"type": "text", "text": text()} for _ in range(draw.randint(1, 3))]
        content = text() if draw.random() < 0.7 else parts
        messages.append({"role": "user", "name": f"guest_{turn}", "content": content})
        for step in range(draw.randint(0, 2) if has_tools else 0):
            calls = []
            for nth in range(draw.randint(1, 3)):
                harbour = draw.choice(["Κέρκυρα", "Turku"])
                arguments = json.dumps({"harbour": harbour, "people": nth})
                function = {"name": "find_ferry", "arguments": arguments}
                call_id = f"call_{turn}_{step}_{nth}"
                calls.append({"id": call_id, "type": "function", "function": function})
            messages.append({"role": "assistant", "content": None, "tool_calls": calls})
            for call in calls:
                result = {"role": "tool", "tool_call_id": call["id"], "content": text()}
                messages.append(result)
        messages.append({"role": "assistant", "content": text()})
    messages.append({"role": "user", "content": text() + " And when is the next one?"})
    return messages, [FERRY] if has_tools else []


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4"])
@pytest.mark.parametrize("seed", range(30))
def test_what_is_trimmed_is_within_the_budget(
    connect, counting, upstream, tiktoken, tokens, model, seed
):
    encoding = tiktoken.encoding_for_model(model)
    messages, tools = talks(seed)
    asked = {"messages": messages} | ({"tools": tools} if tools else {})
    short = model.replace("gpt", "short")

    def count(body):
        texts = of_messages(list(said_in_texts(body["messages"])), encoding)
        return texts + of_tools(body.get("tools", []), encoding, FUNCTION[model])

    create = connect(counting).chat.completions.with_raw_response.create
    # What the answer may have is left for it; 200 tokens if the request does not say how many.
    for said, budget in [({}, 1300), ({"max_tokens": 50}, 1450), ({"max_tokens": 9000}, 1300)]:
        response = create(model=short, **asked, **said)
        received = upstream.received(model)[-1].body
        cut = response.headers.get("x-refrain-trimmed-tokens")
        if cut is None:
            assert received == {**asked, **said, "model": model}
            assert count(received) + min(said.get("max_tokens", 0), 200) <= 1500
            continue
        assert tokens(asked | {"model": model})["most"] > budget
        assert count(received) <= budget
        assert received["messages"][0] == messages[0]
        assert received.get("tools", []) == tools
        if not tools:
            assert int(cut) == count(asked) - count(received)
