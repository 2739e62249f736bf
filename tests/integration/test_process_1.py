"""As process 1, which is what the only program of a container is, or right behind it."""

import os
import shutil
import signal
import subprocess

import pytest
from lib import libconfig
from lib.confinement import children, spawner_of
from lib.evergate import Evergate, binary
from lib.management import Management
from lib.processes import is_running, script
from lib.waiting import wait_until

OWN_PROCESSES = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child",
                 "--mount-proc"]

#: Times out; what it started is nobody's child then.
LEAVES_AN_ORPHAN = "sleep 1000 &\nexec sleep 1000\n"


def first_child(pid):
    return wait_until(lambda: children(pid), f"process {pid} has a child")[0]


def in_namespace(stage, *command, **settings):
    """(the proxy, the id of process 1 as we see it); `command` stands before evergate's."""
    if subprocess.run([*OWN_PROCESSES, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces here")
    room = stage.room("evergate")
    proxy = Evergate(room, libconfig.simple([stage.recorder()], **settings), command=[
        *OWN_PROCESSES, *command, str(binary()), "run", "-c", str(room / "evergate.conf")])
    stage.endings.callback(proxy.wait_exit)
    process_1 = first_child(proxy.process.pid)
    # What the kernel kills with process 1 leaves nothing behind; unshare would not pass it on.
    stage.endings.callback(lambda: is_running(process_1) and os.kill(process_1, signal.SIGKILL))
    return proxy.wait_started(), process_1


def end(proxy, process_1):
    os.kill(process_1, signal.SIGTERM)
    assert proxy.wait_exit() == 0


def zombies(pid):
    return [child for child in children(pid) if not is_running(child)]


@pytest.mark.parametrize("sandbox", [True, False])
def test_what_checks_leave_behind_is_buried(stage, sandbox):
    command = script(stage, LEAVES_AN_ORPHAN)
    proxy, process_1 = in_namespace(
        stage, sandbox=sandbox, admin={"bind": "127.0.0.1:0"}, pool_settings={"health": {
            "type": "exec", "command": command, "interval": "100ms", "timeout": "50ms",
            "fall": 3}})
    Management(proxy).wait_for_event(type="health", to="unhealthy")
    wait_until(lambda: not zombies(process_1), "nobody waits to be buried")
    end(proxy, process_1)


def test_how_the_spawner_ended_is_told_all_the_same(stage):
    proxy, process_1 = in_namespace(stage, admin={"bind": "127.0.0.1:0"})
    os.kill(spawner_of(process_1), signal.SIGKILL)
    event = Management(proxy).wait_for_event(type="health", to="no commands")
    assert "was ended by signal 9 (Killed)" in event["why"]
    end(proxy, process_1)


def test_it_is_not_replaced(stage):
    proxy, process_1 = in_namespace(stage)
    os.kill(process_1, signal.SIGUSR2)
    proxy.wait_for_log("not upgraded: this is process 1, with which its container would end")
    assert stage.get(proxy).status == 200
    end(proxy, process_1)


def test_behind_an_init_that_ends_with_it_it_is_not_replaced_either(stage):
    init = stage.directory / "docker-init"  # by this name `docker run --init` puts tini there
    shutil.copy("/bin/sh", init)
    proxy, process_1 = in_namespace(stage, str(init), "-c", '"$@" & wait $!; exit', "init")
    served_by = first_child(process_1)
    os.kill(served_by, signal.SIGUSR2)
    proxy.wait_for_log("not upgraded: process 1, docker-init, ends with this one")
    assert stage.get(proxy).status == 200
    os.kill(served_by, signal.SIGTERM)
    assert proxy.wait_exit() == 0

