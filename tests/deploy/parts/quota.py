"""A CPU quota of a test's own, in whichever version of cgroups this machine has."""

import contextlib
import os
import pathlib

PERIOD_US = 100_000


class CpuQuota:
    """Raises OSError where no group can be made."""

    def __init__(self, cpus):
        name = f"evergate-test-{os.getpid()}"
        first = pathlib.Path("/sys/fs/cgroup/cpu")
        self.path = (first if first.is_dir() else pathlib.Path("/sys/fs/cgroup")) / name
        self.path.mkdir()
        quota_us = int(cpus * PERIOD_US)
        try:
            if first.is_dir():
                (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (self.path / "cpu.cfs_quota_us").write_text(str(quota_us))
            else:
                (self.path / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        except OSError:
            self.close()
            raise

    def enter(self):
        """For subprocess' preexec_fn."""
        (self.path / "cgroup.procs").write_text("0")

    def close(self):
        with contextlib.suppress(OSError):
            self.path.rmdir()
