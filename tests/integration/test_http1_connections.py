"""Line 3: HTTP/1 connections and requests: persistence, pipelining, versions, methods, targets."""

import threading

import pytest

from lib.raw_client import head
from lib.scripted_backend import answer


def test_many_requests_share_one_client_connection(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    for number in range(20):
        assert client.get(f"/{number}").status == 200
    assert [request.target for request in backend.requests] == [f"/{n}" for n in range(20)]


def test_a_pipelined_batch_is_answered_in_order(stage):
    backend = stage.recorder(respond=lambda request: answer(request.target.encode()))
    client = stage.client(stage.proxy(backend))
    client.send(b"".join(head(path=f"/{number}") for number in range(30)))
    assert [client.read_response().text for _ in range(30)] == [f"/{n}" for n in range(30)]


def test_a_slow_first_answer_holds_back_the_pipelined_ones_behind_it(stage):
    release = threading.Event()

    def respond(request):
        if request.target == "/slow":
            release.wait(60)
        return answer(request.target.encode())

    backend = stage.recorder(respond=respond)
    client = stage.client(stage.proxy(backend))
    client.send(head(path="/slow") + head(path="/quick"))
    backend.wait_for_requests(1)
    release.set()
    assert [client.read_response().text for _ in range(2)] == ["/slow", "/quick"]


def test_pipelined_requests_with_bodies_keep_their_borders(stage):
    backend = stage.recorder(respond=lambda request: answer(request.body))
    client = stage.client(stage.proxy(backend))
    client.send(head("POST", "/a", headers=[("Content-Length", "5")]) + b"first"
                + head("POST", "/b", headers=[("Transfer-Encoding", "chunked")])
                + b"3\r\nsec\r\n3\r\nond\r\n0\r\n\r\n"
                + head("GET", "/c"))
    assert [client.read_response().text for _ in range(3)] == ["first", "second", ""]
    assert [request.method for request in backend.requests] == ["POST", "POST", "GET"]


def test_a_request_sent_one_byte_at_a_time_is_understood(stage):
    backend = stage.recorder(respond=lambda request: answer(request.body))
    client = stage.client(stage.proxy(backend))
    client.send_byte_by_byte(
        head("POST", "/bytes", headers=[("Transfer-Encoding", "chunked"), ("X-A", "b")])
        + b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: yes\r\n\r\n")
    assert client.read_response("POST").text == "hello!"
    client.send_byte_by_byte(head(path="/again"))
    assert client.read_response().status == 200
    assert backend.last.target == "/again"


def test_one_empty_line_before_a_request_is_tolerated(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.get()
    assert client.request(b"\r\n" + head(path="/after"), "GET").status == 200
    assert backend.last.target == "/after"


def test_connection_close_of_the_client_is_obeyed_and_told(stage):
    client = stage.client(stage.proxy(stage.recorder()))
    answered = client.get(headers=[("Connection", "close")])
    assert answered.get("connection").lower() == "close"
    client.expect_close()


def test_an_http10_request_is_answered_and_the_connection_closed(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    assert client.request(head(version="HTTP/1.0")).status == 200
    client.expect_close()
    assert backend.last.start_line == "GET / HTTP/1.1"


def test_an_http10_request_with_keep_alive_keeps_the_connection(stage):
    client = stage.client(stage.proxy(stage.recorder()))
    for _ in range(3):
        answered = client.request(head(version="HTTP/1.0", headers=[("Connection", "keep-alive")]))
        assert answered.get("connection").lower() == "keep-alive"
    assert client.is_open()


def test_an_http10_request_without_host_is_served_by_a_route_for_every_host(stage):
    client = stage.client(stage.proxy(stage.recorder()))
    assert client.request(head(host=None, version="HTTP/1.0")).status == 200


def test_an_http10_client_gets_a_chunked_answer_without_chunks(stage):
    backend = stage.recorder(respond=lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"))
    client = stage.client(stage.proxy(backend))
    answered = client.request(head(version="HTTP/1.0", headers=[("Connection", "keep-alive")]))
    assert answered.get("transfer-encoding") is None
    assert answered.body == b"body"
    client.expect_close()


def test_head_is_answered_with_the_length_and_no_body(stage):
    backend = stage.recorder(respond=lambda request: answer(
        b"" if request.method == "HEAD" else b"x" * 12).replace(b"Length: 0", b"Length: 12"))
    client = stage.client(stage.proxy(backend))
    answered = client.get(method="HEAD")
    assert answered.get("content-length") == "12"
    assert client.get().body == b"x" * 12


def test_head_of_a_chunked_resource_leaves_the_connection_usable(stage):
    backend = stage.recorder(respond=lambda request: (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        if request.method == "HEAD" else answer(b"next")))
    client = stage.client(stage.proxy(backend))
    assert client.get(method="HEAD").status == 200
    assert client.get().body == b"next"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_that_have_no_body_keep_the_connection(stage, status):
    reply = f'HTTP/1.1 {status}\r\nETag: "1"\r\n\r\n'.encode()
    backend = stage.recorder(respond=lambda request: reply)
    client = stage.client(stage.proxy(backend))
    for _ in range(2):
        answered = client.get()
        assert answered.start_line.startswith(f"HTTP/1.1 {status[:3]}")
        assert answered.get("etag") == '"1"'
        assert answered.get("transfer-encoding") is None


@pytest.mark.parametrize("method", [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "MKCOL",
    "LOCK", "PURGE", "QUERY", "REPORT", "X-custom", "get", "M!#$%&'*+-.^_`|~9"])
def test_any_method_token_is_forwarded_as_it_came(stage, method):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    assert client.get("/m", method=method).status == 200
    assert backend.last.method == method
    assert client.get("/next").status == 200


def test_an_absolute_form_target_becomes_origin_form_and_its_authority_wins(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    sent = head(path="http://real.example:81/a?b=c", host="other.example")
    assert client.request(sent).status == 200
    assert backend.last.target == "/a?b=c"
    assert backend.last.all("host") == ["real.example:81"]


def test_an_absolute_form_target_without_a_path_asks_for_the_root(stage):
    backend = stage.recorder()
    assert stage.get(stage.proxy(backend), "http://real.example").status == 200
    assert backend.last.target == "/"


def test_options_asterisk_is_forwarded_as_such(stage):
    backend = stage.recorder()
    assert stage.get(stage.proxy(backend), "*", method="OPTIONS").status == 200
    assert backend.last.start_line == "OPTIONS * HTTP/1.1"


def test_a_query_and_escapes_are_forwarded_untouched(stage):
    backend = stage.recorder()
    target = "/a%2Fb/../%7e//c?x=%00&y=[1]&z=a/b?c"
    assert stage.get(stage.proxy(backend), target).status == 200
    assert backend.last.target == target


def test_the_order_and_spelling_of_end_to_end_headers_is_kept(stage):
    backend = stage.recorder()
    sent = [("X-One", "1"), ("x-TWO", "2"), ("Accept", "*/*"), ("X-One", "again"), ("X-Empty", "")]
    stage.get(stage.proxy(backend), headers=sent)
    assert [field for field in backend.last.fields if field in sent] == sent


def test_bytes_above_ascii_in_header_values_pass(stage):
    backend = stage.recorder()
    stage.get(stage.proxy(backend), headers=[("X-Name", "M\xfcller \xc3\xa9")])
    assert backend.last.get("x-name") == "M\xfcller \xc3\xa9"


def test_many_clients_at_once_each_get_their_own_answers(stage):
    backend = stage.recorder(respond=lambda request: answer(request.target.encode()))
    proxy = stage.proxy(backend)
    wrong = []

    def visit(number):
        client = stage.client(proxy)
        for turn in range(20):
            path = f"/{number}/{turn}"
            if client.get(path).text != path:
                wrong.append(path)

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(16)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert wrong == [] and backend.count == 320
