# Everything that a clone needs. `make` alone lists the targets.
#
# GNU Make and a POSIX shell. Settings, each as `make TARGET NAME=value`:
#
#   PORT    where `run` listens on 127.0.0.1, if not where CONFIG says
#   CONFIG  the configuration of `run` and `demo`
#   ARGS    for the program that `bench`, `bench-*`, `fuzz`, `soak`, `quality` or `client-test` runs, such as "--only exact_hit"
#   SECONDS how long `fuzz` feeds each target
#   PACKS   labelled prompts for `quality`, files of JSON lines
#   PYTHON  a Python from 3.11 to 3.13
#   IMAGE   the name of the container image, and ENGINE what builds it

PORT   =
CONFIG = providers.toml
ARGS   =
SECONDS = 60
PACKS  =
PYTHON = python3
IMAGE  = refrain
ENGINE = docker
CARGO  = cargo

TARGET = $(abspath $(or $(CARGO_TARGET_DIR),target))
VENV   = .venv
NODE   = tests/node/node_modules

.PHONY: help setup run demo test client-test check fuzz bench bench-index bench-routing bench-tokens soak quality image tools packs build venv node
.DEFAULT_GOAL = help
# The steps print as they go; two at a time would be unreadable.
.NOTPARALLEL:

help:
	@echo "make setup   prepare the embedding model and the ONNX Runtime, once (models/)"
	@echo "make run     the same, then build and serve on 127.0.0.1:8080 (PORT=..., CONFIG=...)"
	@echo "make demo    the same, then a tour of a minute that shows what the cache does"
	@echo "make test    the whole test suite: format, lints, Rust tests, official clients"
	@echo "make check   format and lints only"
	@echo "make fuzz    feeds broken requests and answers to every parser (SECONDS=600, ARGS=\"responses --seed 7\")"
	@echo "make bench   what a request costs, against a mock provider (ARGS=...)"
	@echo "make bench-index  what the vector index costs, by its size (ARGS=--million)"
	@echo "make bench-routing  how often the kind of work of a prompt is told rightly, and what that saves (ARGS=...)"
	@echo "make bench-tokens  what counting and cutting long prompts takes"
	@echo "make soak    whether it keeps its memory and its clients for minutes of mixed traffic and faults (ARGS=\"--minutes 10\")"
	@echo "make quality what the cache answers, and what wrongly, on labelled prompts (PACKS=..., ARGS=--sweep)"
	@echo "make image   the container image (ENGINE=docker, IMAGE=refrain)"

tools:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "error: $(PYTHON) is not installed; install Python 3.11 or newer, or name yours: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.11" >&2; exit 1; }
	@command -v $(CARGO) >/dev/null || \
	  { echo "error: $(CARGO) is not installed; install Rust 1.95 or newer, with cargo" >&2; exit 1; }

setup: tools
	@$(PYTHON) scripts/prepare_model.py --out models

build: setup
	$(CARGO) build --release --locked

run: build
	@$(if $(PORT),REFRAIN_SERVER__LISTEN=127.0.0.1:$(PORT)) \
	  exec "$(TARGET)/release/refrain" serve --config "$(CONFIG)"

demo: build
	@exec "$(TARGET)/release/refrain" demo --config "$(CONFIG)"

check: tools
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

# Lints come last: they need only a part of what the tests have compiled by then to be compiled
# again, and a failed test says more. FUZZ is how long each target is fed beyond the tests' one second.
FUZZ = $(if $(CI),"$(CARGO) test --locked --test fuzz -- --seconds 60")

test: setup venv node
	$(CARGO) fmt --check
	@REFRAIN_BIN="$(TARGET)/debug/refrain" $(PYTHON) tests/python/suites.py \
	  "$(CARGO) test --locked --no-fail-fast" $(FUZZ) \
	  "$(VENV)/bin/python -m pytest tests/python" \
	  "$(CARGO) clippy --locked --all-targets -- -D warnings"

# The tests feed each target for a second; here it is as long as is wanted, and an input that shows something is kept.
fuzz: tools
	$(CARGO) test --locked --test fuzz -- --seconds $(SECONDS) $(ARGS)

# Only the clients' tests, against the debug build: make client-test ARGS="-k stream"
client-test: setup venv node
	$(CARGO) build --locked
	REFRAIN_BIN="$(TARGET)/debug/refrain" $(VENV)/bin/python -m pytest tests/python $(ARGS)

# Made anew when its requirements, the interpreter or the folder's name have changed.
venv: tools
	@want="$$($(PYTHON) -VV) $(CURDIR) $$(sha256sum < tests/python/requirements.txt)"; \
	if [ "$$(cat $(VENV)/.ready 2>/dev/null)" = "$$want" ]; then \
	  echo "python environment for the client tests: there"; \
	else \
	  echo "python environment for the client tests: installing" && \
	  rm -rf $(VENV) && \
	  $(PYTHON) -m venv $(VENV) && \
	  env -u PIP_USER -u PIP_TARGET -u PIP_PREFIX -u PYTHONPATH -u PYTHONHOME \
	    $(VENV)/bin/python -m pip install --quiet --no-input --disable-pip-version-check \
	    --require-hashes --only-binary :all: --requirement tests/python/requirements.txt && \
	  echo "$$want" > $(VENV)/.ready; \
	fi

# Likewise, with OpenAI's and Anthropic's clients for Node. Where Node 20 is not there, its test is skipped and says so.
node:
	@if ! command -v npm >/dev/null || ! node -e 'process.exit(+(parseInt(process.versions.node) < 20))'; then \
	  echo "node client: left out, since Node 20 or newer is not installed"; \
	  rm -rf $(NODE); \
	  exit 0; \
	fi; \
	want="$$(node --version) $$(cat tests/node/package.json tests/node/package-lock.json | sha256sum)"; \
	if [ "$$(cat $(NODE)/.ready 2>/dev/null)" = "$$want" ]; then \
	  echo "node client: there"; \
	else \
	  echo "node client: installing" && \
	  (cd tests/node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) && \
	  echo "$$want" > $(NODE)/.ready; \
	fi

# The gateway as it is shipped: `cargo bench` would build one with what only tests ask for.
bench: build
	@mkdir -p "$(TARGET)/shipped" && cp "$(TARGET)/release/refrain" "$(TARGET)/shipped/refrain"
	REFRAIN_BIN="$(TARGET)/shipped/refrain" $(CARGO) bench --locked --bench gateway -- $(ARGS)

bench-index: tools
	$(CARGO) bench --locked --bench index -- $(ARGS)

# docs/routing.md says what the tables mean.
bench-routing: setup
	$(CARGO) bench --locked --bench routing -- $(ARGS)

bench-tokens: tools
	$(CARGO) bench --locked --bench tokens -- $(ARGS)

# The gateway as it is shipped, see bench.
soak: build
	@mkdir -p "$(TARGET)/shipped" && cp "$(TARGET)/release/refrain" "$(TARGET)/shipped/refrain"
	REFRAIN_BIN="$(TARGET)/shipped/refrain" $(CARGO) bench --locked --bench soak -- $(ARGS)

# docs/quality.md says what packs are and what the tables mean.
quality: packs build
	@exec "$(TARGET)/release/refrain" eval --config "$(CONFIG)" $(ARGS) $(PACKS)

packs:
	@test -n "$(PACKS)" || \
	  { echo "error: name labelled packs: make quality PACKS=\"a.jsonl b.jsonl\"" >&2; exit 2; }

image:
	@command -v $(ENGINE) >/dev/null || \
	  { echo "error: $(ENGINE) is not installed; install it, or name another: make image ENGINE=podman" >&2; exit 1; }
	$(ENGINE) build --tag $(IMAGE) .
