"""The real builder and runner of containers, with a store of its own and nothing from a registry.

Where cgroup versions 1 and 2 are mounted side by side, the OCI runtime refuses to work. So podman
runs in a mount namespace in which none are seen, and containers stay in the cgroup they are started
in: quotas are tested elsewhere.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from .dockerfile import base_images
from .netns import Holder

HIDE_CGROUPS = "if [ -d /sys/fs/cgroup/unified ]; then mount -t tmpfs tmpfs /sys/fs/cgroup; fi"


#: $0: an empty directory.
TRY_OVERLAY = ('cd "$0" && mkdir lower upper work merged && '
               "mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged")


def storage_driver(room):
    """"overlay" where the file system of `room` can carry it (that of a container often cannot);
    else "vfs", which works anywhere and copies every file for every layer and container."""
    with tempfile.TemporaryDirectory(dir=room) as directory:
        tried = subprocess.run(["unshare", "--mount", "sh", "-c", TRY_OVERLAY, directory],
                               capture_output=True, check=False)
    return "overlay" if tried.returncode == 0 else "vfs"


class Podman:
    """Raises OSError with the reason where it cannot work."""

    name = "podman"

    def __init__(self, room):
        self.store = room / "containers"
        shutil.rmtree(self.store, ignore_errors=True)
        # Paths of Unix sockets go in here, which are 107 characters at most.
        self.runroot = tempfile.mkdtemp(prefix="evergate-")
        if shutil.which("podman") is None:
            raise OSError("there is no podman")
        self.driver = storage_driver(room)
        self.holder = Holder("--mount", script=HIDE_CGROUPS)

    def command(self, *argv):
        return ["nsenter", f"--mount={self.holder.namespace('mnt')}", "podman",
                "--root", str(self.store), "--runroot", self.runroot, "--storage-driver", self.driver,
                "--cgroup-manager", "cgroupfs", "--events-backend", "file",
                "--log-level", "fatal", *map(str, argv)]

    def run(self, *argv, check=True):
        result = subprocess.run(self.command(*argv), stdin=subprocess.DEVNULL, text=True,
                                capture_output=True, errors="replace", check=False)
        if check and result.returncode != 0:
            raise OSError(f"podman {argv[0]}: exit code {result.returncode}: "
                          f"{(result.stdout + result.stderr)[-3000:]}")
        return result

    def take_base(self, tarball, dockerfile):
        """Puts Debian's root in under the names that the Dockerfile begins from, and tries it."""
        for name in base_images(dockerfile.read_text()):
            self.run("import", "--quiet", tarball, f"docker.io/library/{name}")
            self.run("run", "--rm", *self.options(), "--network", "host", name, "/bin/true")

    def build(self, context, dockerfile, packages):
        """`packages`: where apt keeps what it fetched, so that the next build need not."""
        (packages / "partial").mkdir(parents=True, exist_ok=True)
        self.run("build", "--isolation", "chroot", "--format", "docker", "--pull-never",
                 "--layers=false", "--force-rm", "--network", "host",
                 "--volume", f"{packages}:/var/cache/apt/archives",
                 "--file", dockerfile, "--tag", "localhost/evergate", context)
        return PodmanImage(self, "localhost/evergate")

    @staticmethod
    def options():
        """What a container needs on a machine that gives few rights: podman's own default for these
        limits is to raise them."""
        return ["--cgroups=disabled", "--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:1000"]

    def close(self):
        self.run("image", "umount", "--all", "--force", check=False)
        self.holder.close()
        shutil.rmtree(self.runroot, ignore_errors=True)
        shutil.rmtree(self.store, ignore_errors=True)


class PodmanImage:
    way = "podman: the image was built and is run by it"

    def __init__(self, podman, name):
        self.podman, self.name = podman, name
        about = json.loads(podman.run("image", "inspect", name).stdout)[0]
        said = about["Config"]
        self.user, self.stop_signal = said["User"], said["StopSignal"]
        self.ports = sorted(said["ExposedPorts"])
        self.healthcheck = about["Healthcheck"]["Test"][1:]
        self.argv = said["Entrypoint"] + said["Cmd"]

    @property
    def root(self):
        """The files, to be looked at. They are mounted in the holder's namespace only."""
        inside = self.podman.run("image", "mount", self.name).stdout.strip()
        return pathlib.Path(f"/proc/{self.podman.holder.process.pid}/root{inside}")

    def start(self, network, mounts, options=("--read-only", "--cap-drop", "all",
                                              "--security-opt", "no-new-privileges")):
        volumes = [word for outside, inside in mounts.items()
                   for word in ("--volume", f"{outside}:{inside}:ro")]
        started = self.podman.run("run", "--detach", *self.podman.options(), *options, *volumes,
                                  "--network", f"ns:{network.path}", self.name)
        return PodmanContainer(self.podman, started.stdout.strip())


class PodmanContainer:
    def __init__(self, podman, identity):
        self.podman, self.id = podman, identity
        self.pid = int(self._inspect("{{.State.Pid}}"))

    def _inspect(self, what):
        return self.podman.run("inspect", "--format", what, self.id).stdout.strip()

    def is_healthy(self):
        """What HEALTHCHECK says now."""
        return self.podman.run("healthcheck", "run", self.id, check=False).returncode == 0

    def execute(self, *argv):
        return self.podman.run("exec", self.id, *argv, check=False)

    def logs(self):
        """(standard output, standard error)."""
        said = self.podman.run("logs", self.id)
        return said.stdout, said.stderr

    def begin_to_stop(self):
        return subprocess.Popen(self.podman.command("stop", "--time", "60", self.id),
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def exit_code(self):
        """Waits for the end."""
        return int(self.podman.run("wait", self.id).stdout)

    def close(self):
        self.podman.run("rm", "--force", "--time", "0", self.id, check=False)
