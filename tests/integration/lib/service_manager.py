"""What a service tells systemd of itself (sd_notify)."""

import contextlib
import socket

from .waiting import DEADLINE_S


class ServiceManager:
    """What systemd is to a service: a datagram socket that hears of it."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0") if name.startswith("@") else name)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.settimeout(DEADLINE_S)

    def hear(self):
        """(the sender's process, what it says)."""
        data, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        said = dict(line.split("=", 1) for line in data.decode().split("\n"))
        return int.from_bytes(control[0][2][:4], "little"), said

    def heard(self):
        """What it was told so far, in that order."""
        said = []
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                said.append(self.hear()[1])
        return said

    def close(self):
        self.socket.close()
