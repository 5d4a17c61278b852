"""Runs tests of OpenAI's client for Node, which are in `tests/node`, by Node's own test runner."""

import os
import re
import subprocess

import pytest
from conftest import CLIENT_KEY
from gateway import ROOT

FOLDER = ROOT / "tests" / "node"
WITHIN = 120

needs_node = pytest.mark.skipif(
    not (FOLDER / "node_modules" / "openai").exists(), reason="Node 20 is not installed"
)


def run(script, gateway, **environment):
    """How many tests of `script` passed; all of them, or this fails."""
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=tap", script],
        cwd=FOLDER,
        env={
            "PATH": os.environ["PATH"],
            "REFRAIN_URL": gateway.url,
            "REFRAIN_KEY": CLIENT_KEY,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    failed = re.findall(r"^not ok .*?(?=^(?:ok|not ok|# |1\.\.))", ran.stdout, re.M | re.S)
    told = [line for line in "".join(failed).splitlines() if "node_modules" not in line]
    assert ran.returncode == 0, "\n".join(told) + ran.stderr[-2000:]
    return int(re.search(r"^# pass (\d+)$", ran.stdout, re.M)[1])
