"""The gateway's program, running: started on a free port, its output kept, ended by SIGTERM."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A debug build loads the model in about a second; a busy machine takes its time.
READY_WITHIN = 60
ENDED_WITHIN = 30


def program():
    path = os.environ.get("REFRAIN_BIN")
    if not path:
        raise RuntimeError("REFRAIN_BIN has to name the program under test; `make test` sets it")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"REFRAIN_BIN is {path}, which cannot be run; build it first")
    return os.path.abspath(path)


class Gateway:
    """`refrain serve` with `config`, which is a text, or the path of a file."""

    def __init__(self, name, config, environment):
        self.name = name
        self._folder = tempfile.TemporaryDirectory(prefix=f"refrain-{name}-")
        folder = Path(self._folder.name)
        if isinstance(config, str):
            path = self._config = folder / "providers.toml"
            path.write_text(config)
        else:
            path = config
        self._output = folder / "output"
        self._output.touch()
        self._command = [program(), "serve", "--config", str(path)]
        # Nothing of the caller's: no provider key and no proxy may find its way in.
        bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "RUST_LOG": "debug"}
        self._environment = {**bare, "REFRAIN_SERVER__LISTEN": "127.0.0.1:0", **environment}
        self._start()

    def _start(self):
        self._begun = len(self.output())
        with open(self._output, "ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                cwd=self._folder.name,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self.url = self._wait_until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"the gateway ended with {self._process.returncode} at its start:\n"
                    + self.output()
                )
            begun = self.output()[self._begun :]
            address = re.search(r"endpoint +(http://\S+)/v1$", begun, re.MULTILINE)
            if address and is_ready(address[1]):
                return address[1]
            time.sleep(0.02)
        raise RuntimeError(f"the gateway was not ready in {READY_WITHIN} s:\n{self.output()}")

    def output(self):
        return self._output.read_text(errors="replace")

    def configure(self, text):
        """Replaces its configuration, if it is a text, as careful programs do: all at once."""
        beside = self._config.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self._config)

    def hang_up(self):
        self._process.send_signal(signal.SIGHUP)

    def restart(self, how):
        """Ends it by the signal `how` and starts it again, at another address."""
        self._process.send_signal(how)
        code = self._process.wait(ENDED_WITHIN)
        self._start()
        return code

    def told(self, path, body=None, key=None):
        """What it answers there, with the headers; to a POST if there is a `body`."""
        with self._opened(path, body, key) as answer:
            return json.load(answer), answer.headers

    def text(self, path, key=None):
        """The same of what is no JSON."""
        with self._opened(path, None, key) as answer:
            return answer.read().decode()

    def _opened(self, path, body, key):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.url + path, data, headers)
        return _direct.open(request, timeout=READY_WITHIN)

    def stop(self):
        """Ends it as an orchestrator would; returns its exit code and everything that it wrote."""
        self._process.terminate()
        try:
            code = self._process.wait(ENDED_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = f"killed: it did not end within {ENDED_WITHIN} s of SIGTERM"
            self._process.wait()
        output = self.output()
        # Scanned for what was planted when all suites are over.
        if folder := os.environ.get("SUITE_OUTPUT"):
            Path(folder, f"gateway-{self.name}-{self._process.pid}.log").write_text(output)
        self._folder.cleanup()
        return code, output


# Proxies of the environment are for the outside.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def is_ready(url):
    try:
        with _direct.open(f"{url}/health/ready", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
