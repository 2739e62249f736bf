"""One question to a name server: to learn that it answers."""

import socket
import struct

from .dns_server import TYPE_A


def ask(port, name, qtype=TYPE_A, wait_s=0.2):
    """The answer as it came; None: there was none."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(wait_s)
        try:
            s.connect(("127.0.0.1", port))
            s.send(query + struct.pack("!HH", qtype, 1))
            return s.recv(4096)
        except OSError:
            return None
