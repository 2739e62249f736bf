"""Line 3: Expect, interim answers, trailers and chunks."""

import pytest

from lib.raw_client import head
from lib.scripted_backend import answer
from lib.wire import ConnectionEnded

CHUNKED = [("Transfer-Encoding", "chunked")]
EXPECT = [("Expect", "100-continue")]
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_client_that_expects_100_gets_one_and_then_its_answer(stage):
    def script(peer):
        request = peer.read_head()
        if request.get("expect"):
            peer.send(CONTINUE)
        peer.send(answer(peer.read_exactly(4)))

    client = stage.client(stage.proxy(stage.backend(script)))
    client.send(head("POST", headers=[*EXPECT, ("Content-Length", "4")]))
    assert client.read_response("POST", with_interim=True).status == 100
    client.send(b"body")
    assert client.read_response("POST").body == b"body"


def test_exactly_one_100_reaches_the_client(stage):
    def script(peer):
        peer.read_head()
        peer.send(CONTINUE)
        peer.read_exactly(4)
        peer.send(answer())

    client = stage.client(stage.proxy(stage.backend(script)))
    client.send(head("POST", headers=[*EXPECT, ("Content-Length", "4")]))
    assert client.read_response("POST", with_interim=True).status == 100
    client.send(b"body")
    assert client.read_response("POST").interim == []


def test_a_client_that_does_not_expect_gets_no_100(stage):
    client = stage.client(stage.proxy(stage.recorder()))
    answered = client.request(head("POST", headers=[("Content-Length", "4")]) + b"body")
    assert answered.interim == []


def test_a_backend_that_refuses_before_the_body_is_heard(stage):
    def script(peer):
        peer.read_head()
        peer.send(answer(b"no", "403 Forbidden", [("Connection", "close")]))

    client = stage.client(stage.proxy(stage.backend(script)))
    client.send(head("POST", headers=[*EXPECT, ("Content-Length", "1000000")]))
    answered = client.read_response("POST")
    assert answered.status == 403
    assert answered.interim == [] and answered.body == b"no"


def test_an_own_refusal_needs_no_body_from_an_expecting_client(stage):
    client = stage.client(stage.proxy(stage.recorder(), routes=[
        {"name": "only", "path": "/only", "pool": "app"}]))
    answered = client.request(head("POST", "/else", headers=[*EXPECT, ("Content-Length", "9999")]))
    assert answered.status == 404 and answered.interim == []


def test_another_expectation_is_refused_with_417(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    answered = client.request(head("POST", headers=[("Expect", "teapot"), ("Content-Length", "0")]))
    assert answered.status == 417
    assert answered.get("x-evergate-error") == "validation"
    assert backend.count == 0


def test_early_hints_are_relayed_before_the_answer(stage):
    def respond(request):
        return (b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
                b"HTTP/1.1 103 Early Hints\r\nLink: </b.js>; rel=preload\r\n\r\n" + answer(b"page"))

    client = stage.client(stage.proxy(stage.recorder(respond=respond)))
    answered = client.get()
    assert [hint.get("link") for hint in answered.interim] == [
        "</a.css>; rel=preload", "</b.js>; rel=preload"]
    assert all(hint.status == 103 for hint in answered.interim)
    assert answered.body == b"page"


def test_early_hints_of_node_are_relayed(stage):
    client = stage.client(stage.proxy(stage.node()))
    answered = client.get("/hints")
    assert [hint.status for hint in answered.interim] == [103]
    assert answered.status == 200


def test_an_http10_client_gets_no_interim_answer(stage):
    backend = stage.recorder(respond=lambda request: b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer())
    client = stage.client(stage.proxy(backend))
    answered = client.request(head(version="HTTP/1.0"))
    assert answered.interim == [] and answered.status == 200


def test_a_chunked_upload_is_forwarded_without_its_extensions(stage):
    backend = stage.backend(lambda peer: peer.send(answer(peer.read_request().body)))
    client = stage.client(stage.proxy(backend))
    answered = client.request(head("POST", headers=CHUNKED)
                              + b'5;name=value\r\nhello\r\n6; q="x;y"\r\n world\r\n0;last\r\n\r\n')
    assert answered.body == b"hello world"
    for extension in (b"name", b"value", b'"x;y"', b"last"):
        assert extension not in backend.received()


def test_a_chunked_answer_is_relayed_without_its_extensions(stage):
    backend = stage.recorder(respond=lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;ext=secret\r\nhello\r\n00001;a\r\n!\r\n0\r\n\r\n"))
    client = stage.client(stage.proxy(backend))
    answered = client.get()
    assert answered.body == b"hello!"
    assert b"ext" not in bytes(client.received)
    assert client.get().body == b"hello!"


def test_trailers_of_a_request_are_forwarded(stage):
    requests = []

    def script(peer):
        requests.append(peer.read_request())
        peer.send(answer())

    client = stage.client(stage.proxy(stage.backend(script)))
    client.request(head("POST", headers=[*CHUNKED, ("Trailer", "X-Sum")])
                   + b"3\r\nabc\r\n0\r\nX-Sum: 6162\r\nX-More: yes\r\n\r\n")
    assert requests[0].body == b"abc"
    assert ("X-Sum", "6162") in requests[0].trailers
    assert ("X-More", "yes") in requests[0].trailers


def test_trailers_of_an_answer_are_relayed(stage):
    backend = stage.recorder(respond=lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"3\r\nabc\r\n0\r\nX-Sum: 6162\r\n\r\n"))
    answered = stage.client(stage.proxy(backend)).get(headers=[("TE", "trailers")])
    assert answered.body == b"abc"
    assert answered.trailers == [("X-Sum", "6162")]


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Host", "Authorization"])
def test_a_trailer_that_would_change_the_message_is_not_forwarded(stage, name):
    requests = []

    def script(peer):
        requests.append(peer.read_request())
        peer.send(answer())

    client = stage.client(stage.proxy(stage.backend(script)))
    client.send(head("POST", headers=CHUNKED)
                + f"3\r\nabc\r\n0\r\n{name}: 5\r\nX-Fine: 1\r\n\r\n".encode())
    status = client.read_response("POST").status
    assert status in (200, 400)
    if status == 200:
        assert requests[0].trailers == [("X-Fine", "1")]


def test_trailers_and_hints_of_node_survive_both_ways(stage):
    client = stage.client(stage.proxy(stage.node()))
    answered = client.get("/bytes/100000", headers=[("TE", "trailers")])
    assert len(answered.body) == 100000
    assert [name.lower() for name, _ in answered.trailers] == ["x-sha256"]


def test_an_answer_that_ends_with_the_connection_is_relayed_whole(stage):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nall that there is")

    client = stage.client(stage.proxy(stage.backend(script)))
    assert client.get().body == b"all that there is"
    assert client.get().body == b"all that there is"


def test_an_answer_of_an_http10_backend_is_relayed(stage):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold")

    answered = stage.client(stage.proxy(stage.backend(script))).get()
    assert answered.start_line == "HTTP/1.1 200 OK"
    assert answered.body == b"old"


def test_a_truncated_answer_reaches_the_client_as_truncated(stage):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")

    client = stage.client(stage.proxy(stage.backend(script)))
    with pytest.raises((ConnectionEnded, ConnectionResetError)):
        client.get()
    assert bytes(client.received).endswith(b"only this")


def test_a_truncated_chunked_answer_does_not_get_its_last_chunk(stage):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")

    client = stage.client(stage.proxy(stage.backend(script)))
    with pytest.raises((ConnectionEnded, ConnectionResetError)):
        client.get()
    assert b"part" in client.received and not client.received.endswith(b"0\r\n\r\n")


def test_an_answer_of_unknown_reason_and_status_is_relayed(stage):
    backend = stage.recorder(respond=lambda request: answer(b"x", "299 Curious Thing"))
    assert stage.get(stage.proxy(backend)).start_line.startswith("HTTP/1.1 299 ")


def test_repeated_answer_headers_stay_repeated(stage):
    backend = stage.recorder(respond=lambda request: answer(
        headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/")]))
    assert stage.get(stage.proxy(backend)).all("set-cookie") == ["a=1", "b=2; Path=/"]
