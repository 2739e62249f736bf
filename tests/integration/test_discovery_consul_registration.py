"""evergate as a service in Consul: registered, kept passing, registered anew, taken back."""

import signal

import pytest

from lib import libconfig
from lib.consul import FakeConsul
from lib.dynasty import dynasty
from lib.failover import ADMIN
from lib.reloads import Site, held
from lib.waiting import wait_until

REGISTER = ("v1", "agent", "service", "register")
DEREGISTER = ("v1", "agent", "service", "deregister")
PASS = ("v1", "agent", "check", "pass")


@pytest.fixture
def consul(stage):
    found = stage.ending(FakeConsul())
    found.catalog.register("a", port=80)
    return found


def block(consul, register=None, **discovery):
    return {"type": "consul", "address": consul.address, "service": "api",
            "register": {"port": 8080, "ttl": "3s", **(register or {})}, **discovery}


def site(stage, consul, register=None, **discovery):
    return Site(stage, discovery=block(consul, register, **discovery))


def registered(consul, service_id="evergate-8080"):
    """What Consul knows of it, between its requests: a service and its check come in one."""
    with consul.lock:
        return consul.catalog.services.get(("n1", service_id))


def status(consul):
    return registered(consul)["Checks"]["service:evergate-8080"]["Status"]


def wait_registered(consul, service_id="evergate-8080"):
    wait_until(lambda: registered(consul, service_id), "it is registered")


def registration(site):
    only, = site.admin.json("/api/v1/providers")
    return only["registration"]


def wait_registration(site, state):
    wait_until(lambda: registration(site)["state"] == state, f"the registration is {state}")
    return registration(site)


def asked(consul, path):
    return [a for a in list(consul.asked) if a.segments[:len(path)] == list(path)]


def test_it_is_registered_and_taken_back_when_it_leaves(stage, consul):
    edge = site(stage, consul, {"name": "edge", "id": "edge-1", "address": "10.0.0.1",
                                "tags": ["blue"]})
    wait_registered(consul, service_id="edge-1")
    service = registered(consul, "edge-1")["Service"]
    assert {key: service[key] for key in ("Service", "Address", "Port", "Tags")} == {
        "Service": "edge", "Address": "10.0.0.1", "Port": 8080, "Tags": ["blue"]}
    edge.proxy.stop(signal.SIGTERM)
    assert registered(consul, "edge-1") is None
    assert edge.proxy.log_lines("discovery registered: consul .*this proxy's service .*edge-1")
    assert edge.proxy.log_lines("this proxy's service .*edge-1.* was taken back")


def test_it_is_not_registered_before_it_accepts_connections(stage, consul):
    taken = stage.recorder()  # so that it never will
    proxy = stage.evergate(libconfig.simple(
        [], listener={"bind": f"127.0.0.1:{taken.port}"},
        pool_settings={"discovery": block(consul)}), names=())
    proxy.expected_exit = 1
    assert proxy.wait_exit() == 1
    assert consul.queries and not asked(consul, REGISTER)


def test_a_registration_that_comes_with_a_reload_is_made(stage, consul):
    edge = Site(stage, {"id": "static", "address": "127.0.0.1:9"})
    edge.pool["discovery"] = block(consul)
    edge.reload()
    wait_registered(consul)


def test_it_is_taken_back_while_it_finishes_what_it_has(stage, consul):
    slow = stage.failing("slow")
    slow.mood = "hold"
    consul.catalog.register_all({"a": slow.address})
    edge = site(stage, consul)
    wait_registered(consul)
    client = held(stage, edge.proxy, slow)
    edge.proxy.send_signal(signal.SIGTERM)
    wait_until(lambda: not registered(consul), "it is taken back")
    assert edge.proxy.process.poll() is None
    slow.release()
    assert client.read_response("GET").text == "slow"
    assert edge.proxy.wait_exit() == 0


def test_its_check_passes_for_as_long_as_it_serves(stage, consul):
    site(stage, consul)
    consul.wait_asked(*PASS, count=4)  # more than a TTL
    assert status(consul) == "passing"
    assert asked(consul, PASS)[0].parameter("note") == "serving"


def test_one_that_is_killed_is_left_to_its_ttl(stage, consul):
    edge = site(stage, consul)
    wait_registered(consul)
    edge.proxy.expected_exit = -signal.SIGKILL
    edge.proxy.stop(signal.SIGKILL)
    assert registered(consul) and not asked(consul, DEREGISTER)


def test_an_agent_that_has_forgotten_it_is_told_again(stage, consul):
    site(stage, consul)
    wait_registered(consul)
    consul.forget_services()
    wait_until(lambda: registered(consul), "it is registered again")
    assert len(asked(consul, REGISTER)) == 2


def test_an_agent_that_comes_later_is_told_then(stage, consul):
    consul.go_down()
    edge = site(stage, consul)
    failing = wait_registration(edge, "failing")
    assert failing["id"] == "evergate-8080" and "connect to" in failing["last_error"]
    consul.come_up()
    wait_registered(consul)
    back = wait_registration(edge, "registered")
    assert back["since"] > failing["since"] and back["last_error_at"] >= failing["last_error_at"]
    told = [e["to"] for e in edge.admin.events(type="discovery") if "this proxy" in e["why"]]
    assert told[:2] == ["unregistered", "registered"]


def test_without_an_agent_it_ends_all_the_same(stage, consul):
    edge = site(stage, consul)
    wait_registered(consul)
    consul.go_down()
    edge.proxy.stop(signal.SIGTERM)
    assert registered(consul) is not None


def test_its_token_goes_with_it_and_may_be_rotated(stage, consul):
    consul.tokens = {"good-token": ["read", "write"]}
    file = stage.room("token") / "token"
    file.write_text("stale-token\n")
    edge = site(stage, consul, token_file=str(file))
    assert "status 403: ACL not found" in wait_registration(edge, "failing")["last_error"]
    file.write_text("good-token\n")
    wait_registered(consul)
    consul.wait_asked(*PASS)
    assert "-token" not in edge.proxy.stderr.replace("token_file", "")


def test_several_sources_with_the_same_id_are_one_service(stage, consul):
    edge = Site(stage, discovery=block(consul),
                pools=[{"name": "other", "discovery": block(consul, service="other"),
                        "backends": ()}],
                routes=[{"name": "all", "pool": "app"}])
    wait_until(lambda: len(asked(consul, REGISTER)) == 2, "both have registered it")
    assert status(consul) == "passing"
    edge.proxy.stop(signal.SIGTERM)
    assert registered(consul) is None


def test_a_reload_that_leaves_it_out_does_not_take_it_back_from_those_that_go_on(stage, consul):
    edge = site(stage, consul)
    wait_registered(consul)
    edge.pool["discovery"] = block(consul, wait="4m")
    edge.reload()
    wait_until(lambda: len(asked(consul, REGISTER)) == 2, "the new source has registered it")
    del edge.pool["discovery"]["register"]
    edge.reload()
    assert not asked(consul, DEREGISTER) and registered(consul)


def test_the_next_binary_goes_on_with_it(stage, consul):
    line = dynasty(stage, pool_settings={"discovery": block(consul)}, admin=ADMIN)
    wait_registered(consul)
    line.upgrade()
    wait_until(lambda: len(asked(consul, REGISTER)) == 2, "the heir has registered it")
    passes = len(asked(consul, PASS))
    consul.wait_asked(*PASS, count=passes + 2)
    assert not asked(consul, DEREGISTER) and status(consul) == "passing"
