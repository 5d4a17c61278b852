"""OpenAI's own client and what is only passed on, to the provider that is configured for it."""

import io

import openai
import pytest
from conftest import CLIENT_KEY, MATE_KEY
from strict_openai import SOUND
from strict_server import Fails

WAV = b"RIFF nothing much " * 5000


@pytest.fixture
def client(passing):
    http_client = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(
        base_url=f"{passing.url}/v1", api_key=MATE_KEY, max_retries=0, http_client=http_client
    ) as client:
        yield client


def test_moderations(client, whole):
    answer = client.moderations.with_raw_response.create(model="mod", input=["a", "b"])
    assert [result.flagged for result in answer.parse().results] == [False, False]
    assert answer.headers["x-refrain-provider"] == "whole"
    assert answer.headers["x-refrain-cache"] == "bypass"
    received = whole.received("mod")[-1]
    assert received.raw == answer.http_request.content
    assert MATE_KEY not in str(received.headers)


def test_speech_is_streamed(client):
    with client.audio.speech.with_streaming_response.create(
        model="tts", voice="alloy", input="Hello"
    ) as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        assert b"".join(answer.iter_bytes(512)) == SOUND


def test_transcriptions(client, whole):
    text = client.audio.transcriptions.create(model="hears", file=("a.wav", io.BytesIO(WAV))).text
    assert text == f"{len(WAV)} bytes"
    [received] = whole.received("hears")
    assert received.body["parts"]["file"] == WAV
    assert received.headers["content-type"].startswith("multipart/form-data")


def test_images(client):
    images = client.images.generate(model="draws", prompt="A cat")
    assert images.data[0].b64_json == "aW1hZ2U="


def test_errors_of_the_provider(client, whole):
    whole.script("mod-fails", Fails("bad_request", "No such thing."))
    with pytest.raises(openai.BadRequestError, match="No such thing"):
        client.moderations.create(model="mod-fails", input="a")


def test_a_multipart_without_a_file(client):
    with pytest.raises(openai.BadRequestError, match="file"):
        client.post(
            "/audio/transcriptions",
            body={"model": "hears"},
            files=[("other", b"x")],
            options={"headers": {"content-type": "multipart/form-data"}},
            cast_to=object,
        )


def test_who_may_not(passing):
    for key, kind in (
        ("sk-none", openai.AuthenticationError),
        (CLIENT_KEY, openai.PermissionDeniedError),
    ):
        http_client = openai.DefaultHttpxClient(trust_env=False)
        with openai.OpenAI(
            base_url=f"{passing.url}/v1", api_key=key, max_retries=0, http_client=http_client
        ) as client:
            with pytest.raises(kind):
                client.moderations.create(model="not-allowed", input="a")
            with pytest.raises(kind):
                client.audio.transcriptions.create(model="not-allowed", file=("a.wav", WAV))


def test_where_nothing_is_configured(openai_client):
    with pytest.raises(openai.APIStatusError, match="endpoints") as raised:
        openai_client.moderations.create(input="a")
    assert raised.value.status_code in (400, 404)
    for path in ("/audio/nothing", "/images/nothing", "/files"):
        with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
            openai_client.post(path, body={}, cast_to=object)
