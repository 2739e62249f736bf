"""Steady traffic that counts every request: the load generator of tests/chaos.

It is compiled here on first use, in a moment, so that it is the same program whatever was built and
with which sanitizer.
"""

import collections
import fcntl
import json
import os
import pathlib
import subprocess

from .evergate import ROOT
from .waiting import DEADLINE_S, PATIENCE

SOURCES = ("load.c", "load_answer.c", "load_connection.c")


def compile_load(directory):
    """The program's path. CHAOS_LOAD names one that is there already."""
    given = os.environ.get("CHAOS_LOAD")
    if given:
        return pathlib.Path(given).resolve()
    program = pathlib.Path(directory) / "load"
    subprocess.run(["cc", "-std=gnu11", "-O2", "-D_GNU_SOURCE", "-I", str(ROOT), "-o", str(program),
                    *(str(ROOT / "tests" / "chaos" / name) for name in SOURCES)], check=True)
    return program


def compile_once(directory):
    """Likewise, for several processes that all name this directory."""
    program = pathlib.Path(directory) / "load"
    with open(program.with_suffix(".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return program if program.exists() else compile_load(directory)


def begin_load(stage, program, proxy, rate):
    """Clients that keep their connections, and clients that come for one request each."""
    room = stage.room("load")
    rate = int(rate / PATIENCE)
    return [stage.ending(Load(program, proxy.port(), room, name, rate, fresh=fresh), "close")
            for name, rate, fresh in (("kept", rate, False), ("fresh", max(1, rate // 4), True))]


def assert_unharmed(loads):
    for load in loads:
        load.stop().assert_all_answered()


class Load:
    """GETs at a steady rate, whatever becomes of those before, until `stop`."""

    def __init__(self, program, port, directory, name="load", rate=200, connections=64,
                 path="/", fresh=False, seconds=3600):
        """`fresh`: a connection for each request; otherwise they are kept and used again."""
        self.name = name
        self.path = pathlib.Path(directory) / f"{name}.json"
        command = [str(program), port, rate, connections, seconds, self.path, path]
        self.process = subprocess.Popen([*map(str, command), *(["close"] if fresh else [])],
                                        stdout=subprocess.PIPE)
        self.result = None
        assert self.process.stdout.readline() == b"sending\n", "the load could not begin"

    def stop(self):
        """What is due is still answered; a LoadResult."""
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(DEADLINE_S * 2) == 0
        return self.read()

    def wait(self):
        """Until its seconds have passed; a LoadResult."""
        assert self.process.wait(DEADLINE_S * 4) == 0
        return self.read()

    def read(self):
        self.result = self.result or LoadResult(json.loads(self.path.read_text())["requests"])
        return self.result

    def close(self):
        """The same for a test that has failed already."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class LoadResult:
    """Rows of (due in µs, latency in µs, status, backend, result); see tests/chaos/load.h."""

    WORDS = {"-": "never sent", "r": "refused", "c": "closed before an answer",
             "t": "cut in the middle", "l": "no answer in time"}

    def __init__(self, rows):
        self.total = len(rows)
        self.backends = {row[3] for row in rows}
        self.worst_ms = max((row[1] for row in rows), default=0) / 1000
        latencies = sorted(row[1] for row in rows)
        self.p99_ms = latencies[len(latencies) * 99 // 100] / 1000 if rows else 0.0
        #: How often each way to fail occurred: "refused", ..., or the status of an error.
        self.failures = collections.Counter(
            self.WORDS.get(row[4], f"status {row[2]}") for row in rows
            if row[4] != "a" or row[2] != 200)

    @property
    def failed(self):
        return sum(self.failures.values())

    def assert_all_answered(self):
        assert self.total > 0, "there was no load"
        assert self.failed == 0, f"of {self.total} requests failed: {dict(self.failures)}"
