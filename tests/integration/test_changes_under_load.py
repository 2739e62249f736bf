"""Changes while requests and WebSockets are under way: clients notice nothing. `make soak` does the
same a thousand times."""

import collections
import threading

import pytest

from lib.edits import Editor
from lib.libconfig import pool
from lib.load import assert_unharmed, begin_load
from lib.raw_client import RawClient
from lib.real_servers import free_port
from lib.reloads import Footprint, Reloader, Site, Tour
from lib.waiting import PATIENCE, wait_until
from lib.websocket_crowd import WebSocketCrowd

NAMES = "abcd"
RATE = 300
RELOADS = 60
EDITS, EDITS_PER_SECOND = 400, 100


def nginx(stage, name):
    return stage.nginx(f'location / {{ add_header X-Backend {name}; return 200 "{name}"; }}',
                       free_port())


@pytest.mark.parametrize("way", ["api", "signal"])
def test_reloads_are_noticed_by_nobody(stage, load_program, way):
    backends = {name: nginx(stage, name).address for name in NAMES}
    tour = Tour(backends, stage.node("ws_server").address, free_port())
    proxy = stage.evergate(tour.config(0))
    reloader = Reloader(proxy)
    crowd = stage.ending(WebSocketCrowd(proxy.url("/talk", scheme="ws"), stage.room("crowd"), 20,
                                        int(50 * PATIENCE)), "close").wait_open()
    loads = begin_load(stage, load_program, proxy, RATE)
    for step in range(1, RELOADS + 1):
        (reloader.by_api if way == "api" else reloader.by_signal)(tour.config(step))
        if step % 10 == 0:
            crowd.wait_messages(20)
    assert reloader.generation() >= RELOADS
    crowd.assert_unharmed()
    assert_unharmed(loads)
    assert set("abcd") <= loads[0].result.backends


def test_nothing_is_left_of_sixty_reloads(stage, sanitizer):
    """Objects, not bytes: a sanitizer's memory says nothing. Threads, descriptors, endpoints."""
    backends = {name: nginx(stage, name).address for name in NAMES}
    tour = Tour(backends, backends["a"], free_port())
    proxy = stage.evergate(tour.config(0))
    reloader = Reloader(proxy)

    def round_trip():
        for step in range(1, tour.period * 4 + 1):
            reloader.by_api(tour.config(step))
            assert stage.get(proxy).status == 200
        reloader.by_api(tour.config(0))

    round_trip()
    before = Footprint(proxy.process.pid)
    round_trip()
    wait_until(lambda: Footprint(proxy.process.pid).descriptors <= before.descriptors + 2,
               f"no more descriptors than the {before.descriptors} before")
    after = Footprint(proxy.process.pid)
    assert after.threads == before.threads
    if not sanitizer:
        assert after.rss_kb <= before.rss_kb * 1.25, (before, after)


def test_a_hundred_edits_a_second_are_noticed_by_nobody(stage, load_program):
    servers = {name: nginx(stage, name).address for name in NAMES}
    site = Site(stage, *({"id": name, "address": servers[name]} for name in "ab"),
                top={"workers": 4, "log": {"level": "info", "access": "off"}})
    loads = begin_load(stage, load_program, site.proxy, RATE)
    editor = stage.ending(Editor(site.admin.address), "close")
    editor.run([servers["c"], servers["d"]], EDITS, EDITS_PER_SECOND)
    assert_unharmed(loads)
    assert set("abcd") <= loads[0].result.backends
    wait_until(lambda: site.endpoints() == ["a", "b"], "the visitors have gone")


class Visitors:
    """Threads that shake hands again and again; each handshake is asked for its certificate."""

    def __init__(self, proxy, context, names, count=4):
        self.proxy, self.context, self.names = proxy, context, names
        self.stopping = threading.Event()
        self.seen, self.failures = collections.Counter(), []
        self.threads = [threading.Thread(target=self.visit) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def visit(self):
        while not self.stopping.is_set():
            try:
                self.visit_once()
            except (OSError, EOFError, AssertionError) as failure:
                self.failures.append(repr(failure))

    def visit_once(self):
        client = RawClient(self.proxy.address(), tls=self.context, server_name="site.test")
        try:
            certificate = client.sock.getpeercert(binary_form=True)
            [name] = [name for name in self.names if name.encode() in certificate]
            self.seen[name] += 1
            assert client.get().status == 200
        finally:
            client.close()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def test_certificates_are_swapped_while_clients_shake_hands(stage, certificates):
    leaves = {name: certificates.leaf("site.test", name) for name in ("one.test", "two.test")}
    site = Site(stage, stage.failing("a"),
                listener={"tls": {"certificates": [leaves["one.test"]]}})
    visitors = stage.ending(Visitors(site.proxy, certificates.client_context(), leaves))
    for name in ("two.test", "one.test") * 10:
        site.config["listeners"][0]["tls"] = {"certificates": [leaves[name]]}
        site.reload()
        before = visitors.seen[name]
        wait_until(lambda n=name, b=before: visitors.seen[n] > b, f"somebody sees {name}")
    visitors.stop()
    assert visitors.failures == []


def test_edits_and_reloads_at_once_are_done_one_after_the_other(stage, load_program):
    servers = {name: nginx(stage, name).address for name in NAMES}
    groups = [{"id": name, "address": servers[name]} for name in "ab"]
    site = Site(stage, *groups, top={"workers": 4, "log": {"level": "info", "access": "off"}})
    loads = begin_load(stage, load_program, site.proxy, RATE)
    failures = []

    def edit():
        editor = Editor(site.admin.address)
        try:
            editor.run([servers["c"], servers["d"]], 100, 50)
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)
        finally:
            editor.close()

    thread = threading.Thread(target=edit)
    thread.start()
    step = 0
    while thread.is_alive():
        step += 1
        site.config["pools"][0]["backends"] = groups + [
            {"id": f"file-{step % 3}", "address": servers["cd"[step % 2]]}]
        site.config["pools"][1:] = [pool(f"beside-{step % 2}", [group_of(servers, "a")])]
        site.config["routes"] = [{"name": "all", "pool": "app"}]
        site.reload()
    thread.join()
    assert failures == []
    assert_unharmed(loads)


def group_of(servers, name):
    return {"id": name, "address": servers[name]}
