"""Upgrade after upgrade under load: SIGUSR2, a new process on the same sockets, the old drains.

Before each, a crowd of WebSockets begins to talk. It talks on in the old process after the new one
has taken over, until every socket has had some more of its messages back; then it leaves, and the
old process ends.
"""

import ctypes
import os
import pathlib
import re
import signal
import time

from lib import libconfig
from lib.reloads import Footprint
from lib.waiting import wait_until
from lib.websocket_crowd import WebSocketCrowd

from backends import nginx_on  # tests/chaos
from scenery import add_crowds, add_load, begin_load, echo_on

PR_SET_CHILD_SUBREAPER = 36
PERIOD_MS = 200   # from one message of a WebSocket to its next
MESSAGES_MORE = 5  # of each, in the old process


class Lineage:
    """A process and those that took its place."""

    def __init__(self, proxy):
        # Whoever's parent has ended becomes a child of this program, which can then wait for it.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.proxy = proxy
        self.first = self.pid = proxy.process.pid

    def upgrade(self):
        """Until another process has taken over; the one before it, which drains."""
        old, taken = self.pid, self.taken()
        os.kill(old, signal.SIGUSR2)
        wait_until(lambda: len(self.taken()) > len(taken), "a new process has taken over")
        self.pid = int(self.taken()[-1])
        return old

    def taken(self):
        """The processes that have taken over so far: all write to the first one's log."""
        return re.findall(r"process (\d+) has taken over from process", self.proxy.stderr)

    def wait_ended(self, pid):
        wait_until(lambda: self.has_ended(pid), "the old process has drained and ended")

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


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def configuration(stage, workers):
    config = libconfig.simple([{"id": name, "address": nginx_on(stage, name).address}
                               for name in "abc"], workers=workers, drain_timeout="60s",
                              routes=[{"name": "talk", "path": "/talk", "pool": "talk"},
                                      {"name": "all", "pool": "app"}])
    config["pools"].append(libconfig.pool("talk", [echo_on(stage).address]))
    config["log"]["access"] = "off"
    return config


def upgrade_amid(crowd, lineage):
    """How long the old process needed to take a successor, and to end once the crowd had left."""
    crowd.wait_open()
    crowd.wait_messages(crowd.count)
    began_s = time.monotonic()
    old = lineage.upgrade()
    taken_s = time.monotonic() - began_s
    crowd.wait_messages(MESSAGES_MORE * crowd.count)
    assert not lineage.has_ended(old), "it holds the crowd's tunnels"
    crowd.stop()
    began_s = time.monotonic()
    lineage.wait_ended(old)
    return taken_s, time.monotonic() - began_s


def run(stage, arguments, report):
    proxy = stage.evergate(configuration(stage, arguments.workers))
    lineage = stage.ending(Lineage(proxy))
    loads = begin_load(stage, arguments, proxy.port())
    time.sleep(1.0)
    crowds, times_s = [], []
    for number in range(1, arguments.upgrades + 1):
        crowds.append(stage.ending(WebSocketCrowd(
            proxy.url("/talk", scheme="ws"), stage.room(f"crowd-{number}"), arguments.websockets,
            PERIOD_MS), "close"))
        times_s.append(upgrade_amid(crowds[-1], lineage))
        print(f"          upgrade {number}: process {lineage.pid}, {Footprint(lineage.pid)}",
              flush=True)
    results = [load.stop() for load in loads]
    taken_s, ended_s = (max(column) for column in zip(*times_s))
    report.add_bar(f"{arguments.upgrades} upgrades",
                   f"the slowest new process served after {taken_s:.1f} s; the slowest old one ended "
                   f"{ended_s:.1f} s after its last tunnel", True)
    refused = sum(result.failures["refused"] for result in results)
    report.add_bar("refused connections during the upgrades", str(refused), refused == 0)
    add_crowds(report, f"that talk across {arguments.upgrades} upgrades", crowds)
    add_load(report, "during the upgrades", results)
