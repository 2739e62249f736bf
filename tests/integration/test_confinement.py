"""What evergate gives up when it starts: user, capabilities, system calls; and who starts commands."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from lib import libconfig
from lib.confinement import (GID, GROUP, LOW_PORTS, NOTHING, UID, USER, confined, parse_status,
                             private_address, room, spawner_of, statuses)
from lib.dynasty import dynasty
from lib.evergate import Evergate, run_command, sanitizer
from lib.management import Management
from lib.processes import is_running
from lib.waiting import wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def simple(backend, bind, **settings):
    settings = {"user": USER, "drain_timeout": "5s", **settings}
    return libconfig.simple([backend], listener={"bind": bind}, **settings)


def assert_confined(pid):
    threads = statuses(pid)
    assert len(threads) > 2
    for status in threads:
        assert status["Uid"] == [str(UID)] * 4 and status["Gid"] == [str(GID)] * 4, status
        assert status["Groups"] == [str(GID)], status
        for kind in ("CapPrm", "CapEff"):
            assert status[kind] == [LOW_PORTS], status
        assert status["CapInh"] == status["CapAmb"] == [NOTHING], status
        assert status["NoNewPrivs"] == ["1"] and status["Seccomp"] == ["2"], status
        for mitigation in ("Speculation_Store_Bypass", "SpeculationIndirectBranch"):
            assert status.get(mitigation) == own_status().get(mitigation), "the filter costs it"


def own_status():
    return parse_status(pathlib.Path("/proc/self/status").read_text())


def serves(stage, address):
    try:
        return stage.client(address).get().status == 200
    except ConnectionRefusedError:
        return False


# ---- Without asking for it ----

def test_the_filter_is_on_in_every_thread_without_asking_for_it(stage):
    proxy = stage.proxy(stage.recorder())
    for status in statuses(proxy.process.pid):
        assert status["NoNewPrivs"] == ["1"] and status["Seccomp"] == ["2"], status
    assert statuses(proxy.process.pid)[0]["Uid"] == own_status()["Uid"], "it stays who it is"


def test_it_can_be_turned_off(stage):
    inherited = own_status()
    proxy = stage.proxy(stage.recorder(), sandbox=False, admin={"bind": "127.0.0.1:0"},
                        pool_settings={"health": {"type": "exec", "command": "true"}})
    for status in statuses(proxy.process.pid):
        assert status["NoNewPrivs"] == inherited["NoNewPrivs"]
        assert status["Seccomp"] == inherited["Seccomp"]
    Management(proxy).wait_for_event(type="health", to="healthy")


@pytest.mark.parametrize("on, soft", [(False, "0"), (True, None)])
def test_core_dumps_are_off_unless_asked_for(stage, on, soft):
    proxy = stage.proxy(stage.recorder(), core_dumps=on)
    limits = pathlib.Path(f"/proc/{proxy.process.pid}/limits").read_text()
    line = [line for line in limits.splitlines() if line.startswith("Max core")][0].split()
    assert line[4] == (line[5] if soft is None else soft)


AS_USER = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups"]


def can_read_memory_of(pid):
    """Another process of the user, and with none of root's rights."""
    looking = [*AS_USER, "cat", f"/proc/{pid}/maps"]
    return subprocess.run(looking, capture_output=True, check=False).returncode == 0


@as_root
@pytest.mark.skipif(sanitizer() != "", reason="sanitizers look at their own process from outside")
@pytest.mark.parametrize("dumps", [False, True])
def test_others_of_the_same_user_look_into_its_memory_only_where_dumps_are_on(stage, dumps):
    where = room(stage)
    proxy = confined(stage, where, simple(stage.recorder(), "127.0.0.1:0", core_dumps=dumps,
                                          admin={"bind": "127.0.0.1:0"}), words=AS_USER)
    for _ in range(2):
        assert can_read_memory_of(proxy.pid) == dumps
        assert not can_read_memory_of(spawner_of(proxy.pid))
        before = proxy.pid
        proxy.upgrade()
        proxy.wait_gone(before)
    metrics = Management(proxy)
    for name in ("process_open_fds", "process_resident_memory_bytes"):
        assert metrics.metric(name) > 10, "it sees itself all the same"


def test_the_process_that_starts_commands_ends_with_evergate(stage):
    for number in (signal.SIGTERM, signal.SIGKILL):
        proxy = stage.proxy(stage.recorder())
        spawner = spawner_of(proxy.process.pid)
        proxy.expected_exit = -9 if number == signal.SIGKILL else 0
        proxy.send_signal(number)
        proxy.wait_exit()
        wait_until(lambda pid=spawner: not is_running(pid), "it has ended too")


def test_what_a_service_manager_sends_to_all_does_not_end_it(stage):
    proxy = stage.proxy(stage.recorder(), admin={"bind": "127.0.0.1:0"},
                        pool_settings={"health": {"type": "exec", "command": "true"}})
    spawner = spawner_of(proxy.process.pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        os.kill(spawner, number)
    Management(proxy).wait_for_event(type="health", to="healthy")
    assert is_running(spawner)


def test_who_looks_for_evergate_by_its_name_finds_the_one_that_serves(stage):
    proxy = stage.proxy(stage.recorder())
    spawner = pathlib.Path(f"/proc/{spawner_of(proxy.process.pid)}")
    assert (spawner / "comm").read_text() == "eg-spawner\n"
    assert (spawner / "cmdline").read_bytes().strip(b"\0") == b"eg-spawner"
    words = pathlib.Path(f"/proc/{proxy.process.pid}/cmdline").read_bytes()
    assert words.endswith(b"run\0-c\0" + bytes(proxy.config_path) + b"\0")


def test_its_loss_is_told_and_takes_no_backend_out(stage):
    backend = stage.recorder()
    proxy = dynasty(stage, backend, admin={"bind": "127.0.0.1:0"}, pool_settings={
        "health": {"type": "exec", "command": "true", "interval": "100ms", "fall": 1}})
    admin = Management(proxy)
    admin.wait_for_event(type="health", to="healthy")
    assert admin.metric("evergate_commands_available") == 1
    assert admin.json("/api/v1/status")["commands"] == {"available": True}
    os.kill(spawner_of(proxy.pid), signal.SIGKILL)
    event = admin.wait_for_event(type="health", to="no commands")
    assert "was ended by signal 9 (Killed)" in event["why"]
    assert "until a restart" in event["next"]
    assert proxy.log_lines(r" error .*the process that starts commands was ended|"
                           r'"level":"error".*the process that starts commands was ended')
    for _ in range(5):
        assert stage.get(proxy).status == 200
    proxy.signal_now(signal.SIGUSR2)
    proxy.wait_for_log("cannot start .*: the command process has ended; this process goes on")
    assert not admin.events(type="health", to="unhealthy")
    assert admin.metric("evergate_commands_available") == 0
    commands = admin.json("/api/v1/status")["commands"]
    assert not commands["available"] and "was ended by signal 9" in commands["why"]
    page = run_command("status", "--admin", admin.address).stdout
    assert "commands       none can be started: the process that starts commands was ended by " \
        "signal 9 (Killed); restart evergate\n" in page


# ---- Mistakes ----

@pytest.mark.parametrize("settings, says", [
    ({"user": "no-such-user"}, 'there is no user "no-such-user"'),
    ({"user": USER, "group": "no-such-group"}, 'there is no group "no-such-group"'),
    ({"group": "nogroup"}, "group: of use with user only"),
    ({"user": "12345678"}, 'write group = "..." too'),
    ({"chroot": "here"}, "must begin with a slash"),
    ({"chroot": "/usr/bin"}, 'is not in the chroot "/usr/bin"'),
    ({"chroot": "/no/such/directory"}, "No such file or directory"),
    ({"sandbox": "no"}, "sandbox must be"),
])
def test_what_cannot_be_is_said_before_anything_is_served(stage, settings, says):
    file = stage.room("config") / "evergate.conf"
    file.write_text(libconfig.to_libconfig(
        libconfig.simple(["127.0.0.1:9"], **settings)))
    result = run_command("run", "-c", file)
    assert result.returncode == 1
    assert says in result.stderr
    assert "is listening" not in result.stderr


@as_root
def test_who_is_not_root_cannot_become_somebody_else(stage):
    where = room(stage)
    config = where.write("evergate.conf", libconfig.to_libconfig(
        libconfig.simple(["127.0.0.1:9"], user="daemon")))

    def become_nobody():
        os.setgroups([])
        os.setgid(GID)
        os.setuid(UID)

    proxy = Evergate(where.directory("instance"), config.read_text(), preexec=become_nobody)
    assert proxy.wait_exit() == 1
    assert 'cannot become user "daemon": Operation not permitted; start evergate as root' \
        in proxy.stderr


# ---- Another user ----

@as_root
def test_root_binds_a_low_port_becomes_the_user_and_may_still_bind_another(stage):
    where, backend = room(stage), stage.recorder()
    proxy = confined(stage, where, simple(backend, f"{private_address()}:80"))
    assert_confined(proxy.pid)
    assert all(status["CapBnd"] == [NOTHING] for status in statuses(proxy.pid))
    assert stage.get(proxy).status == 200
    changed = simple(backend, f"{private_address(1)}:443")
    proxy.reload(changed)
    other = f"{private_address(1)}:443"
    wait_until(lambda: serves(stage, other), "the new port is served")
    assert_confined(proxy.pid)


@as_root
def test_a_number_and_a_group_are_enough(stage):
    where = room(stage)
    where.path.chmod(0o755)
    proxy = confined(stage, where, simple(stage.recorder(), "127.0.0.1:0", user="12345678",
                                          group=GROUP))
    status = statuses(proxy.pid)[0]
    assert status["Uid"] == ["12345678"] * 4 and status["Gid"] == [str(GID)] * 4
    assert status["Groups"] == []


@as_root
def test_the_next_binary_is_confined_likewise_and_may_bind_low_ports(stage):
    where, backend = room(stage), stage.recorder()
    proxy = confined(stage, where, simple(backend, f"{private_address()}:80"))
    for number in (1, 2):
        before = proxy.pid
        both = simple(backend, f"{private_address()}:80")
        both["listeners"].append({"name": "more", "bind": f"{private_address(number)}:443"})
        proxy.write_config(both)
        proxy.upgrade()
        proxy.wait_gone(before)
        assert_confined(proxy.pid)
        assert stage.get(proxy).status == 200
        assert serves(stage, f"{private_address(number)}:443")
    assert spawner_of(proxy.pid)


@as_root
def test_an_upgrade_cannot_become_yet_another_user_and_the_old_process_goes_on(stage):
    where, backend = room(stage), stage.recorder()
    proxy = confined(stage, where, simple(backend, f"{private_address()}:80"))
    proxy.write_config(simple(backend, f"{private_address()}:80", user="daemon"))
    proxy.signal_now(signal.SIGUSR2)
    proxy.wait_for_log('cannot become user .*daemon')
    proxy.wait_for_log("exited with status 1 before it was ready.*this process goes on")
    assert stage.get(proxy).status == 200
    assert_confined(proxy.pid)


def with_commands(stage, where):
    """A configuration with a check and a recovery that write down what they are, and where."""
    checked, recovered = where.path / "checked", where.path / "recovered"
    command = where.write("command.sh", "#!/bin/sh\ncat /proc/self/status > $1.new\n"
                          "ls /proc/$$/fd > $1.fds\ncat /proc/self/limits > $1.limits\n"
                          "mv $1.new $1\nexit $2\n", 0o755)
    pool = libconfig.pool("app", [stage.recorder()], health={
        "type": "exec", "command": f"{command} {checked} 2", "interval": "100ms", "fall": 1},
        recovery={"command": f"{command} {recovered} 0"})
    return simple(stage.recorder(), f"{private_address()}:80", admin={"bind": "127.0.0.1:0"},
                  pools=[pool]), checked, recovered


def assert_unprivileged(path):
    """What a command has written down."""
    wait_until(path.exists, "the command has run")
    status = parse_status(path.read_text())
    assert status["Uid"] == [str(UID)] * 4 and status["Gid"] == [str(GID)] * 4, status
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert status[kind] == [NOTHING], status
    assert status["NoNewPrivs"] == ["0"] and status["Seccomp"] == ["0"], status
    assert set((path.parent / f"{path.name}.fds").read_text().split()) <= {
        "0", "1", "2", "10", "11"}, "the shell's own are 10 and 11"
    limits = (path.parent / f"{path.name}.limits").read_text()
    assert limits == pathlib.Path("/proc/self/limits").read_text(), "those it was started with"
    return status


@as_root
def test_commands_run_as_the_user_without_capabilities_and_without_the_filter(stage):
    where = room(stage)
    config, *written = with_commands(stage, where)
    proxy = confined(stage, where, config)
    proxy.upgrade()  # which lends a capability for a moment
    for path in written:
        status = assert_unprivileged(path)
        assert status["Groups"] == [str(GID)], status
        assert status["CapBnd"] == own_status()["CapBnd"], "sudo in a command may be root"


GRANTED = [*AS_USER, "--inh-caps=+net_bind_service,+chown",
           "--ambient-caps=+net_bind_service,+chown"]


@as_root
def test_what_a_service_manager_grants_is_kept_for_low_ports_and_from_commands(stage):
    where = room(stage)
    config, *written = with_commands(stage, where)
    del config["user"]
    proxy = confined(stage, where, config, words=GRANTED)
    for _ in range(2):
        for status in statuses(proxy.pid):
            assert status["CapPrm"] == status["CapEff"] == [LOW_PORTS], status
            assert status["CapInh"] == status["CapAmb"] == [NOTHING], status
        for path in written:
            assert_unprivileged(path)
            path.unlink()
        config["listeners"] = [{"name": "edge", "bind": f"{private_address(1)}:443"}]
        proxy.write_config(config)
        proxy.upgrade()
    assert proxy.log_lines(f'listening on {private_address(1)}:443')


@as_root
def test_what_the_user_cannot_read_or_write_is_said_at_once_and_nothing_is_served(
        stage, certificates):
    where = room(stage)
    leaf = certificates.leaf("secret")
    key = where.write("secret.key", pathlib.Path(leaf["key"]).read_text(), 0o600)
    os.chown(key, 0, 0)
    token = where.write("token", "word\n", 0o600)
    os.chown(token, 0, 0)
    closed = where.directory("closed")
    os.chown(closed, 0, 0)
    closed.chmod(0o755)
    cert = where.write("secret.pem", pathlib.Path(leaf["cert"]).read_text())
    proxy = confined(stage, where, libconfig.simple(
        [stage.recorder()], user=USER, state_file=f"{closed}/state.json",
        listener={"tls": {"certificates": [{"cert": str(cert), "key": str(key)}]}},
        admin={"bind": "127.0.0.1:0", "token_file": str(token)},
        log={"access": f"{closed}/access.log"}), names=())
    proxy.expected_exit = 1
    assert proxy.wait_exit() == 1
    for path in (key, token, closed):
        assert str(path) in proxy.stderr, path
    assert proxy.stderr.count("error: ") == 4, proxy.stderr
    assert f'was read as user "{USER}"' in proxy.stderr
    assert "is listening" not in proxy.stderr


@as_root
def test_files_and_sockets_of_the_user_are_made_reopened_and_removed(stage):
    where = room(stage)
    logs, state, run = (where.directory(name) for name in ("logs", "state", "run"))
    proxy = confined(stage, where, simple(
        stage.recorder(), f"unix:{run}/in.sock", state_file=f"{state}/state.json",
        admin={"bind": "127.0.0.1:0", "socket": f"{run}/admin.sock"},
        log={"access": f"{logs}/access.log"}))
    log = logs / "access.log"
    assert {path.name: path.stat().st_uid for path in run.iterdir()} == {
        "in.sock": UID, "admin.sock": UID}
    log.rename(logs / "access.log.1")
    proxy.signal_now(signal.SIGUSR1)
    wait_until(log.exists, "the log is made anew")
    assert log.stat().st_uid == UID
    Management(proxy).json("/api/v1/pools/app/endpoints", "POST",
                           {"id": "more", "address": "127.0.0.1", "port": 9})
    assert json.loads((state / "state.json").read_text())["pools"]["app"]
    proxy.stop()
    assert list(run.iterdir()) == []


# ---- Chroot ----

@as_root
def test_in_a_chroot_files_are_those_inside(stage):
    where, backend = room(stage), stage.recorder()
    jail = where.directory("jail")
    config = simple(backend, f"{private_address()}:80", chroot=str(jail),
                    log={"access": "/access.log"}, admin={"bind": "127.0.0.1:0"})
    file = jail / "evergate.conf"
    file.write_text(libconfig.to_libconfig(config))
    where.give(file)
    instance = where.directory("instance")
    program = shutil.copy2(os.environ.get("EVERGATE", "build/evergate"), instance / "evergate")
    leaks = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"  # needs /proc
    proxy = stage.ending(Evergate(instance, config, env={"ASAN_OPTIONS": leaks}, command=[
        str(program), "run", "-c", str(file)])).wait_started()
    assert os.readlink(f"/proc/{proxy.process.pid}/root") == str(jail)
    assert os.readlink(f"/proc/{spawner_of(proxy.process.pid)}/root") == str(jail)
    assert_confined(proxy.process.pid)
    assert stage.get(proxy).status == 200
    wait_until(lambda: (jail / "access.log").exists(), "the log is inside")
    config["listeners"].append({"name": "more", "bind": f"{private_address(1)}:80"})
    file.write_text(libconfig.to_libconfig(config))
    proxy.send_signal(signal.SIGHUP)
    other = f"{private_address(1)}:80"
    wait_until(lambda: serves(stage, other), "it is reloaded")
    proxy.send_signal(signal.SIGUSR2)
    proxy.wait_for_log("not upgraded: .*chroot: restart instead")
