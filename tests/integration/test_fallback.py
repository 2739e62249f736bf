"""When nothing can answer: the last good answer, another pool, a file, the plain error."""

import collections
import re
import time

import pytest

from lib.failover import NO_BREAKER, NO_OUTLIER, NO_RETRY, breaker, ms, retry, start
from lib.libconfig import pool, simple
from lib.raw_client import head
from lib.scripted_backend import answer
from lib.waiting import wait_until

#: Nothing but the fallback helps, and no endpoint is taken out.
PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "retry": NO_RETRY}
STALE = {"stale": "10m"}


def saying(text, *headers, status="200 OK"):
    """A mood: every request is answered so."""
    return lambda request: answer(text.encode(), status, headers)


def covered(stage, mood="good", fallback=None, **settings):
    """(the backend, the proxy in front of it)."""
    backend = stage.failing("a")
    backend.mood = mood
    top = {"routes": settings.pop("routes")} if "routes" in settings else {}
    proxy, _ = start(stage, backend, fallback=fallback or STALE, top=top, **{**PLAIN, **settings})
    return backend, proxy


def learn(stage, proxy, text, **request):
    answered = stage.get(proxy, **request)
    assert (answered.status, answered.text) == (200, text), answered


def is_stored(answered):
    return any(value.startswith("evergate; hit; ttl=") for value in answered.all("cache-status"))


def expect_stored(answered, text):
    assert (answered.status, answered.text) == (200, text), answered
    assert is_stored(answered), answered


def expect_error(answered, status=502, error="connection"):
    assert (answered.status, answered.get("x-evergate-error")) == (status, error), answered
    assert not is_stored(answered)


# ---- A stored answer: when ----

def test_the_last_good_answer_is_served_when_the_backend_is_dead(stage):
    backend, proxy = covered(stage, saying("one", ("Content-Type", "text/x-a"), ("ETag", '"e"')))
    learn(stage, proxy, "one")
    backend.mood = saying("two", ("Content-Type", "text/x-b"), ("X-Of-Backend", "1"))
    learn(stage, proxy, "two")
    backend.go_down()
    for _ in range(20):
        answered = stage.get(proxy)
        expect_stored(answered, "two")
        assert answered.get("content-type") == "text/x-b" and answered.get("etag") is None
        assert answered.get("x-of-backend") == "1" and answered.get("content-length") == "3"
        assert answered.get("x-evergate-error") is None


@pytest.mark.parametrize("mood", ["500", "502", "503", "504", "reset", "close", "garbage", "hold"])
def test_it_stands_in_for_every_way_to_fail(stage, mood):
    backend, proxy = covered(stage, saying("good"), timeouts={"response": ms(300)})
    learn(stage, proxy, "good")
    backend.mood = mood
    expect_stored(stage.get(proxy), "good")
    expect_error_or_own_answer(stage.get(proxy, "/never-stored"), mood)


def expect_error_or_own_answer(answered, mood):
    if mood.isdigit():
        assert (answered.status, answered.text) == (int(mood), "a"), answered
    else:
        expect_error(answered, *((504, "timeout") if mood == "hold" else ()))


@pytest.mark.parametrize("status", ["400", "403", "404", "429", "501"])
def test_other_answers_are_the_backends_business(stage, status):
    """RFC 5861 section 4 has a list; what is repeated may well be another."""
    backend, proxy = covered(stage, saying("good"), retry=retry(on=["429", "503"]))
    learn(stage, proxy, "good")
    backend.mood = saying("its own words", status=f"{status} No")
    answered = stage.get(proxy)
    assert (answered.status, answered.text) == (int(status), "its own words")
    assert not is_stored(answered)


def test_while_the_backend_answers_every_request_goes_to_it(stage):
    backend, proxy = covered(stage, saying("x", ("Cache-Control", "max-age=3600")))
    for number in range(1, 11):
        answered = stage.get(proxy)
        assert not is_stored(answered) and answered.get("age") is None
        assert backend.count == number


def test_an_open_breaker_is_covered_too(stage):
    backend, proxy = covered(stage, saying("good"), breaker=breaker(
        failure_threshold=1, recovery_timeout="10m", max_recovery_timeout="10m"))
    learn(stage, proxy, "good")
    backend.mood = "reset"
    expect_error(stage.get(proxy, "/other"))
    wait_until(lambda: stage.get(proxy, "/other").status == 503, "the breaker is open")
    expect_stored(stage.get(proxy), "good")


def test_retries_come_first(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, _ = start(stage, a, b, fallback=STALE, **{**PLAIN, "retry": retry()})
    for _ in range(4):
        stage.get(proxy)
    a.mood = "503"
    for _ in range(10):
        answered = stage.get(proxy)
        assert answered.text == "b" and not is_stored(answered)


def test_without_stale_nothing_is_stored(stage):
    backend, proxy = covered(stage, saying("good"), fallback={"stale": "0"})
    learn(stage, proxy, "good")
    backend.go_down()
    expect_error(stage.get(proxy))


def test_all_workers_share_what_is_stored(stage):
    backend, proxy = covered(stage, saying("good"))
    learn(stage, proxy, "good")
    backend.go_down()
    clients = [stage.client(proxy) for _ in range(16)]
    for client in clients * 3:
        expect_stored(client.get(), "good")


# ---- How it is marked ----

def test_age_and_cache_status_say_what_it_is(stage):
    backend, proxy = covered(stage, saying(
        "x", ("Age", "100"), ("Cache-Control", "max-age=30"), ("Cache-Status", "origin; hit")))
    learn(stage, proxy, "x")
    backend.go_down()
    answered = stage.get(proxy)
    expect_stored(answered, "x")
    [age] = answered.all("age")
    first, ours = answered.all("cache-status")
    assert first == "origin; hit"
    ttl = re.fullmatch(r"evergate; hit; ttl=(-\d+); detail=stale-if-error", ours).group(1)
    assert 100 <= int(age) and int(ttl) == 30 - int(age)


def test_a_fresh_one_is_not_called_stale(stage):
    backend, proxy = covered(stage, saying("x", ("Cache-Control", "max-age=3600")))
    learn(stage, proxy, "x")
    backend.go_down()
    assert re.fullmatch(r"evergate; hit; ttl=\d+", stage.get(proxy).get("cache-status"))


def test_the_date_stays_that_of_the_answer(stage):
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    backend, proxy = covered(stage, saying("x", ("Date", date), (
        "Cache-Control", "stale-if-error=2147483648")))
    learn(stage, proxy, "x")
    backend.go_down()
    answered = stage.get(proxy)
    assert answered.all("date") == [date] and int(answered.get("age")) > 10 ** 9


def test_fields_of_the_connection_are_not_kept(stage):
    backend, proxy = covered(stage, saying("x", ("Connection", "x-hop"), ("X-Hop", "1"),
                                           ("Keep-Alive", "timeout=9"), ("X-Kept", "1")))
    learn(stage, proxy, "x")
    backend.go_down()
    answered = stage.get(proxy)
    expect_stored(answered, "x")
    assert answered.get("x-kept") == "1"
    assert answered.get("x-hop") is None and answered.get("keep-alive") is None


def test_a_chunked_answer_comes_back_with_its_length(stage):
    chunked = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
               b"3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-T: 1\r\n\r\n")
    backend, proxy = covered(stage, lambda request: chunked)
    learn(stage, proxy, "abcdefg")
    backend.go_down()
    answered = stage.get(proxy)
    expect_stored(answered, "abcdefg")
    assert answered.get("content-length") == "7" and answered.get("transfer-encoding") is None


def test_head_gets_the_stored_head(stage):
    backend, proxy = covered(stage, saying("hello"))
    learn(stage, proxy, "hello")
    backend.go_down()
    client = stage.client(proxy)
    answered = client.get(method="HEAD")
    assert (answered.status, answered.get("content-length"), answered.body) == (200, "5", b"")
    assert is_stored(answered)
    expect_stored(client.get(), "hello")  # the connection is in order


# ---- What is not stored, and who does not get it ----

FORBIDDING = [
    [("Cache-Control", "no-store")],
    [("Cache-Control", "private")],
    [("Cache-Control", "no-cache")],
    [("Cache-Control", "max-age=0, must-revalidate")],
    [("Cache-Control", "public"), ("Set-Cookie", "session=1")],
    [("Vary", "*")],
    [("Cache-Control", "stale-if-error=0")],
    [("Age", "100000")],
]


@pytest.mark.parametrize("headers", FORBIDDING, ids=str)
def test_an_answer_that_forbids_it_is_never_served_again(stage, headers):
    backend, proxy = covered(stage, saying("secret", *headers))
    learn(stage, proxy, "secret")
    backend.go_down()
    expect_error(stage.get(proxy))


@pytest.mark.parametrize("headers", [
    [("Authorization", "Basic eDp5")], [("Cookie", "session=1")], [("Cache-Control", "no-store")]],
    ids=str)
def test_what_was_made_for_one_person_goes_to_nobody(stage, headers):
    backend, proxy = covered(stage, saying("personal"))
    learn(stage, proxy, "personal", headers=headers)
    backend.go_down()
    expect_error(stage.get(proxy))
    expect_error(stage.get(proxy, headers=headers))


def test_the_pools_own_cookie_makes_no_answer_personal(stage):
    backend, proxy = covered(stage, saying("good"), sticky={"cookie": "EGSID"})
    cookie = stage.get(proxy, "/first").get("set-cookie").partition(";")[0]
    learn(stage, proxy, "good", headers=[("Cookie", cookie)])
    learn(stage, proxy, "good", path="/other", headers=[("Cookie", cookie + "; session=1")])
    backend.go_down()
    answered = stage.get(proxy)
    expect_stored(answered, "good")
    assert answered.get("set-cookie") is None
    expect_error(stage.get(proxy, "/other"))


def test_what_is_for_everybody_is_served_to_everybody(stage):
    backend, proxy = covered(stage, saying("shared", ("Cache-Control", "public, max-age=1")))
    learn(stage, proxy, "shared", headers=[("Authorization", "Basic eDp5"), ("Cookie", "a=b")])
    backend.go_down()
    expect_stored(stage.get(proxy), "shared")


@pytest.mark.parametrize("headers", [
    [("Cache-Control", "no-cache")], [("Pragma", "no-cache")], [("Range", "bytes=0-1")]], ids=str)
def test_some_requests_want_the_truth(stage, headers):
    backend, proxy = covered(stage, saying("good"))
    learn(stage, proxy, "good")
    backend.go_down()
    expect_error(stage.get(proxy, headers=headers))
    expect_stored(stage.get(proxy), "good")


def test_a_conditional_request_gets_all_of_it(stage):
    backend, proxy = covered(stage, saying("good", ("ETag", '"e"')))
    learn(stage, proxy, "good")
    backend.go_down()
    expect_stored(stage.get(proxy, headers=[("If-None-Match", '"e"')]), "good")


def test_other_methods_get_the_error(stage):
    backend, proxy = covered(stage, saying("good"))
    learn(stage, proxy, "good")
    backend.go_down()
    for method in ("POST", "DELETE", "OPTIONS"):
        expect_error(stage.client(proxy).request(head(method, headers=[("Content-Length", "0")])))


def test_another_host_or_query_is_another_resource(stage):
    backend, proxy = covered(stage, lambda request: answer(request.target.encode()))
    learn(stage, proxy, "/x?a=1", path="/x?a=1", host="one.example")
    backend.go_down()
    expect_error(stage.get(proxy, "/x?a=2", host="one.example"))
    expect_error(stage.get(proxy, "/x", host="one.example"))
    expect_error(stage.get(proxy, "/x?a=1", host="two.example"))
    expect_stored(stage.get(proxy, "/x?a=1", host="ONE.example:80"), "/x?a=1")


def test_what_a_route_made_of_a_request_stays_with_that_route(stage):
    backend, proxy = covered(
        stage, lambda request: answer(request.target.encode()), routes=[
            {"name": "canary", "path": "/x", "headers": [{"name": "x-canary", "value": "1"}],
             "rewrite": {"prefix": "/canary"}, "pool": "app"},
            {"name": "stable", "pool": "app"}])
    canary = [("X-Canary", "1")]
    learn(stage, proxy, "/canary", path="/x", headers=canary)
    learn(stage, proxy, "/x", path="/x")
    backend.go_down()
    expect_stored(stage.get(proxy, "/x", headers=canary), "/canary")
    expect_stored(stage.get(proxy, "/x"), "/x")


def test_each_client_gets_its_variant_or_none(stage):
    backend, proxy = covered(stage, lambda request: answer(
        (request.get("accept-language") or "none").encode(),
        headers=[("Vary", "Accept-Language")]))
    for language in ("de", "en"):
        learn(stage, proxy, language, headers=[("Accept-Language", language)])
    backend.go_down()
    for _ in range(3):
        for language in ("de", "en"):
            expect_stored(stage.get(proxy, headers=[("Accept-Language", language)]), language)
        expect_error(stage.get(proxy, headers=[("Accept-Language", "fr")]))
        expect_error(stage.get(proxy))


def test_half_an_answer_is_no_answer(stage):
    backend, proxy = covered(stage, "truncated")
    client = stage.client(proxy)
    client.send(head())
    client.read_to_eof()
    backend.go_down()
    expect_error(stage.get(proxy))


def test_an_answer_that_ends_with_its_connection_may_be_half_of_one(stage):
    """RFC 9112 section 8: a backend that dies leaves the same bytes."""
    backend, proxy = covered(stage, saying("whole"))
    learn(stage, proxy, "whole")
    backend.mood = lambda request: b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwho"
    backend.behave = once(backend.behave)
    learn(stage, proxy, "who")
    backend.go_down()
    expect_stored(stage.get(proxy), "whole")


def once(behave):
    """Closes the connection after the answer."""
    def behave_once(*arguments):
        behave(*arguments)
        return False
    return behave_once


def test_a_change_makes_what_is_stored_worthless(stage):
    """RFC 9111 section 4.4."""
    backend, proxy = covered(stage, saying("before"))
    learn(stage, proxy, "before")
    learn(stage, proxy, "before", path="/other")
    assert stage.client(proxy).request(
        head("POST", headers=[("Content-Length", "0")])).status == 200
    backend.go_down()
    expect_error(stage.get(proxy))
    expect_stored(stage.get(proxy, "/other"), "before")


# ---- Leaving a failing backend alone ----

def test_a_failing_backend_is_not_asked_for_every_request(stage):
    backend, proxy = covered(stage, saying("good"))
    learn(stage, proxy, "good")
    backend.mood = "503"
    asked, began = backend.count, time.monotonic()
    for _ in range(100):
        expect_stored(stage.get(proxy), "good")
    # Once at first, and once more for each second that this took.
    assert backend.count - asked <= 2 + (time.monotonic() - began)


def test_other_targets_are_asked_for_meanwhile(stage):
    backend, proxy = covered(stage, lambda request: answer(request.target.encode()))
    learn(stage, proxy, "/a", path="/a")
    backend.mood = lambda request: (answer(b"no", "503 No") if request.target == "/a"
                                    else answer(request.target.encode()))
    expect_stored(stage.get(proxy, "/a"), "/a")
    for number in range(5):
        learn(stage, proxy, f"/{number}", path=f"/{number}")


def test_steady_traffic_does_not_keep_a_backend_that_is_well_again_from_being_asked(stage):
    backend, proxy = covered(stage, saying("old"))
    learn(stage, proxy, "old")
    backend.mood = "503"
    expect_stored(stage.get(proxy), "old")
    backend.mood = saying("new")
    wait_until(lambda: stage.get(proxy).text == "new", "the backend is asked again")
    assert not is_stored(stage.get(proxy))


# ---- Memory ----

def test_the_store_is_bounded_and_the_least_recently_used_go_first(stage):
    backend, proxy = covered(stage, lambda request: answer(request.target.encode() * 800),
                             fallback={**STALE, "cache": "64k", "cache_entry": "16k"})
    paths = [f"/{number:08}" for number in range(40)]
    for path in paths:
        assert stage.get(proxy, path).status == 200
    backend.go_down()
    stored = [path for path in paths if stage.get(proxy, path).status == 200]
    assert stored and stored == paths[-len(stored):]
    assert len(stored) * 800 * 9 <= 64 * 1024
    for path in stored:
        expect_stored(stage.get(proxy, path), path * 800)


def test_an_answer_that_is_too_large_is_not_stored(stage):
    backend, proxy = covered(stage, lambda request: answer(b"x" * int(request.target[1:])),
                             fallback={**STALE, "cache_entry": "1k"})
    for size in (1024, 1025):
        assert stage.get(proxy, f"/{size}").status == 200
    backend.go_down()
    assert stage.get(proxy, "/1024").status == 200
    expect_error(stage.get(proxy, "/1025"))


# ---- Another pool, a file, the error ----

def with_spare(stage, fallback=None, spare_fallback=None, **settings):
    """(main, spare, the proxy): a pool "app" whose fallback is the pool "spare"."""
    main, spare = stage.failing("main"), stage.failing("spare")
    config = simple([main], pool_settings={
        **PLAIN, **settings, "fallback": {"pool": "spare", **(fallback or {})}},
        routes=[{"name": "all", "pool": "app"}])
    config["pools"].append(pool("spare", [spare], **PLAIN, fallback=spare_fallback or {}))
    return main, spare, stage.evergate(config)


def test_another_pool_answers_when_this_one_cannot(stage):
    main, spare, proxy = with_spare(stage)
    learn(stage, proxy, "main")
    assert spare.count == 0
    main.go_down()
    for _ in range(5):
        learn(stage, proxy, "spare")
    main.come_up()
    learn(stage, proxy, "main")


def test_a_backends_own_error_is_its_answer_for_the_other_pool(stage):
    main, spare, proxy = with_spare(stage)
    main.mood = "500"
    answered = stage.get(proxy)
    assert (answered.status, answered.text, spare.count) == (500, "main", 0)


def post(stage, proxy):
    return stage.client(proxy).request(head("POST", headers=[("Content-Length", "4")]) + b"body")


def test_a_post_goes_to_the_other_pool_only_if_nobody_has_seen_it(stage):
    main, spare, proxy = with_spare(stage)
    main.mood = "reset"
    expect_error(post(stage, proxy))
    assert spare.count == 0
    main.go_down()
    answered = post(stage, proxy)
    assert (answered.status, answered.text) == (200, "spare")
    assert spare.requests[-1].body == b"body"


def sorry(stage, name, text="sorry"):
    path = stage.directory / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name, content_type", [
    ("sorry.html", "text/html; charset=utf-8"), ("sorry.json", "application/json"),
    ("sorry.txt", "text/plain; charset=utf-8"), ("sorry", "application/octet-stream")])
def test_a_file_with_its_status_and_type(stage, name, content_type):
    backend, proxy = covered(stage, fallback={"body_file": sorry(stage, name)})
    backend.go_down()
    answered = stage.get(proxy)
    assert (answered.status, answered.text) == (503, "sorry")
    assert answered.get("content-type") == content_type
    assert answered.get("content-length") == "5"
    answered = stage.get(proxy, method="HEAD")
    assert (answered.status, answered.get("content-length"), answered.body) == (503, "5", b"")


def test_a_files_status_is_the_operators_choice(stage):
    backend, proxy = covered(
        stage, fallback={"body_file": sorry(stage, "sorry.html"), "status": 200})
    backend.go_down()
    assert (stage.get(proxy).status, stage.get(proxy).text) == (200, "sorry")
    assert post(stage, proxy).status == 200


def test_the_plain_error_says_when_to_come_back(stage):
    """Contract, section 3: every breaker open."""
    backend, proxy = covered(stage, "reset", fallback={"stale": "0"}, breaker=breaker(
        failure_threshold=1, recovery_timeout="10m", max_recovery_timeout="10m"))
    expect_error(stage.get(proxy))
    wait_until(lambda: stage.get(proxy).status == 503, "the breaker is open")
    answered = stage.get(proxy)
    expect_error(answered, 503, "circuit_breaker")
    assert int(answered.get("retry-after")) >= 1
    assert backend.count == 1


def test_the_order_is_stored_answer_then_pool_then_file(stage):
    main, spare, proxy = with_spare(
        stage, fallback={**STALE, "body_file": sorry(stage, "sorry.txt")})
    learn(stage, proxy, "main", path="/stored")
    main.go_down()
    expect_stored(stage.get(proxy, "/stored"), "main")
    assert spare.count == 0
    learn(stage, proxy, "spare", path="/not-stored")
    spare.go_down()
    expect_stored(stage.get(proxy, "/stored"), "main")
    answered = stage.get(proxy, "/not-stored-either")
    assert (answered.status, answered.text) == (503, "sorry")


def test_the_other_pools_own_fallback_is_used_before_nothing(stage):
    main, spare, proxy = with_spare(
        stage, spare_fallback={"body_file": sorry(stage, "sorry.txt", "spare is sorry")})
    main.go_down()
    spare.go_down()
    answered = stage.get(proxy)
    assert (answered.status, answered.text) == (503, "spare is sorry")


def test_a_fallback_may_have_a_fallback(stage):
    names = ("one", "two", "three")
    backends = [stage.failing(name) for name in names]
    config = simple([backends[0]], pool_settings={**PLAIN, "fallback": {"pool": "two"}}, routes=[
        {"name": "all", "pool": "app"}])
    config["pools"].append(pool("two", [backends[1]], **PLAIN, fallback={"pool": "three"}))
    config["pools"].append(pool("three", [backends[2]], **PLAIN))
    proxy = stage.evergate(config)
    for backend, name in zip(backends, names):
        learn(stage, proxy, name)
        backend.go_down()
    expect_error(stage.get(proxy))


def test_what_the_client_did_wrong_is_not_covered(stage):
    backend, proxy = covered(stage, fallback={"body_file": sorry(stage, "sorry.txt")})
    backend.go_down()
    statuses = collections.Counter(
        stage.client(proxy).request(b"GET / HTTP/1.1\r\n" + broken + b"\r\n", "GET").status
        for broken in (b"", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nContent-Length: x\r\n"))
    assert statuses == {400: 3}
