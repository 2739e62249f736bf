"""Where no container builder can work: the Dockerfile's own steps in a Debian root, and the result
run with chroot in mount and process namespaces of its own, read-only, as the image's user."""

import contextlib
import os
import shlex
import signal
import subprocess

from lib.waiting import wait_until

from .dockerfile import Interpreter, healthcheck_words, words_of

#: Files that a container runtime gives.
SCRIPT = """
mount --make-rprivate /
mount --bind {root} {root}
{volumes}
mount -o remount,bind,ro {root}
mount -t proc proc {root}/proc
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \
    chroot --userspec={user} --groups= {root} {argv}
"""


class ChrootBuilder:
    name = "chroot"

    def __init__(self, make_root, room):
        self.make_root, self.room = make_root, room

    def build(self, context, dockerfile, _packages=None):
        def empty(name):
            path = self.room / f"image-{name}"
            path.mkdir()
            return path

        stage = Interpreter(context, self.make_root, empty).build(dockerfile.read_text())
        return ChrootImage(stage, self.room)


class ChrootImage:
    way = "no container builder works here: the Dockerfile's own commands in a Debian root, and chroot"

    def __init__(self, stage, room):
        self.root, self.room = stage.path, room
        self.user = stage.noted["USER"]
        self.stop_signal = stage.noted["STOPSIGNAL"]
        self.ports = [f"{port}/tcp" for port in stage.noted["EXPOSE"].split()]
        self.healthcheck = healthcheck_words(stage.noted["HEALTHCHECK"])
        self.argv = words_of(stage.noted["ENTRYPOINT"]) + words_of(stage.noted["CMD"])
        self.started = 0

    def start(self, network, mounts, options=()):
        self.started += 1
        return ChrootContainer(self, network, mounts, self.room / f"container{self.started}")


class ChrootContainer:
    def __init__(self, image, network, mounts, logs):
        self.image, self.logs_at = image, logs
        logs.mkdir()
        root = shlex.quote(str(image.root))
        (image.root / "proc").mkdir(exist_ok=True)
        for inside in mounts.values():
            (image.root / inside.lstrip("/")).touch()
        volumes = "\n".join(f"mount --bind {shlex.quote(str(outside))} {root}{inside}"
                            for outside, inside in mounts.items())
        script = SCRIPT.format(root=root, volumes=volumes, user=image.user,
                               argv=shlex.join(image.argv))
        with open(logs / "stdout", "wb") as output, open(logs / "stderr", "wb") as errors:
            self.process = subprocess.Popen(
                ["nsenter", f"--net={network.path}", "unshare", "--mount", "--pid", "--fork",
                 "--kill-child", "sh", "-ec", script],
                stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

        self.pid = wait_until(self._first_process, "the container has a process")

    def _first_process(self):
        unshare = self.process.pid
        with open(f"/proc/{unshare}/task/{unshare}/children", encoding="ascii") as file:
            children = file.read().split()
        return int(children[0]) if children else None

    def execute(self, *argv):
        uid, gid = self.image.user.split(":")
        return subprocess.run(
            ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--root", "--wd=/",
             "--setuid", uid, "--setgid", gid, "--", *map(str, argv)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=False)

    def is_healthy(self):
        return self.execute(*self.image.healthcheck).returncode == 0

    def logs(self):
        return tuple((self.logs_at / name).read_text(errors="replace")
                     for name in ("stdout", "stderr"))

    def begin_to_stop(self):
        os.kill(self.pid, signal.Signals[self.image.stop_signal])
        return self.process

    def exit_code(self):
        return self.process.wait()

    def close(self):
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
