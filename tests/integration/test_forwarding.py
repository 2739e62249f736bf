"""Line 9: the headers that the proxy removes, adds and keeps."""

import re

import pytest

from lib.scripted_backend import answer

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

HOP_BY_HOP = [
    ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("TE", "gzip"),
    ("Proxy-Authorization", "Basic eDp5"), ("X-Mine", "1"), ("X-Other", "2")]


def forwarded(stage, headers=(), **settings):
    """The request as the backend saw it."""
    backend = stage.recorder()
    assert stage.get(stage.proxy(backend, **settings), headers=headers).status == 200
    return backend.last


def test_hop_by_hop_headers_of_a_request_are_removed(stage):
    seen = forwarded(stage, [*HOP_BY_HOP, ("Connection", "keep-alive, X-Mine,x-other")])
    for name, _ in HOP_BY_HOP:
        assert seen.get(name) is None, name
    assert "x-mine" not in (seen.get("connection") or "").lower()


def test_te_is_forwarded_only_as_trailers(stage):
    seen = forwarded(stage, [("TE", "gzip, trailers;q=0.5, deflate"), ("Connection", "TE")])
    assert seen.get("te") in ("trailers", None)
    assert forwarded(stage, [("TE", "trailers"), ("Connection", "TE")]).get("te") == "trailers"


def test_hop_by_hop_headers_of_an_answer_are_removed(stage):
    reply = answer(headers=[
        ("Connection", "X-Mine, keep-alive"), ("X-Mine", "1"), ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"), ("Upgrade", "h2c"), ("X-Kept", "yes")])
    answered = stage.get(stage.proxy(stage.recorder(respond=lambda request: reply)))
    for name in ("x-mine", "keep-alive", "proxy-connection", "upgrade"):
        assert answered.get(name) is None, name
    assert answered.get("x-kept") == "yes"


@pytest.mark.parametrize("name", ["Host", "Content-Length", "X-Forwarded-For", "Cookie"])
def test_connection_cannot_be_used_to_remove_what_matters(stage, name):
    """Naming these in Connection is a known attack on what a backend relies on."""
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.send(f"POST / HTTP/1.1\r\nHost: good.test\r\nContent-Length: 4\r\nCookie: a=b\r\n"
                f"Connection: {name}\r\n\r\nbody".encode())
    status = client.read_response().status
    assert status in (200, 400)
    if status == 200:
        seen = backend.last
        assert seen.get("host") == "good.test" and seen.body == b"body"
        assert seen.get("x-forwarded-for") == "127.0.0.1"


def test_the_clients_address_scheme_and_host_are_told(stage):
    seen = forwarded(stage)
    assert seen.get("x-forwarded-for") == "127.0.0.1"
    assert seen.get("x-forwarded-proto") == "http"
    assert seen.get("x-forwarded-host") == "test"
    assert seen.get("forwarded").startswith("for=127.0.0.1")
    assert re.search(r"proto=http\b", seen.get("forwarded"))
    assert re.search(r'host="?test"?', seen.get("forwarded"))
    assert re.fullmatch(r"(HTTP/)?1\.1 \S+.*", seen.get("via"))


def test_lists_are_appended_to_and_not_replaced(stage):
    seen = forwarded(stage, [
        ("X-Forwarded-For", "203.0.113.7"), ("Forwarded", "for=203.0.113.7"),
        ("Via", "1.0 older")])
    assert ", ".join(seen.all("x-forwarded-for")) == "203.0.113.7, 127.0.0.1"
    assert ", ".join(seen.all("forwarded")).startswith("for=203.0.113.7, for=127.0.0.1")
    assert re.fullmatch(r"1\.0 older, (HTTP/)?1\.1 \S+.*", ", ".join(seen.all("via")))


def test_answers_carry_via(stage):
    answered = stage.get(stage.proxy(stage.recorder()))
    assert re.fullmatch(r"(HTTP/)?1\.1 \S+.*", answered.get("via"))


def test_an_ipv6_client_is_quoted_in_forwarded(stage):
    seen = forwarded(stage, listener={"bind": "[::1]:0"})
    assert seen.get("x-forwarded-for") == "::1"
    assert 'for="[::1]"' in seen.get("forwarded")


def test_a_valid_request_id_is_kept_and_logged(stage):
    backend = stage.recorder()
    proxy = stage.proxy(backend)
    stage.get(proxy, headers=[("X-Request-Id", "abc-123_./+=:@~")])
    assert backend.last.all("x-request-id") == ["abc-123_./+=:@~"]
    assert proxy.wait_access_lines(1)[0]["request_id"] == "abc-123_./+=:@~"


@pytest.mark.parametrize("bad", ["", "has space", "quote\"", "<tag>", "a" * 129, "semi;colon"])
def test_an_invalid_request_id_is_replaced(stage, bad):
    seen = forwarded(stage, [("X-Request-Id", bad)])
    assert len(seen.all("x-request-id")) == 1
    assert re.fullmatch(r"[0-9a-f]{32}", seen.get("x-request-id"))


def test_made_request_ids_differ(stage):
    backend = stage.recorder()
    proxy = stage.proxy(backend)
    for _ in range(20):
        stage.get(proxy)
    assert len({request.get("x-request-id") for request in backend.requests}) == 20


def test_a_trace_is_continued(stage):
    seen = forwarded(stage, [("traceparent", TRACEPARENT), ("tracestate", "v=1")])
    assert seen.all("traceparent") == [TRACEPARENT]
    assert seen.get("tracestate") == "v=1"


@pytest.mark.parametrize("bad", [
    None, "nonsense", TRACEPARENT.upper(), TRACEPARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
    TRACEPARENT[:-1], "ff" + TRACEPARENT[2:]])
def test_a_trace_is_started_where_there_is_no_good_one(stage, bad):
    seen = forwarded(stage, [("traceparent", bad)] if bad else [])
    assert len(seen.all("traceparent")) == 1
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", seen.get("traceparent"))
    assert seen.get("traceparent") != bad


def test_the_trace_id_is_in_the_access_log(stage):
    proxy = stage.proxy(stage.recorder())
    stage.get(proxy, headers=[("traceparent", TRACEPARENT)])
    assert proxy.wait_access_lines(1)[0]["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_body_keeps_its_framing_on_the_way(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
    assert backend.last.get("content-length") == "4"
    assert backend.last.get("transfer-encoding") is None
    client.request(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"4\r\nbody\r\n0\r\n\r\n")
    assert backend.last.get("content-length") is None
    assert backend.last.get("transfer-encoding") == "chunked"
    assert backend.last.body == b"body"


def test_a_request_without_a_body_says_nothing_of_one(stage):
    seen = forwarded(stage)
    assert seen.get("content-length") is None and seen.get("transfer-encoding") is None


def test_a_post_of_length_zero_says_so(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert backend.last.get("content-length") == "0"


def test_an_answer_without_a_date_gets_one_and_a_given_one_is_kept(stage):
    assert stage.get(stage.proxy(stage.recorder())).get("date")
    given = "Sun, 06 Nov 1994 08:49:37 GMT"
    backend = stage.recorder(respond=lambda request: answer(headers=[("Date", given)]))
    assert stage.get(stage.proxy(backend)).all("date") == [given]


def test_cookies_are_forwarded_as_they_came(stage):
    cookie = 'a=1; b="x y"; c=%20; $Version=1'
    assert forwarded(stage, [("Cookie", cookie)]).get("cookie") == cookie


def test_node_agrees_on_what_it_was_sent(stage):
    proxy = stage.proxy(stage.node())
    answered = stage.get(proxy, "/echo?q=1", headers=[("X-Custom", "value")])
    assert answered.status == 200
    assert '"x-custom":"value"' in answered.text and '"url":"/echo?q=1"' in answered.text


def test_a_route_may_add_more_headers_than_a_usual_buffer_holds(stage):
    added = [{"name": f"x-{number}", "value": "v" * 4000} for number in range(64)]
    proxy = stage.proxy(stage.recorder(), routes=[
        {"name": "large", "path": "/", "pool": "app", "request_headers": {"set": added[:1]},
         "response_headers": {"add": added}}])
    client = stage.client(proxy)
    for _ in range(2):
        answered = client.get()
        assert (answered.status, answered.body) == (200, b"backend")
        assert answered.get("x-63") == "v" * 4000
