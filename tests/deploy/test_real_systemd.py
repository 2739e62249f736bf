"""The Debian package under a real systemd, which is process 1 of a Debian 12 in namespaces: the
unit started, reloaded, upgraded under load, crashed, stopped, activated by its socket, removed.

The tests of this file go through one machine's life, in their order.
"""

import contextlib
import json
import pathlib
import re
import shutil
import threading

import pytest
from lib import libconfig
from lib.load import Load
from lib.raw_client import RawClient
from lib.scripted_backend import answer
from lib.waiting import wait_until
from parts import packages
from parts.systemd_machine import CannotBoot, SystemdMachine

CONFIG = "/etc/evergate/evergate.conf"
UNIT = "evergate.service"
FIRST, NEXT = "0.1.0", "0.1.1"
DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "systemd.md"


class Guest:
    """The machine, and what this file asks of it again and again."""

    def __init__(self, root, machine):
        self.root = root
        self.run, self.entered = machine.run, machine.entered

    def show(self, key, unit=UNIT):
        return self.run("systemctl", "show", "--value", "-p", key, unit).stdout.strip()

    @property
    def main_pid(self):
        return int(self.show("MainPID"))

    def proc(self, pid, name):
        return self.run("cat", f"/proc/{pid}/{name}").stdout

    def journal(self, *options):
        return self.run("journalctl", "-u", UNIT, "-o", "cat", *options).stdout

    def await_journal(self, text, *options):
        wait_until(lambda: text in self.journal(*options), f'the journal has "{text}"')

    @contextlib.contextmanager
    def dropin(self, *lines):
        """More for the unit to say, for a while."""
        file = self.root.inside(f"/etc/systemd/system/{UNIT}.d/test.conf")
        file.parent.mkdir()
        file.write_text("\n".join(["[Service]", *lines, ""]))
        self.run("systemctl", "daemon-reload")
        try:
            yield
        finally:
            shutil.rmtree(file.parent)
            self.run("systemctl", "daemon-reload")

    def install(self, version):
        """As apt does it with an older one, the same one or a newer one."""
        return self.run("dpkg", "--force-confold", "-i", f"/root/evergate_{version}.deb")

    def configure(self, backends, **top):
        self.root.inside(CONFIG).write_text(libconfig.to_libconfig({
            "workers": 2, "drain_timeout": "20s", "state_file": "/var/lib/evergate/state.json",
            "listeners": [{"name": "edge", "bind": ":80"}],
            "pools": [libconfig.pool("app", backends)],
            "admin": {"bind": "127.0.0.1:9900", "socket": "/run/evergate/admin.sock"},
            "log": {"format": "text", "access": "/var/log/evergate/access.log"}, **top}))

    def get(self):
        with self.entered():
            client = RawClient("127.0.0.1:80")
        try:
            return client.get()
        finally:
            client.close()


@pytest.fixture(scope="module")
def guest(make_root, evergate_binary, tmp_path_factory):
    root = make_root("systemd")
    for version in (FIRST, NEXT):
        deb = packages.build(evergate_binary, tmp_path_factory.mktemp(version), "DEB", version)
        shutil.copy(deb, root.inside(f"/root/evergate_{version}.deb"))
    # The machine has no way to the mirror: what it will install is fetched before.
    apt = ("apt-get", "-y", "-q", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "install")
    root.run("apt-get", "update", "-q")
    root.run(*apt, "systemd-sysv", "logrotate")
    root.run(*apt, "--download-only", f"/root/evergate_{FIRST}.deb")
    root.inside("/usr/sbin/policy-rc.d").unlink()
    try:
        machine = SystemdMachine(root)
    except CannotBoot as why:
        pytest.skip(f"NOT RUN: systemd cannot be process 1 of namespaces here: {why}")
    machine.run(*apt, f"/root/evergate_{FIRST}.deb")
    yield Guest(root, machine)
    machine.close()


@pytest.fixture(autouse=True)
def journal(guest):
    """What pytest shows with a failure."""
    yield
    print(guest.journal("-n", 60))


@pytest.fixture
def backend(guest, stage):
    with guest.entered():
        return stage.recorder("here")


@pytest.fixture
def served(guest, backend):
    """The service, with a backend behind it."""
    guest.configure([backend])
    guest.run("systemctl", "start", UNIT)
    guest.run("systemctl", "reload", UNIT)
    wait_until(lambda: guest.get().body == b"here", "the configuration is served")
    return guest


def begin_load(guest, stage, load_program, backend):
    with guest.entered():
        loads = [stage.ending(
            Load(load_program, 80, stage.room("load"), name, rate, 16, fresh=fresh), "close")
                 for name, rate, fresh in (("kept", 200, False), ("fresh", 100, True))]
    backend.wait_for_requests(backend.count + 100)
    return loads


def end_load(loads, backend):
    backend.wait_for_requests(backend.count + 100)
    for load in loads:
        load.stop().assert_all_answered()


def test_installing_the_package_starts_it_and_systemd_knows_that_it_serves(guest):
    assert guest.show("ActiveState") == "active"
    assert guest.show("UnitFileState") == "enabled"
    assert guest.show("StatusText").startswith(f'serving "{CONFIG}"')
    assert guest.get().status == 503
    assert "serving" in guest.journal()
    doctor = guest.run("evergate", "doctor", "-c", CONFIG, check=False).stdout
    assert CONFIG not in doctor.partition("hints:")[0], "it warns of nothing in the sample"
    assert guest.show("UnitFileState", "evergate.socket") == "disabled"


def test_it_runs_as_its_user_with_one_capability_and_both_filters(guest, tell):
    pid = guest.main_pid
    status = dict(re.findall(r"^(\w+):\t(.*)$", guest.proc(pid, "status"), re.MULTILINE))
    uid = guest.run("id", "-u", "evergate").stdout.strip()
    assert status["Uid"].split() == [uid] * 4
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) in (0, 1 << 10), kind
    assert int(status["CapEff"], 16) == 1 << 10, "CAP_NET_BIND_SERVICE"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    helper = guest.proc(pid, f"task/{pid}/children").strip()
    theirs = int(re.search(r"Seccomp_filters:\t(\d+)", guest.proc(helper, "status")).group(1))
    assert int(status["Seccomp_filters"]) == theirs + 1, "systemd's and its own"
    tell(f"{status['Seccomp_filters']} system call filters are active at once")


def test_the_limit_of_descriptors_is_the_units_or_what_the_machine_allows(guest, tell):
    def limit(pid):
        return int(re.search(r"Max open files +\d+ +(\d+)", guest.proc(pid, "limits")).group(1))

    wanted = int(guest.show("LimitNOFILE"))
    # Who may not raise limits (CAP_SYS_RESOURCE) has those of process 1.
    assert limit(guest.main_pid) in (wanted, min(wanted, limit(1)))
    tell(f"LimitNOFILE={wanted}: {limit(guest.main_pid)}")


def test_the_exposure_of_the_running_unit_is_what_the_documentation_says(guest):
    judged = guest.run("systemd-analyze", "security", "--no-pager", UNIT).stdout
    exposure = re.search(rf"Overall exposure level for {UNIT}: ([\d.]+)", judged)
    written = re.search(r"exposure level of \*\*([\d.]+)\*\*", DOCS.read_text())
    assert float(exposure.group(1)) <= float(written.group(1)), judged


#: What a check tries from inside of the cell. Each line of the report: the exit code, what it was.
TRIES = """#!/bin/sh
try() {
    name=$1
    shift
    "$@" >/dev/null 2>&1
    echo "$? $name"
}
{
    try works /bin/true
    try writes-state touch /var/lib/evergate/touched
    try writes-tmp touch /tmp/touched
    try writes-configuration touch /etc/evergate/touched
    try writes-programs touch /usr/bin/touched
    try sees-homes test -e /home/somebody
    try sees-root-s-home test -e /root/evergate_0.1.0.deb
    try sees-process-1 test -d /proc/1
    try sees-tmp test -e /tmp/of-the-machine
    try sees-a-disk sh -c 'find /dev -type b | grep -q .'
    try makes-a-namespace unshare --user true
    try changes-the-kernel sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
    try becomes-root setpriv --reuid=0 true
    try sees-everything chroot / true
    try sets-the-host-s-name hostname elsewhere
    try makes-a-set-user-id-file sh -c 'cp /bin/true /tmp/s && chmod u+s /tmp/s'
} > /var/lib/evergate/tries.new
mv /var/lib/evergate/tries.new /var/lib/evergate/tries
"""
ALLOWED = {"works", "writes-state", "writes-tmp"}


def test_exec_checks_run_and_find_themselves_in_the_units_cell(guest, backend):
    guest.root.inside("/home/somebody").mkdir()
    guest.root.inside("/tmp/of-the-machine").touch()
    script = guest.root.inside("/etc/evergate/tries.sh")
    script.write_text(TRIES)
    script.chmod(0o755)
    guest.configure([backend], pools=[libconfig.pool("app", [backend], health={
        "type": "exec", "command": "/etc/evergate/tries.sh", "interval": "1s"})])
    guest.run("systemctl", "reload", UNIT)
    report = guest.root.inside("/var/lib/evergate/tries")
    wait_until(report.exists, f"the check has run:\n{guest.journal()}")
    results = [line.split() for line in report.read_text().splitlines()]
    assert len(results) == TRIES.count("    try ")
    assert {name for code, name in results if code == "0"} == ALLOWED
    wait_until(lambda: "healthy" in guest.run("evergate", "endpoints").stdout, "the check passed")


def test_a_reload_applies_a_good_file_and_a_bad_one_fails_and_changes_nothing(served, backend):
    def generation():
        status = json.loads(served.run("evergate", "status", "--json").stdout)
        return status["config"]["generation"]

    before, pid = generation(), served.main_pid
    served.configure([backend], drain_timeout="21s")
    served.run("systemctl", "reload", UNIT)
    wait_until(lambda: generation() == before + 1, "the changed file is applied")
    served.root.inside(CONFIG).write_text("listeners = ( { bond = 1; } );\n")
    before = generation()
    assert served.run("systemctl", "reload", UNIT, check=False).returncode != 0
    assert f'{CONFIG}:1: error: listener 1: unknown key "bond"; did you mean "bind"?' in \
        served.journal()
    assert (generation(), served.main_pid, served.show("ActiveState")) == (before, pid, "active")
    assert served.get().status == 200


def test_the_access_log_is_rotated_and_the_new_file_is_written_to(served):
    log = served.root.inside("/var/log/evergate/access.log")
    wait_until(lambda: log.exists() and log.stat().st_size > 0, "there is something to rotate")
    served.run("logrotate", "--force", "/etc/logrotate.d/evergate")
    rotated = log.with_name("access.log.1")
    assert rotated.stat().st_size > 0

    def again():
        served.get()
        return log.exists() and log.stat().st_size > 0

    wait_until(again, "requests are logged again")
    assert (log.stat().st_uid, log.stat().st_mode & 0o777) == (rotated.stat().st_uid, 0o640)
    served.run("logrotate", "--force", "/etc/logrotate.d/evergate")
    assert log.with_name("access.log.2.gz").exists()


def test_a_package_of_a_newer_version_takes_over_under_load(served, stage, load_program, backend):
    before = served.main_pid
    loads = begin_load(served, stage, load_program, backend)
    served.install(NEXT)
    wait_until(lambda: served.main_pid != before, "the main process is the new one")
    served.await_journal("drained after")
    end_load(loads, backend)
    assert served.run("readlink", f"/proc/{served.main_pid}/exe").stdout == "/usr/bin/evergate\n"
    assert (served.show("ActiveState"), served.show("NRestarts")) == ("active", "0")
    assert served.show("StatusText").startswith("serving")


def test_a_package_that_meets_a_broken_configuration_leaves_the_old_process_serving(served):
    pid = served.main_pid
    served.root.inside(CONFIG).write_text("listeners = ( { bond = 1; } );\n")
    served.install(NEXT)
    served.await_journal("starting -> failed", "-p", "err")
    assert "serves now" in served.journal() and "serves now" not in served.journal("-p", "warning")
    assert (served.main_pid, served.show("ActiveState")) == (pid, "active")
    assert served.get().status == 200


def test_systemd_starts_it_again_after_a_crash(served):
    pid = served.main_pid
    served.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", UNIT)
    wait_until(lambda: served.main_pid not in (0, pid) and served.show("ActiveState") == "active",
               "it runs again")
    assert served.show("NRestarts") == "1"
    assert served.get().status == 200
    members = served.run("sh", "-c", "cat /sys/fs/cgroup$(systemctl show -P ControlGroup evergate)"
                                     "/cgroup.procs").stdout.split()
    assert len(members) == 2, "the process and its helper; nothing is left of those before"


def test_a_start_is_tried_again_until_the_file_is_repaired(guest, backend):
    guest.run("systemctl", "stop", UNIT)
    guest.root.inside(CONFIG).write_text("listeners = ( { bond = 1; } );\n")
    with guest.dropin("RestartSec=50ms"):
        assert guest.run("systemctl", "start", UNIT, check=False).returncode != 0
        wait_until(lambda: int(guest.show("NRestarts")) > 6, "it is tried more often than by default")
        guest.configure([backend])
        wait_until(lambda: guest.show("ActiveState") == "active", "it has started")


def test_without_ipv6_it_listens_on_what_there_is(guest, backend):
    guest.configure([backend])
    with guest.dropin("RestrictAddressFamilies=", "RestrictAddressFamilies=AF_INET AF_UNIX AF_NETLINK"):
        guest.run("systemctl", "restart", UNIT)
        assert guest.get().body == b"here"
        guest.run("systemctl", "kill", "--signal=USR2", "--kill-whom=main", UNIT)
        wait_until(lambda: "upgrade: starting -> serving" in guest.journal("-n", 5), "it hands over")
        assert guest.get().body == b"here"
    guest.run("systemctl", "restart", UNIT)


def test_a_removal_that_is_called_off_starts_it_again(served):
    served.run("/var/lib/dpkg/info/evergate.prerm", "remove")
    assert served.show("ActiveState") == "inactive"
    served.run("/var/lib/dpkg/info/evergate.postinst", "abort-remove")
    assert served.show("ActiveState") == "active"


def test_stopping_waits_for_what_is_in_flight(guest, stage):
    released = threading.Event()

    def late(_request):
        released.wait()
        return answer(b"late")

    stage.ending(released, "set")
    with guest.entered():
        backend = stage.recorder("slow", late)
    guest.configure([backend])
    guest.run("systemctl", "restart", UNIT)
    with guest.entered():
        client = stage.client("127.0.0.1:80")
    client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    backend.wait_for_requests(1)
    guest.run("systemctl", "stop", "--no-block", UNIT)
    wait_until(lambda: guest.show("StatusText").startswith("draining"), "it drains")
    assert guest.show("ActiveState") == "deactivating"
    released.set()
    assert client.read_response().body == b"late"
    wait_until(lambda: guest.show("ActiveState") == "inactive", "it has ended")
    assert (guest.show("Result"), guest.show("ExecMainStatus")) == ("success", "0")


def test_an_upgrade_of_the_package_starts_nothing_that_was_stopped_or_masked(guest):
    guest.run("systemctl", "stop", UNIT)
    guest.install(FIRST)
    assert guest.show("ActiveState") == "inactive"
    guest.run("systemctl", "disable", UNIT)
    guest.install(NEXT)
    assert guest.run("systemctl", "is-enabled", UNIT, check=False).stdout == "disabled\n"
    guest.run("systemctl", "mask", UNIT)
    guest.install(FIRST)
    assert guest.run("systemctl", "is-enabled", UNIT, check=False).stdout == "masked\n"
    guest.run("systemctl", "unmask", UNIT)
    guest.run("systemctl", "enable", UNIT)
    assert guest.show("ActiveState") == "inactive"


def commands_of_the_documentation():
    """What docs/systemd.md says to type for socket activation."""
    console = re.search(r"## Socket activation.*?```console\n(.*?)```", DOCS.read_text(), re.DOTALL)
    lines = re.findall(r"^\$ (systemctl [^#\n]*)", console.group(1), re.MULTILINE)
    return [line.split() for line in lines if "edit" not in line]


def test_with_its_socket_a_restart_refuses_nobody(served, stage, load_program, backend):
    for command in commands_of_the_documentation():
        served.run(*command)
    assert "passed by the service manager: 1" in served.journal()
    assert served.get().status == 200
    with served.entered():
        load = stage.ending(
            Load(load_program, 80, stage.room("load"), "fresh", 100, 64, fresh=True), "close")
    backend.wait_for_requests(backend.count + 50)
    pid = served.main_pid
    served.run("systemctl", "restart", UNIT)
    assert served.main_pid != pid
    end_load([load], backend)


def test_with_its_socket_the_first_client_starts_it(served):
    served.run("systemctl", "stop", UNIT)
    assert served.show("ActiveState") == "inactive"
    assert served.get().status == 200
    assert served.show("ActiveState") == "active"


def test_with_its_socket_an_upgrade_hands_it_on(served, stage, load_program, backend):
    before = served.main_pid
    loads = begin_load(served, stage, load_program, backend)
    served.run("systemctl", "kill", "--signal=USR2", "--kill-whom=main", UNIT)
    wait_until(lambda: served.main_pid != before, "the main process is the new one")
    end_load(loads, backend)
    served.run("systemctl", "restart", UNIT)
    assert served.get().status == 200


def test_removal_stops_both_units_and_purging_leaves_no_link_to_them(served):
    pid = served.main_pid
    served.run("dpkg", "--remove", "evergate")
    assert not served.root.inside(f"/proc/{pid}/exe").exists()
    assert served.show("ActiveState") == "inactive"
    assert served.show("ActiveState", "evergate.socket") == "inactive"
    served.run("dpkg", "--purge", "evergate")
    found = served.run("find", *(f"{top}/systemd" for top in ("/etc", "/run", "/usr/lib", "/var/lib")),
                       "-name", "*evergate*").stdout
    assert found == ""


def test_it_can_be_installed_again(guest):
    guest.install(NEXT)
    assert guest.show("ActiveState") == "active"
    assert guest.get().status == 503


def commands_of_installing_the_tarball():
    """What docs/install.md says to type."""
    text = (DOCS.parent / "install.md").read_text()
    console = re.search(r"## Tarball.*?```console\n(.*?)```", text, re.DOTALL).group(1)
    return [line[2:] for line in console.splitlines()]


def test_the_tarball_is_installed_as_the_documentation_says(guest, evergate_binary, tmp_path):
    depends = guest.run("dpkg-query", "-W", "-f", "${Depends}", "evergate").stdout
    libraries = {name.split()[0] for name in depends.split(",")} - {"adduser", "libc6"}
    guest.run("dpkg", "--purge", "evergate")
    ball = packages.build(evergate_binary, tmp_path, "TGZ", FIRST)
    shutil.copy(ball, guest.root.inside("/root"))
    apt, *commands = commands_of_installing_the_tarball()
    assert set(apt.removeprefix("apt install ").split()) == libraries, "which the machine has"
    for command in commands:
        guest.run("sh", "-ec", f"cd /root; {command}")
    wait_until(lambda: guest.show("ActiveState") == "active", "it is started")
    assert guest.get().status == 503
    assert guest.run("readlink", f"/proc/{guest.main_pid}/exe").stdout == "/usr/local/bin/evergate\n"
    guest.run("systemctl", "reload", UNIT)
