"""The tests' own Consul answers as the real one is documented to."""

import concurrent.futures
import json
import urllib.error
import urllib.request

import pytest

from lib.consul import FakeConsul, seconds
from lib.consul_catalog import Catalog
from lib.waiting import DEADLINE_S, wait_until


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def index(self):
        return int(self.headers["X-Consul-Index"])

    @property
    def ids(self):
        return [entry["Service"]["ID"] for entry in self.json]


def ask(consul, path, method="GET", body=None, token=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{consul.address}{path}", data, method=method,
                                     headers={"X-Consul-Token": token} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
            return Answer(response)
    except urllib.error.HTTPError as refused:
        return Answer(refused)


@pytest.fixture
def consul(stage):
    return stage.ending(FakeConsul())


@pytest.fixture
def later():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield pool.submit


API = "/v1/health/service/api"


def test_a_query_without_an_index_is_answered_at_once(consul):
    consul.catalog.register("a", port=80, tags=["blue"])
    answered = ask(consul, API)
    assert (answered.status, answered.ids) == (200, ["a"])
    assert answered.index == consul.catalog.index
    entry = answered.json[0]
    assert entry["Node"]["Datacenter"] == "dc1" and entry["Service"]["Port"] == 80
    assert [c["CheckID"] for c in entry["Checks"]] == ["service:a", "serfHealth"]
    assert ask(consul, "/v1/health/service/other").json == []


def test_a_query_with_the_index_waits_for_what_is_newer(consul, later):
    consul.catalog.register("a", port=80)
    before = ask(consul, API).index
    waiting = later(ask, consul, f"{API}?index={before}&wait=5m")
    consul.wait_held()
    consul.catalog.register("x", "other", port=81)
    assert consul.held == 1 and not waiting.done()
    consul.catalog.register("b", port=82)
    assert waiting.result().ids == ["a", "b"] and waiting.result().index > before


def test_a_query_whose_time_is_over_is_answered_with_the_same_index(consul):
    consul.catalog.register("a", port=80)
    before = ask(consul, API).index
    assert ask(consul, f"{API}?index={before}&wait=50ms").index == before


def test_an_old_index_does_not_wait(consul):
    consul.catalog.register("a", port=80)
    before = ask(consul, API).index
    assert ask(consul, f"{API}?index={before - 1}&wait=5m").index == before


def test_a_restored_snapshot_answers_what_waits_with_an_older_index(consul, later):
    consul.catalog.register("a", port=80)
    before = ask(consul, API).index
    waiting = later(ask, consul, f"{API}?index={before}&wait=5m")
    consul.wait_held()
    consul.catalog.restore(5)
    assert waiting.result().index == 5 and waiting.result().ids == ["a"]


def test_tags_and_datacenters_are_filters(stage):
    there = Catalog("dc2")
    consul = stage.ending(FakeConsul(others=[there]))
    there.register("z", port=80)
    consul.catalog.register("a", port=80, tags=["blue", "v2"])
    consul.catalog.register("b", port=80, tags=["blue"])
    assert ask(consul, f"{API}?tag=blue").ids == ["a", "b"]
    assert ask(consul, f"{API}?tag=blue&tag=v2").ids == ["a"]
    assert ask(consul, f"{API}?dc=dc2").ids == ["z"]
    refused = ask(consul, f"{API}?dc=nowhere")
    assert (refused.status, refused.body) == (500, b"No path to datacenter")


def test_maintenance_is_a_critical_check_of_its_own(consul):
    consul.catalog.register("a", port=80)
    consul.catalog.service_maintenance("a", True)
    consul.catalog.node_maintenance("n1", True)
    critical = {c["CheckID"] for c in ask(consul, API).json[0]["Checks"]
                if c["Status"] == "critical"}
    assert critical == {"_service_maintenance:a", "_node_maintenance"}
    consul.catalog.service_maintenance("a", False)
    consul.catalog.node_maintenance("n1", False)
    assert all(c["Status"] == "passing" for c in ask(consul, API).json[0]["Checks"])


def test_acls_filter_what_is_not_permitted_and_refuse_tokens_that_are_unknown(stage):
    consul = stage.ending(FakeConsul(tokens={"reader": ["read"], "nobody": []}))
    consul.catalog.register("a", port=80)
    assert ask(consul, API, token="reader").ids == ["a"]
    for token, told in ((None, None), ("nobody", "true")):
        filtered = ask(consul, API, token=token)
        assert filtered.json == []
        assert filtered.headers["X-Consul-Results-Filtered-By-ACLs"] == told
    unknown = ask(consul, API, token="guess")
    assert (unknown.status, unknown.body) == (403, b"ACL not found")
    assert ask(consul, "/v1/agent/service/register", "PUT", {"Name": "s"}, "reader").status == 403


def register(consul, ttl, reap="1m"):
    check = {"TTL": ttl, "Status": "passing", "DeregisterCriticalServiceAfter": reap}
    return ask(consul, "/v1/agent/service/register?replace-existing-checks=true", "PUT",
               {"ID": "s-1", "Name": "s", "Port": 80, "Check": check})


def status_of(consul):
    found = ask(consul, "/v1/health/service/s").json
    return found[0]["Checks"][0]["Status"] if found else None


def test_a_service_is_registered_passes_its_check_and_is_taken_back(consul):
    assert register(consul, "10m").status == 200 and status_of(consul) == "passing"
    assert ask(consul, "/v1/agent/services").json["s-1"]["Port"] == 80
    for word, status in (("fail", "critical"), ("warn", "warning"), ("pass", "passing")):
        assert ask(consul, f"/v1/agent/check/{word}/service:s-1", "PUT").status == 200
        assert status_of(consul) == status
    assert ask(consul, "/v1/agent/service/deregister/s-1", "PUT").status == 200
    assert status_of(consul) is None
    assert ask(consul, "/v1/agent/service/deregister/s-1", "PUT").status == 404
    assert ask(consul, "/v1/agent/check/pass/service:s-1", "PUT").status == 404


def test_a_ttl_that_is_over_is_critical_and_later_the_service_is_gone(stage):
    consul = stage.ending(FakeConsul(reap_minimum_s=0.3))
    assert register(consul, "50ms", "100ms").status == 200
    wait_until(lambda: status_of(consul) == "critical", "its TTL is over")
    assert ask(consul, "/v1/agent/check/pass/service:s-1", "PUT").status == 200
    wait_until(lambda: status_of(consul) is None, "it is removed")


def test_what_is_malformed_is_refused(consul):
    for path, method, status in ((f"{API}?index=x", "GET", 400),
                                 (f"{API}?index=1&wait=soon", "GET", 400),
                                 (API, "PUT", 405), ("/v2", "GET", 404),
                                 ("/v1/agent/service/register", "PUT", 400)):
        assert ask(consul, path, method).status == status, path


def test_a_large_answer_comes_in_chunks(consul):
    for number in range(40):
        consul.catalog.register(f"s{number:02}", port=80)
    answered = ask(consul, API)
    assert answered.headers["Transfer-Encoding"] == "chunked" and len(answered.ids) == 40


def test_durations_are_those_of_go():
    assert [seconds(t) for t in ("5m", "1500ms", "1h30m", "0s")] == [300, 1.5, 5400, 0]
