"""Requests that an endpoint holds when it turns out to be lost: others answer them."""

from lib.failover import (NO_BREAKER, NO_OUTLIER, breaker, checks, ms, retry, serve, start,
                          wait_status)
from lib.raw_client import head

LONG = "60s"


def ask(stage, proxy, path, method="GET"):
    client = stage.client(proxy)
    body = b"x" if method == "POST" else b""
    client.send(head(method, path, headers=[("Content-Length", str(len(body)))]) + body)
    return client


def test_what_a_stalled_endpoint_holds_is_answered_by_another(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b, retry=retry(), breaker=NO_BREAKER,
                         outlier={"stall_min": ms(100)}, timeouts={"response": LONG})
    serve(stage, proxy, 20)  # now the usual latency of both is known
    a.mood = "hold"
    clients = [ask(stage, proxy, f"/{number}") for number in range(6)]
    assert {client.read_response().text for client in clients} == {"b"}
    event = admin.wait_for_event(type="stall", endpoint="a", to="stalled")
    assert "no answer for" in event["why"] and "elsewhere" in event["next"]


def test_a_post_stays_with_the_stalled_endpoint(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b, retry=retry(), breaker=NO_BREAKER,
                         outlier={"stall_min": ms(100)}, timeouts={"response": LONG})
    serve(stage, proxy, 20)
    a.mood = "hold"
    clients = [ask(stage, proxy, f"/{number}", "POST") for number in range(2)]
    a.wait_held(1)
    admin.wait_for_event(type="stall", endpoint="a", to="stalled")
    a.mood = "good"
    a.release()
    assert sorted(client.read_response("POST").text for client in clients) == ["a", "b"]


def test_what_an_endpoint_holds_that_checks_found_dead_is_answered_by_another(stage):
    """Its latency is not known, and its response timeout is far away: only the checks can tell."""
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b, health=checks(), retry=retry(), breaker=NO_BREAKER,
                         outlier={**NO_OUTLIER, "stall_factor": 1000, "stall_min": ms(50)},
                         timeouts={"response": "600s"})
    wait_status(admin, "healthy", "a", "b")
    a.mood = "hold"
    clients = [ask(stage, proxy, f"/{number}") for number in range(4)]
    a.wait_held(1)
    a.health = 500
    assert {client.read_response().text for client in clients} == {"b"}
    assert not [e for e in admin.events() if e["type"] == "stall"]


def test_two_stalled_endpoints_one_after_the_other_leave_the_third(stage):
    a, b, c = (stage.failing(name) for name in "abc")
    proxy, _ = start(stage, a, b, c, retry=retry(attempts=2), breaker=breaker(),
                     outlier={"stall_min": ms(100)}, timeouts={"response": LONG})
    serve(stage, proxy, 30)
    a.mood = b.mood = "hold"
    clients = [ask(stage, proxy, f"/{number}") for number in range(9)]
    assert {client.read_response().text for client in clients} == {"c"}
