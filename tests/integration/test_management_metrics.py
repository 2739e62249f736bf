"""The metrics by listener, route, pool and endpoint, and what a reload leaves of them."""

import re
import threading

from lib import libconfig
from lib.failover import ADMIN, group, serve, start
from lib.management import Management
from lib.scripted_backend import answer
from lib.waiting import wait_until

REQUESTS = "evergate_requests_total"
DURATION = "evergate_request_duration_seconds"
UPSTREAM = "evergate_upstream_duration_seconds"


def two_routes(stage, **top):
    a, b = stage.failing("a"), stage.failing("b")
    config = libconfig.simple([group(a), group(b)], admin=ADMIN, routes=[
        {"name": "api", "path": "/api", "pool": "app"},
        {"name": "gone", "path": "/gone", "respond": {"status": 410, "body": ""}},
        {"name": "rest", "path": "/rest", "pool": "app"}], **top)
    config["listeners"].append({"name": "inner", "bind": "127.0.0.2:0"})
    proxy = stage.evergate(config, names=("edge", "inner"))
    return proxy, Management(proxy)


def ask(stage, proxy, path, name="edge"):
    return stage.client(proxy, name).get(path).status


def wait_for(admin, count, **labels):
    wait_until(lambda: admin.metric(REQUESTS, **labels) == count, f"{count} requests {labels}")


def buckets(admin, family, **labels):
    """The cumulated counts of one histogram, as they stand in the text."""
    wanted = [f'{k}="{v}"' for k, v in labels.items()]
    lines = [line for line in admin.ask("/metrics").text.splitlines()
             if line.startswith(family + "_bucket{") and all(w in line for w in wanted)]
    return [(re.search(r'le="([^"]+)"', line)[1], float(line.rpartition(" ")[2]))
            for line in lines]


def test_requests_are_counted_by_listener_route_and_class(stage):
    proxy, admin = two_routes(stage)
    for path, times in (("/api/x", 3), ("/gone", 2), ("/nowhere", 1)):
        for _ in range(times):
            ask(stage, proxy, path)
    ask(stage, proxy, "/api/y", "inner")
    wait_for(admin, 7)
    assert admin.metric(REQUESTS, listener="edge", route="api", code="2xx") == 3
    assert admin.metric(REQUESTS, listener="inner", route="api", code="2xx") == 1
    assert admin.metric(REQUESTS, listener="edge", route="gone", code="4xx") == 2
    assert admin.metric(REQUESTS, listener="edge", route="", code="4xx") == 1
    assert admin.metric(REQUESTS, route="rest") == 0


def test_histograms_are_cumulative_and_complete(stage):
    proxy, admin = two_routes(stage)
    for _ in range(5):
        ask(stage, proxy, "/api")
    wait_for(admin, 5, route="api")
    for family, labels in ((DURATION, {"listener": "edge", "route": "api"}),
                           (UPSTREAM, {"pool": "app", "endpoint": "a"})):
        found = buckets(admin, family, **labels)
        assert found[-1][0] == "+Inf" and len(found) == 16
        counts = [count for _, count in found]
        assert counts == sorted(counts)
        assert counts[-1] == admin.metric(family + "_count", **labels) > 0
        bounds = [float(bound) for bound, _ in found]
        assert bounds == sorted(bounds)
        assert admin.metric(family + "_sum", **labels) > 0
    assert admin.metric(UPSTREAM + "_count", pool="app") == 5


def test_an_answer_that_took_long_is_in_a_late_bucket(stage):
    release = threading.Event()
    a = stage.recorder("a", respond=lambda request: release.wait(120) and answer(b"late"))
    proxy, admin = start(stage, group(a))
    client = stage.client(proxy)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    a.wait_for_requests(1)
    threading.Timer(0.3, release.set).start()
    assert client.read_response("GET").text == "late"
    wait_for(admin, 1)
    found = dict(buckets(admin, UPSTREAM, endpoint="a"))
    assert (found["0.1"], found["+Inf"]) == (0, 1)


def test_a_tunnel_is_counted_but_its_time_is_no_requests_time(stage):
    def respond(request):
        return (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                b"Upgrade: echo\r\n\r\n")
    proxy, admin = start(stage, group(stage.recorder("a", respond=respond)))
    client = stage.client(proxy)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
    assert client.read_head().status == 101
    client.close()
    wait_until(lambda: admin.metric(REQUESTS) == 1, "the tunnel has ended")
    assert admin.metric(DURATION + "_count") == 0


def test_counts_survive_a_reload_by_name_and_go_with_their_route(stage):
    proxy, admin = two_routes(stage)
    for path in ("/api", "/api", "/gone", "/rest"):
        ask(stage, proxy, path)
    wait_for(admin, 4)
    text = proxy.config_path.read_text()
    swapped = re.sub(r'(\{ name = "api".*?\}), (\{ name = "gone".*?\}; \}), ', r"\2, \1, ", text)
    assert swapped != text
    proxy.write_config(swapped.replace('"rest"; path', '"other"; path'))
    assert admin.json("/api/v1/reload", "POST")["generation"] == 2
    ask(stage, proxy, "/api")
    wait_for(admin, 3, route="api", code="2xx")
    assert admin.metric(REQUESTS, route="gone", code="4xx") == 1
    assert admin.metric(REQUESTS, route="rest") == 0
    assert admin.metric(UPSTREAM + "_count", pool="app") == 4
    assert admin.metric("evergate_config_generation") == 2
    assert admin.metric("evergate_config_reloads_total", result="done") == 1
    proxy.write_config("nonsense")
    admin.error(422, "/api/v1/reload")
    assert admin.metric("evergate_config_reloads_total", result="refused") == 1


def test_counts_of_an_endpoint_begin_anew_with_another_address(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a)
    serve(stage, proxy, 3)
    assert admin.metric(UPSTREAM + "_count", endpoint="a") == 3
    admin.json("/api/v1/pools/app/endpoints/a", "PATCH", {"weight": 2})
    assert admin.metric(UPSTREAM + "_count", endpoint="a") == 3
    admin.json("/api/v1/pools/app/endpoints/a", "PATCH", {"address": b.address})
    serve(stage, proxy, 2)
    assert admin.metric(UPSTREAM + "_count", endpoint="a") == 2


def test_scrapes_while_everything_changes_are_whole(stage):
    proxy, admin = two_routes(stage)
    stop, broken = threading.Event(), []

    def scrape():
        while not stop.is_set():
            answered = admin.ask("/metrics")
            names = re.findall(r"^# TYPE (\S+) ", answered.text, re.M)
            if answered.status != 200 or len(names) != len(set(names)):
                broken.append(answered)
    threads = [threading.Thread(target=scrape) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(20):
            proxy.write_config(re.sub(r'name = "(rest|x\d+)"; path', f'name = "x{turn}"; path',
                                      proxy.config_path.read_text()))
            admin.json("/api/v1/reload", "POST")
            admin.ask("/api/v1/pools/app/endpoints/n", "PUT", {"address": f"127.0.0.1:{turn + 1}"})
            assert ask(stage, proxy, "/rest") in (200, 502, 503)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert broken == []
