"""A Debian root that systemd runs as process 1, in namespaces of its own: nothing of the machine's is
seen or touched but its kernel.

    machine = stage.ending(SystemdMachine(root), "close")
    machine.run("systemctl", "start", "evergate")
    with machine.entered(): ...        # sockets and processes that are made now are in its network
"""

import contextlib
import os
import pathlib
import signal
import subprocess

from lib.waiting import wait_until
from parts.netns import entered

#: Run by sh with "set -e" in a mount namespace of its own: $1 is the root, $2 the cgroup's name. The
#: cgroup namespace must begin in a cgroup that is empty but for us, since systemd moves all that it
#: finds in the topmost one.
ENTER_CGROUP = """
mount -t tmpfs tmpfs /mnt
mount -t cgroup2 cgroup2 /mnt
mkdir "/mnt/$2"
echo $$ > "/mnt/$2/cgroup.procs"
umount -l /mnt
exec unshare --pid --mount --cgroup --net --uts --ipc --fork --kill-child \
    --propagation private sh -ec "$3" boot "$1"
"""

#: As container engines lay it out (systemd.io/CONTAINER_INTERFACE): /proc/sys and /sys cannot be
#: written, since the settings behind them are the whole machine's.
BOOT = """
cd "$1"
mount --bind . .
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ip link set lo up
hostname guest
pivot_root . mnt
umount -l /mnt
exec setpriv --bounding-set=-sys_module,-sys_time,-audit_control,-syslog \
    /usr/bin/env -i container=evergate-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd
"""

ENVIRONMENT = ("LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "HOME=/root", "TERM=dumb",
               "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0",
               "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

COMMAND_S = 300

#: What a cgroup leaves behind: empty directories, which only rmdir takes.
REMOVE_CGROUP = """
mount -t cgroup2 cgroup2 /mnt || exit 0
[ ! -d "/mnt/$1" ] || find "/mnt/$1" -depth -type d -exec rmdir {} +
"""


class CannotBoot(Exception):
    """This machine does not allow what process 1 needs."""


class SystemdMachine:
    def __init__(self, root):
        self.cgroup = f"evergate-test-{os.getpid()}"
        self.log = pathlib.Path(f"{root.path}.boot")
        self.pid = None
        self.is_up = False
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                # However the test ends, the machine ends with it.
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private",
                 "sh", "-ec", ENTER_CGROUP, "enter", root.path, self.cgroup, BOOT],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.pid = wait_until(self._systemd, "systemd is process 1")
            wait_until(self._is_up, "systemd has started everything")
        except AssertionError as why:
            raise CannotBoot(f"{why} {self.log.read_text(errors='replace')}") from None
        finally:
            if not self.is_up:
                self.close()

    def _systemd(self):
        if self.process.poll() is not None:
            raise CannotBoot(self.log.read_text(errors="replace").strip())
        with contextlib.suppress(OSError, IndexError):
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            child = int(children.read_text().split()[0])
            if pathlib.Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                return child
        return None

    def _is_up(self):
        """Degraded: a unit of Debian's that this kernel has no use for has failed."""
        said = self.run("systemctl", "is-system-running", "--wait", check=False).stdout
        self.is_up = said in ("running\n", "degraded\n")
        return self.is_up

    def command(self, *argv):
        """What runs `argv` inside, for subprocess."""
        return ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--uts", "--ipc",
                "--cgroup", "--root", "--wd", "/usr/bin/env", "-i", *ENVIRONMENT,
                *map(str, argv)]

    def run(self, *argv, check=True):
        """Runs it inside to its end: .returncode, .stdout (both outputs together)."""
        result = subprocess.run(self.command(*argv), stdin=subprocess.DEVNULL, cwd="/",
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                errors="replace", check=False, timeout=COMMAND_S)
        assert not check or result.returncode == 0, (
            f"{' '.join(map(str, argv))}: exit code {result.returncode}:\n{result.stdout[-4000:]}")
        return result

    def entered(self):
        return entered(f"/proc/{self.pid}/ns/net")

    def close(self):
        """All of its processes end with process 1, before unshare does."""
        with contextlib.suppress(OSError):
            os.kill(self.pid or self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_until(self._cgroup_is_gone, f"the cgroup {self.cgroup} is empty")
        self.log.unlink(missing_ok=True)

    def _cgroup_is_gone(self):
        return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                               REMOVE_CGROUP, "remove", self.cgroup], capture_output=True,
                              check=False).returncode == 0
