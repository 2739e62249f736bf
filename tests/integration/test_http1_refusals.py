"""Line 3: what is refused: too large, too many, ambiguous, and requests no backend should see."""

import pytest

from lib.raw_client import head
from lib.wire import ConnectionEnded


def refused(stage, data, status, **settings):
    """The request is answered with `status`, nothing is forwarded, the connection ends."""
    backend = stage.recorder()
    proxy = stage.proxy(backend, **settings)
    client = stage.client(proxy)
    client.send(data)
    answered = client.read_response()
    assert answered.status == status, answered
    assert answered.get("x-evergate-error") == "validation"
    assert answered.get("connection", "").lower() == "close"
    client.read_to_eof()
    assert bytes(client.received).count(b"HTTP/1.1 ") == 1
    assert backend.count == 0
    return answered


def test_a_head_over_the_limit_is_refused_with_431(stage):
    refused(stage, head(headers=[("X-Big", "a" * 40000)]), 431)


def test_a_head_under_the_limit_passes(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    assert client.get(headers=[("X-Big", "a" * 30000)]).status == 200
    assert len(backend.last.get("x-big")) == 30000


def test_the_limit_of_the_head_is_configurable(stage):
    refused(stage, head(headers=[("X-Big", "a" * 3000)]), 431,
            listener={"limits": {"header_bytes": "2k"}})


def test_a_head_that_never_ends_is_refused_at_the_limit(stage):
    refused(stage, b"GET / HTTP/1.1\r\nX-Endless: " + b"a" * 50000, 431)


def test_more_headers_than_the_limit_are_refused_with_431(stage):
    refused(stage, head(headers=[(f"X-{n}", "1") for n in range(120)]), 431)


def test_the_number_of_headers_is_configurable(stage):
    backend = stage.recorder()
    proxy = stage.proxy(backend, listener={"limits": {"headers": 10}})
    assert stage.get(proxy, headers=[(f"X-{n}", "1") for n in range(9)]).status == 200
    assert stage.get(proxy, headers=[(f"X-{n}", "1") for n in range(10)]).status == 431


def test_a_body_over_the_limit_is_refused_with_413_by_its_length(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend, listener={"limits": {"body_bytes": "1k"}}))
    client.send(head("POST", headers=[("Content-Length", "1025")]))
    answered = client.read_response()
    assert (answered.status, answered.get("x-evergate-error")) == (413, "validation")
    assert backend.count == 0


def test_a_body_at_the_limit_passes(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend, listener={"limits": {"body_bytes": "1k"}}))
    body = b"b" * 1024
    assert client.request(head("POST", headers=[("Content-Length", "1024")]) + body).status == 200
    assert backend.last.body == body


def test_a_chunked_body_over_the_limit_is_refused_when_it_passes_it(stage):
    def script(peer):
        peer.wait_gone()

    client = stage.client(stage.proxy(stage.backend(script),
                                      listener={"limits": {"body_bytes": "1k"}}))
    client.send(head("POST", headers=[("Transfer-Encoding", "chunked")])
                + b"400\r\n" + b"b" * 1024 + b"\r\n1\r\nb\r\n0\r\n\r\n")
    answered = client.read_response()
    assert (answered.status, answered.get("x-evergate-error")) == (413, "validation")


@pytest.mark.parametrize("version, status", [
    ("HTTP/2.0", (400, 505)), ("HTTP/1.2", (400, 505)), ("HTTP/0.9", (400, 505)),
    ("http/1.1", (400,)), ("HTTP/1.10", (400,)), ("HTTP/1", (400,)), ("ICY/1.1", (400,))])
def test_other_versions_are_refused(stage, version, status):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    assert client.request(head(version=version)).status in status
    client.read_to_eof()
    assert backend.count == 0


def test_a_request_line_without_a_version_is_refused(stage):
    refused(stage, b"GET /\r\n\r\n", 400)


def test_the_http2_preface_is_refused(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert client.read_response().status in (400, 505)
    client.read_to_eof()
    assert backend.count == 0


@pytest.mark.parametrize("host", [None, "", "a b", "a/b", "user@host", "a:b:c", "a,b", "[::1"])
def test_a_request_without_a_usable_host_is_refused(stage, host):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.send(head(host=host))
    answered = client.read_response()
    if host == "":  # legal (RFC 9110 section 7.2), though it names nothing
        assert answered.status in (200, 400)
        return
    assert answered.status == 400
    assert backend.count == 0


def test_connect_is_refused_where_no_route_allows_it(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    answered = client.request(b"CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n")
    assert answered.status in (404, 405)
    assert answered.get("x-evergate-error")
    assert backend.count == 0


def test_what_follows_a_refused_request_is_never_looked_at(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + head(path="/smuggled"))
    assert client.read_response().status == 400
    client.read_to_eof()
    assert bytes(client.received).count(b"HTTP/1.1") == 1
    assert backend.count == 0


def test_good_requests_before_a_bad_one_are_answered_first(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.send(head(path="/1") + head(path="/2") + b"BAD\r\n\r\n" + head(path="/3"))
    assert [client.read_response().status for _ in range(3)] == [200, 200, 400]
    client.read_to_eof()
    assert [request.target for request in backend.requests] == ["/1", "/2"]


def test_a_bad_chunk_ends_the_request_and_both_connections(stage):
    def script(peer):
        peer.wait_gone()

    backend = stage.backend(script)
    client = stage.client(stage.proxy(backend))
    client.send(head("POST", headers=[("Transfer-Encoding", "chunked")])
                + b"5\r\nhello\r\nZZ\r\n" + head(path="/smuggled"))
    assert client.read_response().status == 400
    client.read_to_eof()
    backend_peer = backend.peers[0] if backend.peers else None
    if backend_peer:
        assert backend_peer.closed.wait(30)
        assert b"smuggled" not in backend.received()
        assert b"0\r\n\r\n" not in backend.received()


def test_a_body_that_ends_early_is_never_completed(stage):
    def script(peer):
        peer.wait_gone()

    backend = stage.backend(script)
    client = stage.client(stage.proxy(backend))
    client.send(head("POST", headers=[("Content-Length", "100")]) + b"only this")
    backend.wait_for_connections(1)
    client.half_close()
    try:
        assert client.read_response().status == 400
    except (ConnectionEnded, ConnectionResetError):
        pass
    assert backend.peers[0].closed.wait(30)
    assert len(backend.received().partition(b"\r\n\r\n")[2]) <= len(b"only this")


def test_tls_spoken_to_a_plain_listener_is_refused_at_once(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.send(bytes.fromhex("16030100c2010000be0303") + b"\x00" * 64)
    rest = client.read_to_eof()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")
    assert backend.count == 0


def test_a_client_that_connects_and_leaves_harms_nobody(stage):
    backend = stage.recorder()
    proxy = stage.proxy(backend)
    for _ in range(20):
        stage.client(proxy).close()
        stage.client(proxy).reset()
    client = stage.client(proxy)
    client.send(b"GET / HT")
    client.reset()
    assert stage.get(proxy).status == 200
    assert backend.count == 1
