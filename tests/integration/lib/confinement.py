"""An instance that is started by root and becomes somebody else, in a directory of its own."""

import os
import pathlib
import re
import shutil
import tempfile

from .dynasty import Dynasty

USER, GROUP = "nobody", "nogroup"
UID = GID = 65534
#: CAP_NET_BIND_SERVICE, as /proc shows it.
LOW_PORTS = "0000000000000400"
NOTHING = "0000000000000000"


def private_address(number=0):
    """Of the loopback network, so that tests beside each other may have the same low port."""
    pid = os.getpid()
    return f"127.{100 + number}.{pid >> 8 & 255}.{pid & 255}"


class Room:
    """A directory that the user may enter and write, where pytest's are their owner's only."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="evergate-confined-"))
        self.give(self.path)

    def give(self, path):
        os.chown(path, UID, GID)
        return path

    def directory(self, name):
        path = self.path / name
        path.mkdir(parents=True)
        return self.give(path)

    def write(self, name, text, mode=0o644):
        path = self.path / name
        path.write_text(text)
        path.chmod(mode)
        return self.give(path)

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)


def room(stage):
    return stage.ending(Room(), "close")


def confined(stage, where, config, names=("edge",), **settings):
    process = stage.ending(Dynasty(where.directory("instance"), config, **settings))
    return process.wait_started(names) if names else process


def parse_status(text):
    return {key: value.split() for key, value in re.findall(r"^(\w+):[ \t]*(.*)$", text, re.M)}


def statuses(pid):
    """/proc's of each thread, as words by key."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [parse_status((task / "status").read_text()) for task in tasks]


def children(pid):
    """Ids of the processes that `pid` has started and not reaped."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(entry.name))
    return found


def spawner_of(pid):
    """The process that starts commands for `pid`."""
    named = [child for child in children(pid)
             if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "eg-spawner"]
    assert len(named) == 1, named
    return named[0]
