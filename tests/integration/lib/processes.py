"""Processes: programs that evergate starts, made for it and seen to have ended; what one has open."""

import contextlib
import os
import pathlib


def script(stage, text, name="command.sh"):
    """A program of the test's own, without blanks in its path, which is returned."""
    path = stage.directory / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def is_running(pid):
    """False for a zombie too: its parent just has not asked yet."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def open_files(pid):
    """What its descriptors are, as /proc names them; some come and go meanwhile."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return found
