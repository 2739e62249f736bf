"""Reload: what is the same in the new file is kept, what is gone finishes, what is new begins."""

import threading

import pytest

from lib.failover import (NO_BREAKER, NO_OUTLIER, NO_RETRY, Crowd, breaker, checks, group, retry,
                          serve, serve_until, wait_status)
from lib.libconfig import pool
from lib.raw_client import head
from lib.reloads import Site, elsewhere, held
from lib.waiting import DEADLINE_S, wait_until
from test_sticky import Browser

LONG = "10m"  # longer than any test: what it belongs to must not be what ends it
PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "retry": NO_RETRY}


def failing(stage, names):
    return [stage.failing(name) for name in names]


def others_serve(stage, site, *names):
    """Only these answer, and nothing fails."""
    assert set(serve(stage, site.proxy, 12)) <= set(names)


# ---- Kept ----

def test_health_survives(stage):
    a, b, c = failing(stage, "abc")
    a.health = 503
    site = Site(stage, a, b, health=checks(), **PLAIN)
    wait_status(site.admin, "unhealthy", "a")
    wait_status(site.admin, "healthy", "b")
    before = {name: site.endpoint(name) for name in "ab"}
    last = site.admin.last_event()
    site.backends.append(group(c))
    site.reload()
    for name, was in before.items():
        now = site.endpoint(name)
        for member in ("status", "status_since", "status_why"):
            assert now[member] == was[member], (name, member)
    assert [e for e in site.admin.events(since=last, type="health") if e["endpoint"] != "c"] == []
    wait_status(site.admin, "healthy", "c")
    assert set(serve(stage, site.proxy, 12)) == {"b", "c"}
    a.health = 200
    wait_status(site.admin, "healthy", "a")


def test_checks_follow_their_new_settings(stage):
    a, b = failing(stage, "ab")
    site = Site(stage, a, b, health=checks(), **PLAIN)
    wait_status(site.admin, "healthy", "a", "b")
    site.pool["health"]["expect_body"] = "something else"
    site.reload()
    wait_status(site.admin, "unhealthy", "a", "b")
    del site.pool["health"]
    site.reload()
    checked = a.checks
    serve(stage, site.proxy, 10)
    wait_until(lambda: a.checks == checked, "no check comes any more")
    assert site.endpoint("a")["check"] is None


def test_an_open_breaker_stays_open(stage):
    a, b, c = failing(stage, "abc")
    site = Site(stage, a, b, breaker=breaker(recovery_timeout=LONG, max_recovery_timeout=LONG),
                retry=retry(), outlier=NO_OUTLIER)
    a.mood = "503"
    wait_until(lambda: serve(stage, site.proxy, 2) and site.admin.breaker("a") == "open",
               "the breaker of a opens")
    before = site.endpoint("a")["breaker"]
    a.mood = "good"
    site.backends.append(group(c))
    site.reload()
    now = site.endpoint("a")["breaker"]
    assert {k: now[k] for k in ("state", "since", "why", "openings")} == {
        k: before[k] for k in ("state", "since", "why", "openings")}
    others_serve(stage, site, "b", "c")


def test_a_breaker_opened_by_hand_stays_open(stage):
    a, b = failing(stage, "ab")
    site = Site(stage, a, b, **PLAIN)
    site.admin.json("/api/v1/pools/app/endpoints/a/trip", "POST")
    site.backends[1]["weight"] = 3
    site.reload()
    assert site.endpoint("a")["breaker"]["by_hand"]
    others_serve(stage, site, "b")
    site.admin.json("/api/v1/pools/app/endpoints/a/reset", "POST")
    serve_until(stage, site.proxy, "a")


def test_an_ejection_lasts_through_it(stage):
    a, b, c = failing(stage, "abc")
    site = Site(stage, a, b, breaker=NO_BREAKER, retry=retry(),
                outlier={**NO_OUTLIER, "consecutive_5xx": 3, "base_ejection": LONG})
    a.mood = "503"
    wait_until(lambda: serve(stage, site.proxy, 2) and site.endpoint("a")["outlier"]["ejected"],
               "a is ejected")
    a.mood = "good"
    site.backends.append(group(c))
    site.reload()
    assert site.endpoint("a")["outlier"]["ejected"]
    others_serve(stage, site, "b", "c")


def test_counters_go_on(stage):
    a, b, c = failing(stage, "abc")
    site = Site(stage, a, b, **PLAIN)
    serve(stage, site.proxy, 10)
    wait_until(lambda: site.admin.metric("evergate_requests_total") == 10, "ten are counted")
    site.backends.append(group(c))
    site.reload()
    assert [site.endpoint(name)["requests"] for name in "abc"] == [5, 5, 0]
    assert site.admin.metric("evergate_requests_total") == 10
    assert site.admin.metric("evergate_upstream_requests_total", endpoint="a") == 5
    serve(stage, site.proxy, 9)
    assert sum(site.endpoint(name)["requests"] for name in "abc") == 19


def test_sessions_stay_where_they_are(stage):
    a, b, c = failing(stage, "abc")
    site = Site(stage, a, b, sticky={"cookie": "EGSID", "ttl": "1h"}, **PLAIN)
    browsers = [Browser(site.proxy) for _ in range(8)]
    homes = [browser.get().text for browser in browsers]
    site.serve_from(c, b, a)
    site.reload()
    for browser, home in zip(browsers, homes):
        assert browser.serve(3) == {home}
        assert browser.set_count == 1
    site.serve_from(b, c)
    site.reload()
    for browser, home in zip(browsers, homes):
        assert browser.serve(3) == {home} if home == "b" else browser.serve(3) <= {"b", "c"}


def test_idle_connections_to_backends_are_kept(stage):
    a, b = failing(stage, "ab")
    site = Site(stage, a, top={"workers": 1}, **PLAIN)
    serve(stage, site.proxy, 3)
    site.backends[0]["weight"] = 5
    site.config["routes"] = [{"name": "new", "pool": "app"}]
    site.reload()
    serve(stage, site.proxy, 3)
    site.backends.append(group(b))
    site.reload()
    serve(stage, site.proxy, 4)
    assert len(a.peers) == 1


def test_connections_that_wait_are_kept_and_a_raised_limit_serves_them(stage):
    a, b = failing(stage, "ab")
    a.mood = "hold"
    site = Site(stage, a, max_connections=1, pending_timeout=LONG, top={"workers": 1}, **PLAIN)
    client = held(stage, site.proxy, a)
    waiting = Crowd(site.proxy, 3)
    wait_until(lambda: site.admin.metric("evergate_pending") == 3, "three wait")
    site.pool["max_connections"] = 10
    site.backends.append(group(b))
    site.reload()
    a.release()
    assert client.read_response("GET").status == 200
    assert waiting.statuses() == {200: 3}


def test_a_tunnel_and_a_long_answer_in_flight_go_on(stage):
    go_on = threading.Event()

    def script(peer):
        request = peer.read_head()
        if request.get("upgrade"):
            peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                      b"Upgrade: echo\r\n\r\n")
            while data := peer.read_some():
                peer.send(data.upper())
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        go_on.wait(120)
        peer.send(b"later")

    backend = stage.backend(script)
    site = Site(stage, {"id": "a", "address": backend.address}, **PLAIN)
    tunnel, download = stage.client(site.proxy), stage.client(site.proxy)
    tunnel.send(head(headers=[("Connection", "Upgrade"), ("Upgrade", "echo")]))
    assert tunnel.read_head().status == 101
    download.send(head())
    assert download.read_head().status == 200
    for weight in range(2, 6):  # each time a new snapshot
        site.backends[0]["weight"] = weight
        site.reload()
        tunnel.send(b"still there?")
        assert tunnel.read_exactly(12) == b"STILL THERE?"
    go_on.set()
    assert download.read_exactly(10) == b"firstlater"


# ---- Gone ----

def test_a_removed_endpoint_answers_what_it_has_and_gets_nothing_new(stage):
    a, b = failing(stage, "ab")
    a.mood = "hold"
    site = Site(stage, a, b, **PLAIN)
    site.admin.json("/api/v1/pools/app/endpoints/b/trip", "POST")
    client = held(stage, site.proxy, a)
    site.admin.json("/api/v1/pools/app/endpoints/b/reset", "POST")
    site.serve_from(b)
    told = site.reload()
    assert told["draining"] == 1, told
    assert serve(stage, site.proxy, 10) == {"b": 10}
    a.release()
    answered = client.read_response("GET")
    assert (answered.status, answered.text) == (200, "a")
    assert client.get("/again").text == "b"
    wait_until(lambda: site.endpoints() == ["b"], "a is forgotten")
    wait_until(lambda: all(peer.closed.is_set() for peer in a.peers), "its connections are closed")


@pytest.mark.parametrize("what", ["endpoint", "pool and route", "listener"])
def test_a_tunnel_through_what_goes_is_not_cut(stage, what):
    def echo(peer):
        peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                  b"Upgrade: echo\r\n\r\n")
        while data := peer.read_some():
            peer.send(data.upper())

    a, goes = stage.failing("a"), stage.backend(echo)
    site = Site(stage, a, routes=[{"name": "talk", "path": "/talk", "pool": "talk"},
                                  {"name": "all", "pool": "app"}],
                pools=[pool("talk", [{"id": "goes", "address": goes.address}])], **PLAIN)
    site.config["listeners"].append({"name": "guest", "bind": elsewhere()})
    site.reload()
    tunnel = stage.client(site.listeners()["guest"])
    tunnel.send(head(path="/talk", headers=[("Connection", "Upgrade"), ("Upgrade", "echo")]))
    assert tunnel.read_head().status == 101
    if what == "endpoint":
        site.config["pools"][1]["backends"] = [{"id": "other", "address": a.address}]
    elif what == "listener":
        del site.config["listeners"][1]
    else:
        del site.config["pools"][1], site.config["routes"][0]
    for weight in (1, 2, 3):  # what is done to the one that goes, is done in the changes after it
        site.backends[0]["weight"] = weight
        site.reload()
        tunnel.send(b"still there?")
        assert tunnel.read_exactly(12) == b"STILL THERE?"
    tunnel.close()
    assert goes.wait_for_connections(1).closed.wait(DEADLINE_S)


def test_an_endpoint_that_comes_back_while_it_drains_serves_at_once(stage):
    a, b = failing(stage, "ab")
    a.mood = "hold"
    site = Site(stage, a, **PLAIN)
    client = held(stage, site.proxy, a)
    site.serve_from(b)
    site.reload()
    site.serve_from(a, b)
    site.reload()
    a.mood = "good"
    serve_until(stage, site.proxy, "a")
    a.release()
    assert client.read_response("GET").text == "a"
    wait_until(lambda: sorted(site.endpoints()) == ["a", "b"], "the first a is forgotten")


def test_another_address_under_the_same_id_is_a_new_endpoint(stage):
    old, new, b = failing(stage, ["old", "new", "b"])
    old.mood = "hold"
    site = Site(stage, {"id": "a", "address": old.address}, b, **PLAIN)
    site.admin.json("/api/v1/pools/app/endpoints/b/trip", "POST")
    client = held(stage, site.proxy, old)
    site.admin.json("/api/v1/pools/app/endpoints/b/reset", "POST")
    site.admin.json("/api/v1/pools/app/endpoints/a/trip", "POST")
    site.backends[0]["address"] = new.address
    told = site.reload()
    assert [c["name"] for c in told["plan"]["changes"] if c["of"] == "endpoint"] == ["a"], told
    assert site.endpoint("a")["breaker"]["state"] == "closed"
    assert site.endpoint("a")["requests"] == 0
    assert set(serve(stage, site.proxy, 10)) == {"new", "b"}
    old.release()
    assert client.read_response("GET").text == "old"
    assert old.count == 1


def test_a_pool_that_goes_finishes_and_one_that_comes_begins(stage):
    a, b, c = failing(stage, "abc")
    b.mood = "hold"
    routes = [{"name": "second", "path": "/second", "pool": "second"},
              {"name": "all", "pool": "app"}]
    site = Site(stage, a, routes=routes, pools=[pool("second", [group(b)], **PLAIN)], **PLAIN)
    client = held(stage, site.proxy, b, "/second")
    del site.config["pools"][1]
    site.config["pools"].append(pool("third", [group(c)], **PLAIN))
    routes[0] = {"name": "third", "path": "/third", "pool": "third"}
    site.reload()
    assert stage.get(site.proxy, "/second").text == "a"
    assert stage.get(site.proxy, "/third").text == "c"
    assert site.admin.ask("/api/v1/pools/second").status == 404
    b.release()
    assert client.read_response("GET").text == "b"


def test_a_pool_of_the_same_name_keeps_what_it_knows_wherever_it_stands_in_the_file(stage):
    a, b = failing(stage, "ab")
    routes = [{"name": "b", "path": "/b", "pool": "other"}, {"name": "all", "pool": "app"}]
    site = Site(stage, a, routes=routes, pools=[pool("other", [group(b)], **PLAIN)], **PLAIN)
    serve(stage, site.proxy, 3)
    serve(stage, site.proxy, 4, path="/b")
    site.config["pools"].reverse()
    site.config["pools"].insert(0, pool("before", [group(a)], **PLAIN))
    site.reload()
    assert (site.endpoint("a")["requests"], site.endpoint("b", "other")["requests"]) == (3, 4)
    assert serve(stage, site.proxy, 2, path="/b") == {"b": 2}
    assert serve(stage, site.proxy, 2) == {"a": 2}


def test_many_endpoints_come_and_go_without_growth(stage):
    """Slots are used again: a thousand ids over one instance's life are not a thousand slots."""
    backends = failing(stage, "abcd")
    site = Site(stage, backends[0], **PLAIN)
    for step in range(30):
        site.serve_from(*({"id": f"s{step}-{backend.name}", "address": backend.address}
                          for backend in backends[step % 3:]))
        site.reload()
        assert stage.get(site.proxy).status == 200
    site.serve_from(backends[0])
    site.reload()
    wait_until(lambda: site.endpoints() == ["a"], "the others are forgotten")
    assert serve(stage, site.proxy, 4) == {"a": 4}
