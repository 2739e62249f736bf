"""Endpoints from Kubernetes: slices listed and watched, and what goes wrong in clusters. The API
server is a fake (lib/kubernetes.py) that test_kubernetes_fake.py holds against kubectl."""

import base64
import json

import pytest

from lib.kubectl import kubeconfig
from lib.kubernetes import KubernetesServer
from lib.kubernetes_cluster import endpoint, port, slice_of
from lib.kubernetes_site import KubernetesSite, account
from lib.waiting import wait_until

HTTP = port("http", 8080)
#: So that a silent watch is given up soon.
SHORT_WATCHES = {"EVERGATE_KUBERNETES_WATCH_SECONDS": "1"}


@pytest.fixture
def server(stage):
    return stage.ending(KubernetesServer())


@pytest.fixture
def secured(stage, certificates):
    """Over TLS, for those with the token "first-token"."""
    server = stage.ending(KubernetesServer(
        tls=certificates.server_context(certificates.leaf("IP:127.0.0.1"))))
    server.tokens = {"first-token": "evergate"}
    return server


def pods(*names, **more):
    """An endpoint for each pod; their addresses count up."""
    return [endpoint(f"10.0.0.{number}", pod=name, **more)
            for number, name in enumerate(names, 1)]


def put(server, name, endpoints, *ports, **more):
    server.cluster.put(slice_of(name, "web", endpoints, *(ports or [HTTP]), **more))


def put_server(server, backend):
    """A slice of its own: a slice has one port for all."""
    host, _, number = backend.address.rpartition(":")
    put(server, f"web-{backend.name}", [endpoint(host, pod=backend.name)],
        port("http", int(number)))


def answers(stage, site, count=20):
    return {stage.get(site.proxy).text for _ in range(count)}


def everything_said(site):
    """All that an operator reads."""
    return "\n".join([site.proxy.stderr, site.admin.ask("/api/v1/providers").text,
                      site.admin.ask("/api/v1/events?limit=1000").text,
                      site.admin.ask("/metrics").text, site.admin.ask("/api/v1/status").text])


# ---- what comes and goes ----

def test_slices_are_listed_once_and_then_watched(stage, server):
    a, b, c = stage.recorders("a", "b", "c")
    put_server(server, a)
    put_server(server, b)
    site = KubernetesSite(stage, server)
    assert answers(stage, site) == {"a", "b"}
    server.wait_watched()
    put_server(server, c)
    site.wait_ids("a", "b", "c")
    server.cluster.delete("web-a")
    site.wait_ids("b", "c")
    assert answers(stage, site) == {"b", "c"}
    assert (server.count("list"), server.count("watch")) == (1, 1)
    [listed] = server.wait_for("list")
    assert listed.query == {"labelSelector": "kubernetes.io/service-name=web", "limit": "500"}
    assert listed.namespace == "default"


def test_a_service_is_all_of_its_slices(stage, server):
    put(server, "web-1", pods("p1", "p2"))
    put(server, "web-2", [endpoint("10.0.0.9", pod="p3"), endpoint("10.0.0.2", pod="p2")])
    put(server, "web-6", [endpoint("fd00::1", pod="p6"), endpoint("fd00::2", pod="p1")],
        address_type="IPv6")
    server.cluster.put(slice_of("other", "other", pods("stranger"), HTTP),
                       slice_of("far", "web", pods("foreigner"), HTTP, namespace="far"))
    site = KubernetesSite(stage, server)
    site.wait_ids("p1", "p2", "p3", "p6")
    found = site.admin.endpoints()
    assert found["p6"]["address"] == "[fd00::1]:8080"
    assert found["p1"]["address"] == "10.0.0.1:8080"
    server.cluster.delete("web-2")
    site.wait_ids("p1", "p2", "p6")


def test_conditions_are_what_is_thought_of_an_endpoint(stage, server):
    def say(**conditions):
        put(server, "web-1", [*pods("p1"), endpoint("10.0.0.2", pod="p2", **conditions)])

    say(ready=None)
    site = KubernetesSite(stage, server)
    site.wait_ids("p1", "p2")
    assert site.endpoint("p2")["status"] in ("unknown", "healthy")
    server.wait_watched()
    say(ready=False)
    site.wait_endpoint("p2", status="unhealthy")
    say(ready=True)
    wait_until(lambda: site.endpoint("p2")["status"] != "unhealthy", "it is ready")
    say(ready=False, serving=True, terminating=True)
    site.wait_endpoint("p2", status="draining")
    say(ready=False, serving=False, terminating=True)
    site.wait_ids("p1")


def test_a_pod_that_terminates_finishes_what_it_has(stage, server):
    a, b = stage.failing("a"), stage.failing("b")
    for backend in (a, b):
        put_server(server, backend)
    site = KubernetesSite(stage, server)
    site.wait_ids("a", "b")
    server.wait_watched()
    a.mood = b.mood = "hold"
    clients = [stage.client(site.proxy) for _ in range(4)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    a.wait_held(2)
    host, _, number = a.address.rpartition(":")
    put(server, "web-a", [endpoint(host, pod="a", ready=False, serving=True, terminating=True)],
        port("http", int(number)))
    site.wait_endpoint("a", status="draining")
    server.cluster.delete("web-a")
    site.wait_ids("b")
    a.mood = b.mood = "good"
    a.release()
    b.release()
    assert sorted(client.read_response().text for client in clients) == ["a", "a", "b", "b"]


@pytest.mark.parametrize(("wanted", "expected"), [
    ("http", "10.0.0.1:8080"), ("metrics", "10.0.0.1:9090"), (9090, "10.0.0.1:9090"),
    ("9090", "10.0.0.1:9090")])
def test_the_port_is_chosen_by_name_or_number(stage, server, wanted, expected):
    put(server, "web-1", pods("p1"), HTTP, port("metrics", 9090), port("dns", 53, "UDP"))
    site = KubernetesSite(stage, server, block={"port": wanted})
    site.wait_ids("p1")
    assert site.endpoint("p1")["address"] == expected


def test_slices_without_the_port_are_left_out_one_by_one(stage, server):
    put(server, "web-1", pods("p1"), HTTP)
    put(server, "web-2", [endpoint("10.0.0.9", pod="p9")], port("https", 8443))
    put(server, "web-3", [endpoint("nonsense", pod="p8"), endpoint("10.0.0.7", pod="p7")], HTTP)
    put(server, "web-4", [endpoint("web.example", pod="p6")], HTTP, address_type="FQDN")
    site = KubernetesSite(stage, server, block={"port": "http"})
    site.wait_ids("p1", "p7")
    refused = site.source()["refused"]
    assert refused["count"] == 3
    reasons = "\n".join(refused["reasons"])
    for words in ('"web-2": it has no TCP port "http"', '"nonsense" is no IPv4', '"FQDN"'):
        assert words in reasons


def test_a_service_with_several_ports_wants_one_named(stage, server):
    put(server, "web-1", pods("p1"), HTTP, port("metrics", 9090))
    site = KubernetesSite(stage, server, {"id": "static", "address": "127.0.0.1:9"})
    site.wait_ids("static")
    assert "name one with `port`" in site.source()["refused"]["reasons"][0]


def test_zones_and_their_hints_say_who_is_near(stage, server):
    near, far, hinted = stage.recorders("near", "far", "hinted")
    for backend, more in ((near, {"zone": "z1"}), (far, {"zone": "z2"}),
                          (hinted, {"zone": "z2", "hints": ["z1", "z3"]})):
        host, _, number = backend.address.rpartition(":")
        put(server, f"web-{backend.name}",
            [endpoint(host, pod=backend.name, node=f"node-{backend.name}", **more)],
            port("http", int(number)))
    site = KubernetesSite(stage, server, locality="prefer", top={"region": "r1", "zone": "z1"})
    site.wait_ids("near", "far", "hinted")
    assert answers(stage, site) == {"near", "hinted"}
    found = site.admin.endpoints()
    assert [found[name]["zone"] for name in ("near", "far", "hinted")] == ["z1", "z2", "z1"]
    assert found["near"]["metadata"] == {"pod": "near", "node": "node-near"}
    site.config["zone"] = "z3"
    site.reload()
    assert site.admin.endpoints()["hinted"]["zone"] == "z3", "hints are read from where we are"


def test_a_service_without_pods_empties_no_pool_that_does_not_allow_it(stage, server):
    put(server, "web-1", pods("p1"))
    site = KubernetesSite(stage, server)
    site.config["pools"].append({"name": "twin", "backends": (),
                                 "discovery": {**site.block, "allow_empty": True}})
    site.config["routes"] = [{"name": "twin", "path": "/twin", "pool": "twin"},
                             {"name": "all", "pool": "app"}]
    site.reload()
    site.wait_ids("p1", pool="twin")
    server.wait_watched()
    assert site.source()["pools"] == ["app", "twin"] and server.count("watch") == 1
    put(server, "web-1", [])
    site.wait_ids(pool="twin")
    site.wait_ids("p1")


def test_a_reload_that_leaves_the_block_alone_leaves_the_watch_alone(stage, server):
    put(server, "web-1", pods("p1"))
    site = KubernetesSite(stage, server)
    server.wait_watched()
    site.config["pools"][0]["algorithm"] = "random"
    site.reload()
    site.wait_ids("p1")
    assert (server.count("list"), server.count("watch")) == (1, 1)
    del site.config["pools"][0]["discovery"]
    site.serve_from({"id": "static", "address": "127.0.0.1:9"})
    site.reload()
    server.wait_watched(0)


# ---- lists ----

def test_a_long_list_comes_in_pages(stage, server):
    for number in range(1, 1102):
        put(server, f"web-{number:04}",
            [endpoint(f"10.0.{number // 250}.{number % 250}", pod=f"p{number}")])
    site = KubernetesSite(stage, server)
    wait_until(lambda: len(site.admin.endpoints()) == 1101, "all are there")
    pages = server.wait_for("list", 3)
    assert ["continue" in page.query for page in pages] == [False, True, True]
    server.wait_watched()
    server.cluster.delete("web-0001")
    wait_until(lambda: len(site.admin.endpoints()) == 1100, "the watch goes on from there")


def test_pages_that_are_forgotten_meanwhile_are_asked_for_anew(stage, server):
    for number in range(1, 602):
        put(server, f"web-{number:03}",
            [endpoint(f"10.0.{number // 250}.{number % 250}", pod=f"p{number}")])

    def forget_once(asked):
        if "continue" in asked.query and server.count("list") == 2:
            server.cluster.delete("web-001")
            server.cluster.forget()

    server.before = forget_once
    site = KubernetesSite(stage, server)
    wait_until(lambda: len(site.admin.endpoints()) == 600, "all are there")
    assert server.count("list") == 4 and site.source()["failures"] == 0


def test_a_list_that_comes_slowly_is_read_to_its_end(stage, server):
    server.drip_bytes = 50
    put(server, "web-1", [endpoint(f"10.0.0.{number}", pod=f"p{number}")
                          for number in range(1, 41)])
    site = KubernetesSite(stage, server)
    wait_until(lambda: len(site.admin.endpoints()) == 40, "all are there")


def test_a_list_that_is_too_long_is_refused(stage, server):
    put(server, "web-1", pods("p1"))
    site = KubernetesSite(stage, server, block={"max_bytes": "64k"})
    site.wait_ids("p1")
    server.wait_watched()
    put(server, "web-2", [], labels={"note": "x" * 70000})
    assert "more than 65536 bytes" in site.wait_state("failing")["last_error"]
    site.wait_ids("p1")
    server.cluster.delete("web-2")
    site.wait_state("synced")


# ---- watches ----

def test_a_watch_that_ends_is_resumed_where_it_was(stage, server):
    put(server, "web-1", pods("p1"))
    site = KubernetesSite(stage, server)
    server.wait_watched()
    server.cluster.happen(100)
    server.bookmark()
    wait_until(lambda: server.watches[0].words == [], "the bookmark is sent")
    marked = server.cluster.version
    server.end_watches()
    server.wait_watched(0)
    put(server, "web-1", pods("p1", "p2"))
    site.wait_ids("p1", "p2")
    first, second = server.wait_for("watch", 2)
    assert int(first.query["resourceVersion"]) < marked
    assert int(second.query["resourceVersion"]) == marked
    assert first.query["allowWatchBookmarks"] == "true"
    assert server.count("list") == 1 and site.source()["failures"] == 0


@pytest.mark.parametrize("size", [0, 40, 700])
def test_a_watch_that_is_cut_anywhere_loses_nothing(stage, server, size):
    """700 bytes: in the middle of the second event."""
    put(server, "web-1", pods("p1"))
    server.cuts.append(size)
    site = KubernetesSite(stage, server)
    server.wait_for("watch")
    put(server, "web-2", [endpoint("10.0.0.2", pod="p2")])
    put(server, "web-3", [endpoint("10.0.0.3", pod="p3")])
    site.wait_ids("p1", "p2", "p3")
    server.wait_for("watch", 2)
    server.cluster.delete("web-2")
    site.wait_ids("p1", "p3")
    assert server.count("list") == 1 and site.source_events() == []


@pytest.mark.parametrize("size", [1, 7, 100])
def test_events_may_come_in_pieces(stage, server, size):
    server.chunk_bytes = size
    put(server, "web-1", pods("p1"))
    site = KubernetesSite(stage, server)
    server.wait_watched()
    put(server, "web-1", pods("p1", "p2"))
    put(server, "web-2", [endpoint("10.0.0.9", pod="p9")])
    site.wait_ids("p1", "p2", "p9")


def event(kind, **more):
    return json.dumps({"type": kind, "object": {"kind": "Whatever", **more}}).encode() + b"\n"


def test_events_that_nobody_knows_are_passed_over(stage, server):
    put(server, "web-1", pods("p1"))
    site = KubernetesSite(stage, server)
    server.wait_watched()
    server.interject(event("RENAMED", metadata={"name": "web-1"}) + b"\n\n" + event("ADDED")
                     + b'{"type":"DELETED","object":null}\n{"type":7}\n')
    put(server, "web-1", pods("p1", "p2"))
    site.wait_ids("p1", "p2")
    assert server.count("watch") == 1


@pytest.mark.parametrize(("data", "words"), [
    (b"<html>no events today</html>\n", "JSON"),
    (event("ERROR", code=500, message="etcdserver: request timed out"), "request timed out"),
    (b'{"type":"ADDED","object":{"x":"' + b"y" * 70000, "more than 65536 bytes")],
    ids=["garbage", "error", "endless"])
def test_a_watch_that_makes_no_sense_costs_no_endpoint(stage, server, data, words):
    put(server, "web-1", pods("p1"))
    site = KubernetesSite(stage, server, block={"max_bytes": "64k"})
    server.wait_watched()

    def has_failed():  # once may be an accident
        server.interject(data)
        return site.source()["failures"] > 0

    wait_until(has_failed, "it has had enough")
    assert words in site.source()["last_error"]
    put(server, "web-1", pods("p1", "p2"))
    site.wait_ids("p1", "p2")
    site.wait_source_events("failing", "synced")


@pytest.mark.parametrize("way", ["event", "status"])
def test_a_version_that_is_forgotten_means_a_new_list(stage, server, way):
    server.expired_as = way
    put(server, "web-1", pods("p1"))
    put(server, "web-2", [endpoint("10.0.0.9", pod="p9")])
    site = KubernetesSite(stage, server)
    server.wait_watched()

    def forget_once(asked):
        if asked.verb == "watch" and server.count("watch") == 2:
            server.cluster.delete("web-2")
            put(server, "web-1", pods("p1", "p2"))
            server.cluster.forget()

    server.before = forget_once
    server.break_watches()
    site.wait_ids("p1", "p2")
    server.wait_watched()
    assert server.count("list") == 2 and site.source()["failures"] == 0


def test_a_service_that_may_be_listed_but_not_watched_is_told_of_once(stage, server):
    put(server, "web-1", pods("p1"))
    server.forbidden = {"watch"}
    site = KubernetesSite(stage, server)
    site.wait_ids("p1")
    site.wait_failures(2)
    assert "may not watch endpointslices" in site.source()["last_error"]
    put(server, "web-1", pods("p1", "p2"))  # each try lists
    site.wait_ids("p1", "p2")
    site.wait_source_events("failing")
    server.forbidden = set()
    server.wait_watched()
    put(server, "web-1", pods("p1"))
    site.wait_source_events("failing", "synced")
    site.wait_ids("p1")


def test_a_half_open_connection_is_given_up(stage, server):
    a, b = stage.recorders("a", "b")
    put_server(server, a)
    site = KubernetesSite(stage, server, env=SHORT_WATCHES)
    site.wait_ids("a")
    server.wait_watched()
    server.mute()
    put_server(server, b)
    watches = server.count("watch")
    server.wait_for("watch", watches + 1)
    assert answers(stage, site) == {"a"}
    server.speak()
    site.wait_ids("a", "b")
    assert answers(stage, site) == {"a", "b"}


# ---- what goes wrong ----

def test_a_dead_api_server_costs_no_endpoint_and_is_one_event(stage, server):
    a, b = stage.recorders("a", "b")
    put_server(server, a)
    site = KubernetesSite(stage, server)
    site.wait_ids("a")
    server.wait_watched()
    server.go_down()
    site.wait_failures(2)
    assert answers(stage, site) == {"a"}
    [lost] = site.wait_source_events("failing")
    assert "the last 1 endpoint stays" in lost["next"]
    put_server(server, b)
    server.come_up()
    site.wait_ids("a", "b")
    site.wait_source_events("failing", "synced")
    server.wait_watched()


@pytest.mark.parametrize(("refusal", "words"), [
    ((500, "InternalError", "etcdserver: leader changed"), "etcdserver: leader changed"),
    ((429, "TooManyRequests", "too many requests"), "status 429"),
    ((403, "Forbidden", "no"), "rbac.yaml"), ((404, "NotFound", "no"), "1.21")],
    ids=["internal", "busy", "forbidden", "old"])
def test_a_refusal_costs_no_endpoint(stage, server, refusal, words):
    put(server, "web-1", pods("p1"))
    site = KubernetesSite(stage, server)
    site.wait_ids("p1")
    server.wait_watched()
    server.refusal = refusal
    server.end_watches()
    assert words in site.wait_state("failing")["last_error"]
    site.wait_ids("p1")
    put(server, "web-1", pods("p1", "p2"))
    server.refusal = None
    site.wait_ids("p1", "p2")
    site.wait_source_events("failing", "synced")


def test_it_starts_without_the_api_server(stage, server):
    put(server, "web-1", pods("p1"))
    server.go_down()
    site = KubernetesSite(stage, server, {"id": "static", "address": "127.0.0.1:9"})
    site.wait_ids("static")
    assert "refused" in site.wait_state("failing")["last_error"]
    server.come_up()
    site.wait_ids("p1", "static")


# ---- who asks ----

def test_a_service_account_is_used_and_its_token_followed(stage, secured, certificates):
    put(secured, "web-1", pods("p1"), namespace="shop")
    room, env = account(stage, secured, "first-token", certificates.ca, "shop")
    site = KubernetesSite(stage, secured, account_env=env)
    site.wait_ids("p1")
    secured.wait_watched()
    secured.tokens = {"second-token": "evergate"}
    (room / "token").write_text("second-token\n")
    secured.end_watches()
    put(secured, "web-1", pods("p1", "p2"), namespace="shop")
    site.wait_ids("p1", "p2")
    tokens = [asked.request.get("authorization") for asked in secured.asked]
    assert tokens == ["Bearer first-token"] * 2 + ["Bearer second-token"]
    assert site.source()["failures"] == 0
    assert "-token" not in everything_said(site)


def test_a_token_that_is_late_costs_no_endpoint(stage, secured, certificates):
    put(secured, "web-1", pods("p1"))
    room, env = account(stage, secured, "first-token", certificates.ca)
    site = KubernetesSite(stage, secured, account_env=env)
    site.wait_ids("p1")
    secured.wait_watched()
    secured.tokens = {"second-token": "evergate"}
    secured.end_watches()
    assert "status 401" in site.wait_state("failing")["last_error"]
    site.wait_ids("p1")
    # As the kubelet does it: a link to a directory is exchanged as a whole.
    aside = room / "token.new"
    aside.write_text("second-token")
    aside.rename(room / "token")
    site.wait_source_events("failing", "synced")


def test_a_kubeconfig_says_who_and_where(stage, secured, certificates):
    put(secured, "web-1", pods("p1"), namespace="shop")
    token = stage.directory / "token"
    token.write_text("first-token")
    site = KubernetesSite(stage, secured, user={"ca": certificates.ca, "namespace": "shop",
                                                "tokenFile": str(token)})
    site.wait_ids("p1")
    secured.wait_watched()
    token.write_text("second-token")
    secured.tokens = {"second-token": "evergate"}
    secured.end_watches()
    put(secured, "web-1", pods("p1", "p2"), namespace="shop")
    site.wait_ids("p1", "p2")
    assert site.source()["failures"] == 0


def test_a_kubeconfig_may_hold_a_certificate(stage, certificates):
    server = stage.ending(KubernetesServer(
        tls=certificates.server_context(certificates.leaf("api.test"), certificates.ca)))
    server.allowed = {"evergate.test"}
    put(server, "web-1", pods("p1"))
    path = kubeconfig(stage.room("kube"), server, client=certificates.leaf("evergate.test"))
    config = json.loads(path.read_text())
    config["clusters"][0]["cluster"] |= {"tls-server-name": "api.test",
                                         "certificate-authority-data": encoded(certificates.ca)}
    config["contexts"].append({"name": "there", "context": {
        "cluster": "fake", "user": "somebody", "namespace": "default"}})
    config["current-context"] = "nowhere"
    path.write_text(json.dumps(config))
    site = KubernetesSite(stage, server, block={"kubeconfig": str(path), "context": "there"})
    site.wait_ids("p1")
    assert {asked.user for asked in server.asked} == {"evergate.test"}


def encoded(path):
    with open(path, "rb") as pem:
        return base64.b64encode(pem.read()).decode()


def test_a_server_that_is_not_the_clusters_is_told_nothing(stage, secured, certificates):
    put(secured, "web-1", pods("p1"))
    _, env = account(stage, secured, "first-token", certificates.authority("another"))
    site = KubernetesSite(stage, secured, {"id": "static", "address": "127.0.0.1:9"},
                          account_env=env)
    assert "TLS" in site.wait_state("failing")["last_error"]
    site.wait_ids("static")
    assert not secured.asked


def test_a_kubeconfig_that_names_another_server_is_followed(stage, server):
    put(server, "web-1", pods("p1"))
    site = KubernetesSite(stage, server)
    site.wait_ids("p1")
    server.wait_watched()
    other = stage.ending(KubernetesServer())
    put(other, "web-1", pods("p8", "p9"))
    site.kubeconfig.write_text("clusters: [ half")
    server.end_watches()
    server.wait_for("watch", 2)
    kubeconfig(site.kubeconfig.parent, other)
    server.end_watches()
    site.wait_ids("p8", "p9")
    server.wait_watched(0)
    assert site.source()["failures"] == 0
