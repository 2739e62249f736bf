"""A name server on loopback whose answers a test can change while it runs."""

import socket
import struct
import threading

TYPE_A = 1
RCODE_SERVFAIL = 2
RCODE_NXDOMAIN = 3


class DnsServer:
    """Answers A queries from `names` ({"app.test": ["127.0.0.1"]}); `failing` makes it SERVFAIL,
    `silent` makes it say nothing."""

    def __init__(self, names, ttl_s=1):
        self.names = {name.lower(): list(addresses) for name, addresses in names.items()}
        self.ttl_s = ttl_s
        self.failing = self.silent = False
        self.queries = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.stopping = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @property
    def environment(self):
        return {"EVERGATE_DNS_SERVERS": f"127.0.0.1:{self.sock.getsockname()[1]}"}

    def serve(self):
        while not self.stopping:
            try:
                query, client = self.sock.recvfrom(4096)
            except OSError:
                return
            reply = self.reply(query) if len(query) > 12 else None
            if reply and not self.silent:
                self.sock.sendto(reply, client)

    def reply(self, query):
        name, end = read_name(query, 12)
        qtype = struct.unpack("!H", query[end:end + 2])[0]
        question = query[12:end + 4]
        self.queries.append((name, qtype))
        known = self.names.get(name.lower())
        rcode = RCODE_SERVFAIL if self.failing else RCODE_NXDOMAIN if known is None else 0
        addresses = known if rcode == 0 and qtype == TYPE_A else []
        answers = b"".join(
            struct.pack("!HHHIH", 0xC00C, TYPE_A, 1, self.ttl_s, 4) + socket.inet_aton(address)
            for address in addresses)
        flags = 0x8580 | rcode
        counts = struct.pack("!HHHHH", flags, 1, len(addresses), 0, 0)
        return query[:2] + counts + question + answers

    def stop(self):
        self.stopping = True
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", self.sock.getsockname())
        self.thread.join(5)
        self.sock.close()


def read_name(message, position):
    labels = []
    while message[position]:
        size = message[position]
        labels.append(message[position + 1:position + 1 + size].decode("ascii", "replace"))
        position += size + 1
    return ".".join(labels), position + 1
