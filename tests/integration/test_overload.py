"""Overload: limits of connections, the queue in front of them, slow start.

Held requests are released one by one, so what waits and what runs is known at every step.
"""

import time

import pytest

from lib.failover import (NO_BREAKER, NO_OUTLIER, NO_RETRY, Crowd, group, start, wait_status,
                          checks, serve, spread)
from lib.raw_client import head
from lib.waiting import wait_until

PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "retry": NO_RETRY,
         "timeouts": {"response": "10m"}}
LONG = "10m"


def holding(stage, *names):
    backends = [stage.failing(name) for name in names]
    for backend in backends:
        backend.mood = "hold"
    return backends


def ask(stage, proxy, path):
    client = stage.client(proxy)
    client.send(head(path=path))
    return client


def in_flight(backends):
    return sum(b.held for b in backends)


def refused(answered):
    return (answered.status, answered.get("x-evergate-error"),
            int(answered.get("retry-after") or 0) >= 1) == (503, "overload", True)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_pool_has_no_more_in_flight_than_max_connections(stage, workers):
    backends = holding(stage, "a", "b")
    proxy, _ = start(stage, *backends, **PLAIN, max_connections=5, pending_timeout=LONG,
                     top={"workers": workers})
    crowd = Crowd(proxy, 30)
    wait_until(lambda: in_flight(backends) == 5, "five are in flight")
    while any(thread.is_alive() for thread in crowd.threads):
        for backend in backends:
            if backend.held:
                backend.release(1)
        time.sleep(0.001)
    assert crowd.statuses() == {200: 30}
    assert sum(b.most_held for b in backends) <= 6  # both may peak, but not at the same time
    assert max(b.most_held for b in backends) <= 5


@pytest.mark.parametrize("workers", [1, 4])
def test_an_endpoint_has_no_more_in_flight_than_its_max_connections(stage, workers):
    a, b = holding(stage, "a", "b")
    proxy, _ = start(stage, group(a, max_connections=2), b, **PLAIN, top={"workers": workers})
    crowd = Crowd(proxy, 20)
    wait_until(lambda: in_flight([a, b]) == 20, "all are in flight")
    assert a.held == 2  # the rest went to b, which has no limit
    a.release()
    b.release()
    assert crowd.statuses() == {200: 20}


def test_a_request_waits_when_every_endpoint_is_at_its_limit(stage):
    a, b = holding(stage, "a", "b")
    proxy, _ = start(stage, group(a, max_connections=1), group(b, max_connections=1), **PLAIN,
                     pending_timeout=LONG, top={"workers": 1})
    first = [ask(stage, proxy, "/first") for _ in range(2)]
    wait_until(lambda: in_flight([a, b]) == 2, "both are busy")
    waiting = ask(stage, proxy, "/waiting")
    b.release(1)
    wait_until(lambda: b.paths == ["/first", "/waiting"], "the freed one gets it")
    b.release()
    a.release()
    assert {c.read_response().status for c in [*first, waiting]} == {200}


@pytest.mark.parametrize("settings", [
    {"sticky": {"cookie": "EGSID", "ttl": "1h"}},
    {"algorithm": "consistent_hash", "hash_key": "cookie:EGSID"}])
def test_a_session_waits_for_any_place_not_for_its_own_endpoint(stage, settings):
    """Nobody waits for one endpoint: whose own is full goes elsewhere, and out of the queue too."""
    backends = {name: stage.failing(name) for name in "ab"}
    proxy, admin = start(stage, *(group(b, max_connections=1) for b in backends.values()),
                         **PLAIN, **settings, pending_timeout=LONG, top={"workers": 1})
    answered = stage.get(proxy, headers=[("Cookie", "EGSID=mine")])
    cookie = next((c.partition(";")[0] for c in answered.all("set-cookie")), "EGSID=mine")
    own = backends.pop(answered.text)
    other, = backends.values()
    own.mood = other.mood = "hold"

    def ask_as_session(path):
        client = stage.client(proxy)
        client.send(head(path=path, headers=[("Cookie", cookie)]))
        return client

    clients = [ask_as_session("/own")]
    own.wait_held(1)
    clients.append(ask_as_session("/elsewhere"))
    other.wait_held(1)
    clients.append(ask_as_session("/waiting"))
    wait_until(lambda: pending(admin) == 1, "both are full")
    other.release(1)
    wait_until(lambda: other.paths[-2:] == ["/elsewhere", "/waiting"], "it waited for anybody")
    assert own.paths[-1] == "/own" and own.held == 1
    own.release()
    other.release()
    assert {c.read_response().status for c in clients} == {200}


def test_the_queue_is_first_in_first_out(stage):
    a, = holding(stage, "a")
    proxy, admin = start(stage, a, **PLAIN, max_connections=1, pending_timeout=LONG,
                         top={"workers": 1})
    clients = []
    for number in range(8):
        clients.append(ask(stage, proxy, f"/{number}"))
        if number == 0:
            a.wait_held(1)
        else:
            wait_until(lambda n=number: pending(admin) == n, "it waits")
    for number, client in enumerate(clients):
        wait_until(lambda n=number: a.count == n + 1, "the next one is served")
        a.release(1)
        assert client.read_response().status == 200
    assert a.paths == [f"/{number}" for number in range(8)]


def pending(admin):
    return admin.metric("evergate_pending")


def test_beyond_max_pending_requests_are_refused_at_once(stage):
    a, = holding(stage, "a")
    proxy, admin = start(stage, a, **PLAIN, max_connections=1, max_pending=2,
                         pending_timeout=LONG)
    first = ask(stage, proxy, "/first")
    a.wait_held(1)
    waiting = [ask(stage, proxy, "/waiting") for _ in range(2)]
    wait_until(lambda: pending(admin) == 2, "two wait")
    for _ in range(4):
        assert refused(stage.get(proxy))
    a.release()
    assert [c.read_response().status for c in [first, *waiting]] == [200] * 3
    assert a.count == 3
    assert admin.wait_for_event(type="overload")["pool"] == "app"


def test_a_request_that_waited_pending_timeout_is_refused(stage):
    a, = holding(stage, "a")
    proxy, _ = start(stage, a, **PLAIN, max_connections=1, pending_timeout="100ms")
    first = ask(stage, proxy, "/first")
    a.wait_held(1)
    assert refused(stage.get(proxy, "/late"))
    a.release()
    assert first.read_response().status == 200
    assert a.paths == ["/first"]


def test_with_max_pending_zero_nobody_waits(stage):
    a, = holding(stage, "a")
    proxy, _ = start(stage, a, **PLAIN, max_connections=1, max_pending=0, pending_timeout=LONG)
    first = ask(stage, proxy, "/first")
    a.wait_held(1)
    assert refused(stage.get(proxy))
    a.release()
    assert first.read_response().status == 200


@pytest.mark.parametrize("workers", [1, 4])
def test_a_waiting_request_whose_client_left_never_reaches_a_backend(stage, workers):
    a, = holding(stage, "a")
    proxy, admin = start(stage, a, **PLAIN, max_connections=1, pending_timeout=LONG,
                         top={"workers": workers})
    first = ask(stage, proxy, "/first")
    a.wait_held(1)
    leavers = [ask(stage, proxy, "/left") for _ in range(5)]
    stayer = ask(stage, proxy, "/stayed")
    wait_until(lambda: pending(admin) == 6, "six wait")
    for client in leavers:
        client.reset()
    wait_until(lambda: pending(admin) == 1, "those who left wait no more")
    a.release()
    assert first.read_response().status == stayer.read_response().status == 200
    assert a.paths == ["/first", "/stayed"]
    lines = proxy.wait_access_lines(7)
    assert sorted(line["status"] for line in lines) == [200, 200] + [499] * 5


def test_a_place_freed_on_one_worker_goes_to_a_request_that_waits_on_another(stage):
    """Connections are spread over the workers by the kernel: with 30 of them all four wait."""
    a, = holding(stage, "a")
    proxy, _ = start(stage, a, **PLAIN, max_connections=1, pending_timeout=LONG,
                     top={"workers": 4})
    crowd = Crowd(proxy, 30)
    a.wait_held(1)
    a.release()
    assert crowd.statuses() == {200: 30}
    assert a.most_held == 1


def test_what_waits_moves_on_when_its_endpoint_dies(stage):
    """The endpoint it waited for fails; another serves it. Nothing waits for a dead one."""
    a, b = holding(stage, "a", "b")
    proxy, _ = start(stage, group(a, max_connections=1), group(b, max_connections=1),
                     **{**PLAIN, "retry": {"attempts": 2}}, pending_timeout=LONG)
    crowd = Crowd(proxy, 6)
    wait_until(lambda: in_flight([a, b]) == 2, "both are busy")
    a.go_down()
    b.release()
    assert crowd.statuses() == {200: 6}


# ---- Slow start ----

def test_an_endpoint_that_returns_begins_with_a_small_share(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b, **PLAIN, slow_start="1h", health=checks())
    wait_status(admin, "healthy", "a", "b")
    assert spread(stage, proxy, 20) == {"a": 10, "b": 10}  # the start of all is no return
    a.health = 500
    wait_status(admin, "unhealthy", "a")
    assert spread(stage, proxy, 10) == {"b": 10}
    a.health = 200
    wait_status(admin, "healthy", "a")
    counts = spread(stage, proxy, 100)
    assert 1 <= counts["a"] <= 20, counts


def test_its_share_grows_until_it_is_whole(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b, **PLAIN, slow_start="1s", health=checks())
    wait_status(admin, "healthy", "a", "b")
    a.health = 500
    wait_status(admin, "unhealthy", "a")
    a.health = 200
    wait_until(lambda: serve(stage, proxy, 60) == {"a": 30, "b": 30}, "it has its full share")
