"""A backend that does byte for byte what a test's script says.

A script is a function of one Peer (one accepted connection); it runs in a thread of its own and
ends the connection by returning:

    def answer_late(peer):
        request = peer.read_request()
        go.wait()
        peer.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")

Every byte of every connection is recorded in peer.received. Assertions that fail in a script are
kept and raised by stop(), so that they fail the test; sockets that end early are not failures.
"""

import contextlib
import os
import socket
import ssl
import struct
import threading
import time

from .waiting import DEADLINE_S, wait_until
from .wire import ConnectionEnded, Stream


class Peer(Stream):
    """One connection that the backend accepted."""

    def __init__(self, sock, index, remember):
        super().__init__(sock, remember)
        self.index = index
        self.closed = threading.Event()  # the script is through with it
        self.sent_count = 0

    def send(self, data):
        self.sock.sendall(data)
        self.sent_count += len(data)

    def drip(self, data, piece=1, pause_s=0.001):
        """A few bytes at a time."""
        for position in range(0, len(data), piece):
            self.send(data[position:position + piece])
            time.sleep(pause_s)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_gone(self, deadline_s=DEADLINE_S):
        """Until the proxy has closed its side; throws away what it sends until then."""
        self.sock.settimeout(deadline_s)
        self.read_to_eof()


class ScriptedBackend:
    """Listens on loopback (or a Unix socket) and runs `script` for each connection."""

    def __init__(self, script, address="127.0.0.1:0", tls=None, receive_buffer=None, remember=True):
        self.script = script
        self.tls = tls
        self.remember = remember
        self.peers = []
        self.failures = []
        self.threads = []
        self.stopping = False
        self.is_down = False
        self.holder = None  # of the port while it is down
        self.listener = listen(address, receive_buffer)
        self.address = bound_address(self.listener)
        self.acceptor = threading.Thread(target=self.accept_forever, daemon=True)
        self.acceptor.start()

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def accept_forever(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.serve, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, sock):
        peer = None
        try:
            if self.tls:
                sock.settimeout(DEADLINE_S)
                sock = self.tls.wrap_socket(sock, server_side=True)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(sock, len(self.peers), self.remember)
            self.peers.append(peer)
            if not self.is_down:  # it was killed between accept() and here
                self.script(peer)
        except (OSError, ConnectionEnded, ssl.SSLError):
            pass
        except BaseException as failure:  # pylint: disable=broad-except
            if not self.stopping:
                self.failures.append(failure)
        finally:
            sock.close()
            if peer:
                peer.closed.set()

    def wait_for_connections(self, count):
        wait_until(lambda: len(self.peers) >= count, f"{count} connections reach the backend")
        return self.peers[count - 1]

    def received(self):
        return b"".join(bytes(peer.received) for peer in self.peers)

    def stop_listening(self):
        """From now on connections are refused; what was accepted goes on."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.acceptor.join(DEADLINE_S)

    def go_down(self):
        """Refuses connections and resets those there are, as a killed process does; the port stays
        taken, so that nobody else gets it meanwhile. Only with an address of TCP."""
        name = self.listener.getsockname()
        self.is_down = True
        self.stop_listening()
        self.holder = socket.socket(self.listener.family)
        self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.holder.bind(name)
        for peer in list(self.peers):
            with contextlib.suppress(OSError):
                peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                peer.sock.shutdown(socket.SHUT_RDWR)

    def come_up(self):
        self.is_down = False
        self.listener = listen(self.address)
        assert bound_address(self.listener) == self.address
        self.holder.close()
        self.acceptor = threading.Thread(target=self.accept_forever, daemon=True)
        self.acceptor.start()

    def close_connections(self):
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.sock.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self.stopping = True
        self.stop_listening()
        if self.holder:
            self.holder.close()
        self.close_connections()
        for thread in self.threads:
            thread.join(DEADLINE_S)
        if self.failures:
            raise self.failures[0]


def listen(address, receive_buffer=None):
    if address.startswith("unix:"):
        path = address[len("unix:"):]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        target = path
    else:
        host, _, port = address.rpartition(":")
        target = (host.strip("[]"), int(port))
        listener = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if receive_buffer:  # inherited by accepted sockets; after the handshake it would be too late
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    listener.bind(target)
    listener.listen(256)
    return listener


def bound_address(listener):
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return "unix:" + name
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"{host}:{name[1]}"


def answer(body=b"ok", status="200 OK", headers=()):
    """The bytes of a complete answer with Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def answering(*answers):
    """A script: each request gets the next of `answers` (bytes); the last one for ever."""
    def script(peer):
        position = 0
        while True:
            peer.read_request()
            peer.send(answers[min(position, len(answers) - 1)])
            position += 1
    return script


def saying(data):
    """A script: one request is read, `data` is sent, the connection is closed."""
    def script(peer):
        peer.read_request()
        peer.send(data)
    return script


class RefusingPort:
    """A port that is taken but not listened on: connecting to it is refused, reliably."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"

    def stop(self):
        self.sock.close()


class SilentPort:
    """A port whose accept queue is full: connecting to it neither succeeds nor fails."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(0)
        self.address = f"127.0.0.1:{self.sock.getsockname()[1]}"
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.sock.getsockname())
            self.fillers.append(filler)

    def stop(self):
        for sock in [*self.fillers, self.sock]:
            sock.close()
