"""What must be forwarded for a good request, worked out a second time and independently.

From RFC 9110 section 7.6 and the contract's section 3: the method and version, an origin-form
target, Host from the authority, every end-to-end field in its order with its value trimmed, and
behind them what the proxy adds.
"""

import re

from .wire import Message

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te",
              "trailer", "proxy-authorization", "proxy-authenticate", "content-length", "expect",
              "http2-settings"}

#: Meant for all recipients: naming one of them in Connection must not remove it.
END_TO_END = {"host", "authorization", "cookie", "set-cookie", "content-type", "content-encoding",
              "cache-control", "date", "location"}

ADDED = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "via",
         "x-request-id", "traceparent"}


class Expected:
    def __init__(self, start_line, host, fields, body):
        self.start_line = start_line
        self.host = host
        self.fields = fields
        self.body = body

    def compare(self, seen):
        """Fails where the request that the backend saw differs."""
        assert seen.start_line == self.start_line
        assert seen.all("host") == [self.host]
        kept = [(n, v) for n, v in seen.fields if n.lower() not in ADDED | HOP_BY_HOP | {"host"}]
        assert kept == self.fields
        assert seen.body == self.body
        for name in ADDED:
            assert len(seen.all(name)) == 1, name
        assert not (seen.get("content-length") and seen.get("transfer-encoding"))
        assert re.fullmatch(rb"(?:[!-~][ -~\t\x80-\xff]*\r\n)+\r\n", seen.raw_head), seen.raw_head


def split_requests(data):
    """The requests in well-formed bytes, each as an Expected; fails on anything else."""
    requests = []
    while data:
        data = re.sub(rb"^\r\n", b"", data)
        head, _, data = data.partition(b"\r\n\r\n")
        message = Message(head + b"\r\n\r\n")
        if (message.get("transfer-encoding") or "").lower() == "chunked":
            body, data = take_chunks(data)
        else:
            length = int(message.get("content-length") or 0)
            body, data = data[:length], data[length:]
        requests.append(expect(message, body))
    return requests


def take_chunks(data):
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(re.match(rb"[0-9A-Fa-f]+", line).group(), 16)
        if size == 0:
            break
        body, data = body + data[:size], data[size + 2:]
    while True:
        line, _, data = data.partition(b"\r\n")
        if not line:
            return body, data


def expect(message, body):
    method, target, _ = message.start_line.split(" ")
    host = message.get("host") or ""
    absolute = re.match(r"https?://([^/?]*)(.*)$", target, re.I)
    if absolute:
        host = absolute.group(1)
        target = absolute.group(2)
        if not target.startswith("/"):
            target = "*" if method == "OPTIONS" and not target else "/" + target
    dropped = HOP_BY_HOP | ADDED | {"host"} | named_in_connection(message)
    fields = [(n, v) for n, v in message.fields if n.lower() not in dropped]
    return Expected(f"{method} {target} HTTP/1.1", host, fields, body)


def named_in_connection(message):
    return {token.strip().lower() for value in message.all("connection")
            for token in value.split(",")} - END_TO_END
