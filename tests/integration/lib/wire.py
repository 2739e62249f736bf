"""HTTP/1 messages on a socket, read byte for byte.

A Stream is a socket with a buffer that remembers every byte it received, so that a test can look
at the exact wire format, not only at what a library made of it. The readers here are strict where
they read what the proxy wrote (its chunks carry no extensions, its lines end in CRLF), and there
is one lenient reader for what a careless backend would see.
"""

import re
import socket

from .waiting import DEADLINE_S


class ConnectionEnded(EOFError):
    """The peer closed before the bytes that were waited for came."""


class Message:
    """A head with its body: start line, fields as (name, value) in order, body, trailers."""

    def __init__(self, raw_head):
        self.raw_head = raw_head
        lines = raw_head.decode("latin-1").split("\r\n")
        self.start_line = lines[0]
        self.fields = [split_field(line) for line in lines[1:] if line]
        self.body = b""
        self.trailers = []
        self.interim = []  # responses: the 1xx messages that came before
        self.chunk_lines = []

    @property
    def status(self):
        return int(self.start_line.split(" ", 2)[1])

    @property
    def method(self):
        return self.start_line.split(" ")[0]

    @property
    def target(self):
        return self.start_line.split(" ")[1]

    def all(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    @property
    def text(self):
        return self.body.decode("latin-1")

    def __repr__(self):
        return f"<{self.start_line!r} {self.fields!r} {self.body[:200]!r}>"


def split_field(line):
    name, _, value = line.partition(":")
    return name, value.strip(" \t")


class Stream:
    """A connected socket and the bytes received on it but not yet asked for."""

    def __init__(self, sock, remember=True):
        self.sock = sock
        self.sock.settimeout(DEADLINE_S)
        self.buffer = bytearray()
        self.remember = remember
        self.received = bytearray()
        self.received_count = 0
        self.eof = False

    def fill(self):
        """Receives once; False at the end of the stream."""
        data = b"" if self.eof else self.sock.recv(65536)
        if not data:
            self.eof = True
            return False
        self.buffer += data
        self.received_count += len(data)
        if self.remember:
            self.received += data
        return True

    def take(self, size):
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def read_until(self, marker):
        start = 0
        while True:
            position = self.buffer.find(marker, start)
            if position >= 0:
                return self.take(position + len(marker))
            start = max(0, len(self.buffer) - len(marker) + 1)
            if not self.fill():
                raise ConnectionEnded(
                    f"end of stream before {marker!r}; had {bytes(self.buffer)!r}")

    def read_exactly(self, size):
        while len(self.buffer) < size:
            if not self.fill():
                raise ConnectionEnded(f"end of stream after {len(self.buffer)} of {size} bytes")
        return self.take(size)

    def read_some(self, limit=65536):
        """What is there, else what comes next; empty at the end of the stream."""
        if not self.buffer:
            self.fill()
        return self.take(min(limit, len(self.buffer)))

    def read_to_eof(self):
        """Everything up to the FIN. A reset counts as an end too: the peer is gone either way."""
        try:
            while self.fill():
                pass
        except (ConnectionResetError, BrokenPipeError):
            self.eof = True
        return self.take(len(self.buffer))

    def read_head(self):
        return Message(self.read_until(b"\r\n\r\n"))

    def read_response(self, method="GET", with_interim=False):
        """The next final response with its body; the 1xx before it are in .interim."""
        interim = []
        while True:
            message = self.read_head()
            if not 100 <= message.status <= 199 or message.status == 101 or with_interim:
                break
            interim.append(message)
        message.interim = interim
        if method != "HEAD" and message.status not in (204, 304) and message.status >= 200:
            read_body(self, message, until_close=True)
        return message

    def read_request(self):
        message = self.read_head()
        read_body(self, message, until_close=False)
        return message


def read_body(stream, message, until_close):
    if (message.get("transfer-encoding") or "").lower() == "chunked":
        read_chunked(stream, message)
    elif message.get("content-length") is not None:
        message.body = stream.read_exactly(int(message.get("content-length")))
    elif until_close:
        message.body = stream.read_to_eof()


def read_chunked(stream, message, on_data=None):
    """Strict: a chunk line is hexadecimal digits and nothing else."""
    body = bytearray()
    while True:
        line = stream.read_until(b"\r\n")[:-2]
        message.chunk_lines.append(line)
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", line):
            raise AssertionError(f"chunk line {line!r}")
        size = int(line, 16)
        if size == 0:
            break
        data = stream.read_exactly(size)
        if on_data:
            on_data(data)
        else:
            body += data
        if stream.read_exactly(2) != b"\r\n":
            raise AssertionError("no CRLF behind a chunk")
    message.body = bytes(body)
    while True:
        line = stream.read_until(b"\r\n")[:-2]
        if not line:
            return
        message.trailers.append(split_field(line.decode("latin-1")))


def read_lenient_request(stream):
    """As a careless backend reads: LF ends a line, the first length wins, anything goes.

    What is left over afterwards would be a second request to such a backend: the harm that the
    proxy must prevent. Returns None at the end of the stream.
    """
    while True:
        end = re.search(rb"\r?\n\r?\n", bytes(stream.buffer))
        if end:
            break
        if not stream.fill():
            return None
    raw = stream.take(end.end())
    message = Message(re.sub(rb"\r?\n", b"\r\n", raw))
    message.raw_head = raw
    if "chunked" in (message.get("transfer-encoding") or "").lower():
        message.body = read_lenient_chunks(stream)
    else:
        digits = re.search(r"\d+", message.get("content-length") or "0")
        message.body = stream.read_exactly(int(digits.group()) if digits else 0)
    return message


def read_lenient_chunks(stream):
    body = bytearray()
    while True:
        line = stream.read_until(b"\n").strip()
        match = re.match(rb"[0-9A-Fa-f]+", line)
        size = int(match.group(), 16) if match else 0
        if size == 0:
            break
        body += stream.read_exactly(size)
        stream.read_until(b"\n")
    while stream.read_until(b"\n").strip():
        pass
    return bytes(body)


def connect(address, timeout_s=DEADLINE_S, receive_buffer=None):
    """A connected socket to "127.0.0.1:80", "[::1]:80", "unix:/path" or (host, port)."""
    if isinstance(address, str) and address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        target = address[len("unix:"):]
    else:
        target = split_address(address) if isinstance(address, str) else address
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        sock = socket.socket(family)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout_s)
    sock.connect(target)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def split_address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
