#!/usr/bin/env python3
"""What many entries cost: memory, lookups, inserts, a start from disk.

    python3 benches/entries.py --binary target/release/refrain [--sizes 1000,10000,100000,1000000]

For each size a gateway of its own, on loopback, with the exact tier and a data directory: warmed through
`refrain cache import`, asked for kept answers one after the other on one connection, stopped, and started
again. Prints a Markdown table. Linux only (it reads /proc). Needs nothing but Python and the program.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = """
[server]
listen = "127.0.0.1:{port}"
max_body = "64MiB"
[cache]
semantic = false
max_bytes = "16GiB"
data_dir = "data"
[[providers]]
name = "demo"
kind = "demo"
[[models]]
name = "m"
targets = ["demo/m"]
"""
ANSWER = "An answer of some length, as a model would give it to a question of this kind. " * 6


def body(number):
    question = f"What is known of thing number {number} in the catalogue of all things?"
    return {"model": "m", "messages": [{"role": "user", "content": question}]}


def resident(process):
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def start(binary, folder, port):
    command = [binary, "serve", "--config", str(folder / "gateway.toml")]
    environment = {"PATH": os.environ["PATH"], "RUST_LOG": "warn"}
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    while time.monotonic() - began < 300 and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return process
        except OSError:
            time.sleep(0.005)
    sys.exit("the gateway did not start")


def ask(connection, number):
    headers = {"content-type": "application/json", "cache-control": "only-if-cached"}
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body(number)), headers)
    reply = connection.getresponse()
    reply.read()
    if reply.status != 200:
        sys.exit(f"entry {number} is not there: {reply.status}")
    return time.perf_counter() - began


def measure(binary, size, lookups):
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "gateway.toml").write_text(CONFIG.format(port=port))
        message = {"role": "assistant", "content": ANSWER}
        with open(folder / "lines.jsonl", "w") as lines:
            for number in range(size):
                response = {
                    "model": "m",
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 20, "completion_tokens": 100, "total_tokens": 120},
                }
                json.dump({"request": body(number), "response": response}, lines)
                lines.write("\n")
        process = start(binary, folder, port)
        try:
            idle, began = resident(process), time.monotonic()
            url = f"http://127.0.0.1:{port}"
            command = [binary, "cache", "import", str(folder / "lines.jsonl"), "--url", url, "--batch", "2000"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            imported = time.monotonic() - began
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/admin/api/stats")
            cache = json.load(connection.getresponse())["cache"]
            grown = resident(process) - idle
            times = [ask(connection, random.randrange(size)) for _ in range(lookups)]
            process.send_signal(signal.SIGTERM)
            process.wait(300)
            began = time.monotonic()
            process = start(binary, folder, port)
            ask(http.client.HTTPConnection("127.0.0.1", port), size - 1)
            opened = time.monotonic() - began
        finally:
            process.kill()
            process.wait()
        p99 = statistics.quantiles(times, n=100)[98]
        return (
            f"| {size:,} | {size / imported:,.0f} | {statistics.median(times) * 1e6:.0f} | {p99 * 1e6:.0f} "
            f"| {cache['bytes'] / cache['entries']:.0f} | {grown / cache['entries']:.0f} | {opened:.2f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="target/release/refrain", type=os.path.abspath)
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    parser.add_argument("--lookups", default=5000, type=int)
    arguments = parser.parse_args()
    print("| entries | inserts/s | lookup p50 µs | p99 µs | bytes each, counted | bytes each, RSS | start to first answer, s |")
    print("|---|---|---|---|---|---|---|")
    for size in arguments.sizes.split(","):
        print(measure(arguments.binary, int(size), arguments.lookups), flush=True)


if __name__ == "__main__":
    main()
