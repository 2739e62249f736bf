"""Live views: top and --watch, at a terminal and into a pipe."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import pytest

from lib.evergate import FATAL_SIGNS, binary, run_command
from lib.failover import serve, start
from lib.waiting import DEADLINE_S, wait_until

TAKEN, GIVEN = b"\x1b[?1049h", b"\x1b[?1049l"


class LiveView:
    """A command at a pseudo terminal of a size."""

    def __init__(self, *arguments, rows=24, columns=160, environment=None):
        self.master, self.slave = pty.openpty()
        self.output = b""
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [str(binary()), *arguments], stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, preexec_fn=self.take_terminal,
            env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **(environment or {})})

    @staticmethod
    def take_terminal():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, timeout_s=0.05):
        while select.select([self.master], [], [], timeout_s)[0]:
            self.output += os.read(self.master, 65536)
            timeout_s = 0

    def wait_for(self, pattern):
        def seen():
            self.read()
            return re.search(pattern, self.output)
        try:
            return wait_until(seen, f"the view shows {pattern!r}")
        except AssertionError as missed:
            raise AssertionError(f"{missed}, but {self.output[-2000:]!r}") from missed

    def type(self, keys):
        os.write(self.master, keys)

    def wait_end(self):
        def ended():
            self.read()
            return self.process.poll() is not None
        wait_until(ended, "the view ends")
        self.read()
        assert not FATAL_SIGNS.search(self.output.decode("utf-8", "replace")), self.output[-4000:]
        return self.process.returncode

    def is_restored(self):
        return (self.output.rstrip().endswith(GIVEN)
                and termios.tcgetattr(self.slave) == self.before)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture(name="view")
def view_fixture(stage):
    def make(*arguments, **settings):
        return stage.ending(LiveView(*arguments, **settings), "close")
    return make


def running(stage, **settings):
    return start(stage, stage.recorder("a"), stage.recorder("b"), **settings)


@pytest.mark.parametrize("leave", ["q", "Ctrl-C", "SIGTERM"])
def test_top_gives_the_terminal_back_however_it_ends(stage, view, leave):
    _, admin = running(stage)
    top = view("top", "--admin", admin.address)
    top.wait_for(rb"REQ/S")
    assert TAKEN in top.output
    assert termios.tcgetattr(top.slave) != top.before
    if leave == "SIGTERM":
        top.process.send_signal(signal.SIGTERM)
    else:
        top.type(b"q" if leave == "q" else b"\x03")
    assert top.wait_end() == 0
    assert top.is_restored()


def test_top_shows_rates_and_events_as_they_come(stage, view):
    proxy, admin = running(stage)
    top = view("top", "--admin", admin.address)
    top.wait_for(rb"POOL.*REQ/S")
    wait_until(lambda: serve(stage, proxy, 5) and (top.read() or re.search(
        rb"[1-9][0-9.]* requests/s", top.output)), "a rate is shown")
    admin.json("/api/v1/pools/app/endpoints/a/drain", "POST")
    top.wait_for(rb"drain healthy -> draining")
    top.type(b"q")
    assert top.wait_end() == 0


def test_a_view_fits_its_window_and_follows_its_size(stage, view):
    backends = [{"id": f"endpoint-{i:02}", "address": f"127.0.0.1:{i + 1}"} for i in range(30)]
    _, admin = start(stage, *backends)
    top = view("top", "--admin", admin.address, rows=10, columns=30)
    top.wait_for(rb"\.\.\. \d+ more lines")
    lines = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", top.output).split(b"\r\n")
    assert max(len(line) for line in lines) <= 30
    assert b"endpoint-29" not in top.output
    top.resize(60, 200)
    top.process.send_signal(signal.SIGWINCH)
    top.wait_for(rb"endpoint-29")
    top.type(b"q")
    assert top.wait_end() == 0


def test_a_stopped_view_gives_the_terminal_back_and_takes_it_again(stage, view):
    _, admin = running(stage)
    top = view("top", "--admin", admin.address)
    top.wait_for(rb"REQ/S")
    top.process.send_signal(signal.SIGTSTP)
    top.wait_for(re.escape(GIVEN))
    wait_until(lambda: os.waitid(os.P_PID, top.process.pid,
                                 os.WSTOPPED | os.WNOHANG | os.WNOWAIT), "it is stopped")
    assert termios.tcgetattr(top.slave) == top.before
    seen = len(top.output)
    top.process.send_signal(signal.SIGCONT)
    wait_until(lambda: top.read() or TAKEN in top.output[seen:], "it takes the terminal again")
    top.type(b"q")
    assert top.wait_end() == 0
    assert top.is_restored()


def test_an_instance_that_goes_away_is_asked_again(stage, view):
    proxy, admin = running(stage)
    watched = view("pools", "--watch", "0.2", "--admin", admin.address)
    watched.wait_for(rb"POOL")
    proxy.stop()
    watched.wait_for(rb"cannot reach management[^$]*Trying again")
    watched.type(b"q")
    assert watched.wait_end() == 3
    assert termios.tcgetattr(watched.slave) == watched.before
    assert watched.output.rstrip().endswith(b"refused")


def test_a_terminal_that_cannot_be_drawn_on_gets_a_snapshot(stage, view):
    _, admin = running(stage)
    top = view("top", "--admin", admin.address, environment={"TERM": "dumb"})
    assert top.wait_end() == 0
    assert b"REQ/S" in top.output and b"\x1b" not in top.output


def test_nobody_there_from_the_start_takes_no_terminal(stage, view):
    top = view("top", "--admin", stage.refusing_port().address)
    assert top.wait_end() == 3
    assert TAKEN not in top.output


@pytest.mark.parametrize("command", ["status", "pools", "endpoints"])
def test_a_page_is_watched_at_a_terminal(stage, view, command):
    _, admin = running(stage)
    watched = view(command, "--watch", "0.2", "--admin", admin.address)
    wait_until(lambda: watched.read() or watched.output.count(b"\x1b[H") >= 3, "it is redrawn")
    assert TAKEN in watched.output and b"app" in watched.output
    watched.type(b"q")
    assert watched.wait_end() == 0
    assert watched.is_restored()


def test_into_a_pipe_pages_follow_each_other(stage):
    _, admin = running(stage)
    watched = subprocess.Popen([str(binary()), "pools", "--watch=0.1", "--admin", admin.address],
                               stdout=subprocess.PIPE)
    try:
        text = b""
        while text.count(b"POOL") < 3:
            text += os.read(watched.stdout.fileno(), 65536)
        assert b"\x1b" not in text
    finally:
        watched.kill()
        watched.wait()
        watched.stdout.close()


def test_into_a_pipe_top_is_one_snapshot(stage):
    proxy, admin = running(stage)
    serve(stage, proxy, 4)
    result = run_command("top", "--admin", admin.address)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("REQ/S") == 2 and "\x1b" not in result.stdout
    assert "requests/s" in result.stdout and "0.0" in result.stdout


def test_top_in_json_is_lines(stage):
    _, admin = running(stage)
    result = run_command("top", "--json", "--count", "2", "--admin", admin.address)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 2
    for line in lines:
        pool, = line["pools"]
        assert pool["requests_per_second"] == 0 and pool["errors_per_second"] == 0
        assert [e["requests_per_second"] for e in pool["endpoints"]] == [0, 0]
        assert line["status"]["state"] == "serving" and line["seconds"] > 0


def test_colours_can_be_asked_for_and_refused(stage, view):
    _, admin = running(stage)
    address = ("--admin", admin.address)
    assert "\x1b[" in run_command("pools", "--color=always", *address).stdout
    assert "\x1b[" not in run_command("pools", "--color=auto", *address).stdout
    coloured = view("pools", "--color", "never", *address)
    assert coloured.wait_end() == 0
    assert b"\x1b[" not in coloured.output
