"""What Google's Gemini API takes.

By the types of `google-genai`, and by the rules that the server has beyond them
(https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/function-calling,
https://ai.google.dev/gemini-api/docs/thought-signatures; seen 2026-11).
"""

import base64
import re

from google.genai import models, types
from pydantic.alias_generators import to_camel
from strict_server import Heard
from strict_types import Refusal, Strict, refuse_unless
from typing_extensions import Required, TypedDict


class GenerateContentRequest(TypedDict, total=False):
    contents: Required[list[types.Content]]
    systemInstruction: types.Content
    tools: list[types.Tool]
    toolConfig: types.ToolConfig
    safetySettings: list[types.SafetySetting]
    generationConfig: types.GenerationConfig
    cachedContent: str


class EmbedContentRequest(TypedDict, total=False):
    model: Required[str]
    content: Required[types.Content]
    taskType: str
    title: str
    outputDimensionality: int


class BatchEmbedContentsRequest(TypedDict):
    requests: list[EmbedContentRequest]


GENERATE = Strict(GenerateContentRequest)
EMBED = Strict(BatchEmbedContentsRequest)

# Instead of a signature that is lost, as Google documents.
SKIP_SIGNATURE = "skip_thought_signature_validator"
FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
MEDIA_TYPES = set(
    """
    image/png image/jpeg image/webp image/heic image/heif
    audio/wav audio/mp3 audio/mpeg audio/aiff audio/aac audio/ogg audio/flac
    video/mp4 video/mpeg video/quicktime video/webm application/pdf text/plain
    """.split()
)
# Of a part, exactly one.
DATA = {"text", "inlineData", "fileData", "functionCall", "functionResponse"}
# What is not Google's to name: the caller's own keys.
FREE = {"args", "response", "parametersJsonSchema", "responseJsonSchema", "default", "example"}
# In the package's types for its other server only.
ELSEWHERE = {"routingConfig", "modelSelectionConfig", "audioTimestamp"}
# `Schema`: https://ai.google.dev/api/caching#Schema.
SCHEMA_KEYS = set(
    """
    type format title description nullable enum maxItems minItems properties required minProperties
    maxProperties minLength maxLength pattern example anyOf propertyOrdering default items minimum
    maximum
    """.split()
)
FORMATS = {
    "STRING": {"enum", "date-time"},
    "NUMBER": {"float", "double"},
    "INTEGER": {"int32", "int64"},
}
# JSON Schema: https://ai.google.dev/api/generate-content#FIELDS.response_json_schema.
JSON_SCHEMA_KEYS = set(
    """
    $id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems
    minimum maximum anyOf oneOf properties additionalProperties required propertyOrdering
    """.split()
)
JSON_TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}


def in_googles_spelling(value, at=""):
    """With names in camel case. Google's parsers take the package's snake case too."""
    if isinstance(value, list):
        return [in_googles_spelling(item, at) for item in value]
    if not isinstance(value, dict) or at in FREE:
        return value
    if at == "properties":
        return {name: in_googles_spelling(inner) for name, inner in value.items()}
    spelled = {to_camel(name) if "_" in name else name: inner for name, inner in value.items()}
    return {name: in_googles_spelling(inner, name) for name, inner in spelled.items()}


def check_schema(schema, place):
    """A `Schema` of Google's."""
    unknown = set(schema) - SCHEMA_KEYS
    refuse_unless(not unknown, f"{place}: unknown keywords {sorted(unknown)}")
    refuse_unless("type" in schema or "anyOf" in schema, f"{place}: no type")
    kind = str(schema.get("type", "")).upper()
    if kind == "ARRAY":
        refuse_unless("items" in schema, f"{place}.items: missing field")
    if kind == "OBJECT":
        named = schema.get("properties", {})
        refuse_unless(named, f"{place}.properties: should be non-empty for OBJECT type")
        for name in schema.get("required", []) + schema.get("propertyOrdering", []):
            refuse_unless(name in named, f"{place}.required: {name!r} is not defined")
    else:
        refuse_unless(not schema.get("required"), f"{place}.required: only for OBJECT type")
    if "enum" in schema:
        refuse_unless(kind == "STRING", f"{place}.enum: only allowed for STRING type")
        refuse_unless(all(schema["enum"]), f"{place}.enum: cannot be empty")
    if "format" in schema:
        allowed = schema["format"] in FORMATS.get(kind, set())
        refuse_unless(allowed, f"{place}: format {schema['format']!r} is not for {kind}")
    for name, inner in schema.get("properties", {}).items():
        check_schema(inner, f"{place}.properties[{name}]")
    for inner in schema.get("anyOf", []):
        check_schema(inner, f"{place}.anyOf")
    if "items" in schema:
        check_schema(schema["items"], f"{place}.items")


def check_json_schema(schema, place, root=None):
    """A JSON Schema, of which the server takes a part."""
    if isinstance(schema, bool):
        return
    refuse_unless(isinstance(schema, dict), f"{place}: no schema")
    root = schema if root is None else root
    unknown = set(schema) - JSON_SCHEMA_KEYS
    refuse_unless(not unknown, f"{place}: unknown keywords {sorted(unknown)}")
    if "$ref" in schema:
        refuse_unless(all(key[0] == "$" for key in schema), f"{place}: $ref has company")
        name = schema["$ref"].removeprefix("#/$defs/")
        refuse_unless(schema["$ref"] == "#" or name in root.get("$defs", {}), f"{place}: dangling")
    kinds = schema.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        refuse_unless(kind in JSON_TYPES, f"{place}: unknown type {kind!r}")
    for value in schema.get("enum", []):
        named = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        refuse_unless(named, f"{place}: enum of {value!r}")
    for key in ("properties", "$defs"):
        for name, inner in schema.get(key, {}).items():
            check_json_schema(inner, f"{place}.{key}[{name}]", root)
    for key in ("anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(key, []):
            check_json_schema(inner, f"{place}.{key}", root)
    for key in ("items", "additionalProperties"):
        if key in schema:
            check_json_schema(schema[key], f"{place}.{key}", root)


def check_part(part):
    data = DATA & set(part)
    refuse_unless(len(data) == 1, f"a part with {sorted(data) or 'no data'}")
    if "text" in part:
        refuse_unless(part["text"] or "thoughtSignature" in part, "a part with an empty text")
    if inline := part.get("inlineData"):
        kind = inline.get("mimeType")
        refuse_unless(kind in MEDIA_TYPES, f"unsupported MIME type: {kind}")
        # Either alphabet will do, as in all JSON of protocol buffers; Google's own client takes
        # the one for URLs.
        data = inline.get("data", "").translate(str.maketrans("-_", "+/"))
        refuse_unless(base64.b64decode(data, validate=True), "no inline data")
    if file := part.get("fileData"):
        kind = file.get("mimeType")
        refuse_unless(kind is None or kind in MEDIA_TYPES, f"unsupported MIME type: {kind}")
        refuse_unless(file.get("fileUri"), "fileData without fileUri")
    if call := part.get("functionCall"):
        refuse_unless(FUNCTION_NAME.fullmatch(call.get("name", "")), f"call of {call.get('name')}")
    if response := part.get("functionResponse"):
        refuse_unless(isinstance(response.get("response"), dict), "a response that is no object")


def of(content, kind):
    return [part[kind] for part in content["parts"] if kind in part]


def check_contents(contents):
    refuse_unless(contents, "contents is not specified")
    before = None
    for content in contents:
        refuse_unless(content.get("role") in ("user", "model"), f"role {content.get('role')!r}")
        refuse_unless(content.get("parts"), "contents.parts must not be empty")
        for part in content["parts"]:
            check_part(part)
        calls, responses = of(content, "functionCall"), of(content, "functionResponse")
        asked = of(before, "functionCall") if before else []
        if content["role"] == "model":
            refuse_unless(before and before["role"] == "user", "a model turn after no user turn")
            refuse_unless(not responses, "the model responds to itself")
        else:
            after_results = before and of(before, "functionResponse") and not responses
            alternates = before is None or before["role"] == "model" or after_results
            refuse_unless(alternates, "two user turns in a row")
            refuse_unless(not calls, "the user calls a function")
            refuse_unless(
                len(responses) == len(asked),
                "the number of function response parts should be equal to the number of function "
                "call parts of the function call turn",
            )
            for ask, response in zip(asked, responses, strict=True):
                refuse_unless(ask["name"] == response["name"], "responses in another order")
                refuse_unless(ask.get("id") == response.get("id"), "a response with another id")
        before = content
    refuse_unless(not of(before, "functionCall"), "a call without a response at the end")


def check_signatures(model, contents, given):
    for content in contents:
        for part in content["parts"]:
            signature = part.get("thoughtSignature")
            known = signature is None or signature == SKIP_SIGNATURE or signature in given
            refuse_unless(known, "corrupted thought signature")
    if not is_thinking(model):
        return
    asks = [at for at, content in enumerate(contents) if is_question(content)]
    for content in contents[asks[-1] :]:
        calls = [part for part in content["parts"] if "functionCall" in part]
        if calls and "thoughtSignature" not in calls[0]:
            name = calls[0]["functionCall"]["name"]
            raise Refusal(f"function call `{name}` in the current turn misses a thought_signature")


def is_thinking(model):
    """Whether a model signs its calls, and wants them back signed."""
    return model.startswith("gemini-3") or "thinking" in model


def is_question(content):
    return content["role"] == "user" and not of(content, "functionResponse")


def check_tools(body):
    names = []
    for tool in body.get("tools", []):
        refuse_unless(tool, "an empty tool")
        for function in tool.get("functionDeclarations", []):
            name = function.get("name", "")
            refuse_unless(FUNCTION_NAME.fullmatch(name), f"invalid function name {name!r}")
            names.append(name)
            both = "parameters" in function and "parametersJsonSchema" in function
            refuse_unless(not both, f"{name}: two kinds of parameters")
            if "parameters" in function:
                # A function that takes nothing: Google's own examples have it like this.
                if function["parameters"] not in ({"type": "object"}, {"type": "OBJECT"}):
                    check_schema(function["parameters"], f"{name}.parameters")
            if "parametersJsonSchema" in function:
                schema = function["parametersJsonSchema"]
                refuse_unless(schema.get("type") == "object", f"{name}: parameters are no object")
                check_json_schema(schema, f"{name}.parametersJsonSchema")
    refuse_unless(len(set(names)) == len(names), "duplicate function declarations")
    config = body.get("toolConfig", {}).get("functionCallingConfig")
    if config is not None:
        refuse_unless(names, "function calling config is set without function_declarations")
        allowed = config.get("allowedFunctionNames", [])
        refuse_unless(not allowed or config.get("mode") == "ANY", "allowed names need mode ANY")
        refuse_unless(set(allowed) <= set(names), f"allowed but not declared: {allowed}")


def check_config(config):
    refuse_unless(not ELSEWHERE & set(config), f"not here: {sorted(ELSEWHERE & set(config))}")
    both = "responseSchema" in config and "responseJsonSchema" in config
    refuse_unless(not both, "two response schemas")
    if "responseSchema" in config or "responseJsonSchema" in config:
        kind = config.get("responseMimeType")
        refuse_unless(kind == "application/json", "a response schema needs a JSON response")
    if "responseSchema" in config:
        check_schema(config["responseSchema"], "responseSchema")
    if "responseJsonSchema" in config:
        check_json_schema(config["responseJsonSchema"], "responseJsonSchema")
    stops = config.get("stopSequences", [])
    refuse_unless(len(stops) <= 5 and all(stops), f"stopSequences {stops}")
    refuse_unless(1 <= config.get("candidateCount", 1) <= 8, "candidateCount")
    refuse_unless(0 <= config.get("temperature", 1) <= 2, "temperature")
    refuse_unless(0 <= config.get("topP", 1) <= 1, "topP")
    refuse_unless(config.get("maxOutputTokens", 1) > 0, "maxOutputTokens")
    refuse_unless(-(2**31) <= config.get("seed", 0) < 2**31, "seed is no 32-bit integer")
    for penalty in ("presencePenalty", "frequencyPenalty"):
        refuse_unless(-2 <= config.get(penalty, 0) < 2, penalty)
    if "logprobs" in config:
        refuse_unless(config.get("responseLogprobs"), "logprobs without responseLogprobs")
        refuse_unless(0 <= config["logprobs"] <= 20, "logprobs")
    thinking = config.get("thinkingConfig", {})
    both = "thinkingBudget" in thinking and "thinkingLevel" in thinking
    refuse_unless(not both, "thinking budget and thinking level")


def check_server(read):
    """What the package itself would not send to this server but to Google's other one."""
    try:
        for content in [*read["contents"], *filter(None, [read.get("systemInstruction")])]:
            models._Content_to_mldev(content)
        for tool in read.get("tools", []):
            models._Tool_to_mldev(tool)
        for setting in read.get("safetySettings", []):
            models._SafetySetting_to_mldev(setting)
    except ValueError as error:
        raise Refusal(str(error)) from None


def heard(body):
    """What a request says; see `Heard`."""
    system = body.get("systemInstruction")
    texts = [part["text"] for part in system["parts"]] if system else None

    def item(part):
        if "functionCall" in part:
            call = part["functionCall"]
            return ("call", call["name"], call.get("args", {}))
        if "functionResponse" in part:
            response = part["functionResponse"]
            return ("result", response["name"], response["response"])
        if "inlineData" in part:
            return ("media", part["inlineData"]["mimeType"], part["inlineData"]["data"])
        if "fileData" in part:
            return ("media", part["fileData"].get("mimeType"), part["fileData"]["fileUri"])
        return ("thought" if part.get("thought") else "text", part["text"])

    roles = {"user": "user", "model": "assistant"}
    turns = [
        (roles[content["role"]], [item(part) for part in content["parts"]])
        for content in body["contents"]
    ]
    return Heard("\n\n".join(texts) if texts else None, turns)


def check(model, body, given):
    """Refuses what the server would, `given` the signatures that it has given out."""
    check_contents(body["contents"])
    if "systemInstruction" in body:
        parts = body["systemInstruction"].get("parts")
        refuse_unless(parts and all(part.get("text") for part in parts), "empty system text")
    check_tools(body)
    check_config(body.get("generationConfig", {}))
    check_signatures(model, body["contents"], given)
