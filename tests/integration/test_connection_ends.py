"""How client connections end or go on where two things happen at once: answers before the end of
the upload, half-closes among pipelined requests, slow readers at the end of an answer."""

import signal
import ssl
import time

import pytest

from lib.failover import NO_BREAKER
from lib.raw_client import head
from lib.scripted_backend import answer
from lib.waiting import wait_until
from lib.wire import ConnectionEnded

ONLY_HERE = [{"name": "only", "path": "/here", "pool": "app"}]
LONG = {"header": "1h", "body": "1h", "idle": "1h", "write": "1h"}
LARGE = 6_000_000
COUNT, SIZE = 1000, 20_000  # more than the kernel's buffers hold


def upload_head(path, size):
    return head("POST", path, headers=[("Content-Length", str(size))])


# ---- answers before the end of the upload ----


@pytest.mark.parametrize("pieces", [
    [upload_head("/else", 10) + b"0123456789" + head(path="/here")],
    [upload_head("/else", 10) + b"0123456789", head(path="/here")],
    [upload_head("/else", 10), b"0123456789" + head(path="/here")],
    [upload_head("/else", 10), b"01234", b"56789", head(path="/here")],
    [head("POST", "/else", headers=[("Transfer-Encoding", "chunked")]), b"5\r\n01234\r\n0\r\n",
     b"\r\n", head(path="/here")],
    [upload_head("/else", 10), b"01234", b"56789" + head(path="/else") + head(path="/here")],
])
def test_after_an_early_answer_the_connection_serves_the_next_request(stage, pieces):
    backend = stage.recorder()
    proxy = stage.proxy(backend, routes=ONLY_HERE, listener={"timeouts": LONG})
    client = stage.client(proxy)
    for number, piece in enumerate(pieces):
        client.send(piece)
        if number == 0:
            assert client.read_response("POST").status == 404
    answers = 1 + b"".join(pieces).count(b"GET /else")
    statuses = [client.read_response().status for _ in range(answers)]
    assert statuses == [404] * (answers - 1) + [200]
    assert backend.count == 1


def test_an_early_answer_survives_the_half_close_of_a_client_that_gives_up_its_upload(stage):
    def script(peer):
        peer.read_head()
        peer.send(answer(b"x" * LARGE))
        peer.wait_gone()

    proxy = stage.proxy(stage.backend(script), listener={"timeouts": LONG})
    client = stage.client(proxy, receive_buffer=4096)
    client.send(upload_head("/", 1000) + b"some")
    client.read_head()
    received = read_until_logged(client, proxy)
    client.half_close()
    assert received + len(client.read_exactly(LARGE - received)) == LARGE


def test_a_drain_does_not_wait_for_a_connection_whose_early_answered_upload_has_ended(stage):
    proxy = stage.proxy(stage.recorder(), routes=ONLY_HERE, drain_timeout="1h",
                        listener={"timeouts": LONG})
    client = stage.client(proxy)
    client.send(upload_head("/else", 10) + b"01234")
    assert client.read_response("POST").status == 404
    proxy.send_signal(signal.SIGTERM)
    proxy.wait_for_log("draining")
    client.send(b"56789")
    client.expect_close()
    assert proxy.wait_exit() == 0


# ---- half-closes ----


def test_a_half_closed_connection_ends_with_its_last_own_answer(stage):
    """The last answer is evergate's own and is given from within the reading of the request."""
    proxy = stage.proxy(stage.recorder(respond=slow_answer), routes=ONLY_HERE,
                        listener={"timeouts": LONG})
    client = stage.client(proxy)
    client.send(head(path="/here") + head(path="/else"))
    client.half_close()
    assert [client.read_response().status for _ in range(2)] == [200, 404]
    client.expect_close()


def slow_answer(_request):
    time.sleep(0.3)  # the FIN arrives while the answer is awaited
    return answer(b"late")


# ---- slow readers ----


def read_until_logged(client, proxy):
    """Slowly, until the proxy has been given the whole answer and has logged it."""
    received = 0
    while not proxy.access_lines():
        received += len(client.read_some())
        time.sleep(0.001)
    assert received < LARGE
    return received


def wait_until_settled(value, what):
    seen = []

    def settled():
        seen.append(value())
        return len(seen) > 30 and len(set(seen[-30:])) == 1

    wait_until(settled, what, pause_s=0.02)


def with_answers_held_back(stage, timeouts):
    """A client that has asked for more than the proxy can send or will keep, and reads nothing."""
    routes = [{"name": "own", "path": "/", "respond": {"status": 200, "body": "o" * SIZE}}]
    proxy = stage.proxy(stage.recorder(), routes=routes, workers=1,
                        listener={"timeouts": {**LONG, **timeouts}})
    client = stage.client(proxy, receive_buffer=4096, remember=False)
    client.send(head(path="/") * COUNT)
    return proxy, client


def read_all_answers(proxy, client):
    assert len(proxy.access_lines()) < COUNT, "no answer was held back"
    for _ in range(COUNT):
        assert len(client.read_response().body) == SIZE


def test_pipelined_requests_held_back_by_a_slow_reader_are_answered_after_its_half_close(stage):
    proxy, client = with_answers_held_back(stage, {})
    client.half_close()
    wait_until_settled(lambda: len(proxy.access_lines()), "answers are held back")
    read_all_answers(proxy, client)
    client.expect_close()


def test_the_idle_timeout_does_not_cut_answers_that_are_still_being_read(stage):
    proxy, client = with_answers_held_back(stage, {"idle": "1s"})
    wait_until_settled(lambda: len(proxy.access_lines()), "answers are held back")
    time.sleep(2.5)  # idle as the proxy counts, but with bytes on their way
    read_all_answers(proxy, client)
    client.expect_close()


def test_a_client_that_never_reads_its_answers_is_cut_by_the_write_timeout(stage):
    """The exchange is over and the connection looks idle."""
    proxy, client = with_answers_held_back(stage, {"idle": "1s", "write": "1s"})
    wait_until(proxy.access_lines, "answers are given")
    with_client = proxy.descriptor_count()
    wait_until(lambda: proxy.descriptor_count() < with_client, "the client's connection is gone")
    with pytest.raises((ConnectionEnded, ConnectionResetError)):
        read_all_answers(proxy, client)


# ---- answers that cannot be completed ----


def cut_answer(peer):
    peer.read_request()
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")


def test_a_truncated_answer_without_a_length_ends_in_a_reset(stage):
    """To HTTP/1.0 the end of the connection is the end of the answer: a FIN would make it look
    complete (RFC 9112 section 8)."""
    proxy = stage.proxy(stage.backend(cut_answer), pool_settings={"breaker": NO_BREAKER})
    for _ in range(10):
        client = stage.client(proxy)
        client.send(head(version="HTTP/1.0"))
        with pytest.raises(ConnectionResetError):
            while client.fill():
                pass
    assert proxy.wait_access_lines(1)[0]["error_type"] == "connection"


def test_a_truncated_answer_without_a_length_gets_no_close_notify(stage, certificates):
    leaf = certificates.leaf("localhost")
    proxy = stage.proxy(stage.backend(cut_answer), listener={"tls": {"certificates": [leaf]}})
    client = stage.client(proxy, tls=certificates.client_context(), server_name="localhost")
    client.sock.suppress_ragged_eofs = False
    client.send(head(version="HTTP/1.0"))
    with pytest.raises((ConnectionResetError, ssl.SSLError)):
        while client.fill():
            pass


# ---- the limit of connections ----


def test_connections_that_were_turned_away_do_not_take_places(stage):
    proxy = stage.proxy(stage.recorder(), workers=1,
                        listener={"max_connections": 1, "timeouts": LONG})
    holder = stage.client(proxy)
    assert holder.get().status == 200
    turned_away = [stage.client(proxy) for _ in range(5)]
    for client in turned_away:
        assert client.read_response().status == 503  # and it lingers, for it does not close
    assert holder.get(headers=[("Connection", "close")]).status == 200
    holder.expect_close()
    assert stage.get(proxy).status == 200
