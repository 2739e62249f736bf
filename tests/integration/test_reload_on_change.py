"""reload_on_change: however the files of a configuration are replaced, what they say in the end is
what is served, mistakes are told once, and no request notices.
"""

import os
import shutil
import signal

import pytest

from lib.confinement import USER
from lib.confinement import room as confinement_room
from lib.dynasty import Dynasty
from lib.evergate import Evergate, binary
from lib.failover import ADMIN
from lib.libconfig import simple, to_libconfig
from lib.load import Load
from lib.management import Management
from lib.processes import open_files
from lib.waiting import wait_until

REFUSED = "reload_on_change: reload refused"
FOUND = "has changed: reloading"


def says(body, **top):
    """A configuration that answers with `body`."""
    settings = simple([], admin=ADMIN, reload_on_change=True, routes=[
        {"name": "all", "respond": {"status": 200, "body": body}}])
    del settings["pools"]
    return to_libconfig({**settings, **top})


def replace(path, text):
    aside = path.with_name(path.name + ".new")
    aside.write_text(text)
    os.rename(aside, path)


class Watched:
    """A proxy that was started with `path`, wherever that leads."""

    def __init__(self, stage, path):
        self.stage, self.path = stage, path
        room = stage.room("evergate")
        self.proxy = stage.ending(Evergate(room, "", command=[str(binary()), "run", "-c", str(path)]))
        self.proxy.wait_started()
        self.admin = Management(self.proxy)

    def wait_says(self, body):
        wait_until(lambda: self.stage.get(self.proxy).body == body.encode(), f"it says {body!r}")

    def count(self, words):
        return len(self.proxy.log_lines(words))

    def watches(self):
        """Descriptors of inotify."""
        return sum("inotify" in name for name in open_files(self.proxy.process.pid))

    def wait_reloads(self, times):
        """Those that were asked for over the API count too."""
        wait_until(lambda: self.generation() >= 1 + times, f"it has reloaded {times} times")
        assert self.generation() == 1 + times

    def idle_reloads(self):
        """Of its own, that changed nothing."""
        return [event for event in self.admin.events(type="config")
                if "by reload_on_change: 0 changes" in event["why"]]

    def generation(self):
        return self.admin.json("/api/v1/status")["config"]["generation"]

    def wait_count(self, words, times):
        wait_until(lambda: self.count(words) == times, f"{words!r} stands {times} times in the log")


@pytest.fixture
def room(stage):
    return stage.room("files")


@pytest.fixture
def watched(stage, room):
    (room / "evergate.conf").write_text(says("one"))
    return Watched(stage, room / "evergate.conf")


# ---- The ways in which a file changes ----

def test_a_file_that_is_renamed_over_is_taken_up(watched):
    watched.wait_says("one")
    for body in ("two", "three"):
        replace(watched.path, says(body))
        watched.wait_says(body)
    watched.wait_reloads(2)


def test_a_file_that_is_written_in_place_is_taken_up(watched):
    watched.path.write_text(says("two"))
    watched.wait_says("two")


def test_a_burst_of_writes_is_no_burst_of_reloads(watched):
    """One, unless this machine halts the test in the middle."""
    for step in range(200):
        replace(watched.path, says(f"step {step}"))
    watched.wait_says("step 199")
    assert watched.count(FOUND) < 20
    assert watched.idle_reloads() == []


def config_map(room, version, files):
    """What kubelet does for a mounted ConfigMap: a new directory, and the link ..data swapped."""
    (room / version).mkdir()
    for name, text in files.items():
        (room / version / name).write_text(text)
        if not (room / name).is_symlink():
            (room / name).symlink_to(f"..data/{name}")
    (room / "..data_tmp").symlink_to(version)
    before = os.readlink(room / "..data") if (room / "..data").is_symlink() else None
    os.rename(room / "..data_tmp", room / "..data")
    if before:
        shutil.rmtree(room / before)


def test_a_config_map_is_swapped(stage, room):
    def files(body):
        return {"evergate.conf": '@include "listeners.conf"\n@include "routes.conf"\n'
                                 "reload_on_change = true;\n",
                "listeners.conf": to_libconfig({
                    "listeners": [{"name": "edge", "bind": "127.0.0.1:0"}], "admin": ADMIN}),
                "routes.conf": to_libconfig({"routes": [
                    {"name": "all", "respond": {"status": 200, "body": body}}]})}
    config_map(room, "..2026_1", files("one"))
    watched = Watched(stage, room / "evergate.conf")
    for version in ("two", "three", "four"):
        config_map(room, f"..2026_{version}", files(version))
        watched.wait_says(version)
    watched.wait_reloads(3)  # three swaps of three files each


def test_files_that_are_included_and_files_that_are_named_belong_to_it(stage, room, certificates):
    old, new = certificates.leaf("old.test"), certificates.leaf("new.test")
    shutil.copy(old["cert"], room / "tls.crt")
    shutil.copy(old["key"], room / "tls.key")
    tls = {"certificates": [{"cert": str(room / "tls.crt"), "key": str(room / "tls.key")}]}
    (room / "evergate.conf").write_text('@include "rest.conf"\nreload_on_change = true;\n')
    (room / "rest.conf").write_text(says("one", listeners=[
        {"name": "edge", "bind": "127.0.0.1:0"},
        {"name": "secure", "bind": "127.0.0.1:0", "tls": tls}]).replace(
            "reload_on_change = true;\n", ""))
    watched = Watched(stage, room / "evergate.conf")

    def shown():
        client = stage.client(watched.proxy, "secure",
                              tls=certificates.client_context(verify=False))
        return client.sock.getpeercert(binary_form=True)
    before = shown()
    # One after the other, as by hand: what is not a pair yet may be refused, and is no end.
    replace(room / "tls.key", open(new["key"], encoding="ascii").read())
    replace(room / "tls.crt", open(new["cert"], encoding="ascii").read())
    wait_until(lambda: shown() != before, "the new certificate is shown")
    replace(room / "rest.conf", (room / "rest.conf").read_text().replace('"one"', '"two"'))
    watched.wait_says("two")


def test_what_changed_while_it_started_is_not_missed(stage, room):
    """The name server is silent, so that the start takes as long as it may."""
    path = room / "evergate.conf"
    dns = stage.dns({})
    dns.silent = True
    pools = [{"name": "app", "backends": [{"id": "slow", "address": "slow.test:80"}]}]
    path.write_text(says("one", pools=pools))
    proxy = stage.ending(Evergate(stage.room("evergate"), "", env=dns.environment,
                                  command=[str(binary()), "run", "-c", str(path)]))
    wait_until(lambda: dns.queries, "it asks for the name: the file was read")
    replace(path, says("two", pools=pools))
    proxy.wait_started()
    wait_until(lambda: stage.get(proxy).body == b"two", "it says what came later")


def test_any_number_of_files_takes_one_instance_of_inotify(stage, room, certificates):
    """There are 128 for a user, and a user may be many processes."""
    leaf = certificates.leaf("many.test")
    for n in range(10):
        shutil.copy(leaf["cert"], room / f"{n}.crt")
        shutil.copy(leaf["key"], room / f"{n}.key")
    tls = {"certificates": [{"cert": str(room / f"{n}.crt"), "key": str(room / f"{n}.key")}
                            for n in range(10)]}
    (room / "evergate.conf").write_text(says("one", listeners=[
        {"name": "edge", "bind": "127.0.0.1:0"},
        {"name": "secure", "bind": "127.0.0.1:0", "tls": tls}]))
    watched = Watched(stage, room / "evergate.conf")
    assert watched.watches() == 1
    for times, n in enumerate((0, 9), 1):
        os.utime(room / f"{n}.crt")
        wait_until(lambda: len(watched.idle_reloads()) == times, f"{n}.crt is watched")


# ---- Mistakes ----

def test_mistakes_are_told_once_and_the_next_change_is_tried(watched):
    replace(watched.path, says("two", drain_timout="1s"))
    watched.wait_count(REFUSED, 1)
    watched.wait_says("one")
    os.utime(watched.path)  # something has happened to it, and it is read again
    watched.wait_count(REFUSED, 2)
    replace(watched.path, says("three"))
    watched.wait_says("three")
    watched.wait_reloads(1)
    assert (watched.count(REFUSED), watched.count(FOUND)) == (2, 3)


def test_a_file_that_is_gone_is_taken_up_when_it_returns(watched):
    os.rename(watched.path, watched.path.with_name("away"))
    watched.wait_count(REFUSED, 1)
    watched.wait_says("one")
    replace(watched.path, says("two"))
    watched.wait_says("two")


def test_a_part_that_comes_after_the_file_that_includes_it_is_waited_for(watched):
    replace(watched.path, '@include "part.conf"\n')
    watched.wait_count(REFUSED, 1)
    replace(watched.path.with_name("part.conf"), says("two"))
    watched.wait_says("two")


def test_a_mistake_in_an_early_part_leaves_the_later_ones_watched(stage, room):
    path = room / "evergate.conf"
    (room / "early.conf").write_text('drain_timeout = "1s";\n')
    (room / "late.conf").write_text(says("one"))
    path.write_text('@include "early.conf"\n@include "late.conf"\n')
    watched = Watched(stage, path)
    replace(room / "early.conf", "drain_timeout = ((;\n")
    watched.wait_count(REFUSED, 1)
    replace(room / "late.conf", says("two"))
    watched.wait_count(REFUSED, 2)
    replace(room / "early.conf", 'drain_timeout = "2s";\n')
    watched.wait_says("two")
    assert watched.count(REFUSED) == 2


# ---- With what else there is ----

def test_a_reload_that_was_faster_leaves_nothing_to_do(watched):
    replace(watched.path, says("two"))
    watched.admin.json("/api/v1/reload", "POST")
    watched.wait_says("two")
    replace(watched.path, says("three"))  # which is looked at after the other
    watched.wait_says("three")
    assert watched.idle_reloads() == []


def test_the_key_begins_and_ends_it(watched):
    quiet = {"reload_on_change": False}
    replace(watched.path, says("two", **quiet))
    watched.wait_says("two")
    wait_until(lambda: watched.watches() == 0, "nothing is watched")
    replace(watched.path, says("three"))
    watched.admin.json("/api/v1/reload", "POST")
    watched.wait_says("three")
    wait_until(lambda: watched.watches() == 1, "it watches again")
    replace(watched.path, says("four"))
    watched.wait_says("four")
    watched.wait_count(FOUND, 2)


def test_what_changed_during_an_upgrade_that_failed_is_taken_up_after_it(stage):
    """Meanwhile no reload may be: the new process has been told what is served."""
    settings = simple([stage.recorder("one")], reload_on_change=True)
    proxy = stage.ending(Dynasty(stage.room("evergate"), settings)).wait_started()
    go = stage.room("go") / "go"
    proxy.install(script=f"while ! [ -e {go} ]; do sleep 0.05; done; exit 1\n")
    proxy.signal_now(signal.SIGUSR2)
    wait_until(lambda: proxy.log_lines("is started as process"), "the upgrade has begun")
    replace(proxy.config_path, to_libconfig(
        simple([stage.recorder("two")], reload_on_change=True)))
    wait_until(lambda: proxy.log_lines("no reload: a new binary is being started"),
               "it is not taken up now")
    go.touch()
    wait_until(lambda: stage.get(proxy).text == "two", "it is taken up then")
    assert len(proxy.log_lines(FOUND)) == 2


def test_a_directory_that_is_replaced_is_followed(stage, room):
    old = room / "conf"
    old.mkdir()
    (old / "evergate.conf").write_text(says("one"))
    watched = Watched(stage, old / "evergate.conf")
    for body in ("two", "three"):
        new = room / "new"
        new.mkdir()
        (new / "evergate.conf").write_text(says(body))
        os.rename(old, room / f"before-{body}")
        os.rename(new, old)
        watched.wait_says(body)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["directory", "fifo"])
def test_what_is_no_file_is_refused_and_holds_nothing_up(watched, make):
    aside = watched.path.with_name("aside")
    make(aside)
    os.rename(watched.path, watched.path.with_name("away"))
    os.rename(aside, watched.path)
    watched.wait_count(REFUSED, 1)
    watched.wait_says("one")
    os.rename(watched.path, aside)
    replace(watched.path, says("two"))
    watched.wait_says("two")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its root")
def test_a_config_map_is_swapped_in_a_chroot_of_another_user(stage):
    """The file is found outside of it first, its changes inside; the system calls are filtered."""
    where = confinement_room(stage)
    jail = where.directory("jail")
    etc = jail / "etc"

    def files(backend):
        return {"evergate.conf": to_libconfig(simple(
            [backend], reload_on_change=True, user=USER, chroot=str(jail)))}
    etc.mkdir()
    config_map(etc, "..2026_1", files(stage.recorder("one")))
    instance = where.directory("instance")
    program = shutil.copy2(binary(), instance / "evergate")
    leaks = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"  # needs /proc
    proxy = stage.ending(Evergate(instance, "", env={"ASAN_OPTIONS": leaks}, command=[
        str(program), "run", "-c", str(etc / "evergate.conf")])).wait_started()
    assert os.readlink(f"/proc/{proxy.process.pid}/root") == str(jail)
    for name in ("two", "three"):
        config_map(etc, f"..2026_{name}", files(stage.recorder(name)))
        wait_until(lambda: stage.get(proxy).text == name, f"{name} is served")
    assert not proxy.log_lines("is looked at every")


def test_no_request_notices(stage, room, load_program):
    a, b = stage.recorders("a", "b")
    path = room / "evergate.conf"

    def config(*backends):
        return to_libconfig(simple(backends, admin=ADMIN, reload_on_change=True))
    path.write_text(config(a, b))
    watched = Watched(stage, path)
    load = stage.ending(Load(load_program, watched.proxy.port(), stage.room("load"),
                             rate=200, connections=8), "close")
    for times, backends in enumerate([(a,), (b,), (b, a), (a, b), (b,)], 1):
        replace(path, config(*backends))
        watched.wait_reloads(times)
    result = load.stop()
    result.assert_all_answered()
