"""The .deb in a Debian 12 root: installed with what it needs, upgraded under load, removed, purged.
And the .tar.gz, unpacked. There is no systemd in the root: evergate is started as the unit would.

The tests of this file go through one package's life, in their order.
"""

import os
import pathlib
import shutil
import stat
import subprocess
import tarfile

import pytest
from lib import libconfig
from lib.load import Load
from lib.real_servers import free_port
from lib.waiting import DEADLINE_S, wait_until
from parts import packages
from parts.service import AS_THE_UNIT, CONFIG, Service

CONFFILE = "/etc/evergate/evergate.conf"
DEFAULTS = "/etc/default/evergate"


@pytest.fixture(scope="module")
def debs(evergate_binary, tmp_path_factory):
    """The package in three versions."""
    return [packages.build(evergate_binary, tmp_path_factory.mktemp(version), "DEB", version)
            for version in ("0.1.0", "0.1.1", "0.2.0")]


@pytest.fixture(scope="module")
def root(make_root, debs):
    """With the first version installed, by apt, from the mirror."""
    it = make_root("package")
    for deb in debs:
        shutil.copy(deb, it.inside("/tmp"))
    it.run("apt-get", "update", "-q")
    it.run("apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0",
           f"/tmp/{debs[0].name}")
    return it


def install(root, deb):
    """As apt does it: no terminal to answer questions on."""
    return root.run("dpkg", "-i", f"/tmp/{deb.name}").stdout


def owner(root, path):
    status = root.inside(path).stat()
    user = root.run("stat", "-c", "%U:%G", path).stdout.strip()
    return user, stat.S_IMODE(status.st_mode)


def configure(root, stage, backend):
    """What an administrator does: the conffile changed. Returns the port."""
    port = free_port()
    root.inside(CONFFILE).write_text(libconfig.to_libconfig({
        "workers": 2, "drain_timeout": "10s", "state_file": "/var/lib/evergate/state.json",
        "listeners": [{"name": "edge", "bind": f"127.0.0.1:{port}"}],
        "pools": [libconfig.pool("app", [backend])], "admin": {"bind": "off"},
        "log": {"format": "text", "access": "/var/log/evergate/access.log"}}))
    return port


def await_requests(backend, count):
    wait_until(lambda: len(backend.requests) >= count, f"the backend was asked {count} times")


def test_installs_with_what_it_needs_and_runs(root):
    assert root.run("evergate", "version").stdout == "evergate 0.1.0\n"
    missing = root.run("sh", "-c", "ldd /usr/bin/evergate | grep 'not found'", check=False)
    assert missing.stdout == ""
    assert root.run("dpkg", "-V", "evergate").stdout == ""


def test_makes_a_user_and_what_it_may_write_to(root):
    assert root.run("getent", "passwd", "evergate").stdout.split(":")[5:] == [
        "/var/lib/evergate", "/usr/sbin/nologin\n"]
    for directory in ("/var/lib/evergate", "/var/log/evergate"):
        assert owner(root, directory) == ("evergate:evergate", 0o750)
    assert owner(root, CONFFILE) == ("root:root", 0o644)


def test_brings_manual_pages_completion_unit_and_documentation(root):
    brought = root.run("dpkg", "-L", "evergate").stdout.split()
    assert {"/usr/share/man/man1/evergate.1.gz", "/usr/share/man/man5/evergate.conf.5.gz",
            "/usr/share/bash-completion/completions/evergate",
            "/usr/share/zsh/vendor-completions/_evergate",
            "/usr/share/fish/vendor_completions.d/evergate.fish",
            "/usr/lib/systemd/system/evergate.service", "/usr/lib/systemd/system/evergate.socket",
            "/usr/share/doc/evergate/copyright", "/usr/share/doc/evergate/changelog.gz",
            "/usr/share/doc/evergate/config.md", "/etc/logrotate.d/evergate", CONFFILE,
            DEFAULTS} <= set(brought)
    for page in ("man1/evergate.1.gz", "man5/evergate.conf.5.gz"):
        shown = subprocess.run(["man", "-l", root.inside(f"/usr/share/man/{page}")], text=True,
                               capture_output=True, check=True).stdout
        assert "evergate" in shown and "SEE ALSO" in shown
    enabled = root.inside("/etc/systemd/system/multi-user.target.wants/evergate.service")
    assert os.readlink(enabled).endswith("/systemd/system/evergate.service")


def test_every_file_it_brings_is_root_s_and_nobody_else_may_write_it(root):
    for path in root.run("dpkg", "-L", "evergate").stdout.split():
        status = root.inside(path).lstat()
        assert (status.st_uid, status.st_gid) == (0, 0), path
        assert not status.st_mode & 0o022, path


def test_the_sample_is_good_and_answers_on_port_80(root, tmp_path):
    checked = root.run(*AS_THE_UNIT, "evergate", "check", "-c", CONFIG)
    assert "ok: 1 listener" in checked.stdout
    # A network of its own, where nobody else has port 80.
    script = tmp_path / "ask.sh"
    script.write_text("""
ip link set lo up
"$@" & pid=$!
for attempt in $(seq 600); do
    curl -s -w ' %{http_code}' http://127.0.0.1/ && break
    sleep 0.1
done
kill $pid
wait $pid
""")
    answered = subprocess.run(
        ["unshare", "--net", "sh", script,
         *root.command(*AS_THE_UNIT, "evergate", "run", "-c", CONFIG)],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    assert "Nothing is configured yet" in answered.stdout, answered.stderr
    assert answered.stdout.endswith(" 503")


def test_an_upgrade_under_load_drops_no_request_and_keeps_the_changed_conffile(
        root, debs, stage, load_program):
    backend = stage.recorder()
    port = configure(root, stage, backend)
    mine = root.inside(CONFFILE).read_text()
    root.inside(DEFAULTS).write_text("EVERGATE_UPGRADE_ALWAYS=yes\n")
    service = stage.ending(Service(root, stage.room("service")))
    loads = [stage.ending(Load(load_program, port, stage.room("load"), name, 200, 16, fresh=fresh),
                          "close") for name, fresh in (("kept", False), ("fresh", True))]
    await_requests(backend, 200)
    said = install(root, debs[1])
    service.await_heir()
    await_requests(backend, len(backend.requests) + 200)
    for load in loads:
        load.stop().assert_all_answered()
    new = root.inside("/usr/bin/evergate").stat()
    assert service.program() == (new.st_dev, new.st_ino), "the new file runs"
    assert "Setting up evergate (0.1.1)" in said
    assert root.inside(CONFFILE).read_text() == mine
    assert root.run("dpkg-query", "-W", "-f", "${Version}", "evergate").stdout == "0.1.1"


def test_without_the_administrators_word_what_systemd_did_not_start_is_left_alone(
        root, debs, stage):
    configure(root, stage, stage.recorder())
    root.inside(DEFAULTS).write_text("EVERGATE_UPGRADE_ALWAYS=no\n")
    service = stage.ending(Service(root, stage.room("service")))
    install(root, debs[2])
    assert service.running()
    assert "SIGUSR2" not in service.log


#: Stands in for systemctl where no systemd runs: says that the unit is active, notes what it is
#: asked, and sends the signal to the one process that it knows.
SYSTEMCTL = """#!/bin/sh
echo "$*" >> /run/asked
case "$*" in
*kill*--signal=USR2*evergate.service*) kill -USR2 "$(cat /run/main-pid)" ;;
esac
"""


@pytest.fixture
def pretended_systemd(root):
    systemctl = root.inside("/usr/local/bin/systemctl")
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    root.inside("/run/systemd/system").mkdir(parents=True)
    policy = root.inside("/usr/sbin/policy-rc.d")
    forbids = policy.read_text()
    policy.write_text("#!/bin/sh\n")
    yield root.inside("/run/asked")
    policy.write_text(forbids)
    systemctl.unlink()
    shutil.rmtree(root.inside("/run/systemd"))
    root.inside("/run/asked").unlink(missing_ok=True)


def test_under_systemd_the_upgrade_is_a_signal_to_the_main_process(
        root, debs, stage, pretended_systemd):
    configure(root, stage, stage.recorder())
    service = stage.ending(Service(root, stage.room("service")))
    root.inside("/run/main-pid").write_text(str(service.pid))
    install(root, debs[2])
    service.await_heir()
    asked = pretended_systemd.read_text()
    assert "daemon-reload" in asked
    assert "kill --signal=USR2 --kill-whom=main evergate.service" in asked
    assert "restart" not in asked and "stop" not in asked


def test_where_packages_may_not_restart_services_the_running_one_is_left_alone(
        root, debs, pretended_systemd):
    root.inside("/usr/sbin/policy-rc.d").write_text(
        "#!/bin/sh\n[ \"$*\" != 'evergate restart' ] || exit 101\n")
    install(root, debs[2])
    assert "kill" not in pretended_systemd.read_text()


def test_a_configuration_that_the_new_one_refuses_leaves_the_old_one_serving(
        root, debs, stage):
    port = configure(root, stage, stage.recorder())
    root.inside(DEFAULTS).write_text("EVERGATE_UPGRADE_ALWAYS=yes\n")
    service = stage.ending(Service(root, stage.room("service")))
    root.inside(CONFFILE).write_text("listeners = ( { bond = 1; } );\n")
    install(root, debs[2])
    wait_until(lambda: "starting -> failed" in service.log, "it says that the new one failed")
    assert service.running()
    assert stage.client(f"127.0.0.1:{port}").get().status == 200


def repack(root, deb):
    """The package as its next release may be: the sample has changed."""
    root.run("dpkg-deb", "-R", f"/tmp/{deb.name}", "/tmp/tree")
    control = root.inside("/tmp/tree/DEBIAN/control")
    control.write_text(control.read_text().replace("Version: 0.2.0", "Version: 0.3.0"))
    sample = root.inside(f"/tmp/tree{CONFFILE}")
    sample.write_text(sample.read_text() + "# another word\n")
    root.run("dpkg-deb", "-b", "/tmp/tree", "/tmp/evergate_0.3.0.deb")


def test_a_changed_conffile_stays_also_when_the_new_sample_differs(root, debs, stage):
    configure(root, stage, stage.recorder())
    mine = root.inside(CONFFILE).read_text()
    repack(root, debs[2])
    root.run("dpkg", "--force-confold", "-i", "/tmp/evergate_0.3.0.deb")
    assert root.inside(CONFFILE).read_text() == mine
    assert "another word" in root.inside(CONFFILE + ".dpkg-dist").read_text()


def test_a_service_that_was_stopped_stays_stopped(root, debs, pretended_systemd):
    systemctl = root.inside("/usr/local/bin/systemctl")
    systemctl.write_text(SYSTEMCTL + "case $* in *is-active*) exit 3 ;; esac\n")
    root.run("dpkg", "--force-confold", "--force-downgrade", "-i", f"/tmp/{debs[2].name}")
    asked = pretended_systemd.read_text()
    assert "is-active" in asked and "start" not in asked and "kill" not in asked


class Stranger:
    """A program of a container's, seen from outside under the name of ours: /usr/bin/evergate."""

    def __init__(self, room):
        shutil.copy("/bin/sleep", room / "evergate")
        self.process = subprocess.Popen([
            "unshare", "--mount", "--propagation", "private", "sh", "-ec",
            'mount --bind "$0" /usr/bin && exec /usr/bin/evergate infinity', room])
        self.exe = pathlib.Path(f"/proc/{self.process.pid}/exe")
        wait_until(lambda: os.readlink(self.exe) == "/usr/bin/evergate", "it runs")

    def stop(self):
        self.process.kill()
        self.process.wait()


def test_removal_stops_it_and_nobody_else_and_leaves_the_configuration(root, stage):
    configure(root, stage, stage.recorder())
    service = stage.ending(Service(root, stage.room("service")))
    stranger = stage.ending(Stranger(stage.room("stranger")))
    root.run("dpkg", "--remove", "evergate")
    assert stranger.process.poll() is None
    assert service.process.wait(DEADLINE_S) == 0, "it drained"
    assert "drained after" in service.log
    assert not root.inside("/usr/bin/evergate").exists()
    assert root.inside(CONFFILE).exists()
    assert root.inside("/var/lib/evergate").exists()


def left_behind(root):
    """Files of ours in the root, but for the packages that the test put there."""
    found = []
    for directory, names, files in os.walk(root.path):
        inside = pathlib.Path("/") / pathlib.Path(directory).relative_to(root.path)
        if inside == pathlib.Path("/"):
            names[:] = [name for name in names if name not in ("proc", "tmp")]
        found += [str(inside / name) for name in [*names, *files] if "evergate" in name]
    return found


def test_purging_leaves_nothing_behind(root):
    root.run("dpkg", "--purge", "evergate")
    assert left_behind(root) == []
    for database in ("passwd", "group", "shadow"):
        assert "evergate" not in root.inside(f"/etc/{database}").read_text()
    assert "evergate" not in root.run("dpkg", "-l").stdout
    assert root.processes() == []


def test_the_tarball_runs_from_where_it_is_unpacked(evergate_binary, tmp_path):
    ball = packages.build(evergate_binary, tmp_path / "made", "TGZ", "0.1.0")
    with tarfile.open(ball) as archive:
        archive.extractall(tmp_path)
    top = tmp_path / ball.name.removesuffix(".tar.gz")
    ran = subprocess.run([top / "bin" / "evergate", "version"], text=True, capture_output=True,
                         check=True)
    assert ran.stdout == "evergate 0.1.0\n"
    for path in ("share/man/man1/evergate.1", "share/evergate/evergate.conf",
                 "lib/systemd/system/evergate.service", "share/doc/evergate/install.md"):
        assert (top / path).exists(), path
