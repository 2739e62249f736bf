"""SIGUSR2: a new binary takes over the sockets while the old one serves, and nobody notices."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import threading

import pytest

from lib import libconfig
from lib.dynasty import Dynasty, dynasty
from lib.management import Management
from lib.raw_client import RawClient, head
from lib.service_manager import ServiceManager
from lib.waiting import DEADLINE_S, wait_until

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
ROUNDS = int(os.environ.get("EVERGATE_UPGRADES", "5"))


class Load:
    """Clients that ask without a pause: half of them with a connection per request, half with one
    for as long as it lives. Every answer but 200, every refused or broken connection is a fault."""

    def __init__(self, address, clients=4, tls=None):
        self.address = address
        self.tls = tls
        self.ending = threading.Event()
        self.faults = []
        self.answers = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i % 2 == 0,))
                        for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, keep):
        while not self.ending.is_set():
            try:
                client = RawClient(self.address, tls=self.tls)
                try:
                    self.ask(client, keep)
                finally:
                    client.close()
            except (OSError, EOFError, AssertionError) as fault:
                self.faults.append(repr(fault))

    def ask(self, client, keep):
        while True:
            answered = client.get()
            with self.lock:
                self.answers += 1
            if answered.status != 200:
                self.faults.append(str(answered.status))
            if (not keep or self.ending.is_set()
                    or (answered.get("connection") or "").lower() == "close"):
                return

    def wait_more(self, count=20):
        target = self.answers + count
        wait_until(lambda: self.answers >= target or self.faults, "the load goes on")

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()


def load(stage, address, **settings):
    return stage.ending(Load(address, **settings))


def kernel_sockets(pid):
    """The descriptors of a process as /proc names them, by number."""
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
    return found


def test_under_load_nothing_is_refused_or_reset_by_upgrades(stage):
    proxy = dynasty(stage, stage.recorder(), drain_timeout="1m")
    clients = load(stage, proxy.address())
    for _ in range(ROUNDS):
        before = proxy.pid
        clients.wait_more()
        proxy.install()
        proxy.upgrade()
        clients.wait_more()
        proxy.wait_gone(before)
    clients.stop()
    assert clients.faults == []
    assert proxy.process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize("before, after", [(1, 3), (3, 1), (2, 4)])
def test_all_sockets_are_served_whatever_the_number_of_workers(stage, before, after):
    backend = stage.recorder()
    proxy = dynasty(stage, backend, workers=before, drain_timeout="1m")
    first, address = proxy.pid, proxy.address()
    clients = load(stage, address)
    clients.wait_more()
    proxy.write_config(libconfig.simple([backend], workers=after, drain_timeout="1m"))
    proxy.upgrade()
    proxy.wait_gone(first)
    clients.wait_more(200)
    second = proxy.pid
    proxy.upgrade()  # and what the new one has is handed on in turn
    proxy.wait_gone(second)
    clients.wait_more(200)
    clients.stop()
    assert clients.faults == []


@pytest.mark.parametrize("script, says", [
    ("exit 3", "exited with status 3 before it was ready"),
    ("kill -SEGV $$", r"was ended by signal 11 \(Segmentation fault\) before it was ready"),
    ("exec 3>&-; exit 0", "exited with status 0 before it was ready"),
])
def test_a_new_binary_that_ends_at_once_leaves_the_old_one_serving(stage, script, says):
    proxy = dynasty(stage, stage.recorder(), admin={"bind": "127.0.0.1:0"})
    admin = Management(proxy)
    clients = load(stage, proxy.address())
    proxy.install(script)
    for attempt in range(1, 3):
        proxy.signal_now(signal.SIGUSR2)
        wait_until(lambda n=attempt: len(admin.events(type="upgrade", to="failed")) == n,
                   "there is an event")
    event = admin.events(type="upgrade")[-1]
    assert re.search(says, event["why"]), event
    assert event["next"] == "this process goes on serving"
    assert proxy.log_lines(says)
    clients.wait_more()
    proxy.install()
    proxy.upgrade()
    clients.wait_more()
    clients.stop()
    assert clients.faults == []


def test_a_file_that_is_no_program_leaves_the_old_one_serving(stage):
    proxy = dynasty(stage, stage.recorder())
    proxy.program.unlink()
    proxy.signal_now(signal.SIGUSR2)
    proxy.wait_for_log(r"cannot start .*No such file.*goes on serving")
    proxy.program.write_text("not a program")
    proxy.program.chmod(0o755)
    proxy.signal_now(signal.SIGUSR2)
    proxy.wait_for_log(r"cannot start .*Exec format error.*goes on serving")
    assert stage.get(proxy).status == 200


def test_a_bad_configuration_leaves_the_old_one_serving(stage):
    backend = stage.recorder()
    proxy = dynasty(stage, backend)
    proxy.write_config("listeners = ( { bind = 5; } );")
    proxy.signal_now(signal.SIGUSR2)
    proxy.wait_for_log("exited with status 1 before it was ready: its log says why")
    assert stage.get(proxy).status == 200
    occupied = stage.ending(socket.create_server(("127.0.0.1", 0)), "close")
    proxy.write_config(libconfig.simple(
        [backend], listener={"bind": f"127.0.0.1:{occupied.getsockname()[1]}"}))
    proxy.signal_now(signal.SIGUSR2)
    proxy.wait_for_log("already in use")
    assert stage.get(proxy).status == 200


def test_a_new_binary_that_hangs_is_killed_after_a_minute_and_a_second_signal_refused(stage):
    proxy = dynasty(stage, stage.recorder())
    proxy.install("exec sleep 1000")
    proxy.signal_now(signal.SIGUSR2)
    pid = int(re.search(r"is started as process (\d+)", proxy.wait_for_log("is started as")[0])[1])
    proxy.signal_now(signal.SIGUSR2)
    proxy.wait_for_log(rf"not upgraded: process {pid} is being started already")
    assert stage.get(proxy).status == 200
    wait_until(lambda: proxy.log_lines("not ready within 60 s and is killed"),
               "the minute is over", DEADLINE_S + 60)
    proxy.wait_gone(pid)
    assert stage.get(proxy).status == 200
    proxy.install()
    proxy.upgrade()
    assert stage.get(proxy).status == 200


def test_nothing_is_changed_while_a_new_binary_starts(stage):
    proxy = dynasty(stage, stage.recorder())
    proxy.install("exec sleep 1000")
    proxy.signal_now(signal.SIGUSR2)
    proxy.wait_for_log("is started as process")
    proxy.signal_now(signal.SIGHUP)
    proxy.wait_for_log("SIGHUP: no reload: a new binary is being started")


def test_a_reload_that_comes_before_the_new_process_serves_is_made_when_it_does(stage):
    proxy = dynasty(stage, stage.recorder(), stage.silent_port().address,
                    pool_settings={"health": {"type": "http", "timeout": "10s", "interval": "30s"}},
                    admin={"bind": "127.0.0.1:0"})
    proxy.signal_now(signal.SIGUSR2)
    pid = int(re.search(r"is started as process (\d+)", proxy.wait_for_log("is started as")[0])[1])
    wait_until(lambda: len(proxy.log_lines("management is listening")) == 2, "it has begun")
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: proxy.log_lines(f"process {pid} has taken over"), "it serves")
    proxy.pid = pid
    proxy.heirs.append(pid)
    proxy.wait_for_log("reload by SIGHUP")


def test_what_was_changed_by_hand_is_handed_over(stage):
    """Without a file in between: state_file is gone by then."""
    file, hand = stage.recorders("file", "hand")
    state = stage.room("state") / "state.json"
    state.write_text(json.dumps({"version": 1, "pools": {"app": {"endpoints": {
        "hand": {"address": hand.address}}}}}))
    proxy = dynasty(stage, file, state_file=str(state))
    wait_until(lambda: stage.get(proxy).body == b"hand", "what is in the state file is served")
    state.unlink()
    for _ in range(2):
        old = proxy.pid
        proxy.upgrade()
        proxy.wait_gone(old)
        before = hand.count
        wait_until(lambda n=before: stage.get(proxy).status == 200 and hand.count > n,
                   "it is served still")


def test_sigterm_during_an_upgrade_ends_both(stage):
    proxy = dynasty(stage, stage.recorder())
    proxy.install("exec sleep 1000")
    proxy.signal_now(signal.SIGUSR2)
    pid = int(re.search(r"is started as process (\d+)", proxy.wait_for_log("is started as")[0])[1])
    proxy.signal_now(signal.SIGTERM)
    assert proxy.wait_exit() == 0
    proxy.wait_gone(pid)


def test_the_new_process_has_the_listening_sockets_and_nothing_else_of_the_old(stage):
    proxy = dynasty(stage, stage.recorder(), admin={"bind": "127.0.0.1:0"})
    idle = stage.client(proxy)
    assert idle.get().status == 200
    before = kernel_sockets(proxy.pid)
    old, new = proxy.pid, proxy.upgrade()
    after = kernel_sockets(new)
    shared = {name for name in before.values() if name.startswith("socket:")} & set(after.values())
    # Two workers' and management's.
    assert len(shared) == libconfig.DEFAULT_WORKERS + 1
    assert not [name for name in after.values() if "memfd" in name]
    environment = pathlib.Path(f"/proc/{new}/environ").read_bytes().split(b"\0")
    assert b"EVERGATE_HANDOVER=3" in environment  # as it was started; libc has forgotten it
    counts = []
    for _ in range(3):
        proxy.wait_gone(old)
        old = proxy.pid
        proxy.upgrade()
        counts.append(len(kernel_sockets(proxy.pid)))
    assert max(counts) - min(counts) <= 1, counts


def test_unix_sockets_stay_where_they_are(stage):
    room = stage.room("sockets")
    edge, admin = room / "in.sock", room / "admin.sock"
    proxy = dynasty(stage, stage.recorder(), listener={"bind": f"unix:{edge}"},
                    admin={"bind": "off", "socket": str(admin)})
    inodes = [path.stat().st_ino for path in (edge, admin)]
    assert stat.S_IMODE(edge.stat().st_mode) == 0o660
    clients = load(stage, f"unix:{edge}")
    for _ in range(2):
        old = proxy.pid
        proxy.upgrade()
        proxy.wait_gone(old)
    clients.wait_more()
    clients.stop()
    assert clients.faults == []
    assert [path.stat().st_ino for path in (edge, admin)] == inodes
    asked = stage.ending(RawClient(f"unix:{admin}"), "close")
    assert asked.get("/api/v1/status", "localhost").status == 200
    proxy.stop()
    assert not edge.exists() and not admin.exists()


def test_a_listener_that_is_gone_is_closed_and_its_file_removed(stage):
    backend, room = stage.recorder(), stage.room("sockets")
    extra = {"name": "extra", "bind": f"unix:{room / 'extra.sock'}"}
    config = libconfig.simple([backend], drain_timeout="5s")
    proxy = stage.ending(Dynasty(stage.room("evergate"), {
        **config, "listeners": config["listeners"] + [extra]})).wait_started(("edge", "extra"))
    assert (room / "extra.sock").exists()
    old = proxy.pid
    proxy.write_config(config)
    proxy.upgrade()
    proxy.wait_gone(old)
    assert not (room / "extra.sock").exists()
    assert stage.get(proxy).status == 200


def test_management_is_answered_by_the_new_process(stage):
    proxy = dynasty(stage, stage.recorder(), admin={"bind": "127.0.0.1:0"})
    admin = Management(proxy)
    assert admin.json("/api/v1/status")["state"] == "serving"
    old = proxy.pid
    proxy.upgrade()
    assert admin.json("/api/v1/status")["state"] == "serving"
    proxy.wait_gone(old)
    assert admin.json("/api/v1/status")["state"] == "serving"


def test_a_sticky_session_and_a_tls_session_go_on(stage, certificates, tmp_path):
    leaf = certificates.leaf("a.test")
    backends = stage.recorders("a", "b", "c")
    proxy = dynasty(stage, *backends, pool_settings={"sticky": {"cookie": "EGSID", "ttl": "1h"}},
                    listener={"tls": {"certificates": [leaf]}})
    session = tmp_path / "session.pem"

    def ask(*options, cookie=None):
        lines = ["GET / HTTP/1.1", "Host: a.test", "Connection: close"]
        lines += [f"Cookie: EGSID={cookie}"] if cookie else []
        result = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-servername", "a.test",
             "-ign_eof", *map(str, options)], capture_output=True, text=True, errors="replace",
            input="\r\n".join(lines) + "\r\n\r\n", timeout=DEADLINE_S, check=False)
        return result.stdout

    first = ask("-sess_out", session)
    cookie = re.search(r"Set-Cookie: EGSID=([^;\s]+)", first)[1]
    home = next(backend for backend in backends if backend.count)
    for asked in (2, 3):
        proxy.upgrade()
        said = ask("-sess_in", session, cookie=cookie)
        assert "Reused" in said, said[-2000:]
        assert "Set-Cookie" not in said
        assert home.count == asked


def test_a_tunnel_lives_on_in_the_old_process_until_its_drain_ends(stage):
    def script(peer):
        peer.read_head()
        peer.send(SWITCHING)
        while True:
            data = peer.read_some()
            if not data:
                return
            peer.send(data)

    proxy = dynasty(stage, stage.backend(script), drain_timeout="3s")
    client = stage.client(proxy)
    client.send(head(headers=[("Connection", "Upgrade"), ("Upgrade", "x")]))
    assert client.read_head().status == 101
    old = proxy.pid
    proxy.upgrade()
    client.send(b"still there")
    assert client.read_exactly(11) == b"still there"
    client.read_to_eof()
    assert proxy.wait_exit() == 0
    proxy.wait_gone(old)
    assert proxy.log_lines("drain: the limit of 3 s has passed: cutting 1 connections")


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_follows_to_the_new_process(stage, abstract):
    name = f"@evergate-{os.getpid()}" if abstract else str(stage.room("notify") / "notify")
    manager = stage.ending(ServiceManager(name), "close")
    proxy = dynasty(stage, stage.recorder(), env={"NOTIFY_SOCKET": name})
    first = proxy.pid
    sender, said = manager.hear()
    assert (sender, said["READY"], said["MAINPID"]) == (first, "1", str(first))
    second = proxy.upgrade()
    # By the one who is the main process: NotifyAccess=main is the default.
    assert manager.hear() == (first, {"MAINPID": str(second)})
    sender, said = manager.hear()
    assert (sender, said["READY"], said["MAINPID"]) == (second, "1", str(second))
    proxy.wait_gone(first)
    proxy.signal_now(signal.SIGTERM)
    sender, said = manager.hear()
    assert (sender, said["STOPPING"]) == (second, "1")


def test_a_backend_that_is_down_is_known_before_the_new_process_serves(stage):
    failed = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    up = stage.recorder("up")
    down = stage.recorder("down", respond=lambda request: failed)
    proxy = dynasty(stage, up, down, pool_settings={"health": {
        "type": "http", "path": "/health", "interval": "1s", "fall": 1, "rise": 1}},
                    admin={"bind": "127.0.0.1:0"})

    def asked():
        return sum(request.target == "/" for request in down.requests)

    admin = Management(proxy)
    wait_until(lambda: admin.events(type="health", to="unhealthy"), "it was checked")
    clients = load(stage, proxy.address())
    before = asked()
    for _ in range(3):
        proxy.upgrade()
        clients.wait_more(50)
    clients.stop()
    if not proxy.log_lines("endpoints without a verdict"):  # on a machine that is busy enough
        assert clients.faults == []
        assert asked() == before
