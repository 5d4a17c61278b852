"""OpenAI's client for Node against the gateway, by Node's own test runner.

What it asks and expects is in `tests/node`; here are the gateway and what the providers answer.
"""

import os
import re
import subprocess

import pytest
from conftest import CLIENT_KEY
from gateway import ROOT
from strict_server import Answer, BreaksOff, Call, Fails

FOLDER = ROOT / "tests" / "node"
WITHIN = 120
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


@pytest.mark.skipif(
    not (FOLDER / "node_modules" / "openai").exists(), reason="Node 20 is not installed"
)
def test_openais_client_for_node(native, all_dialects):
    for dialect in all_dialects.values():
        for word, answers in SCRIPTS.items():
            dialect.script(f"{dialect.prefix}-node-{word}", *answers)
    prefixes = [dialect.prefix for dialect in all_dialects.values()]
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=tap", "dialects.test.js"],
        cwd=FOLDER,
        env={
            "PATH": os.environ["PATH"],
            "REFRAIN_URL": native.url,
            "REFRAIN_KEY": CLIENT_KEY,
            "REFRAIN_MODELS": ",".join(prefixes),
        },
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    failed = re.findall(r"^not ok .*?(?=^(?:ok|not ok|# |1\.\.))", ran.stdout, re.M | re.S)
    told = [line for line in "".join(failed).splitlines() if "node_modules" not in line]
    assert ran.returncode == 0, "\n".join(told) + ran.stderr[-2000:]
    passed = int(re.search(r"^# pass (\d+)$", ran.stdout, re.M)[1])
    # As many as there are: a file that is not found is no success.
    assert passed == 9 * len(prefixes) + 1
