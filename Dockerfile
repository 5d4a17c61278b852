# The gateway with its embedding model and the ONNX Runtime inside: it downloads nothing when it runs.
#
#     docker build --tag refrain .
#
# A port published by a container is open to whoever reaches the machine, so the gateway does not
# start unless the configuration says who may use it. Either with client keys and an admin key:
#
#     docker run --publish 8080:8080 --volume ./providers.toml:/etc/refrain/providers.toml:ro \
#         --env OPENAI_API_KEY --env WEB_KEY --env REFRAIN_ADMIN_KEY refrain
#
# where providers.toml has [[clients]]; or, to try it, open to this machine alone, which is for you
# to see to (here by publishing on 127.0.0.1):
#
#     docker run --publish 127.0.0.1:8080:8080 --env REFRAIN_SERVER__ALLOW_PUBLIC=true \
#         --env OPENAI_API_KEY refrain
#
# `docker stop` kills after 10 seconds; with `--stop-timeout 40` long answers are finished first
# (server.drain_timeout). Nothing is written: it runs with `--read-only --cap-drop ALL` too.

# --- the embedding model and the ONNX Runtime: from hashed wheels, checked against reference vectors

FROM python:3.11-slim-trixie AS model
WORKDIR /build
COPY scripts/prepare_model.py scripts/build_onnx.py scripts/model-requirements.txt scripts/
COPY tests/fixtures/golden/ tests/fixtures/golden/
# What it is built from (.build) stays behind: half a gigabyte, and of no use afterwards.
RUN python3 scripts/prepare_model.py --out /models \
    && rm -r /models/.build \
    && python3 scripts/prepare_model.py --out /models --check

# --- the program

# The compiler of rust-toolchain.toml, which stays outside: it also asks for clippy and rustfmt.
FROM rust:1.95.0-slim-trixie AS program
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
# A library and a program of nothing, to compile the dependencies in a layer of their own, which
# lasts until Cargo.toml or Cargo.lock changes.
RUN mkdir -p src \
    && touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked \
    && rm -r src
COPY providers.toml ./
COPY src/ src/
# Touched, because files that are copied in keep their times, and cargo would take the older ones
# for what it has compiled already.
RUN touch src/lib.rs src/main.rs && cargo build --release --locked

# --- what runs

FROM debian:trixie-slim
# The versions are those of the Debian release; pinned ones vanish from its mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/*
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/refrain/
COPY --from=model /models/ /opt/refrain/models/
COPY --from=program /build/target/release/refrain /usr/local/bin/refrain
COPY providers.toml /etc/refrain/providers.toml

# The paths of the file count from its own directory, which is not where the model is; and 127.0.0.1
# would be the container's own. Variables go before the file, so a mounted one needs neither.
ENV REFRAIN_CONFIG=/etc/refrain/providers.toml \
    REFRAIN_EMBEDDING__MODEL=/opt/refrain/models/all-MiniLM-L6-v2 \
    REFRAIN_EMBEDDING__RUNTIME=/opt/refrain/models/onnxruntime/libonnxruntime.so \
    REFRAIN_SERVER__LISTEN=0.0.0.0:8080

# A number, so that an orchestrator can see that it is not root. It needs no entry in /etc/passwd.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["refrain", "health"]
ENTRYPOINT ["refrain"]
CMD ["serve"]
