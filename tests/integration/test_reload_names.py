"""Changes whose names nobody answers for: they wait within reason, and nobody else does."""

import threading

from lib.failover import NO_OUTLIER, NO_RETRY, breaker, group, serve
from lib.libconfig import pool
from lib.reloads import Site, held
from lib.waiting import wait_until


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
