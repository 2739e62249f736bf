"""Changes whose names nobody answers for: they wait within reason, and nobody else does."""

import signal
import threading

import pytest

from lib.failover import NO_BREAKER, NO_OUTLIER, NO_RETRY, breaker, group, serve
from lib.libconfig import pool
from lib.load import Load
from lib.reloads import Site, held
from lib.waiting import PATIENCE, wait_until

PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "retry": NO_RETRY}
WAITED = "names of backends without an answer"


def silent_site(stage, *backends, **settings):
    """A site whose name server says nothing from now on, and that name server."""
    dns = stage.dns({})
    site = Site(stage, *backends, env=dns.environment, **settings)
    dns.silent = True
    return site, dns


def stranger(backend, name="new"):
    return {"id": name, "address": f"{name}.test:{backend.port}"}


def reload_aside(site):
    """A reload that somebody else waits for."""
    thread = threading.Thread(target=site.reload)
    thread.start()
    return thread


def test_a_pool_that_goes_while_a_change_waits_for_names_is_not_touched_again(stage):
    """Its breaker has still something to do: it turns half open while the change waits."""
    a, old = stage.failing("a"), stage.failing("old")
    site, dns = silent_site(
        stage, a, pools=[pool("old", [group(old)], outlier=NO_OUTLIER, retry=NO_RETRY,
                              breaker=breaker(failure_threshold=1))],
        routes=[{"name": "old", "path": "/old", "pool": "old"}, {"name": "all", "pool": "app"}])
    old.mood = "hold"
    client = held(stage, site.proxy, old, "/old")
    site.config["pools"].pop()
    site.config["routes"].pop(0)
    site.reload()
    site.backends.append(stranger(a))
    change = reload_aside(site)
    wait_until(lambda: dns.queries, "the name is asked for")
    old.go_down()
    assert client.read_response("GET").status == 502
    change.join()
    assert set(serve(stage, site.proxy, 4)) == {"a"}


def test_a_name_that_nobody_needs_any_more_is_forgotten(stage):
    a = stage.failing("a")
    dns = stage.dns({f"{name}.test": ["127.0.0.1"] for name in "xyz"})
    site = Site(stage, a, env=dns.environment, **PLAIN)
    for name in "xyz":
        site.serve_from(stranger(a, name))
        site.reload()
        assert set(serve(stage, site.proxy, 4)) == {"a"}
    site.serve_from(a)
    site.reload()
    assert set(serve(stage, site.proxy, 4)) == {"a"}


@pytest.mark.parametrize("other", ["name", "address"])
def test_who_is_replaced_leaves_when_the_other_can_be_reached(stage, load_program, other):
    """Else there would be a moment with nobody to ask."""
    a, b = stage.failing("a"), stage.failing("b")
    dns = stage.dns({"new.test": ["127.0.0.1"]})
    site = Site(stage, a, env=dns.environment, **PLAIN)
    load = stage.ending(Load(load_program, site.proxy.port(), stage.room("load"),
                             rate=int(500 / PATIENCE), connections=16), "close")
    for _ in range(10):
        site.serve_from(stranger(b) if other == "name" else b)
        site.reload()
        site.serve_from(a)
        site.reload()
    load.stop().assert_all_answered()


def test_a_name_without_an_answer_is_waited_for_once(stage):
    a = stage.failing("a")
    site, dns = silent_site(stage, a)
    site.backends.append(stranger(a))
    site.reload()
    for weight in range(2, 6):
        site.admin.json("/api/v1/pools/app/endpoints/a", "PATCH", {"weight": weight})
    assert len(site.proxy.log_lines(WAITED)) == 1
    dns.names["new.test"] = ["127.0.0.1"]
    dns.silent = False
    wait_until(lambda: site.endpoint("new")["resolved"], "the name resolves after all")


def test_a_second_signal_does_not_wait_for_names(stage):
    a = stage.failing("a")
    a.mood = "hold"
    site, dns = silent_site(stage, a)
    client = held(stage, site.proxy, a)
    site.backends.append(stranger(a))
    site.proxy.reload(site.config)
    wait_until(lambda: dns.queries, "the name is asked for")
    site.proxy.send_signal(signal.SIGTERM)
    site.proxy.wait_for_log("draining")
    site.proxy.send_signal(signal.SIGTERM)
    assert site.proxy.wait_exit() == 0
    assert not site.proxy.log_lines(WAITED)
    client.read_to_eof()
