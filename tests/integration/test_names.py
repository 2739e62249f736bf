"""Line 7: backends given by name, resolved again and again."""

from lib.scripted_backend import answer
from lib.waiting import wait_until


def loopbacks(stage, *hosts):
    """One recorder per loopback address, all on the same port."""
    first = stage.recorder(hosts[0], address=f"{hosts[0]}:0")
    rest = [stage.recorder(host, address=f"{host}:{first.port}") for host in hosts[1:]]
    return [first, *rest]


def named(backend, host="app.test"):
    return {"id": "named", "address": f"{host}:{backend.port}"}


def body_is(stage, proxy, expected):
    def asked():
        answered = stage.get(proxy)
        return answered.status == 200 and answered.text == expected
    return asked


def test_localhost_is_resolved(stage):
    backend = stage.recorder()
    proxy = stage.proxy(named(backend, "localhost"))
    wait_until(lambda: stage.get(proxy).status == 200, "localhost is resolved")


def test_a_name_is_resolved_by_the_configured_server(stage):
    dns = stage.dns({"app.test": ["127.0.0.1"]})
    backend = stage.recorder()
    proxy = stage.proxy(named(backend), env=dns.environment)
    wait_until(body_is(stage, proxy, "backend"), "app.test answers")
    assert dns.queries


def test_the_host_header_stays_the_clients(stage):
    dns = stage.dns({"app.test": ["127.0.0.1"]})
    backend = stage.recorder()
    proxy = stage.proxy(named(backend), env=dns.environment)
    wait_until(body_is(stage, proxy, "backend"), "app.test answers")
    assert backend.last.get("host") == "test"


def test_a_name_that_moves_is_followed(stage):
    here, there = loopbacks(stage, "127.0.0.2", "127.0.0.3")
    dns = stage.dns({"app.test": ["127.0.0.2"]})
    proxy = stage.proxy(named(here), env=dns.environment)
    wait_until(body_is(stage, proxy, "127.0.0.2"), "the first address serves")
    dns.names["app.test"] = ["127.0.0.3"]
    wait_until(body_is(stage, proxy, "127.0.0.3"), "the second address serves")
    before = here.count
    for _ in range(5):
        assert stage.get(proxy).text == "127.0.0.3"
    assert here.count == before and there.count >= 5


def test_the_last_good_answer_is_kept_while_the_server_fails(stage):
    dns = stage.dns({"app.test": ["127.0.0.1"]})
    backend = stage.recorder()
    proxy = stage.proxy(named(backend), env=dns.environment)
    wait_until(body_is(stage, proxy, "backend"), "app.test answers")
    dns.failing = True
    asked = len(dns.queries)
    wait_until(lambda: len(dns.queries) >= asked + 2, "it asks again and fails")
    for _ in range(5):
        assert stage.get(proxy).status == 200


def test_the_last_good_answer_is_kept_when_the_name_disappears(stage):
    dns = stage.dns({"app.test": ["127.0.0.1"]})
    backend = stage.recorder()
    proxy = stage.proxy(named(backend), env=dns.environment)
    wait_until(body_is(stage, proxy, "backend"), "app.test answers")
    del dns.names["app.test"]
    asked = len(dns.queries)
    wait_until(lambda: len(dns.queries) >= asked + 2, "it asks again in vain")
    assert stage.get(proxy).status == 200


def test_a_name_that_does_not_resolve_is_a_502_until_it_does(stage):
    dns = stage.dns({})
    backend = stage.recorder()
    proxy = stage.proxy(named(backend), env=dns.environment)
    answered = stage.get(proxy)
    assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")
    dns.names["app.test"] = ["127.0.0.1"]
    wait_until(body_is(stage, proxy, "backend"), "it is resolved at last")


def test_an_unresolved_name_leaves_the_other_endpoints_serving(stage):
    dns = stage.dns({})
    backend = stage.recorder()
    proxy = stage.proxy({"id": "gone", "address": "gone.test:80"}, backend, env=dns.environment)
    for _ in range(6):
        assert stage.get(proxy).status == 200


def test_a_name_with_a_dead_address_among_its_addresses_still_serves(stage):
    """Nothing listens on 127.0.0.2: the second address of the name is tried."""
    backend = stage.recorder(respond=lambda request: answer(b"alive"))
    dns = stage.dns({"app.test": ["127.0.0.2", "127.0.0.1"]})
    proxy = stage.proxy(named(backend), env=dns.environment)
    wait_until(body_is(stage, proxy, "alive"), "the living address serves")
    for _ in range(6):
        assert stage.get(proxy).status == 200
