"""A network namespace of a test's own, with nothing in it but a loopback interface."""

import contextlib
import ctypes
import os
import subprocess

_libc = ctypes.CDLL(None, use_errno=True)


class Holder:
    """A process that keeps namespaces alive: `unshare` with `options`, `script` run once inside."""

    def __init__(self, *options, script="true"):
        self.process = subprocess.Popen(
            ["unshare", *options, "sh", "-ec", f"{script}\necho ready\nexec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            self.process.wait()
            raise OSError(f"unshare {' '.join(options)}: {self.process.stderr.read().strip()}")

    def namespace(self, kind):
        return f"/proc/{self.process.pid}/ns/{kind}"

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class NetworkNamespace:
    def __init__(self):
        self.holder = Holder("--net", script="ip link set lo up")

    @property
    def path(self):
        return self.holder.namespace("net")

    def entered(self):
        """See entered() below."""
        return entered(self.path)

    def close(self):
        self.holder.close()


@contextlib.contextmanager
def entered(path):
    """Sockets, threads and processes that are made meanwhile are in the network namespace there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    away = os.open(path, os.O_RDONLY)
    try:
        _setns(away)
        yield
    finally:
        _setns(home)
        os.close(away)
        os.close(home)


def _setns(descriptor):
    if _libc.setns(descriptor, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
