"""Everything at once: clients and backends that misbehave at random, side by side with good ones.

What must hold, whatever happens around it: an answer that arrives whole belongs to its request, a
well-behaved client is served, nothing is left over when everyone has gone.
"""

import itertools
import os
import random
import resource
import signal
import ssl
import threading

import pytest

from lib.failover import NO_BREAKER, NO_OUTLIER
from lib.libconfig import DEFAULT_WORKERS
from lib.raw_client import RawClient, head
from lib.scripted_backend import answer
from lib.waiting import wait_until
from lib.wire import ConnectionEnded

SEEDS = [int(seed) for seed in os.environ.get("EVERGATE_CHAOS_SEEDS", "1,2,3").split(",")]

#: These backends fail so often that they would be left out, and then nothing would be tested.
UNJUDGED = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER}

CLIENTS = 12
REQUESTS_EACH = 100

TRUNCATED = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort"
GARBAGE = b"\x00\x01 this is not HTTP\r\n\r\n"
BAD_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\nxx\r\n"


def echo_of(request):
    """An answer that names its request, sized by it, so that a mix-up cannot go unnoticed."""
    return f"{request.method} {request.target} {len(request.body)}".encode()


def chunked(body):
    half = len(body) // 2
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"%x\r\n%s\r\n" % (half, body[:half])
            + b"%x;e=1\r\n%s\r\n0\r\nX-T: 1\r\n\r\n" % (len(body) - half, body[half:]))


class Backends:
    """One script for all backends; /good/ paths are always served well."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lock = threading.Lock()

    def choose(self, options):
        with self.lock:
            return self.random.choice(options)

    def script(self, peer):
        while True:
            request = peer.read_request()
            body = echo_of(request)
            mood = "good" if request.target.startswith("/good/") else self.choose(
                ["good", "chunked", "drip", "reset", "truncated", "garbage", "bad_chunk", "close",
                 "interim", "surplus", "silent_close", "until_close"])
            if not self.behave(peer, mood, body):
                return

    def behave(self, peer, mood, body):
        """True when the connection may go on."""
        if mood == "reset":
            peer.reset()
            return False
        if mood == "drip":
            peer.drip(answer(body), piece=7, pause_s=0)
            return True
        sends = {
            "good": answer(body), "chunked": chunked(body), "truncated": TRUNCATED,
            "garbage": GARBAGE, "bad_chunk": BAD_CHUNK, "silent_close": b"",
            "close": answer(body, headers=[("Connection", "close")]),
            "interim": b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + answer(body),
            "surplus": answer(body) + answer(b"poison"),
            "until_close": b"HTTP/1.1 200 OK\r\n\r\n" + body}
        peer.send(sends[mood])
        return mood in ("good", "chunked", "interim", "surplus")


class Visitor:
    """A client that now and then does the worst."""

    def __init__(self, connect, seed, number, wrong):
        self.connect = connect
        self.random = random.Random(f"{seed}/{number}")
        self.number = number
        self.wrong = wrong
        self.client = None
        self.turns = itertools.count()

    def run(self):
        for _ in range(REQUESTS_EACH):
            if self.client is None:
                try:
                    self.client = self.connect()
                except OSError:
                    continue  # turned away
            act = self.random.choice([
                self.ask, self.ask, self.ask, self.post, self.pipeline, self.leave_early,
                self.leave_in_body, self.half_close, self.talk_nonsense, self.ask_in_pieces])
            try:
                act()
            except (OSError, ConnectionEnded):
                self.leave()  # cut: allowed, as long as nothing false was said
        self.leave()

    def leave(self, how="close"):
        if self.client is not None:
            getattr(self.client, how)()
            self.client = None

    def path(self):
        return f"/any/{self.number}/{next(self.turns)}"

    def judge(self, method, path, size=0):
        answered = self.client.read_response(method)
        if answered.status == 200 and answered.body != f"{method} {path} {size}".encode():
            self.wrong.append((path, answered))
        elif answered.status not in (200, 502, 503):
            self.wrong.append((path, answered))
        if (answered.get("connection") or "").lower() == "close":
            self.leave()

    def ask(self):
        path = self.path()
        self.client.send(head(path=path))
        self.judge("GET", path)

    def ask_in_pieces(self):
        path = self.path()
        data = head(path=path)
        cut = self.random.randrange(1, len(data))
        self.client.send(data[:cut])
        self.client.send(data[cut:])
        self.judge("GET", path)

    def post(self):
        path, size = self.path(), self.random.choice([0, 1, 1000, 100_000])
        if self.random.random() < 0.5:
            self.client.send(head("POST", path, headers=[("Content-Length", str(size))])
                             + b"p" * size)
        else:
            chunk = b"%x;a=b\r\n%s\r\n" % (size, b"p" * size) if size else b""
            self.client.send(head("POST", path, headers=[("Transfer-Encoding", "chunked")])
                             + chunk + b"0\r\n\r\n")
        self.judge("POST", path, size)

    def pipeline(self):
        paths = [self.path() for _ in range(self.random.randint(2, 6))]
        self.client.send(b"".join(head(path=path) for path in paths))
        for path in paths:
            if self.client is None:
                return
            self.judge("GET", path)

    def leave_early(self):
        self.client.send(head(path=self.path()))
        self.leave(self.random.choice(["close", "reset"]))

    def leave_in_body(self):
        self.client.send(head("POST", self.path(), headers=[("Content-Length", "100000")])
                         + b"p" * 500)
        self.leave(self.random.choice(["close", "reset"]))

    def half_close(self):
        path = self.path()
        self.client.send(head(path=path))
        self.say_the_end()
        self.judge("GET", path)
        self.leave()

    def say_the_end(self):
        """TLS of Python cannot send close_notify and read on: there it stays open."""
        if not isinstance(self.client.sock, ssl.SSLSocket):
            self.client.half_close()

    def talk_nonsense(self):
        self.client.send(self.random.choice([
            b"\x16\x03\x01\x00\x10", b"GET /\n\n", b"GET  / HTTP/1.1\r\n\r\n",
            head(headers=[("Content-Length", "5"), ("Transfer-Encoding", "chunked")])]))
        self.say_the_end()
        if b" 200 " in self.client.read_to_eof():
            self.wrong.append("nonsense was served")
        self.leave()


def plain_stage(stage, script, **settings):
    """Three backends and the proxy; and how to connect to it."""
    backends = [stage.backend(script, remember=False) for _ in range(3)]
    proxy = stage.proxy(*backends, stage.refusing_port(), pool_settings=UNJUDGED, **settings)
    return backends, proxy, lambda: RawClient(proxy.address())


def tls_stage(stage, script, certificates, **settings):
    """The same with TLS on both sides."""
    leaf = certificates.leaf("localhost", "IP:127.0.0.1")
    server, client = certificates.server_context(leaf), certificates.client_context()
    backends = [stage.backend(script, remember=False, tls=server) for _ in range(3)]
    proxy = stage.proxy(*backends, stage.refusing_port(),
                        listener={"tls": {"certificates": [leaf]}},
                        pool_settings={"tls": {"ca": certificates.ca, "sni": "localhost"},
                                       **UNJUDGED},
                        **settings)
    return backends, proxy, lambda: RawClient(
        proxy.address(), tls=client, server_name="localhost")


def in_threads(visitors):
    threads = [threading.Thread(target=visitor.run) for visitor in visitors]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()


def be_good(connect, wrong):
    """A client that behaves, in the middle of it all."""
    for _ in range(50):
        client = connect()
        answered = client.get("/good/always")
        client.close()
        if answered.status != 200 or answered.body != b"GET /good/always 0":
            wrong.append(answered)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("seed", SEEDS)
def test_answers_belong_to_their_requests_whatever_happens_around_them(
        stage, certificates, seed, tls):
    script = Backends(seed).script
    backends, proxy, connect = (
        tls_stage(stage, script, certificates) if tls else plain_stage(stage, script))
    baseline = proxy.descriptor_count()
    wrong = []
    threads = in_threads(Visitor(connect, seed, number, wrong) for number in range(CLIENTS))
    be_good(connect, wrong)
    join(threads)
    assert wrong == []
    assert {200, 502, 499, 400} <= {line["status"] for line in proxy.access_lines()}
    for backend in backends:
        backend.close_connections()
    wait_until(lambda: proxy.descriptor_count() <= baseline + 2 * DEFAULT_WORKERS,
               "every descriptor is given back")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_drain_in_the_middle_of_it_ends_well(stage, certificates, seed, tls):
    """Whatever state a connection is in, draining and cutting it must leave nothing behind."""
    script = Backends(seed).script
    settings = {"drain_timeout": "500ms"}
    _, proxy, connect = (tls_stage(stage, script, certificates, **settings) if tls
                         else plain_stage(stage, script, **settings))
    wrong = []
    threads = in_threads(Visitor(connect, seed, number, wrong) for number in range(CLIENTS))
    wait_until(lambda: len(proxy.access_lines()) > 100, "it is in the middle")
    proxy.send_signal(signal.SIGTERM)
    assert proxy.wait_exit() == 0
    join(threads)
    assert [it for it in wrong if not isinstance(it, tuple) or it[1].status != 503] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_with_hardly_any_descriptors_it_serves_what_it_can(stage, seed):
    """Accepting and connecting fail now and then: no answer is mixed up, and it recovers."""
    def starve():
        # Of a worker's own it takes about six: its loop's, its part of the listener, a reserve.
        limit = 28 + 6 * DEFAULT_WORKERS
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    backends, proxy, connect = plain_stage(stage, Backends(seed).script, preexec=starve)
    wrong = []
    join(in_threads(Visitor(connect, seed, number, wrong) for number in range(CLIENTS)))
    assert wrong == []
    for backend in backends:
        backend.close_connections()

    def served():
        client = connect()
        try:
            return client.get("/good/again").status == 200
        except (OSError, ConnectionEnded):
            return False
        finally:
            client.close()

    wait_until(served, "it serves again")
