"""What `/metrics` shows, read by Prometheus' own strict parsers, in both of its formats."""

import json
import urllib.request

from conftest import ADMIN_KEY, CLIENT_KEY
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

TRACE = "0af7651916cd43dd8448eb211c80319c"
# As Prometheus 3 asks.
ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
)

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def opened(gateway, path, headers, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(gateway.url + path, data, headers)
    with _direct.open(request, timeout=60) as answer:
        return answer.headers["content-type"], answer.read().decode()


def ask(gateway, prompt, flags):
    headers = {
        "authorization": f"Bearer {CLIENT_KEY}",
        "content-type": "application/json",
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-{flags}",
    }
    body = {"model": "t-plain", "messages": [{"role": "user", "content": prompt}]}
    opened(gateway, "/v1/chat/completions", headers, body)


def scraped(gateway, accept):
    """The metrics by name, and the format."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "accept": accept}
    content_type, text = opened(gateway, "/metrics", headers)
    parsers = {"text/plain": parser, "application/openmetrics-text": openmetrics}
    read = parsers[content_type.split(";")[0]].text_string_to_metric_families
    return {family.name: family for family in read(text)}, content_type


def test_both_formats_say_the_same(guarded):
    ask(guarded, "Which tide is it in Brest?", "00")
    plain, content_type = scraped(guarded, "*/*")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    asked, content_type = scraped(guarded, ACCEPT)
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    # What happens meanwhile may begin new series.
    later, _ = scraped(guarded, "text/plain")
    assert plain.keys() <= asked.keys() <= later.keys()
    for name, family in plain.items():
        assert asked[name].type == family.type
        assert asked[name].documentation == family.documentation
        first, second, third = (
            {(sample.name, *sorted(sample.labels.items())) for sample in one.samples}
            for one in (family, asked[name], later[name])
        )
        assert first <= second <= third, name


def test_a_traced_request_stands_for_its_bucket(guarded):
    ask(guarded, "Which tide is it in Dover?", "01")
    families, _ = scraped(guarded, ACCEPT)
    for name in [
        "http_server_request_duration_seconds",
        "refrain_gateway_overhead_seconds",
        "gen_ai_client_operation_duration_seconds",
    ]:
        exemplars = [
            (sample.exemplar, float(sample.labels["le"]))
            for sample in families[name].samples
            if sample.exemplar
        ]
        assert exemplars, name
        for exemplar, bound in exemplars:
            assert exemplar.labels == {"trace_id": TRACE}
            assert exemplar.value <= bound
