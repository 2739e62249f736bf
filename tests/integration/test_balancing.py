"""Line 8: the algorithms, through the real proxy with several workers."""

import collections
import threading

import pytest

from lib.raw_client import head
from lib.scripted_backend import answer
from lib.waiting import wait_until

ALGORITHMS = ["round_robin", "weighted", "least_connections", "ip_hash", "random",
              "consistent_hash", "least_latency"]

HASHING = ("ip_hash", "consistent_hash")


def spread(stage, proxy, count, **request):
    """How many of `count` requests each backend answered; a connection each, so all workers."""
    return collections.Counter(stage.get(proxy, **request).text for _ in range(count))


def groups(backends, **settings):
    """Backend groups; a setting is one value per backend."""
    return [{"id": b.name, "address": b.address, **{k: v[i] for k, v in settings.items()}}
            for i, b in enumerate(backends)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_serves_with_one_endpoint(stage, algorithm):
    proxy = stage.proxy(stage.recorder(), pool_settings={"algorithm": algorithm})
    assert spread(stage, proxy, 10) == {"backend": 10}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_goes_around_an_endpoint_that_refuses(stage, algorithm):
    living = stage.recorders("a", "b")
    proxy = stage.proxy(*living, stage.refusing_port(), stage.refusing_port(),
                        pool_settings={"algorithm": algorithm})
    assert sum(spread(stage, proxy, 40).values()) == 40
    assert sum(b.count for b in living) == 40


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_draining_endpoint_and_one_of_weight_zero_get_no_request(stage, algorithm):
    backends = stage.recorders("a", "draining", "weightless")
    proxy = stage.proxy(*groups(backends, drain=[False, True, False], weight=[1, 1, 0]),
                        pool_settings={"algorithm": algorithm})
    assert spread(stage, proxy, 30) == {"a": 30}


@pytest.mark.parametrize("algorithm", ["round_robin", "weighted", "random", "least_connections"])
def test_equal_endpoints_share_the_requests(stage, algorithm):
    backends = stage.recorders("a", "b", "c")
    proxy = stage.proxy(*backends, pool_settings={"algorithm": algorithm})
    counts = spread(stage, proxy, 180)
    assert set(counts) == {"a", "b", "c"}
    # Two random choices of idle endpoints: binomial, sigma 6.3; 25 is four of them.
    tolerance = 25 if algorithm in ("random", "least_connections") else 6
    assert all(abs(count - 60) <= tolerance for count in counts.values()), counts


@pytest.mark.parametrize("algorithm", ["weighted", "round_robin"])
def test_weights_count_across_workers(stage, algorithm):
    backends = stage.recorders("a", "b", "c")
    proxy = stage.proxy(*groups(backends, weight=[5, 3, 2]), workers=4,
                        pool_settings={"algorithm": algorithm})
    counts = spread(stage, proxy, 200)
    if algorithm == "weighted":
        assert all(abs(counts[name] - want) <= 8
                   for name, want in (("a", 100), ("b", 60), ("c", 40))), counts
    else:
        assert set(counts) == {"a", "b", "c"}


def test_weighted_is_smooth(stage):
    """5:1:1 never sends long runs to the heavy one while the light ones wait."""
    backends = stage.recorders("a", "b", "c")
    proxy = stage.proxy(*groups(backends, weight=[5, 1, 1]), workers=1,
                        pool_settings={"algorithm": "weighted"})
    client = stage.client(proxy)
    order = "".join(client.get().text for _ in range(70))
    assert collections.Counter(order) == {"a": 50, "b": 10, "c": 10}
    assert "a" * 6 not in order


def test_round_robin_takes_turns(stage):
    backends = stage.recorders("a", "b", "c")
    client = stage.client(stage.proxy(*backends, workers=1,
                                      pool_settings={"algorithm": "round_robin"}))
    order = [client.get().text for _ in range(12)]
    assert order[:3] * 4 == order and set(order) == {"a", "b", "c"}


def test_least_connections_avoids_the_busy_endpoint(stage):
    release = threading.Event()

    def slow(request):
        if request.target == "/hold":
            release.wait(120)
        return answer(b"slow")

    busy = stage.recorder("slow", respond=slow)
    quick = stage.recorder("quick")
    proxy = stage.proxy(busy, quick, workers=4,
                        pool_settings={"algorithm": "least_connections"})
    holders = []
    while busy.count == 0:
        holders.append(stage.client(proxy))
        holders[-1].send(head(path="/hold"))
        wait_until(lambda: busy.count + quick.count == len(holders), "it is being served")
        assert len(holders) < 100
    assert spread(stage, proxy, 40) == {"quick": 40}
    release.set()
    for holder in holders:
        assert holder.read_response().status == 200


def test_least_latency_learns_to_prefer_the_quick_endpoint(stage):
    pause = threading.Event()

    def slow(request):
        pause.wait(0.15)
        return answer(b"slow")

    proxy = stage.proxy(stage.recorder("slow", respond=slow), stage.recorder("quick"),
                        pool_settings={"algorithm": "least_latency"})
    spread(stage, proxy, 10)
    counts = spread(stage, proxy, 40)
    assert counts["quick"] > counts["slow"], counts


@pytest.mark.parametrize("algorithm", HASHING)
def test_a_client_address_keeps_its_endpoint(stage, algorithm):
    backends = stage.recorders("a", "b", "c")
    proxy = stage.proxy(*backends, workers=4, pool_settings={"algorithm": algorithm})
    assert len(spread(stage, proxy, 20)) == 1


@pytest.mark.parametrize("algorithm", HASHING)
def test_many_client_addresses_are_spread(stage, algorithm):
    backends = stage.recorders("a", "b", "c")
    proxy = stage.proxy(*backends, listener={"proxy_protocol": True},
                        pool_settings={"algorithm": algorithm})
    first = {}
    for _ in range(2):
        for number in range(40):
            client = stage.client(proxy)
            client.send(f"PROXY TCP4 203.0.113.{number} 192.0.2.1 5555 80\r\n".encode())
            body = client.get().text
            client.close()
            assert first.setdefault(number, body) == body
    assert set(first.values()) == {"a", "b", "c"}


def key_requests(key, value):
    """The request that carries `value` in the place that hash_key names."""
    if key == "uri":
        return {"path": f"/item/{value}?x=1"}
    if key == "header:X-User":
        return {"headers": [("x-user", value)]}
    return {"headers": [("Cookie", f"other=1; session={value}; last=2")]}


@pytest.mark.parametrize("key", ["uri", "header:X-User", "cookie:session"])
def test_consistent_hash_is_sticky_by_its_key(stage, key):
    backends = stage.recorders("a", "b", "c")
    proxy = stage.proxy(*backends, workers=4,
                        pool_settings={"algorithm": "consistent_hash", "hash_key": key})
    seen = {}
    for value in range(30):
        counts = spread(stage, proxy, 3, **key_requests(key, f"user{value}"))
        assert len(counts) == 1, (value, counts)
        seen[value] = next(iter(counts))
    assert set(seen.values()) == {"a", "b", "c"}


def test_consistent_hash_moves_few_keys_when_an_endpoint_leaves(stage):
    backends = stage.recorders("a", "b", "c", "d")
    settings = {"algorithm": "consistent_hash", "hash_key": "uri"}
    whole = stage.proxy(*groups(backends), pool_settings=settings)
    lesser = stage.proxy(*groups(backends, drain=[False, False, False, True]),
                         pool_settings=settings)
    moved = 0
    for number in range(60):
        before = stage.get(whole, f"/{number}").text
        after = stage.get(lesser, f"/{number}").text
        assert after != "d"
        moved += before not in ("d", after)
    assert moved <= 6


def test_the_choice_is_the_same_after_a_restart(stage):
    backends = stage.recorders("a", "b", "c")
    settings = {"algorithm": "consistent_hash", "hash_key": "uri"}
    answers = []
    for _ in range(2):
        proxy = stage.proxy(*groups(backends), pool_settings=settings)
        answers.append([stage.get(proxy, f"/{number}").text for number in range(20)])
    assert answers[0] == answers[1]


def test_a_failed_endpoint_is_not_tried_twice_for_one_request(stage):
    proxy = stage.proxy(*[stage.refusing_port() for _ in range(3)], stage.recorder())
    for _ in range(8):
        assert stage.get(proxy).status == 200
    assert all(line["attempts"] <= 4 for line in proxy.wait_access_lines(8))


def test_pools_of_many_endpoints_serve(stage):
    """More than 64: the tried set outgrows its inline bits."""
    backend = stage.recorder()
    refusing = [stage.refusing_port() for _ in range(3)]
    many = [{"id": f"e{n}", "address": backend.address} for n in range(97)]
    dead = [{"id": f"dead{n}", "address": r.address} for n, r in enumerate(refusing)]
    proxy = stage.proxy(*dead, *many)
    assert spread(stage, proxy, 120) == {"backend": 120}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_retry_goes_on_to_the_next_tier_and_to_backups_last(stage, algorithm):
    second, backup = stage.recorders("second", "backup")
    tiers = [{"id": "first", "address": stage.refusing_port().address, "priority": 1},
             {"id": "second", "address": second.address, "priority": 2},
             {"id": "backup", "address": backup.address, "backup": True}]
    proxy = stage.proxy(*tiers, pool_settings={"algorithm": algorithm})
    assert spread(stage, proxy, 12) == {"second": 12}
    assert backup.count == 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_with_locality_the_own_zone_serves_alone(stage, algorithm):
    backends = stage.recorders("near", "region", "far")
    places = groups(backends, region=["eu", "eu", "us"], zone=["eu-a", "eu-b", "us-a"])
    proxy = stage.proxy(*places, region="eu", zone="eu-a",
                        pool_settings={"algorithm": algorithm, "locality": "prefer"})
    assert spread(stage, proxy, 12) == {"near": 12}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_full_endpoint_is_passed_over_and_its_place_is_used_again(stage, algorithm):
    release = threading.Event()

    def slow(request):
        if request.target == "/hold":
            release.wait(120)
        return answer(b"narrow")

    narrow, wide = stage.recorder("narrow", respond=slow), stage.recorder("wide")
    endpoints = groups([narrow, wide], max_connections=[1, 0], priority=[1, 2])
    proxy = stage.proxy(*endpoints, workers=4, pool_settings={"algorithm": algorithm})
    holder = stage.client(proxy)
    holder.send(head(path="/hold"))
    wait_until(lambda: narrow.count == 1, "its one place is taken")
    assert spread(stage, proxy, 10) == {"wide": 10}
    release.set()
    assert holder.read_response().status == 200
    wait_until(lambda: stage.get(proxy).text == "narrow", "its place is free again")
