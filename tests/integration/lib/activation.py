"""Socket activation: an instance that is started with listening sockets, as systemd does it."""

import os
import pathlib
import shutil
import socket
import sys

from .dynasty import Dynasty
from .evergate import Evergate, binary

#: What systemd does between fork and exec: descriptors from 3 on, and whom they are for.
LAUNCHER = """
import os, sys
names, fds, program = sys.argv[1], [int(n) for n in sys.argv[2].split(",")], sys.argv[3:]
safe = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
for fd in fds:
    os.close(fd)
for i, fd in enumerate(safe):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(program[0], program)
"""


def listening(address="127.0.0.1"):
    """A socket that is ours: evergate gets a duplicate. `address` may be a path."""
    if "/" in str(address):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(address))
    else:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.bind((address, 0))
    sock.listen(64)
    return sock


def address_of(sock):
    name = sock.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def kernel_socket(sock):
    """As /proc/PID/fd calls it."""
    return os.readlink(f"/proc/self/fd/{sock.fileno()}")


class Activated(Dynasty):
    """`passed`: sockets by name. What is not ours to close stays the caller's."""

    def __init__(self, directory, config, passed):
        directory = pathlib.Path(directory)
        self.program = directory / "evergate"
        self.heirs = []
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy2(binary(), self.program)
        fds = [sock.fileno() for sock in passed.values()]
        Evergate.__init__(self, directory, config, pass_fds=fds, command=[
            sys.executable, "-c", LAUNCHER, ":".join(passed), ",".join(map(str, fds)),
            str(self.program), "run", "-c", str(directory / "evergate.conf")])
        self.pid = self.process.pid
