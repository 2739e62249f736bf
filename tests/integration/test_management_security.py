"""Who may use management, and what a bad client of it can do: nothing to others."""

import json
import os
import socket

import pytest

from lib.management import MANAGED, Management
from lib.raw_client import RawClient, head
from lib.waiting import wait_until

ENDPOINTS = "/api/v1/pools/app/endpoints"
MAX_CONNECTIONS = 64

#: Of every way to change something: none may be done by a GET, nor by a page of another site.
CHANGES = [
    ("POST", ENDPOINTS), ("PUT", f"{ENDPOINTS}/b0"), ("PATCH", f"{ENDPOINTS}/b0"),
    ("DELETE", f"{ENDPOINTS}/b0"), ("POST", f"{ENDPOINTS}/b0/drain"),
    ("POST", f"{ENDPOINTS}/b0/undrain"), ("POST", f"{ENDPOINTS}/b0/trip"),
    ("POST", f"{ENDPOINTS}/b0/reset"), ("POST", f"{ENDPOINTS}/b0/check"),
    ("PATCH", "/api/v1/pools/app/policy"), ("POST", "/api/v1/pools/app/failback"),
    ("POST", "/api/v1/pools/app/revert"),
    ("POST", "/api/v1/reload"), ("POST", "/api/v1/plan"), ("POST", "/api/v1/explain"),
    ("POST", "/api/v1/pools/app/select"),
]


def start(stage, **admin):
    proxy = stage.proxy(stage.recorder(), admin={"bind": "127.0.0.1:0", **admin})
    return proxy, Management(proxy)


def with_token(stage, text="sesame"):
    path = stage.room("token") / "token"
    path.write_text(text + "\n")
    return path


@pytest.mark.parametrize("method, path", CHANGES)
def test_no_page_of_another_site_changes_anything(stage, method, path):
    _, admin = start(stage)
    for fields in ([("Origin", "http://evil.example")], [("Origin", "null")],
                   [("Sec-Fetch-Site", "cross-site")],
                   [("Origin", "http://127.0.0.1"), ("Sec-Fetch-Site", "same-site")]):
        answered = admin.send(path, method, b"{}",
                              [("Content-Type", "application/json"), *fields])
        assert (answered.status, json.loads(answered.body)["error"]["type"]) == (403, "forbidden")
    assert admin.events() == []


def test_a_browser_that_asks_first_gets_no_permission(stage):
    """CORS: what has a body of JSON, or is no POST, is announced by an OPTIONS."""
    _, admin = start(stage)
    for method, path in CHANGES:
        answered = admin.send(path, "OPTIONS", headers=[
            ("Origin", "http://evil.example"), ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "content-type")])
        assert answered.status == 405
        assert method in answered.get("allow")
        assert not [name for name, _ in answered.fields if "access-control" in name.lower()]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9900", "127.0.0.1.evil.example",
                                  "localhost.evil.example", "", "127.1", "[::1].evil.example",
                                  "user@127.0.0.1"])
def test_a_name_that_was_rebound_reads_nothing_on_the_loopback(stage, host):
    _, admin = start(stage)
    for path in ("/", "/metrics", "/health/live", "/api/v1/status"):
        assert admin.send(path, "GET", host=host).status == 400


def test_a_rebound_name_is_refused_on_a_listener_of_all_addresses_too(stage):
    proxy = stage.proxy(stage.recorder(), admin={"bind": "0.0.0.0:0"})
    address, = wait_until(lambda: MANAGED.findall(proxy.stderr), "management listens")
    admin = Management(proxy)
    admin.address = "127.0.0.1:" + address.rpartition(":")[2]
    assert admin.send("/metrics", "GET", host="evil.example").status == 400
    assert admin.send("/metrics", "GET", host="127.0.0.1").status == 200


def test_every_wrong_token_is_refused_before_anything_is_told(stage):
    _, admin = start(stage, token_file=str(with_token(stage)))
    for field in ("Bearer", "Bearer ", "Bearer sesam", "Bearer sesamee", "Bearer SESAME",
                  "Basic sesame", "sesame", "Bearer sesame sesame"):
        for path in ("/api/v1/status", "/nowhere", ENDPOINTS):
            answered = admin.send(path, "GET", headers=[("Authorization", field)])
            assert (answered.status, answered.get("www-authenticate")) == (401, "Bearer"), field
    for method, path in CHANGES:
        assert admin.send(path, method, b"{}").status == 401
    assert admin.send("/health/live", "GET").status == 200


def test_a_token_lets_in_by_the_socket_too(stage):
    where = stage.room("socket") / "admin.sock"
    _, admin = start(stage, token_file=str(with_token(stage)), socket=str(where))
    admin.address = f"unix:{where}"
    wait_until(where.exists, "the socket is there")
    assert admin.send("/api/v1/status", "GET").status == 401
    assert admin.send("/api/v1/status", "GET",
                      headers=[("Authorization", "Bearer sesame")]).status == 200


def test_the_socket_takes_any_host_for_no_browser_reaches_it(stage):
    where = stage.room("socket") / "admin.sock"
    _, admin = start(stage, socket=str(where))
    wait_until(where.exists, "the socket is there")
    assert where.stat().st_mode & 0o777 == 0o660
    admin.address = f"unix:{where}"
    assert admin.send("/api/v1/status", "GET", host="evergate").status == 200


# ---- Bodies ----


def body_status(admin, data, path="/api/v1/explain", kind="application/json"):
    answered = admin.send(path, "POST", data, [("Content-Type", kind)] if kind else [])
    json.loads(answered.body)
    return answered.status


def test_bodies_are_limited_in_size_and_depth_and_say_everything_once(stage):
    _, admin = start(stage)
    assert body_status(admin, b"{}") == 200
    assert body_status(admin, b" " * 65534 + b"{}") == 200
    assert body_status(admin, b" " * 65535 + b"{}") == 413
    assert body_status(admin, b" " * 200000) == 413
    assert body_status(admin, b"[" * 17 + b"]" * 17) == 400
    assert body_status(admin, b"[" * 60000) == 400
    assert body_status(admin, b'{"path": "/a", "path": "/b"}') == 400
    assert body_status(admin, b'{"path": "/a"} {}') == 400
    assert body_status(admin, b'{"path": "/\xff"}') == 400
    assert body_status(admin, b'{"path": "/\\u0000"}') == 400
    assert body_status(admin, b"[]") == 422
    assert body_status(admin, b"{}", kind="text/plain") == 400
    assert body_status(admin, b"{}", kind="application/jsonp") == 400
    assert body_status(admin, b"{}", kind=None) == 400
    assert body_status(admin, b"{}", kind="Application/JSON; charset=utf-8") == 200


def test_a_body_that_is_announced_too_large_is_not_waited_for(stage):
    _, admin = start(stage)
    client = stage.client(admin.address)
    client.send(head("POST", "/api/v1/explain", "127.0.0.1",
                     [("Content-Type", "application/json"), ("Content-Length", "100000000")]))
    assert client.read_response("POST").status == 413


JSON = ("Content-Type", "application/json")
CHUNK = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
SIXTEEN_MEGABYTES = 16 << 20


def explain(*fields, method="POST", path="/api/v1/explain", version="HTTP/1.1"):
    return head(method, path, "127.0.0.1", [JSON, *fields], version)


#: What the server of HTTP below us refuses by itself, and the status that it gives.
UNREADABLE = {
    "a body just over the limit": (413, explain(("Content-Length", "65537"))),
    "a large body": (413, explain(("Content-Length", str(SIXTEEN_MEGABYTES)))),
    "a large body that is asked for": (413, explain(("Content-Length", "10000000"),
                                                    ("Expect", "100-continue"))),
    "of a path that is not there": (413, explain(("Content-Length", "1000000"), path="/no")),
    "of HTTP/1.0": (413, explain(("Content-Length", "1000000"), version="HTTP/1.0")),
    "a large chunk": (413, explain(("Transfer-Encoding", "chunked")) + b"ffffff\r\n"),
    "many chunks": (413, explain(("Transfer-Encoding", "chunked")) + 2 * CHUNK + b"1\r\n \r\n"),
    "a malformed chunk": (413, explain(("Transfer-Encoding", "chunked")) + b"zz\r\n"),
    "a malformed length": (400, explain(("Content-Length", "-4"))),
    "a malformed line": (400, b"GET / HTTP/1.1\r\nnonsense\r\n\r\n"),
    "a large head": (400, explain(("X", "a" * 20000), method="GET")),
    "another expectation": (417, explain(("Content-Length", "2"), ("Expect", "200-ok"))),
    "another method": (501, explain(method="FOO")),
    "CONNECT": (501, explain(method="CONNECT", path="127.0.0.1:80")),
    "CONNECT, and more behind it": (501, explain(method="CONNECT", path="127.0.0.1:80") +
                                    b"nonsense\r\n\r\n"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_refused_before_it_is_a_request_is_refused_in_json(stage, name):
    _, admin = start(stage)
    status, request = UNREADABLE[name]
    client = stage.client(admin.address)
    client.send(request)
    answered = client.read_response("POST")
    assert answered.status == status
    assert answered.get("content-type") == "application/json"
    assert json.loads(answered.body)["error"]["type"] == "validation"
    client.expect_close()
    assert admin.ask("/health/live").status == 200


def test_chunks_that_are_asked_for_are_refused_when_they_are_too_many(stage):
    _, admin = start(stage)
    client = stage.client(admin.address)
    client.send(explain(("Transfer-Encoding", "chunked"), ("Expect", "100-continue")))
    assert b" 100 " in client.read_until(b"\r\n\r\n")
    client.send(3 * CHUNK)
    answered = client.read_response("POST")
    assert (answered.status, json.loads(answered.body)["error"]["type"]) == (413, "validation")


def test_a_client_that_is_refused_while_it_sends_can_read_the_answer(stage):
    """As long as it likes to send: a reset would be an exception here."""
    proxy, admin = start(stage)
    before = proxy.descriptor_count()
    for field in (("Content-Length", str(SIXTEEN_MEGABYTES)), ("Transfer-Encoding", "chunked")):
        client = stage.client(admin.address)
        client.send(explain(field))
        client.send(CHUNK * (8 << 20 >> 15))
        assert client.read_response("POST").status == 413
        client.close()
    wait_until(lambda: proxy.descriptor_count() <= before, "both connections are gone")


def test_who_is_refused_and_goes_on_for_ever_is_cut(stage):
    proxy, admin = start(stage)
    before = proxy.descriptor_count()
    client = stage.client(admin.address)
    client.send(UNREADABLE["a large body"][1])
    assert client.read_response("POST").status == 413
    with pytest.raises(OSError):
        while True:
            client.send(CHUNK)
    wait_until(lambda: proxy.descriptor_count() <= before, "the connection is gone")


# ---- Clients that keep their connection busy ----


def test_half_a_head_keeps_nobody_out(stage):
    """More connections than there is room for, none of which ever asks: the one that was silent
    the longest makes room."""
    proxy, admin = start(stage)
    idle = [stage.client(admin.address) for _ in range(MAX_CONNECTIONS + 10)]
    for client in idle:
        client.send(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        assert admin.ask("/health/live").status == 200
    wait_until(lambda: len([c for c in idle if c.is_open()]) < MAX_CONNECTIONS,
               "the oldest were closed")
    assert stage.get(proxy).status == 200
    assert admin.ask("/api/v1/status").status == 200


def test_connections_are_bounded_in_number(stage):
    proxy, admin = start(stage)
    assert admin.ask("/health/live").status == 200
    before = proxy.descriptor_count()
    idle = [stage.client(admin.address) for _ in range(3 * MAX_CONNECTIONS)]
    wait_until(lambda: len([c for c in idle if c.is_open()]) <= MAX_CONNECTIONS,
               "no more are open than there may be")
    assert proxy.descriptor_count() <= before + MAX_CONNECTIONS + 1


def test_answers_that_are_never_read_keep_nobody_out(stage):
    """As many as there is room for, each with an answer that does not fit into the kernel: by the
    Unix socket, whose buffers are small."""
    where = stage.room("socket") / "admin.sock"
    backends = [{"id": f"e{i}", "address": "127.0.0.1:9"} for i in range(400)]
    proxy = stage.proxy(*backends, admin={"bind": "127.0.0.1:0", "socket": str(where)})
    admin = Management(proxy)
    wait_until(where.exists, "the socket is there")
    greedy = [stage.client(f"unix:{where}") for _ in range(MAX_CONNECTIONS)]
    for client in greedy:
        client.send(head("GET", "/api/v1/pools", "127.0.0.1"))
    for client in greedy:
        assert client.sock.recv(1, socket.MSG_PEEK), "its answer has begun"
    for _ in range(5):
        assert admin.ask("/health/live").status == 200
        assert admin.ask("/api/v1/status").status == 200


def test_a_client_that_leaves_while_it_is_answered_leaves_nothing_behind(stage):
    proxy, admin = start(stage)
    assert admin.ask("/metrics").status == 200
    before = proxy.descriptor_count()
    for path in ("/metrics", "/api/v1/pools", "/api/v1/explain", "/health/live") * 25:
        client = RawClient(admin.address)
        client.send(head("GET", path, "127.0.0.1"))
        client.reset()
    wait_until(lambda: proxy.descriptor_count() <= before, "all connections are gone")
    assert admin.ask("/metrics").status == 200


def test_many_requests_on_one_connection_are_answered_in_order(stage):
    _, admin = start(stage)
    client = stage.client(admin.address)
    paths = ["/health/live", "/metrics", "/nowhere", "/api/v1/status"] * 5
    client.send(b"".join(head("GET", path, "127.0.0.1") for path in paths))
    statuses = [client.read_response("GET").status for _ in paths]
    assert statuses == [200, 200, 404, 200] * 5


def test_garbage_ends_its_own_connection_only(stage):
    _, admin = start(stage)
    for garbage in (os.urandom(512), b"\x16\x03\x01" + bytes(200), b"GET\r\n\r\n", b"\r\n" * 99,
                    b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
                    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n"):
        client = stage.client(admin.address)
        try:
            client.send(garbage)
            client.sock.shutdown(socket.SHUT_WR)
            client.read_to_eof()
        except OSError:
            pass
        assert admin.ask("/health/live").status == 200
