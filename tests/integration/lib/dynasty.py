"""An instance that is upgraded: SIGUSR2 starts a new binary, which takes over."""

import contextlib
import os
import pathlib
import re
import shutil
import signal

from . import libconfig
from .evergate import FATAL_SIGNS, Evergate, binary
from .processes import is_running
from .waiting import DEADLINE_S, wait_until


class Dynasty(Evergate):
    """An instance whose process changes. Its binary is a copy, so that it can be replaced. `words`
    of a program may stand before it, which becomes it in the end: setpriv, env."""

    def __init__(self, directory, config, words=(), **settings):
        directory = pathlib.Path(directory)
        self.program = directory / "evergate"
        shutil.copy2(binary(), self.program)
        self.pid = None
        self.heirs = []
        super().__init__(directory, config, command=[
            *words, str(self.program), "run", "-c", str(directory / "evergate.conf")], **settings)
        self.pid = self.process.pid

    def install(self, script=None):
        """As a package does it: a new file under the old name. `script` instead of the binary."""
        new = self.program.with_suffix(".new")
        if script is None:
            shutil.copy2(binary(), new)
        else:
            new.write_text("#!/bin/sh\n" + script)
            new.chmod(0o755)
        new.rename(self.program)

    def signal_now(self, number):
        os.kill(self.pid, number)

    def upgrade(self):
        """Until the new process has taken over; returns its id."""
        taken = len(self.log_lines("has taken over from process"))
        self.signal_now(signal.SIGUSR2)
        wait_until(lambda: len(self.log_lines("has taken over from process")) > taken,
                   f"a new process has taken over:\n{self.stderr[-3000:]}")
        self.pid = int(re.findall(r"process (\d+) has taken over", self.stderr)[-1])
        self.heirs.append(self.pid)
        return self.pid

    def wait_gone(self, pid):
        """Nobody but the test's first process is a child of ours, so the rest is read from /proc."""
        wait_until(lambda: not is_running(pid), f"process {pid} has ended", DEADLINE_S * 2)

    def stop(self, number=signal.SIGTERM):
        """The last one is told; those before it are draining."""
        if self.heirs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            self.wait_exit()
        code = super().stop(number)
        for pid in self.heirs:
            self.wait_gone(pid)
        assert not FATAL_SIGNS.search(self.stderr), self.stderr[-8000:]
        return code


def dynasty(stage, *backends, env=None, names=("edge",), preexec=None, **settings):
    config = libconfig.simple(backends, **{"drain_timeout": "5s", **settings})
    process = stage.ending(Dynasty(stage.room("evergate"), config, env=env, preexec=preexec))
    return process.wait_started(names)
