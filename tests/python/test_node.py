"""OpenAI's and Anthropic's clients for Node against the gateway, by Node's own test runner.

What it asks and expects is in `tests/node`; here are the gateway and what the providers answer.
"""

import pytest
from node import needs_node, run
from strict_server import Answer, BreaksOff, Call, Fails

SCRIPTS = {
    "says": [Answer("Cold, –40 °C at times.")],
    "planet": [Answer('{"name": "Saturn", "moons": 274}')],
    "call": [Answer(calls=[Call("get_weather", {"city": "Oslo"})])],
    "limited": [Fails("rate_limit", headers={"retry-after": "7"})],
    "busy": [Fails("overloaded")],
    "breaks": [BreaksOff("One two three")],
}
LOOP = [
    Answer(calls=[Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Rome"})]),
    Answer("Both are fine."),
]
SCRIPTS |= {"calls": LOOP, "calls-streamed": LOOP}


def scripted(all_dialects):
    """The prefixes of all dialects' models, which answer by `SCRIPTS`."""
    for dialect in all_dialects.values():
        for word, answers in SCRIPTS.items():
            dialect.script(f"{dialect.prefix}-node-{word}", *answers)
    return [dialect.prefix for dialect in all_dialects.values()]


@needs_node
def test_openais_client_for_node(native, all_dialects):
    prefixes = scripted(all_dialects)
    passed = run("dialects.test.js", native, REFRAIN_MODELS=",".join(prefixes))
    # As many as there are: a file that is not found is no success.
    assert passed == 9 * len(prefixes) + 1


@needs_node
@pytest.mark.parametrize("script", ["responses.test.js", "messages.test.js"])
def test_other_interfaces_in_node(surfaces, all_dialects, script):
    prefixes = scripted(all_dialects)
    assert run(script, surfaces, REFRAIN_MODELS=",".join(prefixes)) == 5 * len(prefixes)
