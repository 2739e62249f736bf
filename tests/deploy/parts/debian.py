"""A Debian 12 root file system of our own: debootstrap once, unpacked as often as needed.

The mirror is the one that this machine's apt uses. What debootstrap made is kept as a tarball in
build/deploy/, so that only the first run pays for it; tests get copies that they may ruin.
"""

import contextlib
import fcntl
import os
import pathlib
import platform
import re
import shutil
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
SUITE = "bookworm"
DEFAULT_MIRROR = "http://deb.debian.org/debian"

#: Older ones are made anew: a mirror keeps security updates' older versions for some weeks only.
KEEP_S = 14 * 24 * 3600

#: apt with a slow mirror included.
COMMAND_S = 300


def deploy_dir():
    """What the stage keeps between runs. EVERGATE_DEPLOY_DIR: elsewhere."""
    path = pathlib.Path(os.environ.get("EVERGATE_DEPLOY_DIR", ROOT / "build" / "deploy"))
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(name):
    """One process at a time: tests may run side by side (pytest-xdist), each in its own process."""
    with open(deploy_dir() / f"{name}.lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _deb822_sources(text):
    """(uri, suites) of each stanza."""
    for stanza in re.split(r"\n\s*\n", text):
        keys = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
        if "deb" in keys.get("Types", "").split() and keys.get("Enabled", "yes") != "no":
            for uri in keys.get("URIs", "").split():
                yield uri, keys.get("Suites", "").split()


def _one_line_sources(text):
    for line in text.splitlines():
        found = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", line)
        if found:
            yield found.group(1), [found.group(2)]


def mirror(apt=pathlib.Path("/etc/apt")):
    """Where apt gets Debian 12 from on this machine."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix in (".list", ".sources") and file.is_file():
            read = _deb822_sources if file.suffix == ".sources" else _one_line_sources
            for uri, suites in read(file.read_text()):
                if SUITE in suites and uri.startswith(("http://", "https://", "file:")):
                    return uri
    return DEFAULT_MIRROR


def _run(*command):
    """Its output; what went wrong is the failure's text."""
    result = subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive",
                                 "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
                                         ":/sbin:/bin"}, check=False)
    assert result.returncode == 0, (
        f"{' '.join(map(str, command))}: exit code {result.returncode}:\n{result.stdout[-4000:]}")
    return result.stdout


def _debootstrap(tarball):
    room = tarball.with_suffix(".making")
    shutil.rmtree(room, ignore_errors=True)
    debs = deploy_dir() / "debs"
    debs.mkdir(exist_ok=True)
    _run("debootstrap", "--variant=minbase", f"--cache-dir={debs}", SUITE, room, mirror())
    shutil.rmtree(room / "var/cache/apt/archives", ignore_errors=True)
    # As in Debian's own images: what is thrown away need not survive a power cut.
    (room / "etc/dpkg/dpkg.cfg.d/docker-apt-speedup").write_text("force-unsafe-io\n")
    partial = tarball.with_suffix(".partial")
    _run("tar", "-C", room, "--numeric-owner", "-cf", partial, ".")
    shutil.rmtree(room)
    partial.rename(tarball)


def base_tarball():
    """Debian 12 as `debootstrap --variant=minbase` makes it, as a tar file."""
    tarball = deploy_dir() / f"debian-{SUITE}-{platform.machine()}.tar"
    with locked("debian"):
        fresh = tarball.exists() and time.time() - tarball.stat().st_mtime < KEEP_S
        if not fresh:
            _debootstrap(tarball)
    return tarball


#: /proc is mounted in a mount namespace of the root's own, which ends when this program's input does:
#: however a test ends, no mount is left behind in a directory that somebody may delete.
KEEPER = 'mount -t proc proc "$0/proc" && echo mounted && exec cat'


class DebianRoot:
    """A root file system in a directory of ours, with a small /dev of its own."""

    def __init__(self, path, tarball):
        self.path = pathlib.Path(path)
        self.keeper = None
        self.remove()
        self.path.mkdir(parents=True)
        _run("tar", "-C", self.path, "--numeric-owner", "-xpf", tarball)
        (self.path / "var/cache/apt/archives/partial").mkdir(parents=True, exist_ok=True)
        # The machine's own way to names; and no package may start a service in here.
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")
        policy = self.path / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", KEEPER, self.path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.keeper.stdout.readline() == b"mounted\n", f"/proc cannot be mounted in {path}"

    def inside(self, path):
        """The path from outside of an absolute path inside."""
        return self.path / str(path).lstrip("/")

    def command(self, *argv):
        """What runs `argv` inside, for subprocess. It becomes that process: its id is the one."""
        return ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", "chroot", str(self.path),
                "/usr/bin/env", "-i", "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive", "HOME=/root", "TERM=dumb",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                *map(str, argv)]

    def run(self, *argv, check=True, text=None):
        """Runs it inside to its end: .returncode, .stdout (both outputs together)."""
        given = {"stdin": subprocess.DEVNULL} if text is None else {"input": text}
        result = subprocess.run(self.command(*argv), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, errors="replace",
                                check=False, timeout=COMMAND_S, **given)
        assert not check or result.returncode == 0, (
            f"{' '.join(map(str, argv))}: exit code {result.returncode}:\n{result.stdout[-4000:]}")
        return result

    def processes(self):
        """Ids of those whose root this is."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.readlink(entry / "root") == str(self.path.resolve()):
                    found.append(int(entry.name))
        return found

    def remove(self):
        """What somebody mounted in it must not be emptied."""
        if self.keeper is not None:
            self.keeper.communicate()
            self.keeper = None
        mounts = pathlib.Path("/proc/self/mounts").read_text().split()
        inside = [where for where in mounts if where.startswith(f"{self.path.resolve()}/")]
        assert not inside, f"still mounted: {inside}"
        shutil.rmtree(self.path, ignore_errors=True)
