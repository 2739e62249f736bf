"""Line 11: signals: draining, stopping at once, surviving SIGHUP."""

import signal
import socket
import threading

import pytest

from lib import libconfig
from lib.raw_client import RawClient, head
from lib.scripted_backend import answer
from lib.waiting import wait_until


class Held:
    """A backend whose answers to /hold wait for .release."""

    def __init__(self, stage, body=b"held"):
        self.release = threading.Event()
        self.body = body
        self.backend = stage.recorder(respond=self.respond)

    def respond(self, request):
        if request.target == "/hold":
            self.release.wait(120)
        return answer(self.body)


def hold(stage, proxy, held):
    client = stage.client(proxy)
    before = held.backend.count
    client.send(head(path="/hold"))
    held.backend.wait_for_requests(before + 1)
    return client


def refuses_connections(proxy):
    def refused():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", proxy.port())) != 0
    return refused


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_instance_with_exit_code_0(stage, number):
    proxy = stage.proxy(stage.recorder())
    assert stage.get(proxy).status == 200
    assert proxy.stop(number) == 0


def test_work_in_flight_finishes_and_the_client_is_told_to_leave(stage):
    held = Held(stage)
    proxy = stage.proxy(held.backend, drain_timeout="1h")
    client = hold(stage, proxy, held)
    proxy.send_signal(signal.SIGTERM)
    wait_until(refuses_connections(proxy), "new connections are refused")
    assert proxy.process.poll() is None
    held.release.set()
    answered = client.read_response()
    assert (answered.status, answered.body) == (200, b"held")
    assert answered.get("connection").lower() == "close"
    client.expect_close()
    assert proxy.wait_exit() == 0


def test_idle_keep_alive_connections_are_closed_by_a_drain(stage):
    proxy = stage.proxy(stage.recorder())
    clients = [stage.client(proxy) for _ in range(10)]
    for client in clients:
        assert client.get().status == 200
    proxy.send_signal(signal.SIGTERM)
    for client in clients:
        client.expect_close()
    assert proxy.wait_exit() == 0


def test_a_connection_accepted_before_the_drain_still_gets_its_first_answer(stage):
    """Its request may be on the way already: closing now would lose it."""
    proxy = stage.proxy(stage.recorder())
    before = proxy.descriptor_count()
    client = stage.client(proxy)
    wait_until(lambda: proxy.descriptor_count() > before, "it is accepted")
    proxy.send_signal(signal.SIGTERM)
    wait_until(refuses_connections(proxy), "the drain has begun")
    answered = client.get()
    assert (answered.status, answered.get("connection")) == (200, "close")
    client.expect_close()
    assert proxy.wait_exit() == 0


def test_an_upload_and_a_download_in_flight_finish_during_a_drain(stage):
    release = threading.Event()

    def script(peer):
        request = peer.read_head()
        if request.method == "POST":
            peer.send(answer(peer.read_exactly(100)))
        else:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"d" * 50)
            release.wait(60)
            peer.send(b"d" * 50)

    backend = stage.backend(script)
    # Only that the work is done can end it.
    proxy = stage.proxy(backend, drain_timeout="1h", listener={"timeouts": {"idle": "1h"}})
    upload, download = stage.client(proxy), stage.client(proxy)
    upload.send(head("POST", headers=[("Content-Length", "100")]) + b"u" * 50)
    download.send(head())
    assert download.read_head().status == 200
    backend.wait_for_connections(2)
    proxy.send_signal(signal.SIGTERM)
    wait_until(refuses_connections(proxy), "new connections are refused")
    upload.send(b"u" * 50)
    assert upload.read_response("POST").body == b"u" * 100
    release.set()
    assert download.read_exactly(100) == b"d" * 100
    assert proxy.wait_exit() == 0


def test_a_tunnel_does_not_hold_up_a_drain_for_ever(stage):
    def script(peer):
        peer.read_head()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        peer.wait_gone()

    proxy = stage.proxy(stage.backend(script), drain_timeout="1s")
    client = stage.client(proxy)
    client.send(head(headers=[("Connection", "Upgrade"), ("Upgrade", "x")]))
    assert client.read_head().status == 101
    proxy.send_signal(signal.SIGTERM)
    client.read_to_eof()
    assert proxy.wait_exit() == 0


def test_a_connection_that_never_said_anything_does_not_hold_up_a_drain(stage):
    proxy = stage.proxy(stage.recorder(), listener={"timeouts": {"header": "1h"}},
                        drain_timeout="1h")
    client = stage.client(proxy)
    assert stage.get(proxy).status == 200  # the silent one before it was accepted, too
    proxy.send_signal(signal.SIGTERM)
    assert client.read_to_eof() == b""
    assert proxy.wait_exit() == 0


def test_the_drain_has_a_limit(stage):
    held = Held(stage)
    proxy = stage.proxy(held.backend, drain_timeout="500ms")
    client = hold(stage, proxy, held)
    proxy.send_signal(signal.SIGTERM)
    assert client.read_to_eof() == b""
    assert proxy.wait_exit() == 0
    held.release.set()


def test_a_request_that_the_drains_limit_cuts_is_logged_as_cut_by_us(stage):
    held = Held(stage)
    proxy = stage.proxy(held.backend, drain_timeout="100ms")
    client = hold(stage, proxy, held)
    proxy.send_signal(signal.SIGTERM)
    client.read_to_eof()
    assert proxy.wait_exit() == 0
    line = proxy.access_lines()[-1]
    assert (line["status"], line["error"]) == (503, "shutting down")
    held.release.set()


def test_a_second_signal_ends_it_at_once(stage):
    held = Held(stage)
    proxy = stage.proxy(held.backend)
    client = hold(stage, proxy, held)
    proxy.send_signal(signal.SIGTERM)
    wait_until(refuses_connections(proxy), "the drain has begun")
    assert proxy.process.poll() is None
    proxy.send_signal(signal.SIGTERM)
    proxy.expected_exit = proxy.wait_exit()
    assert proxy.expected_exit >= 0, "it was killed by a signal instead of ending"
    client.read_to_eof()
    held.release.set()


def test_sighup_does_not_end_it(stage):
    held = Held(stage)
    proxy = stage.proxy(held.backend)
    client = hold(stage, proxy, held)
    for _ in range(3):
        proxy.send_signal(signal.SIGHUP)
    assert stage.get(proxy).status == 200
    held.release.set()
    assert client.read_response().status == 200
    assert client.get().status == 200


def test_sigpipe_and_sigusr1_do_not_end_it(stage):
    proxy = stage.proxy(stage.recorder())
    for number in (signal.SIGPIPE, signal.SIGUSR1):
        proxy.send_signal(number)
        assert stage.get(proxy).status == 200


def test_a_drain_under_load_loses_no_request(stage):
    """Every request that was answered or refused cleanly: nothing is cut in the middle."""
    proxy = stage.proxy(stage.recorder(respond=lambda request: answer(b"x" * 5000)))
    cut, served = [], []
    stop = threading.Event()

    def visit():
        while not stop.is_set():
            try:
                client = RawClient(proxy.address())
            except OSError:
                return
            try:
                visit_on(client)
            finally:
                client.close()

    def visit_on(client):
        while not stop.is_set():
            start = len(client.received)
            try:
                answered = client.get()
                served.append(1)
                if "close" in (answered.get("connection") or ""):
                    return
            except (OSError, EOFError) as end:
                if len(client.received) > start:
                    cut.append(repr(end))
                return

    visitors = [threading.Thread(target=visit) for _ in range(6)]
    for visitor in visitors:
        visitor.start()
    wait_until(lambda: len(served) > 200, "there is load")
    proxy.send_signal(signal.SIGTERM)
    code = proxy.wait_exit()
    stop.set()
    for visitor in visitors:
        visitor.join(60)
    assert code == 0
    assert cut == []


def test_a_started_instance_writes_no_error(stage):
    proxy = stage.proxy(stage.recorder())
    stage.get(proxy)
    assert proxy.log_lines(r"(?i)\berror\b") == []


def test_several_listeners_all_stop_accepting_in_a_drain(stage):
    held = Held(stage)
    settings = libconfig.simple([held.backend])
    settings["listeners"] = [{"name": n, "bind": "127.0.0.1:0"} for n in ("edge", "two")]
    proxy = stage.evergate(settings, names=("edge", "two"))
    client = hold(stage, proxy, held)
    proxy.send_signal(signal.SIGTERM)
    for name in ("edge", "two"):
        def refused(port=proxy.port(name)):
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) != 0
        wait_until(refused, f"listener {name} refuses")
    held.release.set()
    assert client.read_response().status == 200
    assert proxy.wait_exit() == 0
