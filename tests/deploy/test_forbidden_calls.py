"""Containers and kernels that lack a system call: what is said, and what does without."""

import os
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


def config_text(**settings):
    return libconfig.to_libconfig({
        "listeners": [{"name": "edge", "bind": "127.0.0.1:0"}], "workers": 1,
        "routes": [{"name": "all", "respond": {"status": 200, "body": "here"}}], **settings})


@pytest.mark.parametrize("call, error, says", [
    ("seccomp", "ENOSYS", "cannot filter system calls: "),
    ("seccomp", "EPERM", "cannot filter system calls: "),
    ("pidfd_open", "ENOSYS", "pidfd_open(2) is missing or forbidden here"),
    ("pidfd_open", "EPERM", "pidfd_open(2) is missing or forbidden here"),
])
def test_what_is_missing_is_said_with_what_to_write(tmp_path, call, error, says):
    file = tmp_path / "evergate.conf"
    file.write_text(config_text())
    result = subprocess.run([*without(call, error), str(binary()), "run", "-c", str(file)],
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert says in result.stderr and "sandbox = false" in result.stderr


@pytest.mark.parametrize("call", ["seccomp", "pidfd_open"])
def test_without_a_sandbox_process_1_needs_neither(stage, need_root, call):
    room = stage.room("evergate")
    proxy = Evergate(room, config_text(sandbox=False), command=[
        *without(call), *PROCESS_1, str(binary()), "run", "-c", str(room / "evergate.conf")])
    unshare = wait_until(lambda: children(proxy.process.pid), "strace has a child")[0]
    process_1 = wait_until(lambda: children(unshare), "unshare has a child")[0]
    stage.endings.callback(lambda: is_running(process_1) and os.kill(process_1, signal.SIGKILL))
    proxy.wait_started()
    assert stage.get(proxy).text == "here"
    os.kill(process_1, signal.SIGTERM)
    assert proxy.wait_exit() == 0
