#!/usr/bin/env python3
"""Runs the test suites one after another and adds up what their closing lines say.

    python3 tests/python/suites.py "cargo test" "python -m pytest tests/python" ...

Every command's output is passed on as it comes. A command that fails does not keep the others from
running, except when it ended before its tests began: what it should have built is then not there.
The last line is `N passed, N failed`; a command that fails without naming a failed test counts as
one.

Keys, and words of prompts and answers, hold `planted-` in all tests. Everything that a command writes
is kept in a folder, where tests add the logs of the gateways that they started ($SUITE_OUTPUT); at the
end, none of it may hold such a word.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
PYTEST = re.compile(r"^=* ?(?=\d)(.*) in \d+\.\d+s(?: \([\d:]+\))? ?=*$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PLANTED = b"planted-"


def closing_line(line):
    """Passed, failed and skipped tests, if `line` is one that a runner closes with."""
    line = COLOUR.sub("", line.rstrip())
    if found := CARGO.match(line):
        return [int(count) for count in found.groups()]
    if found := PYTEST.match(line):
        counts = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", found[1])}
        failed = sum(counts.get(word, 0) for word in ("failed", "error", "errors"))
        return [counts.get("passed", 0), failed, counts.get("skipped", 0)]
    return None


def planted(folder):
    """Where in the files of a folder, or below, something is that was planted: `file:line`."""
    found = []
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        with path.open("rb") as lines:
            places = [number for number, line in enumerate(lines, 1) if PLANTED in line.lower()]
        found += [f"{path.relative_to(folder)}:{number}" for number in places]
    return found


def finds_what_is_planted():
    """A scan that finds nothing is worth something only if it finds what is there."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "clean.log").write_text("a line\nanother planted_line\n")
        if planted(folder):
            return False
        below = Path(folder) / "below"
        below.mkdir()
        (below / "output").write_bytes(b"\xff\xfe\nauthorization: Bearer sk-PLANTED-key\n")
        return planted(folder) == ["below/output:2"]


def run(command, kept):
    """Exit code, whether any tests were run to their end, and how many of them ended how."""
    print(f"\n==> {command}", flush=True)
    began = time.monotonic()
    totals, closed = [0, 0, 0], False
    with kept.open("w") as keeping, subprocess.Popen(
        shlex.split(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout:
            sys.stdout.write(line)
            keeping.write(line)
            sys.stdout.flush()
            if counts := closing_line(line):
                closed = True
                totals = [a + b for a, b in zip(totals, counts)]
    code = process.returncode
    print(f"==> {'done' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - began:.0f} s")
    return code, closed, totals


def main(commands):
    with tempfile.TemporaryDirectory(prefix="refrain-suites-") as folder:
        os.environ["SUITE_OUTPUT"] = folder
        return run_all(commands, Path(folder))


def run_all(commands, folder):
    passed = failed = skipped = 0
    faults = []
    for place, command in enumerate(commands):
        code, closed, totals = run(command, folder / f"command-{place}.output")
        passed, failed, skipped = passed + totals[0], failed + totals[1], skipped + totals[2]
        if code != 0:
            faults.append(command)
            failed += totals[1] == 0
            if not closed and place + 1 < len(commands):
                print("\nno tests were run, so the rest is left out")
                break
    if passed + failed == 0:
        faults.append("no tests at all")
    kept = [path for path in folder.rglob("*") if path.is_file()]
    print(f"\n==> looking for planted secrets in {len(kept)} files of output")
    if not finds_what_is_planted():
        faults.append("the scan for planted secrets does not find one")
    if places := planted(folder):
        failed += 1
        faults.append(f"planted secrets in {', '.join(places[:20])}")
    for fault in faults:
        print(f"\nfailed: {fault}")
    print(f"\n{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
