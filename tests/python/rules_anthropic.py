"""What Anthropic's Messages API takes.

By the types of `anthropic`, and by the rules that the server has beyond them
(https://platform.claude.com/docs/en/api/messages, .../build-with-claude/thinking,
.../agents-and-tools/tool-use/overview, .../build-with-claude/structured-outputs; seen 2026-11).
"""

import base64
import re

import jsonschema
from anthropic.types import AnthropicBetaParam, beta, message_create_params
from strict_server import Heard
from strict_types import Refusal, Strict, refuse_unless


class EarlierRequest(message_create_params.MessageCreateParamsBase, total=False):
    """Of the API's version before the package's: it could still be told how to sample."""

    stream: bool
    temperature: float
    top_p: float
    top_k: int


class EarlierBetaRequest(beta.message_create_params.MessageCreateParamsBase, total=False):
    """The same with what has to be asked for in `anthropic-beta`."""

    stream: bool
    temperature: float
    top_p: float
    top_k: int


# By version, and whether there is `anthropic-beta`:
# https://platform.claude.com/docs/en/api/migration-2026-10-21.
REQUESTS = {
    ("2023-06-01", False): Strict(EarlierRequest),
    ("2023-06-01", True): Strict(EarlierBetaRequest),
    ("2026-10-21", False): Strict(message_create_params.MessageCreateParams),
    ("2026-10-21", True): Strict(beta.message_create_params.MessageCreateParams),
}
BETA = Strict(AnthropicBetaParam)
# Models of this name think as they like, and can't be told how to sample, which tool to call, or how
# their answer begins (https://platform.claude.com/docs/en/about-claude/models/overview).
NEWEST = "claude-opus-5-5"

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
# Of tools that call themselves strict, and of answers that have a schema.
BEYOND_STRICT = set(
    """
    minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems
    uniqueItems contains minContains maxContains minProperties maxProperties patternProperties
    propertyNames if then else not oneOf dependentRequired dependentSchemas prefixItems
    """.split()
)
STRICT_FORMATS = set("date-time time date duration email hostname uri ipv4 ipv6 uuid".split())


def blocks(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def check_block(block, place):
    if block["type"] == "text":
        refuse_unless(block["text"].strip(), f"{place}: text content blocks must be non-empty")
    source = block.get("source", {})
    if source.get("type") == "base64":
        refuse_unless(base64.b64decode(source["data"], validate=True), f"{place}: no data")
    if source.get("type") == "url":
        refuse_unless(source["url"].startswith("https://"), f"{place}: only HTTPS is supported")
    if block["type"] == "tool_result":
        for at, inner in enumerate(blocks(block.get("content", []))):
            check_block(inner, f"{place}.content.{at}")


def check_messages(messages, thinking, given):
    refuse_unless(messages, "messages: at least one message is required")
    ids = set()
    asked = []
    for at, message in enumerate(messages):
        place = f"messages.{at}"
        role = ["user", "assistant"][at % 2]
        refuse_unless(message["role"] == role, f"{place}: roles must alternate, user first")
        refuse_unless(blocks(message["content"]), f"{place}: content is empty")
        for number, block in enumerate(blocks(message["content"])):
            check_block(block, f"{place}.content.{number}")
        kinds = [block["type"] for block in blocks(message["content"])]
        results = [b for b in blocks(message["content"]) if b["type"] == "tool_result"]
        if role == "user":
            first = kinds[: len(results)]
            refuse_unless(set(first) <= {"tool_result"}, f"{place}: tool_result comes first")
            answered = [block["tool_use_id"] for block in results]
            refuse_unless(
                sorted(answered) == sorted(asked),
                f"{place}: tool_use {asked} is answered by tool_result {answered}",
            )
            refuse_unless(not {"tool_use", "thinking"} & set(kinds), f"{place}: blocks of others")
        else:
            refuse_unless(not results, f"{place}: tool_result blocks can only be in user messages")
            check_thoughts(message, place, given)
            asked = [block["id"] for block in blocks(message["content"]) if "input" in block]
            for name in asked:
                refuse_unless(TOOL_ID.fullmatch(name), f"{place}: tool_use id {name!r}")
                refuse_unless(name not in ids, f"{place}: tool_use ids must be unique")
                ids.add(name)
            if asked and at == len(messages) - 2 and thinking == "enabled":
                expected = kinds[0] in ("thinking", "redacted_thinking")
                refuse_unless(expected, f"{place}: expected thinking, found {kinds[0]}")
    last = messages[-1]
    if last["role"] == "assistant":
        refuse_unless(not asked, "a tool_use without its tool_result at the end")
        text = blocks(last["content"])[-1].get("text", "")
        refuse_unless(text == text.rstrip(), "final assistant content ends with white space")


def check_thoughts(message, place, given):
    for block in blocks(message["content"]):
        if block["type"] == "thinking":
            known = (block["thinking"], block["signature"]) in given
            refuse_unless(known, f"{place}: invalid signature in thinking block")


def check_strict_schema(schema, place):
    """A schema that output is held to, of which the server supports a part."""
    if isinstance(schema, list):
        for inner in schema:
            check_strict_schema(inner, place)
    if not isinstance(schema, dict):
        return
    beyond = BEYOND_STRICT & set(schema)
    refuse_unless(not beyond, f"{place}: {sorted(beyond)} is not supported")
    if schema.get("type") == "object":
        is_closed = schema.get("additionalProperties") is False
        refuse_unless(is_closed, f"{place}: additionalProperties must be false")
    refuse_unless(schema.get("minItems", 0) <= 1, f"{place}: minItems")
    refuse_unless(schema.get("format", "date") in STRICT_FORMATS, f"{place}: format")
    for key in ("properties", "$defs", "definitions"):
        for name, inner in schema.get(key, {}).items():
            check_strict_schema(inner, f"{place}.{key}.{name}")
    for key in ("items", "anyOf", "allOf"):
        check_strict_schema(schema.get(key), f"{place}.{key}")


def check_tools(body):
    tools = body.get("tools", [])
    refuse_unless(tools or "tools" not in body, "tools: an empty list")
    names = [tool["name"] for tool in tools]
    refuse_unless(len(set(names)) == len(names), "tools: tool names must be unique")
    for tool in tools:
        name, schema = tool["name"], tool["input_schema"]
        refuse_unless(TOOL_NAME.fullmatch(name), f"tools: name {name!r}")
        refuse_unless(schema.get("type") == "object", f"{name}: input_schema.type is no object")
        top = {"anyOf", "oneOf", "allOf"} & set(schema)
        refuse_unless(not top, f"{name}: input_schema does not support {sorted(top)} at the top")
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            raise Refusal(f"{name}: JSON schema is invalid: {error.message}") from None
        if tool.get("strict"):
            check_strict_schema(schema, name)
    choice = body.get("tool_choice")
    if choice:
        refuse_unless(tools, "tool_choice may only be specified while providing tools")
        known = choice["type"] != "tool" or choice["name"] in names
        refuse_unless(known, f"tool_choice: no tool {choice.get('name')!r}")


def check_thinking(body):
    thinking = body.get("thinking", {"type": "disabled"})
    if thinking["type"] == "disabled":
        return
    budget = thinking.get("budget_tokens", 1024)
    refuse_unless(budget >= 1024, "thinking.budget_tokens: at least 1024")
    refuse_unless(budget < body["max_tokens"], "max_tokens must exceed thinking.budget_tokens")
    refuse_unless(body.get("temperature", 1) == 1, "temperature may only be 1 with thinking")
    refuse_unless(body.get("top_p", 1) >= 0.95, "top_p must be at least 0.95 with thinking")
    refuse_unless("top_k" not in body, "top_k must be unset with thinking")
    choice = body.get("tool_choice", {}).get("type", "auto")
    refuse_unless(choice in ("auto", "none"), "thinking may not be enabled when tools are forced")


def marks(value):
    """How many breakpoints of the provider's cache are set in `value`."""
    if isinstance(value, list):
        return sum(marks(item) for item in value)
    if isinstance(value, dict):
        inner = [item for key, item in value.items() if key not in ("input", "input_schema")]
        return ("cache_control" in value) + marks(inner)
    return 0


def check_newest(body):
    for field in ("temperature", "top_p", "top_k"):
        refuse_unless(field not in body, f"{field} is not supported on this model")
    kind = body.get("thinking", {}).get("type", "adaptive")
    refuse_unless(kind == "adaptive", f"thinking.type {kind!r} is not supported on this model")
    choice = body.get("tool_choice", {}).get("type", "auto")
    refuse_unless(choice in ("auto", "none"), f"tool_choice {choice!r} is not supported")
    refuse_unless(body["messages"][-1]["role"] == "user", "prefill is not supported")


def check(body, given):
    if body["model"].startswith(NEWEST):
        check_newest(body)
    refuse_unless(body["max_tokens"] > 0, "max_tokens: at least 1")
    refuse_unless(0 <= body.get("temperature", 1) <= 1, "temperature: range: 0..1")
    refuse_unless(0 <= body.get("top_p", 1) <= 1, "top_p: range: 0..1")
    stops = body.get("stop_sequences", [])
    refuse_unless(all(stop.strip() for stop in stops), "stop_sequences: white space only")
    system = blocks(body.get("system", []))
    refuse_unless(system or "system" not in body, "system: an empty list")
    for at, block in enumerate(system):
        check_block(block, f"system.{at}")
    check_tools(body)
    check_thinking(body)
    check_messages(body["messages"], body.get("thinking", {}).get("type"), given)
    refuse_unless(marks(body) <= 4, "a maximum of 4 blocks with cache_control may be provided")
    output = body.get("output_config", {}).get("format")
    if output:
        check_strict_schema(output["schema"], "output_config.format.schema")


def heard(body):
    """What a request says; see `Heard`."""
    system = blocks(body.get("system", []))
    names = {}

    def item(block):
        match block["type"]:
            case "text":
                return ("text", block["text"])
            case "thinking":
                return ("thought", block["thinking"])
            case "tool_use":
                names[block["id"]] = block["name"]
                return ("call", block["name"], block["input"])
            case "tool_result":
                content = block.get("content", "")
                texts = [inner.get("text") for inner in blocks(content)]
                return ("result", names[block["tool_use_id"]], "".join(texts))
            case "image" | "document":
                source = block["source"]
                return ("media", source.get("media_type"), source.get("data", source.get("url")))

    turns = [(m["role"], [item(b) for b in blocks(m["content"])]) for m in body["messages"]]
    return Heard("\n\n".join(block["text"] for block in system) if system else None, turns)
