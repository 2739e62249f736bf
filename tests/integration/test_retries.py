"""Retries and hedging: after what, of what, where to, and how often at most."""

import collections
import os

import pytest

from lib.failover import (NO_BREAKER, NO_OUTLIER, NO_RETRY, Crowd, group, ms, retry, serve, spread,
                          start)
from lib.libconfig import simple
from lib.raw_client import head
from lib.scripted_backend import answer
from lib.waiting import wait_until

POST = head("POST", headers=[("Content-Length", "4")]) + b"body"
LONG = "10m"
PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER}


def pair(stage, mood="good", **settings):
    """a, which fails, and b, which does not; nothing but retries helps."""
    a, b = stage.failing("a"), stage.failing("b")
    a.mood = mood
    proxy, admin = start(stage, a, b, **{"retry": retry(), **PLAIN, **settings})
    return a, b, proxy, admin


def alone(stage, mood="good", **settings):
    a = stage.failing("a")
    a.mood = mood
    proxy, admin = start(stage, a, **{"retry": retry(), **PLAIN, **settings})
    return a, proxy, admin


def statuses(stage, proxy, count=6, request=None):
    request = request or head()
    return {stage.client(proxy).request(request).status for _ in range(count)}


# ---- After what: every word of retry.on ----

FAILURES = [("reset", "reset", 502), ("reset", "garbage", 502), ("reset", "close", 502),
            ("timeout", "hold", 504), ("500", "500", 500), ("502", "502", 502),
            ("503", "503", 503), ("504", "504", 504), ("429", "429", 429)]


@pytest.mark.parametrize("word, mood, otherwise", FAILURES)
def test_a_failure_is_repeated_when_its_word_is_on_and_only_then(stage, word, mood, otherwise):
    a, b, proxy, _ = pair(stage, mood, retry=retry(on=[word]), timeouts={"response": ms(300)})
    assert statuses(stage, proxy) == {200}
    assert a.count >= 3 and b.count == 6

    others = [w for w in ("connect", "reset", "timeout", "502", "503", "504") if w != word]
    a, _, proxy, _ = pair(stage, mood, retry=retry(on=others), timeouts={"response": ms(300)})
    assert statuses(stage, proxy) == {200, otherwise}


def test_a_refused_connection_is_repeated_when_connect_is_on(stage):
    refusing, b = stage.refusing_port(), stage.failing("b")
    proxy, _ = start(stage, {"id": "a", "address": refusing.address}, b, **PLAIN,
                     retry=retry(on=["connect"]))
    assert statuses(stage, proxy) == {200}
    assert statuses(stage, proxy, request=POST) == {200}


def test_a_refused_connection_is_a_502_when_connect_is_not_on(stage):
    refusing, b = stage.refusing_port(), stage.failing("b")
    proxy, _ = start(stage, {"id": "a", "address": refusing.address}, b, **PLAIN,
                     retry=retry(on=["503"]))
    assert statuses(stage, proxy) == {200, 502}


def test_with_one_attempt_nothing_that_was_sent_is_repeated(stage):
    _, _, proxy, _ = pair(stage, "503", retry=NO_RETRY)
    assert statuses(stage, proxy) == {200, 503}


def test_attempts_are_counted_and_the_last_answer_goes_through(stage):
    """Five endpoints, three attempts: the client gets what the third one said, body and all."""
    five = [stage.failing(name) for name in "abcde"]
    for backend in five:
        backend.mood = "503"
    proxy, _ = start(stage, *five, retry=retry(attempts=3), **PLAIN)
    answered = stage.get(proxy)
    assert answered.status == 503 and answered.text in "abcde"
    assert answered.get("x-evergate-error") is None
    assert sum(b.count for b in five) == 3
    assert proxy.wait_access_lines(1)[0]["attempts"] == 3


# ---- Of what: what may have been seen is sent again only where that is safe ----

@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])
def test_idempotent_methods_are_repeated(stage, method):
    a, _, proxy, _ = pair(stage, "reset")
    assert statuses(stage, proxy, request=head(method)) == {200}
    assert a.count >= 3


@pytest.mark.parametrize("method", ["POST", "PATCH", "QUERY-LIKE"])
def test_other_methods_are_not_repeated_once_sent(stage, method):
    a, b, proxy, _ = pair(stage, "reset")
    request = head(method, headers=[("Content-Length", "4")]) + b"body"
    assert statuses(stage, proxy, request=request) == {200, 502}
    assert (a.count, b.count) == (3, 3)


@pytest.mark.parametrize("mood", ["503", "hold"])
def test_a_post_that_was_answered_or_timed_out_is_not_repeated(stage, mood):
    _, b, proxy, _ = pair(stage, mood, timeouts={"response": ms(200)})
    assert statuses(stage, proxy, request=POST) == {200, 504 if mood == "hold" else 503}
    assert b.count == 3


def test_non_idempotent_true_repeats_a_post_too(stage):
    a, b, proxy, _ = pair(stage, "reset", retry=retry(non_idempotent=True))
    assert statuses(stage, proxy, request=POST) == {200}
    assert a.count >= 3 and b.count == 6
    assert {r.body for r in a.requests + b.requests} == {b"body"}


# ---- Bodies ----

def put(body, chunked=False):
    if not chunked:
        return head("PUT", "/put", headers=[("Content-Length", str(len(body)))]) + body
    half = (len(body) + 1) // 2
    parts = [part for part in (body[:half], body[half:]) if part]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head("PUT", "/put", headers=[("Transfer-Encoding", "chunked")]) + chunks + b"0\r\n\r\n"


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 1000, 65536])
def test_a_body_up_to_body_buffer_reaches_the_second_backend_byte_for_byte(stage, size, chunked):
    a, b, proxy, _ = pair(stage, "reset")
    body = os.urandom(size)
    assert statuses(stage, proxy, 4, put(body, chunked)) == {200}
    assert a.count >= 2 and b.count == 4
    assert {r.body for r in b.requests} == {body}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_larger_body_is_not_sent_again(stage, chunked):
    a, b, proxy, _ = pair(stage, "503", retry=retry(body_buffer="8k"))
    request = put(os.urandom(20_000), chunked)
    assert statuses(stage, proxy, 4, request) == {200, 503}
    assert a.count + b.count == 4


def test_a_body_that_comes_in_pieces_is_kept_across_them(stage):
    a, b, proxy, _ = pair(stage, "503")
    body = os.urandom(5000)
    for _ in range(4):
        client = stage.client(proxy)
        client.send(head("PUT", headers=[("Content-Length", "5000")]))
        for start_at in range(0, 5000, 1000):
            client.send(body[start_at:start_at + 1000])
        assert client.read_response("PUT").status == 200
    assert a.count >= 2 and {r.body for r in b.requests} == {body}


def test_without_body_buffer_only_requests_without_a_body_are_repeated(stage):
    _, _, proxy, _ = pair(stage, "503", retry=retry(body_buffer="0"))
    assert statuses(stage, proxy) == {200}
    assert statuses(stage, proxy, request=put(b"x" * 2000)) == {200, 503}


# ---- Where to ----

def test_another_endpoint_is_asked_first(stage):
    """With as many attempts as endpoints each is asked once, whatever the order."""
    four = [stage.failing(name) for name in "abcd"]
    for backend in four[:3]:
        backend.mood = "503"
    proxy, _ = start(stage, *four, retry=retry(attempts=4), **PLAIN)
    for _ in range(12):
        before = [b.count for b in four]
        assert stage.get(proxy).text == "d"
        assert max(b.count - was for b, was in zip(four, before)) == 1


def test_the_only_endpoint_is_asked_again(stage):
    turn = iter(range(1000))
    a, proxy, _ = alone(stage, lambda request: answer(
        b"a", "503 odd" if next(turn) % 2 == 0 else "200 OK"))
    assert statuses(stage, proxy, 5) == {200}
    assert a.count == 10


def test_a_short_retry_after_of_the_only_endpoint_is_waited_for(stage):
    turn = iter(range(1000))
    a, proxy, _ = alone(stage, lambda request: answer(
        b"a", *(("503 odd", [("Retry-After", "0")]) if next(turn) % 2 == 0 else ("200 OK",))))
    assert statuses(stage, proxy, 3) == {200}
    assert a.count == 6


def test_a_long_retry_after_of_the_only_endpoint_is_obeyed_by_not_asking_again(stage):
    a, proxy, _ = alone(stage, lambda request: answer(b"a", "503 later", [("Retry-After", "120")]))
    answered = stage.get(proxy)
    assert (answered.status, answered.get("retry-after")) == (503, "120")
    assert a.count == 1


def test_a_retry_after_speaks_for_its_endpoint_only(stage):
    a, _, proxy, _ = pair(stage)
    a.mood = lambda request: answer(b"a", "503 later", [("Retry-After", "120")])
    assert statuses(stage, proxy) == {200}


# ---- How often: the budget ----

def storm(stage, count, workers, **policy):
    """(incoming, upstream) while every endpoint answers 503 to everything."""
    three = [stage.failing(name) for name in "abc"]
    for backend in three:
        backend.mood = "503"
    proxy, admin = start(stage, *three, retry={**retry(), **policy}, top={"workers": workers},
                         **PLAIN)
    client = stage.client(proxy)
    for _ in range(count // 2):
        assert client.get().status == 503
    for _ in range(count // 2):
        assert stage.get(proxy).status == 503
    return sum(b.count for b in three), admin


@pytest.mark.parametrize("workers", [1, 4])
def test_a_retry_storm_stays_within_the_budget(stage, workers):
    upstream, admin = storm(stage, 600, workers, attempts=3, budget_percent=20, budget_min=0)
    assert 600 < upstream <= 600 * 1.25, upstream
    assert admin.metric("evergate_retries_total") == upstream - 600


def test_half_of_the_answers_being_errors_stays_within_the_budget_too(stage):
    """The bar of `make chaos`, in small."""
    three = [stage.failing(name) for name in "abc"]
    for backend in three:
        turn = iter(range(100_000))
        backend.mood = lambda request, turn=turn: answer(
            b"x", "503 half" if next(turn) % 2 else "200 OK")
    proxy, _ = start(stage, *three, retry=retry(attempts=2, budget_percent=20, budget_min=0),
                     **PLAIN)
    client = stage.client(proxy)
    for _ in range(600):
        client.get()
    assert sum(b.count for b in three) <= 600 * 1.25


def test_what_never_left_is_not_charged_to_the_budget(stage):
    """A killed endpoint must not use up what a failing one needs."""
    refusing, b = stage.refusing_port(), stage.failing("b")
    proxy, _ = start(stage, {"id": "a", "address": refusing.address}, b, **PLAIN,
                     retry=retry(budget_percent=1, budget_min=0))
    assert set(serve(stage, proxy, 100)) == {"b"}


def test_a_calm_pool_may_still_repeat_its_minimum(stage):
    """20 % of nothing is nothing: the minimum is for quiet services."""
    _, _, proxy, _ = pair(stage, "503", retry=retry(budget_percent=20, budget_min=1000))
    assert statuses(stage, proxy, 6) == {200}


# ---- The route's deadline ----

def with_route_timeout(stage, timeout, *backends, **settings):
    config = simple([group(b) for b in backends], pool_settings={**PLAIN, **settings},
                    routes=[{"name": "all", "path": "/", "pool": "app", "timeout": timeout}])
    return stage.evergate(config)


def test_repetitions_end_with_the_route_s_time(stage):
    four = [stage.failing(name) for name in "abcd"]
    for backend in four:
        backend.mood = "hold"
    proxy = with_route_timeout(stage, "700ms", *four, retry=retry(attempts=16),
                               timeouts={"response": "250ms"})
    answered = stage.get(proxy)
    assert (answered.status, answered.get("x-evergate-error")) == (504, "timeout")
    assert 2 <= sum(b.count for b in four) <= 4


def test_a_backoff_that_would_outlast_the_route_is_not_waited_for(stage):
    a = stage.failing("a")
    a.mood = "503"
    proxy = with_route_timeout(stage, "2s", a, retry=retry(
        attempts=16, backoff="30s", max_backoff="30s"))
    answered = stage.get(proxy)
    assert answered.status in (503, 504)
    assert a.count <= 6  # a pause under 2 s is one in fifteen


# ---- Hedging ----

HEDGE = {"retry": retry(hedge_percentile=90), "timeouts": {"response": LONG}}


def hedged_pair(stage, **settings):
    """Its latencies are known, then a holds everything."""
    a, b, proxy, admin = pair(stage, **{**HEDGE, **settings})
    client = stage.client(proxy)
    for _ in range(300):
        assert client.get().status == 200
    wait_until(lambda: admin.json("/api/v1/pools/app")["latency"]["p90_seconds"],
               "its latencies are known")
    a.mood = "hold"
    return a, b, proxy, admin


def test_a_request_that_is_late_is_hedged_and_the_first_answer_wins(stage):
    a, _, proxy, _ = hedged_pair(stage)
    assert {stage.get(proxy).text for _ in range(6)} == {"b"}
    assert a.count > 150


def test_a_post_is_never_hedged(stage):
    a, b, proxy, _ = hedged_pair(stage)
    clients = [stage.client(proxy) for _ in range(4)]
    for client in clients:
        client.send(POST)
    a.wait_held(2)
    wait_until(lambda: sum(r.method == "POST" for r in b.requests) == 2, "b has its two")
    a.release()
    assert [client.read_response("POST").status for client in clients] == [200] * 4
    assert sum(r.method == "POST" for r in a.requests + b.requests) == 4


def test_without_hedge_percentile_nothing_is_asked_twice(stage):
    a, b, proxy, _ = hedged_pair(stage, retry=retry())
    crowd = Crowd(proxy, 4)
    a.wait_held(2)
    a.release()
    assert crowd.statuses() == {200: 4}
    assert collections.Counter(a.paths + b.paths)["/crowd"] == 4


def test_hedges_are_charged_to_the_budget(stage):
    """When everything is slow, hedging must not double the load."""
    a, b, proxy, _ = hedged_pair(
        stage, retry=retry(hedge_percentile=90, budget_percent=20, budget_min=0))
    b.mood = "hold"
    before = a.count + b.count
    crowd = Crowd(proxy, 60)
    wait_until(lambda: a.held + b.held >= 60, "all are held")
    a.mood = b.mood = "good"
    a.release()
    b.release()
    assert crowd.statuses() == {200: 60}
    # A fifth of everything asked so far, the 300 that warmed it up included.
    assert a.count + b.count - before <= 60 + 72


def test_spread_is_even_when_nothing_fails(stage):
    """Neither retries nor hedging move load while all is well."""
    _, _, proxy, _ = pair(stage)
    assert spread(stage, proxy, 20) == {"a": 10, "b": 10}
