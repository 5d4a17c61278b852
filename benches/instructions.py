#!/usr/bin/env python3
"""How many instructions a request takes in user space, counted by valgrind: for machines on which time is noise.

    python3 benches/instructions.py target/release/refrain [/path/to/another/refrain ...]

For each program and phase two gateways of their own, on loopback, with one worker thread and the exact tier, are asked 100
and 600 times over one connection; what the second took more, by 500, is what a request takes. Two runs differ by a few in a
hundred. What the kernel does is not counted, nor how long memory is waited for. Prints a Markdown table. Needs valgrind.
"""

import argparse
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
[cache]
semantic = false
max_bytes = "64MiB"
learning = false
[[providers]]
name = "mock"
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
[[models]]
name = "mock-*"
targets = ["mock/*"]
"""
MESSAGE = {"role": "assistant", "content": "High water is at noon."}
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "mock-1",
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18},
    }
).encode()
FEW, MANY = 100, 600
# By name: whether each prompt is new, and what is logged.
PHASES = {
    "exact hit, nothing logged": (False, "warn"),
    "exact hit": (False, "info"),
    "pass-through, nothing logged": (True, "warn"),
    "pass-through": (True, "info"),
}


class Mock(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def ask(connection, number):
    prompt = f"When is high water in Brest on day {number}?"
    body = {"model": "mock-1", "temperature": 0, "messages": [{"role": "user", "content": prompt}]}
    headers = {"content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        sys.exit(f"the gateway answers {answer.status}")


def connected(process, port):
    while process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.connect()
            return connection
        except OSError:
            time.sleep(0.2)
    sys.exit("the gateway did not start")


def instructions(binary, upstream, requests, are_new, log):
    with tempfile.TemporaryDirectory() as directory:
        folder, port = Path(directory), free_port()
        (folder / "gateway.toml").write_text(CONFIG.format(port=port, upstream=upstream))
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/profile", f"--log-file={folder}/said"]
        command = [*tool, str(binary), "serve", "--config", str(folder / "gateway.toml")]
        environment = {"RUST_LOG": log, "TOKIO_WORKER_THREADS": "1"}
        with open(folder / "log", "w") as lines:
            process = subprocess.Popen(command, cwd=folder, env=environment, stderr=lines, stdout=lines)
        try:
            connection = connected(process, port)
            for number in range(requests):
                ask(connection, number if are_new else 0)
            process.send_signal(signal.SIGTERM)
            process.wait(120)
        finally:
            process.kill()
        return int(re.search(r"Collected : (\d+)", (folder / "said").read_text())[1])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("binaries", nargs="+", type=Path, metavar="BINARY")
    binaries = [binary.resolve() for binary in arguments.parse_args().binaries]
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed")
    mock = ThreadingHTTPServer(("127.0.0.1", 0), Mock)
    threading.Thread(target=mock.serve_forever, daemon=True).start()
    print("| instructions of a request | " + " | ".join(str(binary) for binary in binaries) + " |")
    print("|---" * (len(binaries) + 1) + "|")
    for name, (are_new, log) in PHASES.items():
        figures = []
        for binary in binaries:
            few, many = (instructions(binary, mock.server_port, count, are_new, log) for count in (FEW, MANY))
            figures.append(f"{(many - few) // (MANY - FEW)}")
        print(f"| {name} | " + " | ".join(figures) + " |", flush=True)


if __name__ == "__main__":
    main()
