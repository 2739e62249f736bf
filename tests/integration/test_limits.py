"""Line 11: connection limits, slow clients, and running out of file descriptors."""

import resource
import select
import threading
import time

import pytest

from lib.raw_client import RawClient, head
from lib.scripted_backend import answer
from lib.waiting import wait_until

QUICK = {"header": "1s", "body": "1s", "idle": "1s", "write": "1s"}
SLOW = {"header": "60s", "body": "60s", "idle": "60s", "write": "60s"}


def quick(name):
    """Only the timeout `name` is short, so that no other one can end the connection."""
    return {"timeouts": {**SLOW, name: QUICK[name]}}


def end_of(client):
    """What came before the proxy closed, and how long that took."""
    began = time.monotonic()
    return client.read_to_eof(), time.monotonic() - began


def test_a_head_that_does_not_come_is_a_408_after_the_header_timeout(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend, listener=quick("header")))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
    answered = client.read_response()
    assert (answered.status, answered.get("x-evergate-error")) == (408, "timeout")
    client.expect_close()
    assert backend.count == 0


def test_slowloris_cannot_stretch_the_header_timeout_byte_by_byte(stage):
    """One byte every now and then does not count as progress: the whole head has one deadline."""
    client = stage.client(stage.proxy(stage.recorder(), listener=quick("header")))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    began = time.monotonic()
    while not select.select([client.sock], [], [], 0.1)[0]:
        client.send(b"a")
        assert time.monotonic() - began < 40, "slowloris holds its connection"
    assert client.read_response().status == 408
    client.expect_close()


def test_a_connection_that_says_nothing_is_closed(stage):
    client = stage.client(stage.proxy(stage.recorder(), listener={"timeouts": {
        **SLOW, "header": "1s", "idle": "1s"}}))
    rest, _ = end_of(client)
    assert rest == b"" or rest.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("tls", [False, True])
def test_the_header_timeout_holds_from_the_first_byte_of_a_proxy_header_on(
        stage, certificates, tls):
    """PROXY header, TLS handshake and head share one deadline: none of them stretches it."""
    settings = {"proxy_protocol": True, **quick("header")}
    if tls:
        settings["tls"] = {"certificates": [certificates.leaf("localhost")]}
    proxy = stage.proxy(stage.recorder(), listener=settings)
    proxy_header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    beginnings = [b"", b"PROXY TC", proxy_header]
    if tls:
        beginnings += [proxy_header + b"\x16\x03\x01\x02"]
    for client, beginning in [(stage.client(proxy), beginning) for beginning in beginnings]:
        client.send(beginning)
        client.expect_close()


def test_slow_clients_do_not_keep_others_waiting(stage):
    proxy = stage.proxy(stage.recorder(), listener=quick("header"))
    slow = [stage.client(proxy) for _ in range(50)]
    for client in slow:
        client.send(b"GET / HTTP/1.1\r\n")
    assert stage.get(proxy).status == 200
    for client in slow:
        assert client.read_to_eof().startswith(b"HTTP/1.1 408")


def test_a_body_that_does_not_come_is_a_408_after_the_body_timeout(stage):
    backend = stage.backend(lambda peer: peer.wait_gone())
    client = stage.client(stage.proxy(backend, listener=quick("body")))
    client.send(head("POST", headers=[("Content-Length", "100")]) + b"some")
    answered = client.read_response("POST")
    assert (answered.status, answered.get("x-evergate-error")) == (408, "timeout")
    client.expect_close()
    assert backend.peers[0].closed.wait(60)


def test_a_body_that_keeps_coming_slowly_is_not_cut(stage):
    client = stage.client(stage.proxy(stage.recorder(), listener={"timeouts": {
        **SLOW, "body": "5s"}}))
    client.send(head("POST", headers=[("Content-Length", "20")]))
    for _ in range(20):
        client.send(b"b")
        time.sleep(0.05)
    assert client.read_response("POST").status == 200


def test_an_idle_keep_alive_connection_is_closed_without_a_word(stage):
    client = stage.client(stage.proxy(stage.recorder(), listener=quick("idle")))
    assert client.get().status == 200
    client.expect_close()


def test_a_client_that_stops_reading_is_cut_after_the_write_timeout(stage):
    stopped = threading.Event()

    def script(peer):
        peer.sock.settimeout(120)
        peer.read_request()
        try:
            peer.send(answer(b"d" * 50_000_000))
        finally:
            stopped.set()

    proxy = stage.proxy(stage.backend(script, remember=False), listener=quick("write"))
    client = stage.client(proxy, receive_buffer=65536)
    client.send(head())
    client.read_exactly(1000)
    assert stopped.wait(120)
    assert proxy.wait_access_lines(1)[0]["status"] in (200, 499)


def test_a_slow_reader_that_goes_on_reading_is_not_cut(stage):
    backend = stage.recorder(respond=lambda request: answer(b"d" * 3_000_000))
    client = stage.client(stage.proxy(backend, listener={"timeouts": {**SLOW, "write": "5s"}}),
                          receive_buffer=65536)
    client.send(head())
    received = 0
    for _ in range(15):
        received += len(client.read_some())
        time.sleep(0.05)
    while received < 3_000_000:
        data = client.read_some()
        assert data
        received += len(data)


def test_a_slow_reader_gets_the_whole_of_a_closing_answer(stage, tmp_path):
    """The connection's end is decided long before the client has read what stands before it.

    A Unix socket, since its buffer in the kernel does not grow: among these sizes are some of which
    the kernel holds a part and the proxy, whose buffer is larger than a step, the rest."""
    proxy = stage.proxy(
        stage.recorder(respond=lambda request: answer(b"x" * int(request.target[1:]))),
        listener={"bind": f"unix:{tmp_path}/in.sock"})
    clients = [(size, stage.client(proxy)) for size in range(100_000, 500_000, 20_000)]
    for size, client in clients:
        client.send(head(path=f"/{size}", headers=[("Connection", "close")]))
    proxy.wait_access_lines(5)
    time.sleep(5.5)  # longer than a lingering connection is kept once everything was sent
    for size, client in clients:
        assert len(client.read_response().body) == size
        assert client.read_to_eof() == b""


def test_a_connection_over_the_limit_is_turned_away_and_a_place_freed_is_used(stage):
    proxy = stage.proxy(stage.recorder(), listener={"max_connections": 5})
    clients = [stage.client(proxy) for _ in range(5)]
    for client in clients:
        assert client.get().status == 200
    extra = stage.client(proxy)
    try:
        extra.send(head())
        rest = extra.read_to_eof()
    except OSError:
        rest = b""
    assert rest == b"" or rest.startswith(b"HTTP/1.1 503")
    if rest:
        assert b"X-Evergate-Error: overload" in rest
    for client in clients:
        assert client.get().status == 200
    clients[0].close()

    def admitted():
        client = RawClient(proxy.address())
        try:
            return client.get().status == 200
        except (OSError, EOFError):  # the place is not free yet
            return False
        finally:
            client.close()

    wait_until(admitted, "the freed place is used")


def with_descriptors(limit):
    def apply():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return apply


def test_idle_clients_cannot_take_the_descriptors_that_requests_need(stage):
    """As many idle clients as there are descriptors: those that were let in are still served."""
    proxy = stage.proxy(stage.recorder(), preexec=with_descriptors(64))
    crowd = [stage.client(proxy) for _ in range(60)]
    statuses = []
    for client in crowd:
        try:
            statuses.append(client.get().status)
        except (OSError, EOFError):
            statuses.append(None)  # turned away before it was accepted
    assert set(statuses) <= {200, 503, None}
    assert statuses.count(200) >= 5


def test_running_out_of_descriptors_sheds_logs_sparsely_and_recovers(stage):
    backend = stage.recorder()
    proxy = stage.proxy(backend, preexec=with_descriptors(80))
    assert stage.get(proxy).status == 200
    began = time.monotonic()
    crowd = []
    for _ in range(150):
        client = stage.client(proxy)
        crowd.append(client)
        try:
            client.send(head())
        except OSError:
            pass
    wait_until(lambda: proxy.log_lines("(?i)descriptor|too many open files|EMFILE"),
               "the log says that descriptors ran out")
    assert proxy.process.poll() is None
    for client in crowd:
        client.close()

    def served():
        client = RawClient(proxy.address())
        try:
            return client.get().status == 200
        except (OSError, EOFError):  # still recovering
            return False
        finally:
            client.close()

    wait_until(served, "it serves again")
    lines = proxy.log_lines("(?i)descriptor|too many open files|EMFILE")
    lasted = time.monotonic() - began
    assert len(lines) <= 3 * (lasted + 2), f"{len(lines)} lines in {lasted:.1f} s"


def test_descriptors_do_not_leak(stage):
    backend = stage.recorder()
    proxy = stage.proxy(backend, stage.refusing_port())

    def visits():
        for number in range(60):
            client = stage.client(proxy)
            if number % 3 == 0:
                client.send(b"GET / HTTP/1.1\r\n")
                client.reset()
            elif number % 3 == 1:
                client.send(head())
                client.reset()
            else:
                assert client.get().status == 200
                client.close()

    visits()
    before = []

    def settled():
        before.append(proxy.descriptor_count())
        return len(before) > 20 and len(set(before[-20:])) == 1

    wait_until(settled, "the count settles")
    level = proxy.descriptor_count()
    for _ in range(3):
        visits()
    # Idle connections to the backend may number one more or less per worker.
    wait_until(lambda: proxy.descriptor_count() <= level + 8, "descriptors are given back")


@pytest.mark.parametrize("count", [300])
def test_hundreds_of_idle_connections_do_not_disturb_service(stage, count):
    proxy = stage.proxy(stage.recorder())
    crowd = [stage.client(proxy) for _ in range(count)]
    for client in crowd[::10]:
        assert client.get().status == 200
    assert stage.get(proxy).status == 200


def test_an_upload_over_the_limit_gets_its_413_although_it_sends_on(stage):
    """A client that reads no answer before it has sent everything must not meet a reset."""
    proxy = stage.proxy(stage.recorder(), listener={"limits": {"body_bytes": "1m"}})
    for _ in range(5):
        client = stage.client(proxy)
        client.send(head("POST", headers=[("Content-Length", "20000000")]))
        client.send(b"u" * 20_000_000)
        assert client.read_head().status == 413
