"""Line 4: bodies of any size in bounded memory, with back-pressure both ways."""

import json
import threading
import time

import pytest

from lib.raw_client import head
from lib.scripted_backend import answer
from lib.streams import (MEGABYTE, STREAM_BYTES, digest, random_pieces, receive_digest,
                         send_chunked, send_plain)
from lib.waiting import wait_until
from lib.wire import read_chunked

#: More than every buffer on the way together: the kernel's sockets may hold several megabytes.
MORE_THAN_ALL_BUFFERS = 64 * MEGABYTE

SMALL_WINDOW = 64 * 1024

BACKGROUND_S = 300


def in_background(work):
    """Runs `work` in a thread; the returned function waits for it and gives its result."""
    result = []

    def run():
        try:
            result.append((work(), None))
        except BaseException as failure:  # pylint: disable=broad-except
            result.append((None, failure))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def join():
        thread.join(BACKGROUND_S)
        assert result, "the background work did not end"
        value, failure = result[0]
        if failure:
            raise failure
        return value

    return join


def wait_until_stuck(count, what):
    """Until a growing byte count has stopped growing."""
    last = [-1, time.monotonic()]

    def stuck():
        now = count()
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return now > 0 and time.monotonic() - last[1] > 0.7

    wait_until(stuck, what, deadline_s=120, pause_s=0.05)
    return last[0]


def assert_bounded_growth(proxy, before_kb, sanitizer):
    """Under 1 MB more than before; sanitizers have memory of their own, so not with them."""
    if not sanitizer:
        growth = proxy.memory_kb("VmHWM") - before_kb
        assert growth < 1024, f"grew by {growth} kB"


def warmed_up(stage, proxy, path="/warm", body=b"w" * 200_000):
    """Every worker has served a stream before memory is measured."""
    for _ in range(24):
        client = stage.client(proxy)
        client.request(head("POST", path, headers=[("Content-Length", str(len(body)))]) + body)
        client.close()
    proxy.reset_peak_memory()
    return proxy.memory_kb()


class SlowReader:
    """A backend that stops reading the body of /big until it is told to go on."""

    def __init__(self):
        self.go = threading.Event()
        self.digest = None
        self.read_count = 0

    def script(self, peer):
        while True:
            request = peer.read_head()
            total = int(request.get("content-length"))
            if request.target == "/big":
                self.go.wait(BACKGROUND_S)
                peer.remember = False
                self.digest = receive_digest(peer, total)
            else:
                peer.read_exactly(total)
            peer.send(answer(b"x" * 200_000))


@pytest.mark.heavy
def test_an_upload_to_a_slow_backend_holds_under_one_megabyte(stage, sanitizer):
    reader = SlowReader()
    backend = stage.backend(reader.script, receive_buffer=SMALL_WINDOW, remember=False)
    proxy = stage.proxy(backend, listener={"timeouts": {"body": "300s", "write": "300s"}},
                        pool_settings={"timeouts": {"response": "300s", "idle": "300s"}})
    before = warmed_up(stage, proxy)
    client = stage.client(proxy)
    sent = [0]

    def send(data):
        client.send(data)
        sent[0] += len(data)

    def upload():
        send(head("POST", "/big", headers=[("Content-Length", str(STREAM_BYTES))]))
        return send_plain(send, random_pieces(STREAM_BYTES))

    client.sock.settimeout(BACKGROUND_S)
    uploaded = in_background(upload)
    held = wait_until_stuck(lambda: sent[0], "the upload is held back")
    assert held < min(MORE_THAN_ALL_BUFFERS, STREAM_BYTES)
    assert_bounded_growth(proxy, before, sanitizer)
    reader.go.set()
    sent_digest = uploaded()
    assert client.read_response("POST").status == 200
    assert reader.digest == sent_digest
    assert_bounded_growth(proxy, before, sanitizer)


@pytest.mark.heavy
def test_a_download_to_a_slow_client_holds_under_one_megabyte(stage, sanitizer):
    sent = [0]

    def script(peer):
        peer.sock.settimeout(BACKGROUND_S)
        while True:
            request = peer.read_request()
            if request.target != "/big":
                peer.send(answer(b"x" * 200_000))
                continue
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {STREAM_BYTES}\r\n\r\n".encode())
            for piece in random_pieces(STREAM_BYTES, seed=3):
                peer.send(piece)
                sent[0] += len(piece)

    proxy = stage.proxy(stage.backend(script, remember=False),
                        listener={"timeouts": {"write": "300s"}},
                        pool_settings={"timeouts": {"idle": "300s"}})
    before = warmed_up(stage, proxy)
    client = stage.client(proxy, receive_buffer=SMALL_WINDOW, remember=False)
    client.send(head(path="/big"))
    assert client.read_head().status == 200
    held = wait_until_stuck(lambda: sent[0], "the backend is held back")
    assert held < min(MORE_THAN_ALL_BUFFERS, STREAM_BYTES)
    assert_bounded_growth(proxy, before, sanitizer)
    assert receive_digest(client, STREAM_BYTES) == digest(random_pieces(STREAM_BYTES, seed=3))
    assert_bounded_growth(proxy, before, sanitizer)


def test_many_held_back_streams_each_hold_under_one_megabyte(stage, sanitizer):
    streams = 16
    sent = [0] * streams

    def script(peer):
        peer.sock.settimeout(BACKGROUND_S)
        while True:
            request = peer.read_request()
            if not request.target.startswith("/big/"):
                peer.send(answer(b"x" * 200_000))
                continue
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {STREAM_BYTES}\r\n\r\n".encode())
            for piece in random_pieces(STREAM_BYTES, seed=12):
                peer.send(piece)
                sent[int(request.target[5:])] += len(piece)

    proxy = stage.proxy(stage.backend(script, remember=False))
    before = warmed_up(stage, proxy)
    for number in range(streams):
        client = stage.client(proxy, receive_buffer=SMALL_WINDOW, remember=False)
        client.send(head(path=f"/big/{number}"))
        assert client.read_head().status == 200
    wait_until(lambda: all(sent), "every stream has begun")
    wait_until_stuck(lambda: sum(sent), "every backend is held back")
    if not sanitizer:
        growth = proxy.memory_kb("VmHWM") - before
        assert growth < 1024 * streams, f"grew by {growth} kB"


def test_random_chunk_borders_both_ways_keep_the_content(stage):
    def script(peer):
        request = peer.read_head()
        pieces = []
        read_chunked(peer, request, pieces.append)
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        send_chunked(peer.send, pieces, seed=7)

    client = stage.client(stage.proxy(stage.backend(script, remember=False)), remember=False)
    client.send(head("POST", headers=[("Transfer-Encoding", "chunked")]))
    sent = send_chunked(client.send, random_pieces(8 * MEGABYTE, seed=4))
    assert digest([client.read_response("POST").body]) == sent


def test_node_hashes_what_was_uploaded(stage):
    total = 20 * MEGABYTE
    client = stage.client(stage.proxy(stage.node()))
    client.send(head("PUT", "/sha256", headers=[("Transfer-Encoding", "chunked")]))
    sent = send_chunked(client.send, random_pieces(total, seed=5))
    answered = json.loads(client.read_response("PUT").body)
    assert answered == {"size": total, "sha256": sent}


def test_a_download_of_node_arrives_with_its_hash(stage):
    client = stage.client(stage.proxy(stage.node()), remember=False)
    client.send(head(path=f"/bytes/{20 * MEGABYTE}", headers=[("TE", "trailers")]))
    answered = client.read_response()
    assert len(answered.body) == 20 * MEGABYTE
    assert answered.trailers == [("X-Sha256", digest([answered.body]))]


def test_a_file_of_nginx_arrives_whole(stage):
    nginx = stage.nginx()
    content = b"".join(random_pieces(10 * MEGABYTE, seed=6))
    nginx.files.joinpath("big.bin").write_bytes(content)
    proxy = stage.proxy(nginx)
    client = stage.client(proxy, remember=False)
    for _ in range(2):
        assert digest([client.get("/big.bin").body]) == digest([content])


def test_an_echo_streams_both_ways_at_once(stage):
    """The backend answers while the request is still being sent, for longer than buffers last."""
    total = 32 * MEGABYTE

    def script(peer):
        peer.sock.settimeout(BACKGROUND_S)
        peer.read_head()
        peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n".encode())
        left = total
        while left:
            data = peer.read_some()
            left -= len(data)
            peer.send(data)

    client = stage.client(stage.proxy(stage.backend(script, remember=False)), remember=False)

    def upload():
        client.send(head("POST", headers=[("Content-Length", str(total))]))
        return send_plain(client.send, random_pieces(total, seed=8))

    uploaded = in_background(upload)
    assert client.read_head().status == 200
    assert receive_digest(client, total) == uploaded()


def test_an_early_answer_during_an_upload_is_relayed(stage):
    def script(peer):
        peer.read_head()
        peer.send(answer(b"enough", "413 Payload Too Large", [("Connection", "close")]))

    client = stage.client(stage.proxy(stage.backend(script)))
    client.send(head("POST", headers=[("Content-Length", "1000000000")]) + b"u" * 10000)
    answered = client.read_response("POST")
    assert (answered.status, answered.body) == (413, b"enough")
    assert answered.get("connection").lower() == "close"


def test_after_an_early_answer_the_rest_of_the_upload_is_not_a_request(stage):
    """Whether the connection goes on or ends: the body's bytes are never read as a head."""
    def script(peer):
        while True:
            request = peer.read_head()
            peer.send(answer(b"early"))
            peer.read_exactly(int(request.get("content-length", "0")))

    backend = stage.backend(script)
    client = stage.client(stage.proxy(backend))
    smuggled = head(path="/smuggled")
    length = str(5 + len(smuggled))
    client.send(head("POST", headers=[("Content-Length", length)]) + b"half.")
    assert client.read_response("POST").body == b"early"
    try:
        client.send(smuggled)
        client.half_close()
    except OSError:
        pass
    rest = client.read_to_eof()
    assert b"HTTP/1.1" not in rest
    assert all(b"GET /smuggled" != bytes(peer.received)[:13] for peer in backend.peers)


def test_a_client_that_leaves_before_the_answer_cancels_the_backends_work(stage):
    """With RST: a FIN alone may be a half-close, whose answer is still wanted."""
    def script(peer):
        peer.read_request()
        peer.wait_gone()

    backend = stage.backend(script)
    proxy = stage.proxy(backend)
    client = stage.client(proxy)
    client.send(head())
    peer = backend.wait_for_connections(1)
    wait_until(lambda: b"\r\n\r\n" in peer.received, "the request arrives")
    client.reset()
    assert peer.closed.wait(60)
    assert proxy.wait_access_lines(1)[0]["status"] == 499


def test_a_client_that_resets_right_behind_its_request_cancels_it(stage):
    """Request and RST arrive together: the end must be seen although there was data before it."""
    backend = stage.backend(lambda peer: (peer.read_request(), peer.wait_gone()))
    proxy = stage.proxy(backend)
    for _ in range(20):
        client = stage.client(proxy)
        client.send(head())
        client.reset()
    assert {line["status"] for line in proxy.wait_access_lines(20)} == {499}
    assert all(peer.closed.wait(60) for peer in backend.peers)


def test_a_client_that_leaves_during_a_download_cancels_it(stage):
    stopped = threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                peer.send(b"10000\r\n" + b"d" * 65536 + b"\r\n")
        finally:
            stopped.set()

    proxy = stage.proxy(stage.backend(script, remember=False))
    client = stage.client(proxy)
    client.send(head())
    client.read_exactly(100_000)
    client.close()
    assert stopped.wait(60)
    assert proxy.wait_access_lines(1)[0]["status"] == 499


def test_a_client_that_leaves_during_an_upload_cancels_it(stage):
    def script(peer):
        peer.wait_gone()

    backend = stage.backend(script)
    client = stage.client(stage.proxy(backend))
    client.send(head("POST", headers=[("Content-Length", "1000000")]) + b"u" * 50_000)
    peer = backend.wait_for_connections(1)
    wait_until(lambda: len(peer.received) > 1000, "some of the body arrives")
    client.reset()
    assert peer.closed.wait(60)
    assert len(peer.received) < 1_000_000


def test_a_half_closed_client_still_gets_its_answer(stage):
    release = threading.Event()

    def respond(request):
        release.wait(60)
        return answer(b"for you" * 100_000)

    backend = stage.recorder(respond=respond)
    client = stage.client(stage.proxy(backend))
    client.send(head())
    client.half_close()
    backend.wait_for_requests(1)
    release.set()
    assert client.read_response().body == b"for you" * 100_000
    client.expect_close()


def test_a_half_closed_client_gets_all_its_pipelined_answers(stage):
    backend = stage.recorder(respond=lambda request: answer(request.target.encode()))
    client = stage.client(stage.proxy(backend))
    client.send(head(path="/1") + head(path="/2") + head(path="/3"))
    client.half_close()
    assert [client.read_response().text for _ in range(3)] == ["/1", "/2", "/3"]
    client.expect_close()


def test_a_first_piece_of_an_answer_is_not_held_back(stage):
    """Server-sent events: each piece arrives although the answer goes on."""
    more = threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
        more.wait(60)
        peer.send(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    client = stage.client(stage.proxy(stage.backend(script)))
    client.send(head())
    assert client.read_until(b"data: 1\n\n")
    more.set()
    assert client.read_until(b"data: 2\n\n")


def test_a_first_piece_of_an_upload_is_not_held_back(stage):
    backend = stage.backend(lambda peer: peer.wait_gone())
    client = stage.client(stage.proxy(backend))
    client.send(head("POST", headers=[("Transfer-Encoding", "chunked")]) + b"5\r\nfirst\r\n")
    peer = backend.wait_for_connections(1)
    wait_until(lambda: b"first" in peer.received, "the first chunk arrives")


def test_an_answer_that_drips_arrives_whole(stage):
    reply = answer(b"drop by drop", headers=[("X-Slow", "yes")])

    def script(peer):
        peer.read_request()
        peer.drip(reply)

    assert stage.client(stage.proxy(stage.backend(script))).get().body == b"drop by drop"
