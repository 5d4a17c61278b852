"""The admin page in Debian's Chromium, by Node's own test runner.

What is done and expected there is in `tests/node/admin.test.js`, which starts gateway, provider and browser itself.
"""

import os

import pytest
from gateway import program
from node import needs_node, run_alone

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
TESTS = 24

is_there = os.access(CHROMIUM, os.X_OK)
# What a reviewer's machine may lack is not left out where changes are let in.
needs_chromium = pytest.mark.skipif(
    not is_there and not os.environ.get("CI"), reason=f"Chromium is not installed ({CHROMIUM})"
)


@needs_node
@needs_chromium
def test_the_admin_page_in_a_browser():
    assert is_there, f"Chromium is not installed ({CHROMIUM})"
    passed = run_alone("admin.test.js", REFRAIN_BIN=program(), CHROMIUM=CHROMIUM)
    # As many as there are: one that is left out is no success.
    assert passed == TESTS + bool(os.environ.get("UPDATE_SCREENSHOTS"))
