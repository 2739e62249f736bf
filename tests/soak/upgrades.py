"""Upgrade after upgrade under load: SIGUSR2, a new process on the same sockets, the old drains."""

import ctypes
import os
import pathlib
import signal
import time

from lib import libconfig
from lib.evergate import binary
from lib.reloads import Footprint
from lib.waiting import wait_until

from backends import nginx_on  # tests/chaos
from scenery import add_load, begin_load

PR_SET_CHILD_SUBREAPER = 36


class Lineage:
    """A process and those that took its place."""

    def __init__(self, pid):
        # Whoever's parent has ended becomes a child of this program, which can then wait for it.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.first, self.pid = pid, pid

    def upgrade(self):
        old = self.pid
        os.kill(old, signal.SIGUSR2)
        self.pid = wait_until(lambda: successor(old), "a new process has been started")
        wait_until(lambda: self.has_ended(old), "the old process has drained and ended")

    def has_ended(self, pid):
        if pid == self.first:  # its parent is subprocess.Popen
            return state_of(pid) in ("Z", None)
        try:
            return os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            return state_of(pid) is None

    def stop(self):
        if self.pid != self.first and state_of(self.pid):
            os.kill(self.pid, signal.SIGTERM)
            wait_until(lambda: self.has_ended(self.pid), "the last process has ended")


def successor(pid):
    """The child that evergate started, 0 when there is none yet. When its parent is through with
    its work already, it is a child of this program."""
    for parent in (pid, os.getpid()):
        for child in children_of(parent):
            if child != pid and same_program(child, binary()):
                return child
    return 0


def children_of(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def same_program(pid, path):
    try:
        return os.readlink(f"/proc/{pid}/exe").partition(" ")[0] == str(path)
    except OSError:
        return False


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def configuration(stage, workers):
    config = libconfig.simple([{"id": name, "address": nginx_on(stage, name).address}
                               for name in "abc"], workers=workers, drain_timeout="20s")
    config["log"]["access"] = "off"
    return config


def run(stage, arguments, report):
    proxy = stage.evergate(configuration(stage, arguments.workers))
    lineage = stage.ending(Lineage(proxy.process.pid))
    loads = begin_load(stage, arguments, proxy.port())
    time.sleep(1.0)
    slowest_s = 0.0
    for number in range(1, arguments.upgrades + 1):
        began_s = time.monotonic()
        lineage.upgrade()
        slowest_s = max(slowest_s, time.monotonic() - began_s)
        print(f"          upgrade {number}: process {lineage.pid}, {Footprint(lineage.pid)}",
              flush=True)
        time.sleep(1.0)
    results = [load.stop() for load in loads]
    report.add_bar(f"{arguments.upgrades} upgrades", f"the slowest took {slowest_s:.1f} s, with "
                   "the old process's drain", True)
    refused = sum(result.failures["refused"] for result in results)
    report.add_bar("refused connections during the upgrades", str(refused), refused == 0)
    add_load(report, "during the upgrades", results)
