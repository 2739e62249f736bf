"""Orders of events that are rare: what an exchange does between its attempts, in its pool's queue,
and while its client is slow.
"""

import time

import pytest

from lib.failing_backend import TRUNCATED
from lib.failover import (NO_BREAKER, NO_OUTLIER, NO_RETRY, Crowd, breaker, checks, group, ms, retry,
                          serve, spread, start, wait_status)
from lib.raw_client import head
from lib.scripted_backend import answer
from lib.waiting import wait_until

LONG = "10m"
STALL = {"outlier": {**NO_OUTLIER, "stall_factor": 4, "stall_min": ms(50)},
         "timeouts": {"response": LONG}, "breaker": NO_BREAKER, "retry": retry()}
UPGRADE = [("Upgrade", "echo"), ("Connection", "upgrade")]
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n"


def ask(stage, proxy, path):
    client = stage.client(proxy)
    client.send(head(path=path))
    return client


# ---- What is not the endpoint's fault ----

def test_an_upload_that_comes_slowly_is_no_stall_of_its_endpoint(stage):
    a = stage.failing("a")
    proxy, admin = start(stage, a, **STALL)
    serve(stage, proxy, 20)
    client = stage.client(proxy)
    client.send(head("POST", headers=[("Content-Length", "40")]))
    for _ in range(40):  # many times as long as an endpoint may be silent
        client.send(b"b")
        time.sleep(0.02)
    assert client.read_response("POST").status == 200
    assert admin.events(type="stall") == []


def test_an_error_that_is_cut_short_is_one_failure(stage):
    a = stage.failing("a")
    proxy, admin = start(stage, a, breaker=breaker(failure_threshold=2), outlier=NO_OUTLIER,
                         retry=NO_RETRY, timeouts={"idle": ms(200)})
    a.mood = lambda request: TRUNCATED.replace(b"200 OK", b"500 Sorry")
    client = ask(stage, proxy, "/cut")
    client.read_to_eof()
    proxy.wait_access_lines(1)
    assert admin.breaker("a") == "closed"
    ask(stage, proxy, "/cut").read_to_eof()
    wait_until(lambda: admin.breaker("a") != "closed", "two in a row open it")


def test_tunnels_that_their_backend_resets_open_no_breaker(stage):
    """What a client says in its tunnel can make any backend reset it."""
    def script(peer):
        peer.read_request()
        peer.send(SWITCHED)
        peer.read_exactly(1)
        peer.reset()

    backend = stage.backend(script)
    proxy, admin = start(stage, {"id": "a", "address": backend.address},
                         breaker=breaker(failure_threshold=1, recovery_timeout=LONG,
                                         max_recovery_timeout=LONG), outlier=NO_OUTLIER)
    for _ in range(4):
        client = stage.client(proxy)
        client.send(head(headers=UPGRADE))
        assert client.read_response().status == 101
        client.send(b"x")
        client.read_to_eof()
    proxy.wait_access_lines(4)
    assert admin.breaker("a") == "closed"


def test_least_latency_does_not_prefer_who_refuses_fastest(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, _ = start(stage, a, b, algorithm="least_latency", breaker=NO_BREAKER,
                     outlier=NO_OUTLIER, retry=NO_RETRY)
    a.mood = "500"

    def late(request):
        time.sleep(0.02)
        return answer(b"b")
    b.mood = late
    spread(stage, proxy, 40)
    assert b.count > a.count


def test_the_log_names_no_endpoint_of_another_pool(stage):
    dead, spare = stage.refusing_port(), stage.refusing_port()
    proxy = stage.evergate({
        "admin": {"bind": "off"},
        "listeners": [{"name": "edge", "bind": "127.0.0.1:0"}],
        "routes": [{"pool": "app"}],
        "pools": [
            {"name": "app", "backends": [{"id": "dead", "address": dead.address}],
             "fallback": {"pool": "spare"}},
            {"name": "spare", "backends": [{"id": "drained", "address": spare.address,
                                            "drain": True}]},
        ]})
    assert stage.get(proxy).status == 503
    line, = proxy.wait_access_lines(1)
    assert (line["pool"], line.get("endpoint") or "") == ("spare", "")



def test_a_route_s_time_that_its_client_used_up_is_nobody_else_s_failure(stage):
    """The upload ends just before the limit; the endpoint had no time of its own."""
    a = stage.failing("a")
    a.mood = "hold"
    proxy, admin = start(stage, a, breaker=breaker(failure_threshold=1, recovery_timeout=LONG,
                                                   max_recovery_timeout=LONG),
                         outlier=NO_OUTLIER, retry=NO_RETRY,
                         top={"routes": [{"pool": "app", "timeout": "2s"}]})
    client = stage.client(proxy)
    client.send(head("POST", headers=[("Content-Length", "15")]))
    for _ in range(15):
        client.send(b"b")
        time.sleep(0.1)
    assert client.read_response("POST").status == 504
    assert admin.breaker("a") == "closed"
    assert stage.get(proxy).status == 504
    wait_until(lambda: admin.breaker("a") == "open", "that time was its own")


# ---- Between attempts ----

def test_what_nobody_else_could_answer_costs_no_budget(stage):
    """A stalled endpoint that is the only one: its requests are looked at again and again."""
    a = stage.failing("a")
    proxy, admin = start(stage, a, **{**STALL, "retry": retry(budget_percent=0, budget_min=1)})
    serve(stage, proxy, 20)
    a.mood = "hold"
    crowd = Crowd(proxy, 4)
    admin.wait_for_event(type="stall", endpoint="a")
    time.sleep(0.5)
    a.release()
    assert crowd.statuses() == {200: 4}
    assert admin.metric("evergate_retries_denied_total") == 0


def test_a_retry_that_waits_for_another_endpoint_keeps_nobody_from_a_free_one(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, group(a, max_connections=1), group(b, max_connections=1),
                         breaker=NO_BREAKER, outlier=NO_OUTLIER, retry=retry(attempts=2),
                         timeouts={"response": LONG}, pending_timeout=LONG, top={"workers": 1})

    def serve_or_close(request):
        return answer(b"a") if request.target == "/second" else None
    b.mood = "hold"
    a.mood = "hold"
    busy = [ask(stage, proxy, "/busy") for _ in range(2)]
    a.wait_held(1)
    b.wait_held(1)
    a.release(1)
    wait_until(lambda: a.held == 0, "a is free")
    a.mood = serve_or_close
    first = ask(stage, proxy, "/first")
    wait_until(lambda: admin.metric("evergate_pending") == 1, "it waits for b")
    assert stage.get(proxy, "/second").text == "a"
    b.release()
    assert first.read_response().text == "b"
    assert {c.read_response().status for c in busy} == {200}


# ---- Events ----

def test_a_fallback_that_is_needed_now_and_then_is_one_event(stage):
    a = stage.failing("a")
    proxy, admin = start(stage, a, breaker=NO_BREAKER, outlier=NO_OUTLIER, retry=NO_RETRY,
                         fallback={"stale": LONG})
    learned = answer(b"a", headers=[("Cache-Control", "max-age=0")])
    a.mood = lambda request: learned
    assert stage.get(proxy, "/flaky").status == 200
    a.mood = lambda request: learned if request.target == "/well" else None
    for _ in range(10):
        assert stage.get(proxy, "/flaky").text == stage.get(proxy, "/well").text == "a"
    assert len(admin.events(type="fallback")) == 1


def test_an_endpoint_that_returns_serves_those_who_wait(stage):
    """No request ends meanwhile that could have freed a place."""
    a, b = stage.failing("a"), stage.failing("b")
    b.health = 500
    proxy, admin = start(stage, group(a, max_connections=1), b, health=checks(), retry=retry(),
                         outlier=NO_OUTLIER, pending_timeout=LONG, timeouts={"response": LONG})
    wait_status(admin, "healthy", "a")
    wait_status(admin, "unhealthy", "b")
    a.mood = "hold"
    first = ask(stage, proxy, "/first")
    a.wait_held(1)
    waiting = [ask(stage, proxy, f"/{number}") for number in range(3)]
    wait_until(lambda: admin.metric("evergate_pending") == 3, "they wait")
    b.health = 200
    assert {client.read_response().text for client in waiting} == {"b"}
    a.release()
    assert first.read_response().status == 200
