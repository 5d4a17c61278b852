"""Google's Gemini API, as strict as the real one (`rules_gemini.py`).

Answers are read by the types of `google-genai` before they are sent.
"""

import base64
import json
import re

from google.genai import types
from rules_gemini import (
    EMBED,
    GENERATE,
    check,
    check_part,
    check_server,
    in_googles_spelling,
    is_thinking,
)
from strict_server import (
    PROMPT_TOKENS,
    Answer,
    BreaksOff,
    Fails,
    Fake,
    Handler,
    Raw,
    vectors,
)
from strict_types import Strict, refuse_unless

RESPONSE = Strict(types.GenerateContentResponse)
STATUSES = {
    "bad_request": (400, "INVALID_ARGUMENT"),
    "context": (400, "INVALID_ARGUMENT"),
    "key": (400, "INVALID_ARGUMENT"),
    "permission": (403, "PERMISSION_DENIED"),
    "not_found": (404, "NOT_FOUND"),
    "rate_limit": (429, "RESOURCE_EXHAUSTED"),
    "internal": (500, "INTERNAL"),
    "overloaded": (503, "UNAVAILABLE"),
}
FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


class GeminiHandler(Handler):
    key_header = "x-goog-api-key"

    def respond(self, received):
        if received.headers.get(self.key_header) != self.fake.key:
            return self.fail(Fails("key", "API key not valid. Please pass a valid API key."))
        refuse_unless("key" not in received.query, "the key is in the address")
        path = re.fullmatch(r"/v1beta/models/([^/:]+):(\w+)", received.path)
        refuse_unless(path and self.command == "POST", f"no such address: {received.path}")
        model, method = path.groups()
        if method == "batchEmbedContents":
            return self.embed(model, received)
        refuse_unless(method in ("generateContent", "streamGenerateContent"), f"no {method}")
        is_stream = method == "streamGenerateContent"
        query = {"alt": "sse"} if is_stream else {}
        refuse_unless(received.query == query, f"the query is {received.query}")
        read = GENERATE.read(received.raw)
        self.check_spelling(received)
        check_server(read)
        check(model, received.body, self.fake.signatures)
        self.answer(model, received, self.fake.take(model, received), is_stream)

    def check_spelling(self, received):
        spelled = in_googles_spelling(received.body)
        # The gateway has no excuse for names that no document has.
        theirs = not received.is_from_gateway() or self.fake.forgives(received)
        known = theirs or spelled == received.body
        refuse_unless(known, "a name that is not as Google spells it")
        received.body = spelled

    def answer(self, model, received, answer, is_stream):
        match answer:
            case Answer() if is_stream:
                self.open_stream("text/event-stream", answer.headers)
                for response in self.stream(model, received, answer):
                    self.event(response)
                self.end_stream()
            case Answer():
                self.send(200, self.whole(model, received, answer), answer.headers)
            case BreaksOff():
                self.open_stream("text/event-stream")
                said = Answer(answer.text)
                for response in list(self.stream(model, received, said))[:-1]:
                    self.event(response)
                if answer.fails:
                    self.event(self.error(answer.fails)[1], checked=False)
                self.close_connection = True
            case Fails():
                self.fail(answer)
            case Raw():
                self.send(answer.status, answer.body)

    def event(self, response, checked=True):
        if checked:
            RESPONSE.read(json.dumps(response))
        self.piece(f"data: {json.dumps(response, ensure_ascii=False)}\r\n\r\n")

    def head(self, model, answer, said=None, thought=None):
        said = answer.said_tokens if said is None else said
        thought = answer.thought_tokens if thought is None else thought
        usage = {
            "promptTokenCount": PROMPT_TOKENS,
            "candidatesTokenCount": said,
            "totalTokenCount": PROMPT_TOKENS + said + thought,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": PROMPT_TOKENS}],
        }
        if thought:
            usage["thoughtsTokenCount"] = thought
        if answer.cached:
            usage["cachedContentTokenCount"] = answer.cached
        return {
            "usageMetadata": usage,
            "modelVersion": f"{model}-001",
            "responseId": f"gemini-{self.fake.number()}",
        }

    def signature(self):
        signature = base64.b64encode(f"signature {self.fake.number()}".encode()).decode()
        self.fake.signatures.add(signature)
        return signature

    def parts(self, model, answer, stream):
        """The parts of an answer; thoughts and text cut into words for a stream."""
        texts = [(answer.thoughts, {"thought": True}), (answer.text, {})]
        for text, mark in texts:
            pieces = Answer(text).words() if stream else [text]
            for piece in filter(None, pieces):
                yield {"text": piece, **mark}
        for at, call in enumerate(answer.calls):
            name = f"call-{self.fake.number()}"
            part = {"functionCall": {"id": name, "name": call.name, "args": call.arguments}}
            # Only the first of parallel calls is signed.
            if at == 0 and is_thinking(model):
                part["thoughtSignature"] = self.signature()
            yield part

    def ends(self, answer):
        end = {"finishReason": FINISH[answer.finish]}
        if answer.logprobs:
            tokens = [{"token": word, "logProbability": -0.25} for word in answer.words()]
            end["logprobsResult"] = {
                "chosenCandidates": tokens,
                "topCandidates": [{"candidates": [token]} for token in tokens],
            }
            end["avgLogprobs"] = -0.25
        return end

    def whole(self, model, received, answer):
        count = received.body.get("generationConfig", {}).get("candidateCount", 1)
        candidates = []
        for index in range(count):
            parts = list(self.parts(model, answer, stream=False))
            content = {"parts": parts, "role": "model"}
            candidates.append({"content": content, "index": index, **self.ends(answer)})
        response = {"candidates": candidates, **self.head(model, answer)}
        RESPONSE.read(json.dumps(response))
        return response

    def stream(self, model, received, answer):
        count = received.body.get("generationConfig", {}).get("candidateCount", 1)
        head = self.head(model, answer)
        said = thought = 0
        for index in range(count):
            for part in self.parts(model, answer, stream=True):
                thought += "thought" in part
                said += "thought" not in part
                usage = self.head(model, answer, said, thought)["usageMetadata"]
                candidate = {"content": {"parts": [part], "role": "model"}, "index": index}
                yield {**head, "candidates": [candidate], "usageMetadata": usage}
        # The last one ends with an empty text, as the real ones do.
        content = {"parts": [{"text": ""}], "role": "model"}
        ends = [
            {"content": content, "index": index, **self.ends(answer)} for index in range(count)
        ]
        yield {**head, "candidates": ends}

    def embed(self, model, received):
        EMBED.read(received.raw)
        self.check_spelling(received)
        embeddings = []
        for request in received.body["requests"]:
            refuse_unless(request["model"] == f"models/{model}", "another model in the request")
            for part in request["content"]["parts"]:
                check_part(part)
            text = request["content"]["parts"][0]["text"]
            [values] = vectors([text], request.get("outputDimensionality"))
            embeddings.append({"values": values})
        self.fake.take(model, received)
        self.send(200, {"embeddings": embeddings})

    def error(self, fails):
        status, name = STATUSES[fails.about]
        error = {"code": status, "message": fails.message, "status": name}
        if fails.about == "key":
            error["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                    "metadata": {"service": "generativelanguage.googleapis.com"},
                }
            ]
        if fails.about == "rate_limit":
            error["details"] = [
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}
            ]
        return status, {"error": error}

    def fail(self, fails):
        status, body = self.error(fails)
        self.send(status, body, fails.headers)


class Gemini(Fake):
    handler = GeminiHandler

    def __init__(self, key=None, forbidden=()):
        # Models whose requests are the clients' own words, which the gateway only hands on.
        self.verbatim = set()
        super().__init__(key, forbidden)

    def forgives(self, received):
        return any(f"/{model}:" in received.path for model in self.verbatim)
