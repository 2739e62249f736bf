"""evergate as the packaged unit starts it, in a Debian root without systemd."""

import os
import pathlib
import re
import subprocess

from lib.evergate import FATAL_SIGNS
from lib.processes import is_running
from lib.waiting import DEADLINE_S, wait_until

#: User=, Group=, AmbientCapabilities=, CapabilityBoundingSet=, NoNewPrivileges= of the unit.
AS_THE_UNIT = ("setpriv", "--reuid=evergate", "--regid=evergate", "--init-groups",
               "--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service",
               "--bounding-set=-all,+net_bind_service", "--no-new-privs")
CONFIG = "/etc/evergate/evergate.conf"


class Service:
    """One process after the other: an upgrade leaves the first one behind."""

    def __init__(self, root, directory):
        self.root = root
        self.log_path = pathlib.Path(directory) / "evergate.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                root.command(*AS_THE_UNIT, "/usr/bin/evergate", "run", "-c", CONFIG),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid
        wait_until(lambda: "serving " in self.log or self.process.poll() is not None,
                   "it serves")
        assert self.process.poll() is None, self.log

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def await_heir(self):
        """Until a new process has taken over and the old one has finished."""
        old = self.pid
        taken = rf"process (\d+) has taken over from process {old}"
        wait_until(lambda: re.search(taken, self.log), f"a new process took over:\n{self.log}")
        self.pid = int(re.search(taken, self.log).group(1))
        if old == self.process.pid:
            assert self.process.wait(DEADLINE_S) == 0
        wait_until(lambda: not is_running(old), f"process {old} has drained")

    def program(self):
        """(device, inode) of the file that runs."""
        status = os.stat(f"/proc/{self.pid}/exe")
        return status.st_dev, status.st_ino

    def running(self):
        self.process.poll()
        return is_running(self.pid)

    def stop(self):
        if self.running():
            os.kill(self.pid, 15)
        if self.process.poll() is None and self.pid == self.process.pid:
            self.process.wait(DEADLINE_S)
        wait_until(lambda: not self.running(), f"process {self.pid} has ended")
        assert not FATAL_SIGNS.search(self.log), self.log
