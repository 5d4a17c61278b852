"""Runs tests of OpenAI's client for Node, which are in `tests/node`, by Node's own test runner."""

import os
import re
import subprocess

import pytest
from conftest import CLIENT_KEY
from gateway import ROOT

FOLDER = ROOT / "tests" / "node"
WITHIN = 180
# Of the caller's environment, nothing else.
PASSED_ON = ["PATH", "SUITE_OUTPUT", "UPDATE_SCREENSHOTS"]

needs_node = pytest.mark.skipif(
    not (FOLDER / "node_modules" / "openai").exists(), reason="Node 20 is not installed"
)


def run(script, gateway, **environment):
    """How many tests of `script` passed before `gateway`; all of them, or this fails."""
    return run_alone(script, REFRAIN_URL=gateway.url, REFRAIN_KEY=CLIENT_KEY, **environment)


def run_alone(script, **environment):
    """The same of tests that start what they need."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=tap", script],
        cwd=FOLDER,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    failed = re.findall(r"^not ok .*?(?=^(?:ok|not ok|# |1\.\.))", ran.stdout, re.M | re.S)
    told = [line for line in "".join(failed).splitlines() if "node_modules" not in line]
    assert ran.returncode == 0, "\n".join(told) + ran.stderr[-2000:]
    return int(re.search(r"^# pass (\d+)$", ran.stdout, re.M)[1])
