"""What a change takes away nobody touches any more, and what it leaves alone goes on: for builds that
see a use after free or a leak."""

import signal

from lib.failover import NO_OUTLIER, NO_RETRY, breaker, group, serve, wait_status
from lib.libconfig import pool
from lib.raw_client import head
from lib.reloads import Site, held
from lib.waiting import wait_until

PLAIN = {"outlier": NO_OUTLIER, "retry": NO_RETRY}


def two_pools(stage, a, b, top=None, **settings):
    """Pool "app" with a; pool "beside" with b, which no change is about."""
    return Site(stage, a, pools=[pool("beside", [group(b)], **PLAIN, **settings)],
                routes=[{"name": "beside", "path": "/beside", "pool": "beside"},
                        {"name": "all", "pool": "app"}], top=top)


def edit(site, count):
    for number in range(count):
        site.admin.json("/api/v1/pools/app/endpoints/a", "PATCH", {"weight": 2 + number % 7})


def test_a_pool_beside_what_changes_goes_on_by_its_settings(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site = two_pools(stage, a, b, breaker=breaker(failure_threshold=2))
    edit(site, 3)
    b.mood = "503"
    wait_until(lambda: stage.get(site.proxy, "/beside").status == 503 and
               site.endpoint("b", "beside")["breaker"]["state"] != "closed", "the breaker of b opens")
    edit(site, 3)
    b.mood = "good"
    wait_until(lambda: stage.get(site.proxy, "/beside").status == 200, "the breaker of b closes")
    assert set(serve(stage, site.proxy, 4)) == {"a"}


def test_a_pool_that_was_beside_many_changes_changes_with_a_reload(stage):
    a, b, c = (stage.failing(name) for name in "abc")
    site = two_pools(stage, a, b)
    edit(site, 3)
    site.config["pools"][1]["backends"] = [group(c)]
    site.config["pools"][1]["max_connections"] = 7
    site.reload()
    assert set(serve(stage, site.proxy, 4, path="/beside")) == {"c"}
    edit(site, 3)
    site.config["pools"].pop()
    site.config["routes"].pop(0)
    site.reload()
    edit(site, 3)
    assert set(serve(stage, site.proxy, 4)) == {"a"}


def test_endpoints_are_matched_wherever_they_stand_in_the_list(stage):
    backends = {name: stage.failing(name) for name in "abcd"}
    site = Site(stage, *backends.values(), **PLAIN)
    site.admin.json("/api/v1/pools/app/endpoints/b", "PATCH", {"weight": 3})
    born = {name: site.endpoint(name)["created_at"] for name in "abcd"}
    for order in ("dcba", "bd", "bda", "cdab", "abcd", "bcda"):
        known = set(site.endpoints())
        site.serve_from(*(backends[name] for name in order))
        site.reload()
        wait_until(lambda: sorted(site.endpoints()) == sorted(order), "those that left are gone")
        for name in order:
            if name in known:
                assert site.endpoint(name)["created_at"] == born[name]
            born[name] = site.endpoint(name)["created_at"]
        assert set(serve(stage, site.proxy, 12)) == set(order)


def test_a_pool_that_went_is_freed_by_the_end_of_its_server(stage):
    """Its last request is cut by the drain's limit."""
    a, b = stage.failing("a"), stage.failing("b")
    site = two_pools(stage, a, b, top={"drain_timeout": "100ms"})
    b.mood = "hold"
    client = held(stage, site.proxy, b, "/beside")
    site.config["pools"].pop()
    site.config["routes"].pop(0)
    site.reload()
    site.proxy.send_signal(signal.SIGTERM)
    client.read_to_eof()
    assert site.proxy.wait_exit() == 0


def test_a_body_that_is_dropped_goes_on_by_limits_of_its_own(stage):
    """Its request was answered early; what it began by has gone when its end comes."""
    site = Site(stage, stage.failing("a"), routes=[
        {"name": "early", "path": "/early", "respond": {"status": 200}},
        {"name": "all", "pool": "app"}])
    site.pool["max_connections"] = 99
    site.reload()
    client = stage.client(site.proxy)
    client.send(head("POST", "/early", headers=[("Transfer-Encoding", "chunked")]) + b"5\r\nhello\r\n")
    assert client.read_response("POST").status == 200
    for connections in (100, 101):
        site.pool["max_connections"] = connections
        site.reload()
    client.send(b"0\r\nX-Late: trailer\r\n\r\n" + head())
    assert client.read_response("GET").text == "a"
