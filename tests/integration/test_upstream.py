"""Line 7: pooled connections to backends, their timeouts, and what a failure means."""

import threading

import pytest

from lib.raw_client import head
from lib.recording_backend import RecordingBackend
from lib.scripted_backend import answer, saying
from lib.waiting import wait_until

OK = answer(b"ok")
POST = head("POST", headers=[("Content-Length", "4")]) + b"body"


def one_worker(stage, *backends, **settings):
    """Pools are per worker: with one worker the count of connections is exact."""
    return stage.proxy(*backends, workers=1, **settings)


def test_requests_one_after_another_share_one_backend_connection(stage):
    backend = stage.recorder()
    proxy = one_worker(stage, backend)
    for _ in range(10):
        assert stage.get(proxy).status == 200
    assert len(backend.peers) == 1


def test_the_connection_used_last_is_used_next(stage):
    """LIFO: of several idle connections the warmest serves, so that the others can time out."""
    together = threading.Barrier(3, timeout=60)

    def respond(request):
        if request.target == "/together":
            together.wait()
        return OK

    backend = stage.recorder(respond=respond)
    proxy = one_worker(stage, backend)
    clients = [stage.client(proxy) for _ in range(3)]
    for client in clients:
        client.send(head(path="/together"))
    for client in clients:
        assert client.read_response().status == 200
    assert len(backend.peers) == 3
    for _ in range(6):
        assert clients[0].get("/after").status == 200
    after = {r.peer_index for r in backend.requests if r.target == "/after"}
    assert len(after) == 1


def test_no_more_idle_connections_are_kept_than_configured(stage):
    together = threading.Barrier(5, timeout=60)

    def respond(request):
        together.wait()
        return OK

    backend = stage.recorder(respond=respond)
    proxy = one_worker(stage, backend, pool_settings={"keepalive": {"idle": 2}})
    clients = [stage.client(proxy) for _ in range(5)]
    for client in clients:
        client.send(head())
    for client in clients:
        client.read_response()
    wait_until(lambda: sum(p.closed.is_set() for p in backend.peers) == 3, "three are closed")


def test_no_connection_is_kept_where_keepalive_is_zero(stage):
    backend = stage.recorder()
    proxy = one_worker(stage, backend, pool_settings={"keepalive": {"idle": 0}})
    for _ in range(3):
        assert stage.get(proxy).status == 200
    assert len(backend.peers) == 3


def test_an_idle_connection_is_closed_after_its_timeout(stage):
    backend = stage.recorder()
    proxy = one_worker(stage, backend, pool_settings={"keepalive": {"timeout": "1s"}})
    assert stage.get(proxy).status == 200
    assert backend.peers[0].closed.wait(60)


def test_a_connection_serves_no_more_than_max_requests(stage):
    backend = stage.recorder()
    proxy = one_worker(stage, backend, pool_settings={"keepalive": {"max_requests": 3}})
    client = stage.client(proxy)
    for _ in range(9):
        assert client.get().status == 200
    assert [r.peer_index for r in backend.requests] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_connection_that_the_backend_wants_closed_is_not_used_again(stage):
    backend = stage.recorder(respond=lambda request: answer(headers=[("Connection", "close")]))
    client = stage.client(one_worker(stage, backend))
    for _ in range(3):
        answered = client.get()
        assert answered.status == 200
        assert answered.get("connection") is None
    assert len(backend.peers) == 3


def test_a_refused_connection_moves_on_to_the_next_endpoint(stage):
    backend = stage.recorder()
    proxy = stage.proxy(stage.refusing_port(), stage.refusing_port(), backend)
    client = stage.client(proxy)
    for _ in range(6):
        assert client.get().status == 200
        assert client.request(POST).status == 200
    assert backend.count == 12
    assert max(line["attempts"] for line in proxy.wait_access_lines(12)) >= 2


def test_endpoints_that_refuse_do_not_use_up_the_repetition_of_a_request_that_was_sent(stage):
    proxy = stage.proxy(stage.refusing_port(), stage.backend(lambda peer: peer.reset()),
                        stage.recorder(), workers=1,
                        pool_settings={"retry": {"budget_min": 100}})
    assert [stage.get(proxy).status for _ in range(9)] == [200] * 9
    assert max(line["attempts"] for line in proxy.wait_access_lines(9)) == 3


def test_a_big_upload_moves_on_with_its_whole_body(stage):
    """Nothing of the body was given away to the endpoints that refused."""
    backend = stage.recorder(respond=lambda request: answer(b"%d" % len(request.body)))
    proxy = stage.proxy(stage.refusing_port(), stage.refusing_port(), backend)
    body = b"u" * 5_000_000
    for framing in ([("Content-Length", str(len(body)))], [("Transfer-Encoding", "chunked")]):
        wire = body if framing[0][0] == "Content-Length" else (
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        for _ in range(3):
            answered = stage.client(proxy).request(head("POST", headers=framing) + wire)
            assert (answered.status, answered.text) == (200, str(len(body)))
            assert backend.last.body == body


def test_an_upload_that_expects_100_moves_on_too(stage):
    backend = stage.recorder(respond=lambda request: answer(request.body))
    client = stage.client(stage.proxy(stage.refusing_port(), stage.refusing_port(), backend))
    for _ in range(3):
        client.send(head("POST", headers=[("Content-Length", "4"), ("Expect", "100-continue")]))
        client.send(b"body")
        assert client.read_response("POST").body == b"body"


def test_an_upgrade_moves_on_too(stage):
    def script(peer):
        peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        peer.send(peer.read_exactly(4))

    proxy = stage.proxy(stage.refusing_port(), stage.refusing_port(), stage.backend(script))
    for _ in range(3):
        client = stage.client(proxy)
        client.send(head(headers=[("Connection", "upgrade"), ("Upgrade", "x")]) + b"ping")
        assert client.read_head().status == 101
        assert client.read_exactly(4) == b"ping"


def test_when_every_endpoint_refuses_the_answer_is_502_connection(stage):
    proxy = stage.proxy(stage.refusing_port(), stage.refusing_port())
    client = stage.client(proxy)
    for _ in range(3):
        answered = client.get()
        assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")
    assert client.request(POST).status == 502


def test_a_connection_that_is_never_accepted_moves_on_after_the_connect_timeout(stage):
    backend = stage.recorder()
    proxy = stage.proxy(stage.silent_port(), backend,
                        pool_settings={"timeouts": {"connect": "200ms"}})
    client = stage.client(proxy)
    for _ in range(4):
        assert client.get().status == 200


def test_when_no_endpoint_accepts_in_time_the_answer_is_502_connection(stage):
    proxy = stage.proxy(stage.silent_port(), pool_settings={"timeouts": {"connect": "200ms"}})
    answered = stage.get(proxy)
    assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")


def test_a_backend_that_does_not_answer_in_time_is_a_504(stage):
    backend = stage.backend(lambda peer: (peer.read_request(), peer.wait_gone()))
    proxy = stage.proxy(backend, pool_settings={"timeouts": {"response": "300ms"}})
    client = stage.client(proxy)
    answered = client.request(POST)
    assert (answered.status, answered.get("x-evergate-error")) == (504, "timeout")
    assert backend.peers[0].closed.wait(60)
    assert len(backend.peers) == 1


def test_a_head_that_never_ends_is_bounded_by_the_response_timeout(stage):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            while True:
                peer.drip(b"aaaa", pause_s=0.05)
        except OSError:
            pass

    proxy = stage.proxy(stage.backend(script), pool_settings={"timeouts": {"response": "500ms"}})
    assert stage.client(proxy).request(POST).status == 504


def test_a_backend_that_stops_in_the_middle_is_cut_after_the_idle_timeout(stage):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        peer.wait_gone()

    backend = stage.backend(script)
    client = stage.client(stage.proxy(backend, pool_settings={"timeouts": {"idle": "300ms"}}))
    client.send(head())
    assert client.read_head().status == 200
    assert client.read_to_eof() == b"half"
    assert backend.peers[0].closed.wait(60)


def test_a_slow_but_steady_answer_is_not_cut(stage):
    reply = answer(b"steady" * 5)

    def script(peer):
        peer.read_request()
        peer.drip(reply, piece=4, pause_s=0.05)

    proxy = stage.proxy(stage.backend(script),
                        pool_settings={"timeouts": {"response": "30s", "idle": "5s"}})
    assert stage.get(proxy).body == b"steady" * 5


class ClosingWhileIdle(RecordingBackend):
    """Closes each connection when `close_now` is called, as a backend's own idle timeout does."""

    def close_now(self):
        self.close_connections()
        for peer in list(self.peers):
            peer.closed.wait(30)


@pytest.mark.parametrize("request_bytes", [head(), POST])
def test_a_connection_closed_while_idle_is_replaced_silently(stage, request_bytes):
    backend = stage.ending(ClosingWhileIdle())
    client = stage.client(one_worker(stage, backend))
    for round_number in range(1, 6):
        assert client.request(request_bytes).status == 200
        assert backend.count == round_number
        backend.close_now()


class DropsOnReuse(RecordingBackend):
    """Reads the second request of a connection and closes without a word: the stale moment."""

    def record(self, peer):
        self.requests.append(peer.read_request())
        peer.send(OK)
        self.requests.append(peer.read_request())


def test_a_get_lost_on_a_stale_connection_is_repeated_silently(stage):
    backend = stage.ending(DropsOnReuse())
    client = stage.client(one_worker(stage, backend))
    assert client.get("/1").status == 200
    assert client.get("/2").status == 200
    assert [r.target for r in backend.requests] == ["/1", "/2", "/2"]


def test_a_post_lost_on_a_stale_connection_is_never_sent_twice(stage):
    backend = stage.ending(DropsOnReuse())
    client = stage.client(one_worker(stage, backend))
    assert client.get("/1").status == 200
    answered = client.request(POST)
    assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")
    assert [r.method for r in backend.requests] == ["GET", "POST"]


def test_a_post_to_a_backend_that_resets_is_never_sent_twice(stage):
    received = []

    def script(peer):
        received.append(peer.read_request())
        peer.reset()

    proxy = stage.proxy(stage.backend(script), stage.backend(script))
    answered = stage.client(proxy).request(POST)
    assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")
    assert len(received) == 1


def test_nothing_is_repeated_once_a_part_of_the_answer_was_relayed(stage):
    count = []

    def script(peer):
        peer.read_request()
        count.append(1)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    client = stage.client(stage.proxy(stage.backend(script), stage.backend(script)))
    client.send(head())
    assert client.read_head().status == 200
    assert client.read_to_eof() == b"half"
    assert len(count) == 1


def test_what_an_idle_backend_says_unasked_never_answers_a_request(stage):
    """Response smuggling: bytes behind a complete answer must not become the next one."""
    def script(peer):
        while True:
            peer.read_request()
            peer.send(answer(b"mine") + answer(b"poisoned"))

    client = stage.client(one_worker(stage, stage.backend(script)))
    for _ in range(6):
        assert client.get().body == b"mine"


def test_an_answer_with_more_than_its_length_poisons_nobody(stage):
    def script(peer):
        while True:
            peer.read_request()
            peer.send(answer(b"mine") + b"surplus")

    client = stage.client(one_worker(stage, stage.backend(script)))
    for _ in range(4):
        assert client.get().body == b"mine"


def test_a_unix_socket_backend_is_used_and_reused(stage, tmp_path):
    backend = stage.recorder(address=f"unix:{tmp_path}/b.sock")
    client = stage.client(one_worker(stage, backend))
    for _ in range(5):
        assert client.get().status == 200
    assert len(backend.peers) == 1


def test_an_ipv6_backend_is_used(stage):
    backend = stage.recorder(address="[::1]:0")
    assert stage.get(stage.proxy(backend)).status == 200


def test_nginx_serves_over_tcp_and_over_its_unix_socket(stage):
    nginx = stage.nginx()
    proxy = stage.proxy(nginx, nginx.unix_address)
    client = stage.client(proxy)
    for _ in range(6):
        assert client.get("/index.html").text == "hello from nginx\n"
    assert {line["endpoint"] for line in proxy.wait_access_lines(6)} == {"b0", "b1"}


def test_a_backend_that_comes_back_is_used_again(stage):
    first = stage.recorder()
    address = first.address
    client = stage.client(stage.proxy(first))
    assert client.get().status == 200
    first.stop()
    assert client.get().status == 502
    second = stage.recorder("second", address=address)
    assert client.get().body == b"second"
    assert second.count == 1


@pytest.mark.parametrize("reply", [
    b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/1.1 200 OK\n\n",
    b"HTTP/2 200 OK\r\n\r\n", b"<html>hello</html>\r\n\r\n", b"",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"b" * 100_000],
    ids=["ssh", "tls", "bare_lf", "http2", "html", "nothing", "two_lengths", "header_bomb"])
def test_what_is_not_a_good_http_answer_is_a_502(stage, reply):
    backend = stage.backend(saying(reply))
    answered = stage.client(stage.proxy(backend)).request(POST)
    assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")


def test_another_protocol_is_known_by_its_first_bytes(stage):
    def script(peer):
        peer.send(b"SSH-2.0-")
        peer.wait_gone()

    proxy = stage.proxy(stage.backend(script), pool_settings={"timeouts": {"response": "1h"}})
    answered = stage.client(proxy).request(POST)
    assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")


def test_a_connection_that_broke_the_rules_is_never_reused(stage):
    replies = [b"HTTP/1.1 200 OK\nX: bare line feed\n\n", OK]

    def script(peer):
        peer.read_request()
        peer.send(replies[min(peer.index, 1)])
        peer.wait_gone()

    backend = stage.backend(script)
    client = stage.client(one_worker(stage, backend))
    assert client.request(POST).status == 502
    assert client.request(POST).status == 200
    assert len(backend.peers) == 2 and backend.peers[0].closed.wait(60)
