"""Endpoints from the DNS, with BIND's named and dnsmasq as the servers. Traffic flows meanwhile."""

import pytest

from lib.dns_server import DnsServer
from lib.dnsmasq import Dnsmasq
from lib.libconfig import pool
from lib.load import Load
from lib.named import Named
from lib.real_servers import free_port
from lib.reloads import Site
from lib.waiting import wait_until

PORT = 8080  # of endpoints that are listed only
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
TO_APP = [{"name": "all", "pool": "app"}]
SERVICE = "_http._tcp.app.test"


@pytest.fixture
def backends(stage):
    """A recorder per address of HOSTS, all on one port; by address, and the port."""
    first = stage.recorder(HOSTS[0], address=f"{HOSTS[0]}:0")
    rest = [stage.recorder(host, address=f"{host}:{first.port}") for host in HOSTS[1:]]
    return dict(zip(HOSTS, [first, *rest])), first.port


@pytest.fixture
def load(stage, load_program):
    """load(site): traffic from now on; .stop().assert_all_answered()."""
    return lambda site: stage.ending(
        Load(load_program, site.proxy.port(), stage.room("load"), rate=100, connections=8),
        "close")


def block(name="app.test", port=PORT, **more):
    return {"type": "dns", "name": f"{name}:{port}", **more}


def services(**more):
    return {"type": "dns", "name": SERVICE, "record": "srv", **more}


def site_of(stage, server, discovery, **more):
    return Site(stage, env=server.environment, discovery=discovery, **more)


def wait_ids(site, *ids, pool_name="app"):
    def listed():
        return set(site.admin.endpoints(pool_name))
    wait_until(lambda: listed() == set(ids), f"the {len(ids)} endpoints of {pool_name} are there")


def provider(site):
    only, = site.admin.json("/api/v1/providers")
    return only


def wait_state(site, state):
    wait_until(lambda: provider(site)["state"] == state, f"the source is {state}")
    return provider(site)


def at(port, *hosts):
    return [f"{host}:{port}" for host in hosts]


def records(*hosts, name="app", ttl_s=1):
    return [f"{name} {ttl_s} A {host}" for host in hosts]


# ---- addresses, from named ----

def test_records_that_are_added_and_removed_are_followed(stage, backends, load):
    recorders, port = backends
    named = stage.ending(Named({"test": records(*HOSTS[:1])}))
    site = site_of(stage, named, block(port=port))
    wait_ids(site, *at(port, *HOSTS[:1]))
    traffic = load(site)
    recorders[HOSTS[0]].wait_for_requests(5)
    named.write("test", records(*HOSTS))
    wait_ids(site, *at(port, *HOSTS))
    recorders[HOSTS[2]].wait_for_requests(5)
    named.write("test", records(*HOSTS[1:]))
    wait_ids(site, *at(port, *HOSTS[1:]))
    traffic.stop().assert_all_answered()


def test_aliases_are_followed_to_addresses_of_both_kinds(stage):
    named = stage.ending(Named({"test": [
        "www 1 CNAME app", "app 1 A 127.0.0.2", "app 1 AAAA 2001:db8::1"]}))
    site = site_of(stage, named, block("www.test"))
    wait_ids(site, f"127.0.0.2:{PORT}", f"[2001:db8::1]:{PORT}")
    named.write("test", ["www 1 CNAME app", "app 1 AAAA 2001:db8::1"])
    wait_ids(site, f"[2001:db8::1]:{PORT}")


def test_a_name_is_asked_for_again_when_its_ttl_is_over(stage):
    # What is not there, as an AAAA of "short", holds for a time of its own: "long" has both.
    named = stage.ending(Named({"test": [
        "short 1 A 127.0.0.2", "long 3600 A 127.0.0.2", "long 3600 AAAA 2001:db8::1"]}))
    site = site_of(stage, named, block("short.test"), routes=TO_APP,
                   pools=[pool("long", [], discovery=block("long.test"))])
    wait_ids(site, f"127.0.0.2:{PORT}", f"[2001:db8::1]:{PORT}", pool_name="long")
    wait_until(lambda: len(named.queries("short.test")) >= 6, "it is asked for thrice")
    assert len(named.queries("long.test")) == 2, named.log


def test_a_name_that_disappears_empties_only_pools_that_allow_it(stage, backends, load):
    _, port = backends
    named = stage.ending(Named({"test": records(*HOSTS[:1])}))
    empties = pool("empties", [], discovery=block(port=port, allow_empty=True))
    site = site_of(stage, named, block(port=port), pools=[empties],
                   routes=TO_APP)
    provider(site)  # both are filled by one
    wait_ids(site, *at(port, *HOSTS[:1]), pool_name="empties")
    traffic = load(site)
    named.write("test", [])
    wait_ids(site, pool_name="empties")
    assert set(site.admin.endpoints()) == set(at(port, *HOSTS[:1]))
    named.write("test", records(*HOSTS[1:]))
    wait_ids(site, *at(port, *HOSTS[1:]), pool_name="empties")
    wait_ids(site, *at(port, *HOSTS[1:]))
    traffic.stop().assert_all_answered()


def test_what_was_known_stays_while_servers_fail_or_are_dead(stage, backends, load):
    _, port = backends
    named = stage.ending(Named({"test": records(*HOSTS[:2])}))
    site = site_of(stage, named, block(port=port, allow_empty=True))
    wait_ids(site, *at(port, *HOSTS[:2]))
    traffic = load(site)
    named.restart("test", None)
    failing = wait_state(site, "failing")
    assert "app.test" in failing["last_error"], failing
    named.kill()
    failures = failing["failures"]
    wait_until(lambda: provider(site)["failures"] > failures, "it is asked in vain")
    assert set(site.admin.endpoints()) == set(at(port, *HOSTS[:2]))
    named.restart("test", records(*HOSTS[1:]))
    wait_ids(site, *at(port, *HOSTS[1:]))
    wait_state(site, "synced")
    states = [(e["from"], e["to"]) for e in site.admin.events(type="discovery")
              if "failing" in (e["from"], e["to"])]
    assert states == [("synced", "failing"), ("failing", "synced")], states
    traffic.stop().assert_all_answered()


def test_an_answer_too_large_for_a_datagram_is_fetched_over_tcp(stage):
    hosts = [f"127.0.1.{n}" for n in range(1, 101)]  # as many as BIND lets a name have
    named = stage.ending(Named({"test": records(*hosts)}))
    site = site_of(stage, named, block())
    wait_ids(site, *at(PORT, *hosts))
    asked = [query for query in named.queries("app.test") if query.startswith("A ")]
    assert "E(0)" in asked[0] and "T" not in asked[0], asked  # a datagram first, with EDNS
    assert "T" in asked[1], asked


def test_localhost_needs_no_name_server(stage):
    dns = stage.dns({})
    site = site_of(stage, dns, block("localhost"))
    wait_until(lambda: f"127.0.0.1:{PORT}" in site.admin.endpoints(), "localhost is found")
    assert not dns.queries


# ---- services, from dnsmasq ----

def found(site):
    """(address, tier, weight) by id."""
    return {name: (e["address"], e["priority"], e["weight"])
            for name, e in site.admin.endpoints().items()}


def wait_found(site, expected):
    wait_until(lambda: found(site) == expected, f"the endpoints are {expected}")


def srv(target, port, priority, weight):
    return f"{SERVICE},{target}.app.test,{port},{priority},{weight}"


def test_services_come_with_port_priority_and_weight(stage, load):
    first, second = stage.recorder("first"), stage.recorder("second")
    dnsmasq = stage.ending(Dnsmasq(
        [srv("a", first.port, 10, 5), srv("b", second.port, 20, 0)],
        ["a.app.test,127.0.0.1", "b.app.test,127.0.0.1"]))
    site = site_of(stage, dnsmasq, services())
    a = {f"a.app.test:{first.port}": (first.address, 1, 5)}
    wait_found(site, {**a, f"b.app.test:{second.port}": (second.address, 2, 1)})
    traffic = load(site)
    first.wait_for_requests(20)
    assert second.count == 0
    dnsmasq.restart([srv("a", first.port, 10, 5), srv("b", second.port, 5, 0)])
    wait_found(site, {f"a.app.test:{first.port}": (first.address, 2, 5),
                      f"b.app.test:{second.port}": (second.address, 1, 1)})
    second.wait_for_requests(5)
    dnsmasq.restart([srv("a", first.port, 10, 5)])
    wait_found(site, a)
    traffic.stop().assert_all_answered()


def test_a_target_that_is_gone_is_refused_by_itself(stage):
    dnsmasq = stage.ending(Dnsmasq(
        [srv("a", 1001, 1, 1), srv("b", 1002, 1, 1)],
        ["a.app.test,127.0.0.2", "b.app.test,127.0.0.3,2001:db8::1"]))
    site = site_of(stage, dnsmasq, services())
    wait_ids(site, "a.app.test:1001", "b.app.test:1002")  # IPv4 alone where there is some
    dnsmasq.restart(hosts=["a.app.test,127.0.0.2"])
    wait_ids(site, "a.app.test:1001")
    refused = provider(site)["refused"]
    assert refused == {"count": 1, "reasons": ["target b.app.test has no address"]}
    dnsmasq.restart(hosts=["a.app.test,127.0.0.2", "b.app.test,2001:db8::1",
                           "b.app.test,2001:db8::2"])
    wait_ids(site, "a.app.test:1001", "b.app.test:1002@2001:db8::1",
             "b.app.test:1002@2001:db8::2")


def test_a_service_that_is_decidedly_not_there_is_an_empty_answer(stage):
    dnsmasq = stage.ending(Dnsmasq([srv("a", 1001, 1, 1)], ["a.app.test,127.0.0.2"]))
    site = site_of(stage, dnsmasq, services(allow_empty=True))
    wait_ids(site, "a.app.test:1001")
    dnsmasq.restart([SERVICE])  # its target is the root
    wait_ids(site)
    assert wait_state(site, "synced")["refused"]["count"] == 0


def test_name_servers_are_asked_in_turn(stage):
    silent = stage.ending(DnsServer({}))
    silent.silent = True
    refusing = stage.ending(Named({"other": []}))
    dnsmasq = stage.ending(Dnsmasq([srv("a", 1001, 1, 1)], ["a.app.test,127.0.0.2"]))
    servers = [f"127.0.0.1:{free_port()}", silent.environment["EVERGATE_DNS_SERVERS"],
               refusing.address, dnsmasq.address]
    site = Site(stage, env={"EVERGATE_DNS_SERVERS": ",".join(servers)}, discovery=services())
    wait_ids(site, "a.app.test:1001")
    assert silent.queries and refusing.queries(SERVICE)
