"""The unit and the socket of deploy/systemd, as systemd's own tools judge them; and sockets that
systemd passes. No systemd needs to run for that."""

import json
import pathlib
import re
import socket
import subprocess

import pytest
from conftest import need_program
from lib import libconfig
from lib.evergate import Evergate, binary
from lib.real_servers import free_port
from lib.waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
DOCS = ROOT / "docs" / "systemd.md"


def run(*command):
    return subprocess.run([*map(str, command)], text=True, capture_output=True, check=False)


def settings(text):
    """Values by key; a key that is written twice keeps all of them."""
    found = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.fixture(scope="module")
def analyze():
    return need_program("systemd-analyze", "systemd")


def test_systemd_finds_no_fault_with_the_units(analyze, tmp_path, evergate_binary):
    """With the program where it is: the unit names the place where the package puts it."""
    for unit in ("evergate.service", "evergate.socket"):
        text = (UNITS / unit).read_text()
        (tmp_path / unit).write_text(text.replace("/usr/bin/evergate", str(evergate_binary)))
    verified = run(analyze, "verify", "--man=no", tmp_path / "evergate.service",
                   tmp_path / "evergate.socket")
    assert (verified.returncode, verified.stderr) == (0, "")


def test_the_exposure_is_what_the_documentation_says(analyze, tell):
    judged = run(analyze, "security", "--offline=true", "--no-pager", UNITS / "evergate.service")
    exposure = re.search(r"Overall exposure level for evergate.service: ([\d.]+)", judged.stdout)
    written = re.search(r"exposure level of \*\*([\d.]+)\*\*", DOCS.read_text())
    tell(f"systemd-analyze security: {exposure.group(1)}")
    assert float(exposure.group(1)) <= float(written.group(1)), judged.stdout


def test_the_kernel_calls_that_the_unit_allows_are_those_that_evergate_makes(
        analyze, stage, tmp_path):
    """No systemd is here to put the filter on, so what a run calls is compared with the lists."""
    strace = need_program("strace", "strace")
    log = tmp_path / "calls"
    health = {"type": "exec", "command": "/bin/true", "interval": "100ms"}
    config = libconfig.simple([stage.recorder()], pool_settings={"health": health})
    room = stage.room("traced")
    proxy = stage.ending(Evergate(room, config, command=[
        strace, "-D", "-f", "-e", "signal=none", "-o", str(log), str(binary()), "run",
        "-c", str(room / "evergate.conf")]))
    proxy.wait_started()
    assert stage.client(proxy).get().status == 200
    proxy.stop()
    wait_until(lambda: f"{proxy.process.pid} +++ exited" in re.sub(" +", " ", log.read_text()),
               "strace has written all")
    called = set(re.findall(r"^\d+ +(?:<... )?(\w+)(?:\(| resumed)", log.read_text(), re.MULTILINE))
    assert "epoll_wait" in called, "strace saw nothing"
    assert called - allowed(analyze) == set()


def listed(analyze, name):
    if not name.startswith("@"):
        return {name}
    lines = run(analyze, "syscall-filter", "--no-pager", name).stdout.splitlines()
    words = [line.strip() for line in lines if line.startswith(" ") and "#" not in line]
    return {call for word in words for call in listed(analyze, word)}


def allowed(analyze):
    calls = set()
    for line in settings((UNITS / "evergate.service").read_text())["SystemCallFilter"]:
        names = {call for name in line.lstrip("~").split() for call in listed(analyze, name)}
        calls = calls - names if line.startswith("~") else calls | names
    return calls


def test_the_unit_waits_longer_than_the_default_drain():
    unit = settings((UNITS / "evergate.service").read_text())
    default = re.search(r"^\| `drain_timeout` \|[^|]*\| `(\d+)s`",
                        (ROOT / "docs" / "config.md").read_text(), re.MULTILINE)
    assert int(unit["TimeoutStopSec"][0]) > int(default.group(1))


def test_systemds_own_tool_passes_a_socket_and_the_first_client_is_answered(stage):
    activate = need_program("systemd-socket-activate", "systemd")
    port = free_port()
    config = libconfig.simple([stage.recorder("here")], {"bind": f"127.0.0.1:{port}"})
    room = stage.room("activated")
    proxy = stage.ending(Evergate(room, config, command=[
        activate, "-l", f"127.0.0.1:{port}", "--fdname=edge", str(binary()), "run", "-c",
        str(room / "evergate.conf")]))
    proxy.wait_for_log("Listening on")
    client = stage.client(f"127.0.0.1:{port}")
    assert not proxy.log_lines("is listening on 127"), "evergate is started by the first client"
    assert client.get().body == b"here"
    assert proxy.log_lines("passed by the service manager: 1")
