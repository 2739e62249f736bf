"""Endpoints from Consul: what it says of a service, blocking queries, and what goes wrong."""

import time
from pathlib import Path

import pytest

from lib.consul import FakeConsul
from lib.consul_catalog import Catalog
from lib.reloads import Site
from lib.waiting import wait_until


@pytest.fixture
def consul(stage):
    return stage.ending(FakeConsul(remember=False))


def block(consul, **discovery):
    return {"type": "consul", "address": getattr(consul, "address", consul), "service": "api",
            **discovery}


def site(stage, consul, *backends, top=None, **discovery):
    return Site(stage, *backends, top=top, discovery=block(consul, **discovery))


def provider(site):
    return site.admin.json("/api/v1/providers")[0]


def wait_state(site, state):
    wait_until(lambda: provider(site)["state"] == state, f"the source is {state}")
    return provider(site)


def wait_ids(site, *ids):
    wait_until(lambda: set(site.admin.endpoints()) == set(ids), f"the endpoints are {ids}")


def wait_endpoint(site, name, **wanted):
    """Until the endpoint says all of this."""
    def says():
        found = site.admin.endpoints().get(name, {})
        return all(found.get(key) == value for key, value in wanted.items())
    wait_until(says, f"endpoint {name} says {wanted}")


def source_events(site, **wanted):
    """What became of the source; that endpoints came and went is of the same type."""
    return [e for e in site.admin.events(type="discovery", **wanted)
            if "failing" in (e["from"], e["to"])]


def answers(stage, site, count=20):
    return {stage.get(site.proxy).text for _ in range(count)}


# ---- what comes and goes ----

def test_services_come_and_go_without_being_asked_for_again_and_again(stage, consul):
    a, b = stage.recorders("a", "b")
    consul.catalog.register_all({"a": a.address})
    edge = site(stage, consul)
    assert answers(stage, edge) == {"a"}
    consul.wait_held()
    consul.catalog.register_all({"b": b.address})
    wait_ids(edge, "a", "b")
    assert answers(stage, edge) == {"a", "b"}
    consul.wait_held()
    consul.catalog.deregister("a")
    wait_ids(edge, "b")
    assert answers(stage, edge) == {"b"}
    consul.wait_held()
    # One that is answered at once, and one for each change to come.
    indexes = [asked.index for asked in consul.queries]
    assert len(indexes) == 4 and indexes[0] == 0 and indexes[1:] == sorted(set(indexes[1:]))
    assert consul.queries[-1].parameter("wait") == "300000ms"
    assert provider(edge)["state"] == "synced" and provider(edge)["endpoints"] == 1


def test_what_consul_knows_of_a_service_lands_in_its_endpoint(stage, consul):
    meta = {"priority": "2", "zone": "z1", "max_connections": "50", "version": "1.4"}
    consul.catalog.register("a", port=8080, address="10.0.0.1", tags=["blue", "v2"], meta=meta,
                            weights={"Passing": 10, "Warning": 3})
    consul.catalog.register("b", port=8081, node="n2", meta={"backup": "true", "region": "moon"})
    consul.catalog.register("s", SocketPath="/run/app.sock")
    edge = site(stage, consul)
    wait_ids(edge, "a", "b", "s")
    found = edge.admin.endpoints()
    assert {key: found["a"][key] for key in ("address", "weight", "priority", "region", "zone",
                                             "tags", "metadata", "max_connections", "name")} == {
        "address": "10.0.0.1:8080", "weight": 10, "priority": 2, "region": "dc1", "zone": "z1",
        "tags": ["blue", "v2"], "metadata": meta, "max_connections": 50, "name": "n1"}
    assert found["b"]["address"] == "127.0.0.1:8081" and found["b"]["backup"] is True
    assert found["b"]["region"] == "moon" and found["s"]["address"] == "unix:/run/app.sock"


def test_the_worst_check_counts(stage, consul):
    a, b = stage.recorders("a", "b")
    consul.catalog.register_all({"a": a.address, "b": b.address},
                                weights={"Passing": 10, "Warning": 2})
    edge = site(stage, consul)
    wait_endpoint(edge, "a", weight=10)
    consul.catalog.set_check("a", "warning")
    wait_endpoint(edge, "a", status="degraded", weight=2)
    consul.catalog.set_check("a", "critical", check_id="disk")
    wait_endpoint(edge, "a", status="unhealthy")
    assert answers(stage, edge) == {"b"}
    consul.catalog.set_check("a", None, check_id="disk")
    wait_endpoint(edge, "a", status="degraded")
    consul.catalog.set_check("a", "passing")
    wait_until(lambda: edge.admin.endpoints()["a"]["status"] in ("healthy", "unknown"),
               "it passes again")
    assert answers(stage, edge) == {"a", "b"}


def test_maintenance_drains(stage, consul):
    a, b = stage.recorders("a", "b")
    consul.catalog.register_all({"a": a.address})
    consul.catalog.register_all({"b": b.address}, node="n2")
    edge = site(stage, consul)
    for begin, end in ((lambda on: consul.catalog.service_maintenance("a", on), "service"),
                       (lambda on: consul.catalog.node_maintenance("n1", on), "node")):
        begin(True)
        wait_endpoint(edge, "a", status="draining")
        assert answers(stage, edge) == {"b"}, end
        begin(False)
        wait_until(lambda: edge.admin.endpoints()["a"]["status"] != "draining", "it is back")
    assert answers(stage, edge) == {"a", "b"}


def test_nonsense_is_left_out_one_by_one(stage, consul):
    consul.catalog.register("good", port=80)
    consul.catalog.register("portless")
    consul.catalog.register("boastful", port=81, meta={"weight": "heavy"})
    consul.catalog.register("nowhere", port=82, address="not an address")
    edge = site(stage, consul)
    wait_ids(edge, "good")
    refused = provider(edge)["refused"]
    assert refused["count"] == 3
    reasons = "\n".join(refused["reasons"])
    for word in ('"portless": it has no port', '"boastful": Meta.weight: "heavy"', "nowhere"):
        assert word in reasons


def test_the_output_of_a_check_may_be_anything(stage, consul):
    consul.catalog.register("a", port=80)
    for service_id, output in (("b", "bin\0ary \x1b \ud83d\ude00"), ("c", "\\u0000 \"quoted\"")):
        consul.catalog.register(service_id, port=81)
        consul.catalog.services["n1", service_id]["Checks"][f"service:{service_id}"]["Output"] = output
    edge = site(stage, consul)
    wait_ids(edge, "a", "b", "c")


def test_the_same_id_on_two_agents_is_two_endpoints(stage, consul):
    for node in ("n1", "n2"):
        consul.catalog.register("api", port=80, node=node, address=f"10.0.0.{node[1]}")
    edge = site(stage, consul)
    wait_ids(edge, "n1:api", "n2:api")
    consul.catalog.deregister("api", "n1")
    wait_ids(edge, "n2:api")


def test_a_second_agent_with_the_same_id_replaces_nobody(stage, consul):
    consul.catalog.register("a", service="api", port=80, node="n2", address="10.0.0.2")
    edge = site(stage, consul)
    wait_ids(edge, "a")
    made = edge.admin.endpoints()["a"]["created_at"]
    consul.catalog.register("a", service="api", port=80, node="n1", address="10.0.0.1")
    wait_ids(edge, "a", "n1:a")
    assert edge.admin.endpoints()["a"]["created_at"] == made
    assert edge.admin.endpoints()["a"]["address"] == "10.0.0.2:80"
    made = edge.admin.endpoints()["n1:a"]["created_at"]
    consul.catalog.deregister("a", "n2")
    wait_ids(edge, "n1:a")
    assert edge.admin.endpoints()["n1:a"]["created_at"] == made


def test_tags_and_a_datacenter_are_asked_for(stage):
    there = Catalog("dc2")
    consul = stage.ending(FakeConsul(others=[there]))
    there.register("x", port=80, tags=["blue"])
    there.register("y", port=81, tags=["blue", "a b&c"])
    consul.catalog.register("z", port=82, tags=["blue", "a b&c"])
    edge = site(stage, consul, datacenter="dc2", tag=["blue", "a b&c"])
    wait_ids(edge, "y")
    assert edge.admin.endpoints()["y"]["region"] == "dc2"


def test_two_pools_share_one_watch(stage, consul):
    consul.catalog.register("a", port=80)
    edge = Site(stage, discovery=block(consul),
                pools=[{"name": "twin", "discovery": block(consul, allow_empty=True),
                        "backends": ()}],
                routes=[{"name": "twin", "path": "/twin", "pool": "twin"},
                        {"name": "all", "pool": "app"}])
    wait_ids(edge, "a")
    assert set(edge.admin.endpoints("twin")) == {"a"}
    consul.wait_held()
    assert len(consul.queries) == 2 and provider(edge)["pools"] == ["app", "twin"]
    consul.catalog.deregister("a")
    wait_until(lambda: not edge.admin.endpoints("twin"), "the pool that allows it is empty")
    wait_ids(edge, "a")


# ---- the index ----

def test_an_index_that_goes_backwards_is_asked_anew(stage, consul):
    consul.catalog.index = 1000
    consul.catalog.register("a", port=80)
    edge = site(stage, consul)
    wait_ids(edge, "a")
    consul.wait_held()
    consul.catalog.restore(5)
    wait_until(lambda: consul.held == 1 and consul.queries[-1].index == 5, "it waits from 5 on")
    assert [asked.index for asked in consul.queries] == [0, 1001, 0, 5]
    consul.catalog.register("b", port=81)  # index 6: nobody who waited for 1002 would see it
    wait_ids(edge, "a", "b")


@pytest.mark.parametrize("mood", ["hasty", "indexless"])
def test_a_server_that_never_blocks_is_not_asked_in_a_hurry(stage, consul, mood):
    consul.catalog.register("a", port=80)
    consul.mood = mood
    edge = site(stage, consul)
    wait_ids(edge, "a")
    began, before = time.monotonic(), len(consul.queries)  # in this order: we may be held up
    wait_until(lambda: len(consul.queries) >= before + 8, "it asks and asks")
    # Three at once and then one per 100 ms: slower is fine, faster is not.
    assert time.monotonic() - began > 0.4
    consul.catalog.register("b", port=81)
    wait_ids(edge, "a", "b")
    assert provider(edge)["failures"] == 0


def test_a_query_whose_wait_is_over_changes_nothing(stage, consul):
    consul.catalog.register("a", port=80)
    edge = site(stage, consul, wait="2s")
    consul.wait_asked("v1", "health", count=3)
    consul.wait_held()
    assert provider(edge)["state"] == "synced"
    indexes = [asked.index for asked in consul.queries]
    assert indexes[1] == indexes[2] and consul.queries[1].parameter("wait") == "2000ms"
    assert not edge.admin.events(type="discovery", to="failing")


# ---- what goes wrong ----

def test_a_dead_agent_costs_no_endpoint_and_is_one_event(stage, consul):
    a, b = stage.recorders("a", "b")
    consul.catalog.register_all({"a": a.address})
    edge = site(stage, consul)
    wait_ids(edge, "a")
    consul.wait_held()
    consul.go_down()
    wait_state(edge, "failing")
    wait_until(lambda: provider(edge)["failures"] >= 3, "it is tried again")
    assert answers(stage, edge) == {"a"} and set(edge.admin.endpoints()) == {"a"}
    assert len(source_events(edge)) == 1
    consul.catalog.register_all({"b": b.address})
    consul.come_up()
    wait_ids(edge, "a", "b")
    lost, back = source_events(edge)
    assert (lost["to"], back["to"]) == ("failing", "synced")
    assert "the last 1 endpoint stays" in lost["next"]


@pytest.mark.parametrize(("mood", "words"), [
    ((500, "No cluster leader"), "status 500: No cluster leader"),
    ((429, "Your IP is issuing too many concurrent connections"), "status 429"),
    ("garbage", "not JSON"), ("cut", "")], ids=["leaderless", "busy", "garbage", "cut"])
def test_an_answer_that_is_none_costs_no_endpoint(stage, consul, mood, words):
    consul.catalog.register("a", port=80)
    edge = site(stage, consul)
    wait_ids(edge, "a")
    consul.wait_held()
    consul.mood = mood
    consul.catalog.register("b", port=81)  # which answers the query that waits
    failing = wait_state(edge, "failing")
    assert words in failing["last_error"] and failing["endpoints"] == 2
    consul.catalog.deregister("a")
    wait_until(lambda: provider(edge)["failures"] >= 2, "it is tried again")
    wait_ids(edge, "a", "b")
    consul.mood = "well"
    wait_ids(edge, "b")
    assert len(source_events(edge)) == 2


def test_an_agent_that_says_nothing_is_given_up_and_another_one_asked(stage, consul):
    other = stage.ending(FakeConsul(consul.catalog))
    consul.catalog.register("a", port=80)
    edge = site(stage, [consul.address, other.address], wait="1s")
    wait_ids(edge, "a")
    consul.wait_held()
    consul.mood = "silent"
    consul.catalog.register("b", port=81)
    wait_ids(edge, "a", "b")
    wait_until(lambda: other.queries, "the other agent is asked")
    consul.catalog.deregister("a")
    wait_ids(edge, "b")
    assert "no answer within" in provider(edge)["last_error"]


def is_asked_for_life(address):
    """Does the kernel keep a timer for an idle connection to there? proc(5), /proc/net/tcp."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(there.endswith(port) and state == "01" and timer.startswith("02:")
               for _, _, there, state, _, timer, *_ in lines)


def test_an_agent_that_vanishes_is_missed_before_the_query_is_over(stage, consul):
    consul.catalog.register("a", port=80)
    edge = site(stage, consul)
    wait_ids(edge, "a")
    consul.wait_held()
    wait_until(lambda: is_asked_for_life(consul.address), "the agent is asked whether it lives")


def test_agents_are_asked_in_turn(stage, consul):
    other = stage.ending(FakeConsul(consul.catalog))
    consul.catalog.register("a", port=80)
    edge = site(stage, [stage.refusing_port().address, consul.address, other.address])
    wait_ids(edge, "a")
    assert not other.queries and provider(edge)["failures"] == 0
    consul.wait_held()
    consul.go_down()
    other.wait_held()
    consul.catalog.deregister("a")
    consul.catalog.register("b", port=81)
    wait_ids(edge, "b")


def test_a_slow_and_large_answer_is_read_to_its_end(stage, consul):
    ids = [f"s{number:03}" for number in range(100)]
    for service_id in ids:
        consul.catalog.register(service_id, port=80)
    consul.mood = "slow"
    edge = site(stage, consul)
    wait_ids(edge, *ids)


def test_an_answer_that_is_too_large_is_refused(stage, consul):
    consul.catalog.register("a", port=80)
    edge = site(stage, consul, max_bytes="64k")
    wait_ids(edge, "a")
    consul.catalog.register("b", port=81, meta={"x": "y" * 70000})
    assert "more than 65536 bytes" in wait_state(edge, "failing")["last_error"]
    wait_ids(edge, "a")
    consul.catalog.deregister("b")
    wait_state(edge, "synced")


# ---- who may ask, and how ----

def everything_said(site):
    """All that an operator reads."""
    return "\n".join([site.proxy.stderr, site.admin.ask("/api/v1/providers").text,
                      site.admin.ask("/api/v1/events?limit=1000").text,
                      site.admin.ask("/metrics").text, site.admin.ask("/api/v1/status").text])


def test_a_token_is_sent_and_never_shown(stage):
    consul = stage.ending(FakeConsul(tokens={"s3cr3t-of-the-edge": ["read"]}))
    consul.catalog.register("a", port=80)
    edge = site(stage, consul, token="s3cr3t-of-the-edge")
    wait_ids(edge, "a")
    consul.wait_held()
    consul.mood = "quoting"
    consul.catalog.register("b", port=81)
    assert "no such token ****" in wait_state(edge, "failing")["last_error"]
    assert {asked.token for asked in consul.queries} == {"s3cr3t-of-the-edge"}
    assert "s3cr3t" not in everything_said(edge)


def test_a_token_that_may_read_nothing_is_no_empty_service(stage):
    consul = stage.ending(FakeConsul(tokens={"the-token": ["read"]}))
    consul.catalog.register("a", port=80)
    edge = site(stage, consul, token="the-token", allow_empty=True)
    wait_ids(edge, "a")
    consul.wait_held()
    consul.tokens = {"the-token": []}
    consul.catalog.register("b", port=81)
    assert "ACLs withhold every service" in wait_state(edge, "failing")["last_error"]
    wait_ids(edge, "a")
    consul.tokens = {"the-token": ["read"]}
    wait_ids(edge, "a", "b")


def test_a_token_that_may_read_no_more_is_noticed_when_the_wait_is_over(stage):
    consul = stage.ending(FakeConsul(tokens={"the-token": ["read"]}))
    consul.catalog.register("a", port=80)
    edge = site(stage, consul, token="the-token", wait="1s")
    wait_ids(edge, "a")
    consul.wait_held()
    consul.tokens = {"the-token": []}  # nothing about the service changes, nor does its index
    wait_until(lambda: "ACLs withhold" in (provider(edge)["last_error"] or ""), "it is noticed")
    wait_ids(edge, "a")


def test_a_token_that_is_rotated_in_its_file_is_used(stage):
    consul = stage.ending(FakeConsul(tokens={"first-token": ["read"]}))
    consul.catalog.register("a", port=80)
    file = stage.room("token") / "token"
    file.write_text("first-token\n")
    edge = site(stage, consul, token_file=str(file))
    wait_ids(edge, "a")
    consul.wait_held()
    consul.tokens = {"second-token": ["read"]}
    consul.catalog.register("b", port=81)
    failing = wait_state(edge, "failing")
    assert "status 403: ACL not found" in failing["last_error"]
    assert "service:read" in failing["last_error"]
    file.write_text("second-token\n")
    wait_ids(edge, "a", "b")
    wait_state(edge, "synced")
    assert "-token\n" not in everything_said(edge).replace('"', "\n")


def test_over_tls(stage, certificates):
    consul = stage.ending(FakeConsul(
        tls=certificates.server_context(certificates.leaf("consul.test"))))
    consul.catalog.register("a", port=80)
    edge = site(stage, consul, tls={"ca": certificates.ca, "sni": "consul.test"})
    wait_ids(edge, "a")
    consul.wait_held()
    consul.catalog.register("b", port=81)
    wait_ids(edge, "a", "b")


def test_a_certificate_that_is_not_consuls_is_refused(stage, certificates):
    consul = stage.ending(FakeConsul(
        tls=certificates.server_context(certificates.leaf("somebody.test"))))
    consul.catalog.register("a", port=80)
    edge = site(stage, consul, {"id": "static", "address": "127.0.0.1:9"},
                tls={"ca": certificates.ca, "sni": "consul.test"})
    assert "TLS" in wait_state(edge, "failing")["last_error"]
    wait_ids(edge, "static")
    assert not consul.asked


def test_over_a_unix_socket(stage):
    consul = stage.ending(FakeConsul(address=f"unix:{stage.room('s')}/c"))
    consul.catalog.register("a", port=80)
    edge = site(stage, consul)
    wait_ids(edge, "a")
    consul.wait_held()
    consul.catalog.deregister("a")
    consul.catalog.register("b", port=81)
    wait_ids(edge, "b")
