"""docker/sidecar: an application and evergate in one network namespace, the application on a Unix
socket. The files are those of the example; only the services behind are ours."""

import os
import pathlib
import re
import signal
import subprocess

import pytest
import yaml
from lib.confinement import spawner_of
from lib.evergate import run_command
from lib.load import Load
from lib.waiting import wait_until
from parts import debian
from parts.netns import NetworkNamespace
from parts.quota import CpuQuota

SIDECAR = debian.ROOT / "docker" / "sidecar"
IDLE_KB = 8 * 1024


class App:
    """docker/sidecar/app.js."""

    def __init__(self, stage, socket, name):
        self.name = name
        self.log = stage.room(name) / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["node", str(SIDECAR / "app.js")], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "APP_SOCKET": str(socket), "APP_NAME": name,
                     "OUTBOUND": "127.0.0.1:9000"})
        stage.ending(self, "kill")

    def wait_listening(self):
        wait_until(lambda: "listens" in self.log.read_text(), "the application listens")
        return self

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0, self.log.read_text()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Pod:
    """One network namespace with evergate, and the services that it is told of."""

    def __init__(self, stage, tmp_path, quota=None, **environment):
        self.stage, self.socket = stage, tmp_path / "app.sock"
        self.network = stage.ending(NetworkNamespace(), "close")
        with self.network.entered():
            self.orders = stage.failing("orders")
            self.stock = stage.failing("stock")
            given = {"APP_SOCKET": str(self.socket), "ORDERS": self.orders.address,
                     "STOCK": self.stock.address, **environment}
            self.evergate = stage.evergate(
                (SIDECAR / "evergate.conf").read_text(), names=("inbound", "outbound"), env=given,
                preexec=quota.enter if quota else None)

    def app(self, name):
        """One more instance, in the same namespace; the newest has the socket."""
        with self.network.entered():
            return App(self.stage, self.socket, name).wait_listening()

    def ask_orders(self, count):
        """Clients whose requests wait for "orders", which the application asks through here."""
        self.orders.mood = "hold"
        with self.network.entered():
            clients = [self.stage.client("127.0.0.1:8080") for _ in range(count)]
            for client in clients:
                client.send(b"GET /ask/orders/7 HTTP/1.1\r\nHost: public.example\r\n\r\n")
        self.orders.wait_held(count)
        return clients

    def get(self, path="/", host="public.example", port=8080):
        with self.network.entered():
            return self.stage.client(f"127.0.0.1:{port}").get(path, host)

    def command(self, *arguments):
        with self.network.entered():
            return run_command(*arguments)


@pytest.fixture
def pod(stage, tmp_path, need_root):
    return Pod(stage, tmp_path)


def memory_kb(pid, key):
    """A field of smaps_rollup: Rss, Private_Dirty, ..."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE).group(1))


def test_an_idle_sidecar_needs_less_than_8_mb_and_heeds_the_quota(stage, tmp_path, need_root, tell):
    try:
        quota = stage.ending(CpuQuota(1), "close")
        way = "with a CPU quota of 1"
    except OSError as cannot:
        quota, way = None, f"no cgroup can be made here ({cannot}): one worker by WORKERS"
    pod = Pod(stage, tmp_path, quota, WORKERS="0" if quota else "1")
    pod.app("app")
    wait_until(lambda: "healthy" in pod.command("endpoints", "orders").stdout, "orders is checked")
    status = pod.command("status").stdout
    assert ", 1 worker\n" in status
    pid = pod.evergate.process.pid
    spawner = spawner_of(pid)
    # What both have is there once: the spawner is a fork.
    more = memory_kb(spawner, "Private_Dirty") + memory_kb(spawner, "Private_Clean")
    used, own = memory_kb(pid, "Rss") + more, pod.evergate.memory_kb("RssAnon") + more
    tell(f"{way}: {used / 1024:.1f} MB resident, {own / 1024:.1f} MB of its own, the process that "
         f"starts commands included")
    assert used < IDLE_KB


def test_a_rolling_restart_of_the_application_costs_no_request(pod, tmp_path, load_program):
    app = pod.app("app-1")
    with pod.network.entered():
        load = pod.stage.ending(Load(load_program, 8080, tmp_path, rate=300), "close")
    for number in range(2, 6):
        seen = len(pod.evergate.access_lines())
        wait_until(lambda more=seen + 150: len(pod.evergate.access_lines()) >= more, "it is asked")
        successor = pod.app(f"app-{number}")
        app.stop()
        app = successor
    wait_until(lambda: pod.get().text == "app-5\n", "the last one answers")
    result = load.stop()
    result.assert_all_answered()
    assert result.total >= 600


def test_it_starts_before_the_application_and_ends_after_it(pod):
    assert pod.command("status").returncode == 0
    assert pod.get().status in (502, 503)
    app = pod.app("app")
    wait_until(lambda: pod.get().status == 200, "the application is reached")

    clients = pod.ask_orders(3)
    app.process.terminate()  # first the application: what it has begun still leaves through here
    wait_until(lambda: "app finishes" in app.log.read_text(), "it was told")
    pod.orders.release()
    for client in clients:
        answered = client.read_response()
        assert (answered.status, answered.text) == (200, "orders says: orders")
    assert app.process.wait(timeout=60) == 0
    pod.evergate.stop()


def test_told_to_end_at_the_same_time_it_finishes_what_the_application_began(pod):
    app = pod.app("app")
    clients = pod.ask_orders(3)
    pod.evergate.send_signal(signal.SIGTERM)
    app.process.terminate()
    pod.evergate.wait_for_log("draining")
    pod.orders.release()
    assert [client.read_response().status for client in clients] == [200] * 3
    assert app.process.wait(timeout=60) == 0
    pod.evergate.wait_exit()


def test_what_a_killed_instance_left_does_not_keep_the_next_from_starting(pod):
    """In a container the next one has the same number."""
    script = f"echo >{pod.socket}.$$; APP_SOCKET={pod.socket} exec node {SIDECAR / 'app.js'}"
    log = pod.stage.room("second") / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(["sh", "-c", script], stdout=output, stderr=output)
    pod.stage.ending(process, "wait")
    pod.stage.ending(process, "kill")
    wait_until(lambda: "listens" in log.read_text() or process.poll() is not None, "it listens")
    assert process.poll() is None, log.read_text()


def test_services_are_reached_by_their_names_and_from_inside_only(pod):
    pod.app("app")
    assert pod.get("/ask/orders/1").text.startswith("orders says: ")
    assert pod.get("/ask/stock/1").text.startswith("stock says: ")
    assert pod.get(host="orders").text == "app\n"
    assert pod.get(host="nobody", port=9000).status == 404


def test_what_the_environment_lacks_is_told_before_anything_is_served():
    result = run_command("check", "-c", SIDECAR / "evergate.conf")
    assert result.returncode == 1 and "ORDERS" in result.stderr


def test_the_compose_file_keeps_the_order_and_the_limits():
    services = yaml.safe_load((SIDECAR / "compose.yaml").read_text())["services"]
    app, evergate = services["app"], services["evergate"]
    assert app["network_mode"] == "service:evergate"
    assert app["depends_on"] == {"evergate": {"condition": "service_healthy"}}
    assert app["user"] == "65532:65532"
    assert evergate["read_only"] and evergate["cap_drop"] == ["ALL"]
    assert evergate["healthcheck"]["test"] == ["CMD", "/usr/bin/evergate", "status"]
    for service in services.values():
        for volume in service["volumes"]:
            if volume.startswith("./"):
                assert (SIDECAR / pathlib.Path(volume.split(":")[0])).is_file()
