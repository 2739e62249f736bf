"""drain_delay: told to stop, it serves on, not ready any more, until whoever sends it connections has
learned it; then it drains.
"""

import signal
import socket
import threading

from lib.consul import FakeConsul
from lib.dynasty import dynasty
from lib.evergate import run_command
from lib.failover import ADMIN, ms
from lib.management import Management
from lib.raw_client import RawClient
from lib.reloads import Site, group
from lib.service_manager import ServiceManager
from lib.waiting import wait_until

LONG = "1h"


def leaving(stage, delay=LONG, **settings):
    """A proxy that has been told to stop, and its management."""
    proxy = stage.proxy(stage.recorder("app"), drain_delay=delay, admin=ADMIN, **settings)
    admin = Management(proxy)
    wait_until(lambda: admin.ask("/health/ready").status == 200, "it is ready")
    proxy.send_signal(signal.SIGTERM)
    wait_until(lambda: admin.ask("/health/ready").status == 503, "it is not ready any more")
    return proxy, admin


def end_at_once(proxy):
    proxy.send_signal(signal.SIGTERM)
    assert proxy.wait_exit() == 0


def refuses(proxy):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", proxy.port())) != 0


def test_until_the_delay_is_over_it_serves_and_says_that_it_is_not_ready(stage):
    proxy, admin = leaving(stage)
    assert admin.ask("/health/ready").text == "leaving\n"
    assert admin.ask("/health/live").status == 200
    status = admin.json("/api/v1/status")
    assert (status["state"], status["ready"]) == ("leaving", False)
    assert run_command("status", "--ready", "--admin", admin.address).returncode == 1
    for _ in range(20):
        assert stage.get(proxy).status == 200
    assert "evergate_requests_total{" in admin.ask("/metrics").text
    client = stage.client(proxy)
    for _ in range(3):
        assert client.get().get("connection") is None
    end_at_once(proxy)


def test_after_the_delay_it_drains_and_ends(stage):
    proxy, _ = leaving(stage, delay=ms(300))
    client = stage.client(proxy)
    assert client.get().status == 200
    wait_until(lambda: refuses(proxy), "new connections are refused")
    client.expect_close()
    assert proxy.wait_exit() == 0
    told = proxy.log_lines(r"SIGTERM: leaving|drain_delay is over: draining|drained after")
    assert len(told) == 3 and "leaving" in told[0] and "draining" in told[1]


def test_a_second_signal_does_not_wait_for_the_delay(stage):
    proxy, _ = leaving(stage)
    end_at_once(proxy)
    assert proxy.log_lines("SIGTERM again: exiting now")


def test_changes_are_taken_up_while_it_leaves(stage):
    """With a long delay backends come and go meanwhile."""
    site = Site(stage, stage.recorder("old"), top={"drain_delay": LONG})
    site.proxy.send_signal(signal.SIGTERM)
    wait_until(lambda: site.admin.ask("/health/ready").status == 503, "it is not ready any more")
    site.backends[:] = [group(stage.recorder("new"))]
    site.reloader.by_signal(site.config)
    assert stage.get(site.proxy).text == "new"
    end_at_once(site.proxy)


def test_an_upgrade_knows_no_delay_and_none_begins_meanwhile(stage):
    proxy = dynasty(stage, stage.recorder("app"), drain_delay=LONG)
    first = proxy.pid
    proxy.upgrade()
    proxy.wait_gone(first)
    proxy.signal_now(signal.SIGTERM)
    wait_until(lambda: proxy.log_lines("SIGTERM: leaving"), "the second one leaves")
    proxy.signal_now(signal.SIGUSR2)
    wait_until(lambda: proxy.log_lines("not upgraded: this process is starting or stopping"),
               "the signal is answered")
    assert stage.get(proxy).text == "app"
    proxy.stop()


def test_its_registration_is_taken_back_before_the_delay(stage):
    consul = stage.ending(FakeConsul())
    consul.catalog.register("a", port=80)
    site = Site(stage, top={"drain_delay": LONG}, discovery={
        "type": "consul", "address": consul.address, "service": "api",
        "register": {"port": 8080, "ttl": "1h"}})
    registered = ("n1", "evergate-8080")
    wait_until(lambda: registered in consul.catalog.services, "it is registered")
    site.proxy.send_signal(signal.SIGTERM)
    wait_until(lambda: registered not in consul.catalog.services, "it is taken back")
    assert not refuses(site.proxy)
    end_at_once(site.proxy)


def test_the_service_manager_is_told_that_it_stops_and_nothing_else(stage):
    name = str(stage.room("notify") / "notify")
    manager = stage.ending(ServiceManager(name), "close")
    proxy, _ = leaving(stage, env={"NOTIFY_SOCKET": name})
    proxy.send_signal(signal.SIGHUP)
    wait_until(lambda: proxy.log_lines("reload by SIGHUP"), "it has reloaded")
    end_at_once(proxy)
    said = manager.heard()
    stopping = next(i for i, words in enumerate(said) if "STOPPING" in words)
    assert said[stopping]["STATUS"] == "leaving"
    assert not [words for words in said[stopping:] if {"READY", "RELOADING"} & set(words)], said


class Service:
    """What stands in front: clients pick one of its instances for each request, and an instance
    goes from it when it is found not to be ready twice, as a load balancer does it. That is long
    after SIGTERM."""

    def __init__(self, stage):
        self.stage, self.instances = stage, []
        self.failures, self.served = [], 0
        self.stopping = threading.Event()

    def add(self, proxy):
        admin = Management(proxy)
        wait_until(lambda: admin.ask("/health/ready").status == 200, "it is ready")
        self.instances = [*self.instances, proxy]

    def take_out(self, proxy):
        """False: this machine was too slow, it drains already."""
        admin = Management(proxy)
        for _ in range(2):
            start = self.served
            wait_until(lambda: admin.ask("/health/ready").status == 503, "it is not ready")
            wait_until(lambda: self.served > start + 20, "clients go on")
        self.instances = [p for p in self.instances if p is not proxy]
        return not proxy.log_lines("draining")

    def ask_on(self):
        turn = 0
        while not self.stopping.is_set():
            instances, turn = self.instances, turn + 1
            try:
                client = RawClient(instances[turn % len(instances)].address())
                try:
                    assert client.get().status == 200
                finally:
                    client.close()
                self.served += 1
            except (OSError, EOFError, AssertionError) as failure:
                self.failures.append(repr(failure))

    def stop(self):
        self.stopping.set()


def test_a_rolling_update_loses_no_request(stage):
    """As Kubernetes does it: another one first, then SIGTERM, and only later is the old one taken
    out of the Service."""
    backend = stage.recorder("app")

    def start():
        return stage.proxy(backend, drain_delay=ms(2000), admin=ADMIN)
    service = Service(stage)
    old = [start(), start()]
    for proxy in old:
        service.add(proxy)
    clients = [threading.Thread(target=service.ask_on) for _ in range(3)]
    stage.ending(service)
    for client in clients:
        client.start()
    in_time = []
    for proxy in old:
        service.add(start())
        proxy.send_signal(signal.SIGTERM)
        in_time.append(service.take_out(proxy))
    for proxy in old:
        assert proxy.wait_exit() == 0
    service.stop()
    for client in clients:
        client.join()
    assert service.served > 40
    assert service.failures == [] or not all(in_time)
