"""Containers and kernels that lack a system call: what is said, and what does without."""

import contextlib
import os
import pathlib
import signal
import subprocess

import pytest
from lib import libconfig
from lib.confinement import children
from lib.evergate import Evergate, binary
from lib.processes import is_running
from lib.waiting import wait_until

PROCESS_1 = ("unshare", "--pid", "--fork", "--kill-child")


def without(call, error="ENOSYS"):
    return ["strace", "--follow-forks", "--output=/dev/null", f"--trace={call}",
            f"--inject={call}:error={error}"]


def config_text(bind="127.0.0.1:0", **settings):
    return libconfig.to_libconfig({
        "listeners": [{"name": "edge", "bind": bind}], "workers": 1,
        "admin": {"bind": "127.0.0.1:0"},
        "routes": [{"name": "all", "respond": {"status": 200, "body": "here"}}], **settings})


def run(tmp_path, call, error, config):
    file = tmp_path / "evergate.conf"
    file.write_text(config)
    return subprocess.run([*without(call, error), str(binary()), "run", "-c", str(file)],
                          capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("call, error, says", [
    ("seccomp", "ENOSYS", "cannot filter system calls: "),
    ("seccomp", "EPERM", "cannot filter system calls: "),
    ("pidfd_open", "ENOSYS", "pidfd_open(2) is missing or forbidden here"),
    ("pidfd_open", "EPERM", "pidfd_open(2) is missing or forbidden here"),
])
def test_what_is_missing_is_said_with_what_to_write(tmp_path, call, error, says):
    result = run(tmp_path, call, error, config_text())
    assert result.returncode == 1
    assert says in result.stderr and "sandbox = false" in result.stderr


@pytest.mark.parametrize("bind, says", [
    ("127.0.0.1:80", "net.ipv4.ip_unprivileged_port_start"), ("unix:edge.sock", "its directory")])
def test_a_bind_that_is_denied_says_what_it_needs(tmp_path, bind, says):
    result = run(tmp_path, "bind", "EACCES", config_text(bind.replace("edge", f"{tmp_path}/edge")))
    assert result.returncode == 1
    assert "permission denied" in result.stderr and says in result.stderr


def child(pid, name):
    """Of that name: strace makes others, to try what the kernel can."""
    def named():
        for number in children(pid):
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{number}/comm").read_text().strip() == name:
                    return number
        return None
    return wait_until(named, f"process {pid} has a child {name}")


@pytest.mark.parametrize("call", ["seccomp", "pidfd_open"])
def test_without_a_sandbox_process_1_needs_neither(stage, need_root, call):
    room = stage.room("evergate")
    proxy = Evergate(room, config_text(sandbox=False), command=[
        *without(call), *PROCESS_1, str(binary()), "run", "-c", str(room / "evergate.conf")])
    process_1 = child(child(proxy.process.pid, "unshare"), "evergate")
    stage.endings.callback(lambda: is_running(process_1) and os.kill(process_1, signal.SIGKILL))
    proxy.wait_started()
    assert stage.get(proxy).text == "here"
    os.kill(process_1, signal.SIGTERM)
    assert proxy.wait_exit() == 0
