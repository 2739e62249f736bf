"""The fake Kubernetes API server is an honest one: Debian's real kubectl works with it. What kubectl
does not do is asked for by hand, and compared with what the API's documentation promises."""

import json
import urllib.parse

import pytest

from lib.kubectl import Kubectl
from lib.kubernetes import KubernetesServer
from lib.kubernetes_cluster import endpoint, port, slice_of
from lib.raw_client import RawClient, head
from lib.wire import read_chunked

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
HTTP = port("http", 8080)


@pytest.fixture
def server(stage):
    return stage.ending(KubernetesServer())


@pytest.fixture
def secured(stage, certificates):
    """Over TLS, with a token; kubectl sends none without TLS."""
    context = certificates.server_context(certificates.leaf("IP:127.0.0.1"))
    server = stage.ending(KubernetesServer(tls=context))
    server.tokens = {"good": "reader"}
    return server


def fill(server, count=1, service="web"):
    server.cluster.put(*(slice_of(f"{service}-{number}", service, [endpoint(f"10.0.0.{number}")],
                                  HTTP) for number in range(1, count + 1)))


def ask(server, path=SLICES, **query):
    """(status, the object)"""
    client = RawClient(server.address)
    try:
        answered = client.request(head("GET", path + "?" + urllib.parse.urlencode(query),
                                       "127.0.0.1", []))
        return answered.status, json.loads(answered.body)
    finally:
        client.close()


class Watching:
    """A watch by hand: events as they come."""

    def __init__(self, server, **query):
        query = {"watch": "1", **query}
        self.client = RawClient(server.address)
        self.client.send(head("GET", SLICES + "?" + urllib.parse.urlencode(query), "127.0.0.1",
                              []))
        self.head = self.client.read_head()

    def next(self):
        """(type, object)"""
        size = int(self.client.read_until(b"\r\n"), 16)
        event = json.loads(self.client.read_exactly(size))
        assert self.client.read_exactly(2) == b"\r\n"
        return event["type"], event["object"]

    def names(self, count):
        return [(kind, one["metadata"]["name"])
                for kind, one in (self.next() for _ in range(count))]

    def ends(self):
        """It ends as a chunked body has to."""
        read_chunked(self.client, self.head)
        assert self.head.body == b""


# ---- kubectl ----

def test_kubectl_knows_what_it_talks_to(stage, server):
    kubectl = Kubectl(stage, server)
    assert "v1.32.0" in kubectl.run("version").stdout
    listed = kubectl.run("api-resources", "--no-headers").stdout.split()
    assert listed[:1] == ["endpointslices"] and "EndpointSlice" in listed


def test_kubectl_gets_slices_as_json(stage, server):
    server.cluster.put(slice_of("web-1", "web", [endpoint("10.0.0.1", pod="web-a", zone="z1"),
                                                 endpoint("10.0.0.2", ready=False)], HTTP))
    fill(server, 2, "other")
    kubectl = Kubectl(stage, server)
    [found] = kubectl.json("-l", "kubernetes.io/service-name=web")["items"]
    assert (found["kind"], found["apiVersion"]) == ("EndpointSlice", "discovery.k8s.io/v1")
    assert found["endpoints"][0]["targetRef"]["name"] == "web-a"
    assert found["endpoints"][1]["conditions"] == {"ready": False}
    assert kubectl.json("other-2")["metadata"]["name"] == "other-2"


def test_kubectl_gets_a_table(stage, server):
    fill(server, 2)
    kubectl = Kubectl(stage, server)
    for output in ([], ["-o", "wide"]):
        lines = [line.split() for line in kubectl.get(*output).splitlines()]
        assert lines[0] == ["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"]
        assert [line[:4] for line in lines[1:]] == [["web-1", "IPv4", "8080", "10.0.0.1"],
                                                    ["web-2", "IPv4", "8080", "10.0.0.2"]]
    assert kubectl.get("-o", "name").split() == ["endpointslice.discovery.k8s.io/web-1",
                                                 "endpointslice.discovery.k8s.io/web-2"]


def test_kubectl_selects_by_labels_and_namespaces(stage, server):
    fill(server, 2)
    server.cluster.put(slice_of("far", "web", [], HTTP, namespace="elsewhere",
                                labels={"tier": "gold"}))
    kubectl = Kubectl(stage, server)

    def names(*arguments):
        return [name.partition("/")[2] for name in kubectl.get("-o", "name", *arguments).split()]

    assert names("--all-namespaces") == ["web-1", "web-2", "far"]
    assert names("-A", "-l", "tier in (gold, silver)") == ["far"]
    assert names("-A", "-l", "!tier,kubernetes.io/service-name=web") == ["web-1", "web-2"]
    assert names("-n", "elsewhere", "-l", "tier!=gold") == []
    assert names("--field-selector", "metadata.name=web-2") == ["web-2"]


def test_kubectl_gets_a_long_list_in_pages(stage, server):
    fill(server, 7)
    kubectl = Kubectl(stage, server)
    assert len(kubectl.json("--chunk-size=3")["items"]) == 7
    pages = server.wait_for("list", 3)
    assert [page.query["limit"] for page in pages] == ["3"] * 3
    assert ["continue" in page.query for page in pages] == [False, True, True]
    assert len(kubectl.get("--chunk-size=2").splitlines()) == 8  # as a table, with its head


def test_kubectl_watches(stage, server):
    fill(server, 1)
    watch = Kubectl(stage, server).watch()
    watch.wait_line("web-1", "10.0.0.1")
    server.wait_watched()
    server.cluster.put(slice_of("web-1", "web", [endpoint("10.9.9.9")], HTTP))
    watch.wait_line("web-1", "10.9.9.9")
    server.cluster.put(slice_of("web-2", "web", [endpoint("10.0.0.2")], HTTP))
    watch.wait_line("web-2", "10.0.0.2")
    assert watch.lines[0].split()[0] == "NAME"


def test_kubectl_watches_events_as_they_are(stage, server):
    fill(server, 1)
    watch = Kubectl(stage, server).watch("--output-watch-events", "-l",
                                         "kubernetes.io/service-name=web")
    watch.wait_line("ADDED", "web-1")
    server.wait_watched()
    fill(server, 1, "other")
    fill(server, 1)
    watch.wait_line("MODIFIED", "web-1")
    server.cluster.delete("web-1")
    watch.wait_line("DELETED", "web-1")
    assert not [line for line in watch.lines if "other" in line]


def test_kubectl_understands_a_watch_that_ends(stage, server):
    fill(server, 1)
    watch = Kubectl(stage, server).watch()
    server.wait_watched()
    server.end_watches()
    assert watch.wait_end() == 0


def test_kubectl_is_told_that_a_version_is_too_old(stage, server):
    fill(server, 3)
    server.cluster.forget()
    kubectl = Kubectl(stage, server)
    result = kubectl.run("get", "--raw", SLICES + "?resourceVersion=1&resourceVersionMatch=Exact")
    assert result.returncode != 0
    assert "Expired" in result.stderr and "too old resource version" in result.stderr


def test_kubectl_is_told_what_a_token_may_not(stage, secured, certificates):
    fill(secured, 1)
    good = Kubectl(stage, secured, token="good", ca=certificates.ca)
    assert "web-1" in good.get()
    bad = Kubectl(stage, secured, token="bad", ca=certificates.ca).run("get", "endpointslices")
    assert bad.returncode != 0 and "must be logged in" in bad.stderr
    secured.allowed = {"somebody else"}
    refused = good.run("get", "endpointslices")
    assert refused.returncode != 0 and "Forbidden" in refused.stderr
    assert 'User "reader" cannot list resource' in refused.stderr


def test_kubectl_follows_a_token_in_a_file(stage, secured, certificates):
    fill(secured, 1)
    token = stage.directory / "token"
    token.write_text("good")
    kubectl = Kubectl(stage, secured, ca=certificates.ca, tokenFile=str(token))
    assert "web-1" in kubectl.get()
    secured.tokens = {"newer": "reader"}
    assert "must be logged in" in kubectl.run("get", "endpointslices").stderr
    token.write_text("newer")
    assert "web-1" in kubectl.get()


def test_kubectl_shows_a_certificate(stage, certificates):
    context = certificates.server_context(certificates.leaf("IP:127.0.0.1"), certificates.ca)
    server = stage.ending(KubernetesServer(tls=context))
    server.allowed = {"kubectl.test"}
    fill(server, 1)
    for name, good in (("kubectl.test", True), ("stranger.test", False)):
        kubectl = Kubectl(stage, server, ca=certificates.ca, client=certificates.leaf(name))
        result = kubectl.run("get", "endpointslices")
        assert (result.returncode == 0) == good
        assert ("web-1" in result.stdout) == good


# ---- what the documentation promises besides ----

def test_pages_are_of_one_moment(server):
    fill(server, 4)
    status, first = ask(server, limit=2)
    assert status == 200 and first["metadata"]["remainingItemCount"] == 2
    server.cluster.delete("web-3")
    fill(server, 1, "late")
    _, rest = ask(server, limit=2, **{"continue": first["metadata"]["continue"]})
    assert [one["metadata"]["name"] for one in rest["items"]] == ["web-3", "web-4"]
    assert rest["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


def test_a_continue_token_expires(server):
    fill(server, 4)
    _, first = ask(server, limit=2)
    fill(server, 4)
    server.cluster.forget()
    status, refusal = ask(server, limit=2, **{"continue": first["metadata"]["continue"]})
    assert (status, refusal["kind"], refusal["reason"]) == (410, "Status", "Expired")
    _, rest = ask(server, limit=9, **{"continue": refusal["metadata"]["continue"]})
    assert [one["metadata"]["name"] for one in rest["items"]] == ["web-3", "web-4"]


def test_versions_mean_what_they_should(server):
    fill(server, 2)
    _, now = ask(server)
    version = now["metadata"]["resourceVersion"]
    fill(server, 3)
    assert len(ask(server, resourceVersion="0")[1]["items"]) == 3
    assert len(ask(server, resourceVersion=version)[1]["items"]) == 3  # not older than
    assert len(ask(server, resourceVersion=version, resourceVersionMatch="Exact")[1]["items"]) == 2
    assert ask(server, resourceVersion="999999")[1]["reason"] == "Timeout"
    assert ask(server, resourceVersion="now")[0] == 400
    server.cluster.forget()
    assert ask(server, resourceVersion=version, resourceVersionMatch="Exact")[0] == 410


@pytest.mark.parametrize("version", ["", "0"])
def test_a_watch_without_a_version_begins_with_what_is_there(server, version):
    fill(server, 2)
    watch = Watching(server, resourceVersion=version)
    assert watch.names(2) == [("ADDED", "web-1"), ("ADDED", "web-2")]
    server.cluster.delete("web-1")
    assert watch.names(1) == [("DELETED", "web-1")]


def test_a_watch_with_a_version_begins_after_it(server):
    fill(server, 1)
    version = ask(server)[1]["metadata"]["resourceVersion"]
    fill(server, 2)
    watch = Watching(server, resourceVersion=version)
    assert watch.names(2) == [("MODIFIED", "web-1"), ("ADDED", "web-2")]


def test_what_no_longer_matches_is_deleted_for_a_watch(server):
    fill(server, 1)
    watch = Watching(server, labelSelector="kubernetes.io/service-name=web")
    assert watch.names(1) == [("ADDED", "web-1")]
    server.cluster.put(slice_of("web-1", "renamed", [], HTTP))
    assert watch.names(1) == [("DELETED", "web-1")]
    fill(server, 1)
    assert watch.names(1) == [("ADDED", "web-1")]


def test_bookmarks_are_for_those_who_want_them(server):
    plain, marked = Watching(server), Watching(server, allowWatchBookmarks="true")
    server.wait_watched(2)
    server.cluster.happen(10)
    server.bookmark()
    kind, mark = marked.next()
    assert kind == "BOOKMARK" and mark["endpoints"] is None
    assert mark["metadata"]["resourceVersion"] == str(server.cluster.version)
    fill(server, 1)
    assert plain.names(1) == [("ADDED", "web-1")]


@pytest.mark.parametrize("way", ["event", "status"])
def test_a_watch_from_before_what_is_remembered_is_gone(server, way):
    fill(server, 2)
    server.cluster.forget()
    server.expired_as = way
    if way == "status":
        assert ask(server, watch="1", resourceVersion="1")[0] == 410
        return
    watch = Watching(server, resourceVersion="1")
    kind, gone = watch.next()
    assert (kind, gone["code"], gone["reason"]) == ("ERROR", 410, "Expired")
    watch.ends()


def test_a_watch_ends_when_its_time_is_over(server):
    watch = Watching(server, timeoutSeconds="1")
    watch.ends()
    assert watch.head.status == 200


@pytest.mark.parametrize("size", [0, 1, 2, 50, 100])
def test_a_watch_is_cut_at_the_byte(server, size):
    fill(server, 1)
    server.cuts.append(size)
    watch = Watching(server)
    assert len(watch.client.read_to_eof()) == size


def test_a_mute_server_takes_in_and_says_nothing(server):
    watch = Watching(server)
    server.wait_watched()
    server.mute()
    fill(server, 1)
    client = RawClient(server.address)
    client.send(head("GET", SLICES, "127.0.0.1", []))
    server.wait_for("list", 1)
    assert not client.buffer and not watch.client.buffer
    server.speak()
    assert client.read_response().status == 200
    assert watch.names(1) == [("ADDED", "web-1")]
