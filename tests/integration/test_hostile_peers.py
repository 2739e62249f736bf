"""Lines 3, 4 and 7: clients and backends that try to make the proxy hold or do too much."""

import socket
import threading

import pytest

from lib.failover import NO_BREAKER, NO_OUTLIER
from lib.raw_client import head
from lib.scripted_backend import answer
from lib.waiting import wait_until
from lib.wire import ConnectionEnded

MEGABYTE = 1 << 20


def push(stream, data, total):
    """Sends `data` again and again from a thread, up to `total` bytes; returns the live counter."""
    sent = [0]

    def run():
        try:
            stream.sock.settimeout(600)
            while sent[0] < total:
                stream.sock.sendall(data)
                sent[0] += len(data)
        except OSError:
            pass

    threading.Thread(target=run, daemon=True).start()
    return sent


def held_back(sent, total):
    """The counter stops well before the end."""
    last = [-1, 0]

    def stuck():
        last[1] = last[1] + 1 if sent[0] == last[0] else 0
        last[0] = sent[0]
        return last[1] >= 20

    wait_until(stuck, "the sender is held back", pause_s=0.03)
    return 0 < sent[0] < total


def bounded(proxy, before_kb, sanitizer, limit_kb=1024):
    if not sanitizer:
        growth = proxy.memory_kb("VmHWM") - before_kb
        assert growth < limit_kb, f"grew by {growth} kB"


def test_pipelined_requests_whose_answers_are_not_read_are_held_back(stage, sanitizer):
    backend = stage.recorder(respond=lambda request: answer(b"x" * 50_000))
    proxy = stage.proxy(backend)
    for _ in range(10):
        stage.get(proxy)
    proxy.reset_peak_memory()
    before = proxy.memory_kb()
    client = stage.client(proxy, receive_buffer=65536)
    total = 64 * MEGABYTE
    sent = push(client, head(path="/" + "p" * 4000) * 10, total)
    assert held_back(sent, total)
    bounded(proxy, before, sanitizer)
    assert stage.get(proxy).status == 200
    client.sock.shutdown(socket.SHUT_RDWR)  # a close alone would not reach past the thread's send


def test_requests_sent_ahead_while_the_first_is_slow_are_held_back(stage, sanitizer):
    release = threading.Event()

    def respond(request):
        if request.target == "/slow":
            release.wait(120)
        return answer()

    proxy = stage.proxy(stage.recorder(respond=respond))
    for _ in range(10):
        stage.get(proxy)
    proxy.reset_peak_memory()
    before = proxy.memory_kb()
    client = stage.client(proxy)
    client.send(head(path="/slow"))
    total = 64 * MEGABYTE
    sent = push(client, head(path="/" + "p" * 4000) * 10, total)
    assert held_back(sent, total)
    bounded(proxy, before, sanitizer)
    release.set()
    assert client.read_response().status == 200


def test_a_backend_that_sends_interim_answers_for_ever_is_a_502(stage):
    def script(peer):
        peer.read_request()
        while True:
            peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" * 10)

    client = stage.client(stage.proxy(stage.backend(script, remember=False)))
    assert client.get().status == 502


def test_a_backend_that_sends_more_than_its_answer_is_let_go(stage):
    def script(peer):
        peer.read_request()
        peer.send(answer(b"mine"))
        while True:
            peer.send(b"x" * 65536)

    backend = stage.backend(script, remember=False)
    client = stage.client(stage.proxy(backend))
    assert client.get().body == b"mine"
    assert backend.peers[0].closed.wait(60)


@pytest.mark.parametrize("flood", [
    b"5;" + b"e" * 100_000, b"0\r\n" + b"X-T: " + b"t" * 100_000, b"0\r\n" + b"X-T: t\r\n" * 20_000,
    b"0" * 100_000], ids=["extension", "trailer", "trailers", "zeros"])
def test_a_chunked_upload_cannot_grow_beside_its_content(stage, flood):
    backend = stage.backend(lambda peer: peer.wait_gone())
    client = stage.client(stage.proxy(backend))
    client.send(head("POST", headers=[("Transfer-Encoding", "chunked")]))
    try:
        client.send(flood)
    except OSError:
        pass
    assert client.read_response("POST").status in (400, 431)
    assert all(peer.closed.wait(60) for peer in backend.peers)


@pytest.mark.parametrize("flood", [
    b"5;" + b"e" * 100_000, b"0\r\n" + b"X-T: " + b"t" * 100_000,
    b"0\r\n" + b"X-T: t\r\n" * 20_000],
    ids=["extension", "trailer", "trailers"])
def test_a_chunked_answer_cannot_grow_beside_its_content(stage, flood):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n" + flood)
        peer.wait_gone()

    backend = stage.backend(script)
    client = stage.client(stage.proxy(backend))
    try:
        assert client.get().status == 502
    except (ConnectionEnded, ConnectionResetError):
        assert not bytes(client.received).endswith(b"0\r\n\r\n")
    assert backend.peers[0].closed.wait(60)


def test_chunks_of_one_byte_arrive_both_ways(stage):
    body = bytes(range(256)) * 200
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"

    def script(peer):
        request = peer.read_request()
        assert request.body == body
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)

    client = stage.client(stage.proxy(stage.backend(script)))
    answered = client.request(head("POST", headers=[("Transfer-Encoding", "chunked")]) + chunks)
    assert answered.body == body


def test_a_large_head_arrives_in_both_directions(stage):
    """30 KB of cookies, and an answer that sets as many."""
    big = [(f"X-{number}", "v" * 300) for number in range(90)]
    backend = stage.recorder(respond=lambda request: answer(headers=big))
    answered = stage.client(stage.proxy(backend)).get(headers=big)
    assert [field for field in backend.last.fields if field in big] == big
    assert [field for field in answered.fields if field in big] == big


def test_a_request_of_which_the_backend_reads_nothing_does_not_block_others(stage):
    release = threading.Event()
    stuck = stage.backend(lambda peer: release.wait(120), receive_buffer=4096)
    quick = stage.recorder()
    proxy = stage.proxy(stuck, quick, workers=1)
    uploads = []
    for _ in range(4):
        client = stage.client(proxy)
        push(client, head("POST", headers=[("Content-Length", str(MEGABYTE * 100))])
             + b"u" * MEGABYTE, MEGABYTE * 50)
        uploads.append(client)
    stuck.wait_for_connections(1)
    wait_until(lambda: quick.peers, "the other endpoint gets its share")
    for _ in range(20):
        client = stage.client(proxy)
        client.send(head())
        client.close()
    assert stage.get(stage.proxy(quick)).status == 200
    release.set()


def test_a_backend_that_answers_and_then_stalls_the_upload_lets_the_client_go(stage):
    """An early answer ends the exchange: the rest of the upload has nobody to go to."""
    def script(peer):
        peer.read_head()
        peer.send(answer(b"no thanks", "403 Forbidden"))
        peer.wait_gone()

    backend = stage.backend(script, remember=False)
    client = stage.client(stage.proxy(backend))
    total = 200 * MEGABYTE
    client.send(head("POST", headers=[("Content-Length", str(total))]))
    push(client, b"u" * 65536, total)
    assert client.read_response("POST").status == 403
    client.read_to_eof()
    assert backend.peers[0].closed.wait(60)


def test_a_connection_that_is_answered_early_is_not_reused_half_way(stage):
    """The rest of one client's upload must not precede another client's request."""
    def script(peer):
        request = peer.read_head()
        peer.send(answer(b"early"))
        if request.method == "GET":
            return
        peer.wait_gone()

    backend = stage.backend(script)
    proxy = stage.proxy(backend, workers=1)
    upload = stage.client(proxy)
    upload.send(head("POST", headers=[("Content-Length", "1000")]) + b"u" * 10)
    assert upload.read_response("POST").body == b"early"
    assert stage.get(proxy).body == b"early"
    assert len(backend.peers) == 2
    assert bytes(backend.peers[1].received).startswith(b"GET / HTTP/1.1\r\n")
    assert b"GET" not in bytes(backend.peers[0].received)


def test_a_backend_that_accepts_and_closes_at_once_is_a_502(stage):
    proxy = stage.proxy(stage.backend(lambda peer: None), stage.backend(lambda peer: peer.reset()),
                        pool_settings={"breaker": NO_BREAKER, "outlier": NO_OUTLIER})
    client = stage.client(proxy)
    for _ in range(10):
        answered = client.get()
        assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")


def test_five_thousand_short_connections_leave_nothing_behind(stage, sanitizer):
    """Without an access log: its rings are touched little by little, up to their size."""
    proxy = stage.proxy(stage.recorder(), log={"level": "info", "access": "off"})
    for _ in range(500):
        stage.get(proxy)
    before = proxy.memory_kb()
    count = 500 if sanitizer else 4500
    for _ in range(count):
        assert stage.get(proxy).status == 200
    if not sanitizer:
        assert proxy.memory_kb() - before < 512
