"""Servers that refuse to run as root, in directories of their own that such a server may enter.

Test directories are readable by their owner only, so these servers get one beside them.
"""

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from .real_servers import free_port
from .waiting import DEADLINE_S, wait_until


def other_user(*names):
    """What makes Popen become the first of `names` that exists; nothing when we are not root."""
    if os.geteuid() != 0:
        return {}
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise AssertionError(f"no user of {names} exists")


MEMORY_DISK = "/dev/shm"
MEMORY_DISK_FREE = 1 << 30


def quick_disk():
    """Where a thousand small files cost little: a disk in memory if it has room, else the usual
    place. A container's may have 64 MB."""
    if not os.access(MEMORY_DISK, os.W_OK | os.X_OK):
        return None
    return MEMORY_DISK if shutil.disk_usage(MEMORY_DISK).free > MEMORY_DISK_FREE else None


class PrivateRoom:
    """A directory that belongs to `user` (of other_user), removed by close()."""

    def __init__(self, prefix, user):
        self.user = user
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=quick_disk()))
        self.give(self.path)

    def give(self, path):
        if self.user:
            os.chown(path, self.user["user"], self.user["group"])

    def write(self, name, text, mode=0o600):
        path = self.path / name
        path.write_text(text)
        path.chmod(mode)
        self.give(path)
        return path

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


class OwnProcess:
    """A child of the test in the foreground, ended by its own id."""

    def __init__(self, command, room, log_name, env=None):
        self.log_path = room.path / log_name
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=room.path, env=env, **room.user)

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def runs(self):
        return self.process.poll() is None

    def send(self, number):
        if self.runs():
            self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Sends `number` and reaps; SIGKILL when that does not help."""
        self.send(signal.SIGCONT)
        self.send(number)
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class OwnServer:
    """A server on a port of its own that may be started, killed and frozen again and again. What
    it is a subclass says: spawn(), answers(), and PORT_TAKEN, what its log then says."""

    PORT_TAKEN = ""
    STOP_SIGNAL = signal.SIGTERM

    def __init__(self, room, name):
        self.room = room
        self.name = name
        self.port = None
        self.child = None

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.stop()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.child.log

    def start_or_stop(self):
        """The first start: one that fails leaves nothing behind."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        """On the port it had before; a new one on its first start."""
        for _ in range(5):
            self.port = self.port or free_port()
            self.spawn()
            wait_until(lambda: not self.child.runs() or self.answers(), f"{self.name} answers")
            if self.child.runs():
                return self
            assert self.PORT_TAKEN in self.log, self.log
            self.port = None  # somebody was quicker
        raise AssertionError(f"no port for {self.name}")

    def kill(self):
        """kill -9."""
        self.child.end(signal.SIGKILL)

    def freeze(self):
        """It accepts connections (the kernel does) and never answers."""
        self.child.send(signal.SIGSTOP)

    def thaw(self):
        self.child.send(signal.SIGCONT)

    def stop(self):
        """Harmless when it has ended."""
        if self.child:
            self.child.end(self.STOP_SIGNAL)
