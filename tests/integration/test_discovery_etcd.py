"""Discovery from etcd: the real server, which is written to, killed, frozen and locked up."""

import random
import shutil
import signal

import pytest

from lib.etcd import Etcd, EtcdCluster
from lib.failover import serve
from lib.load import Load
from lib.reloads import Site
from lib.waiting import wait_until

PREFIX = "/services/app/"


class EtcdSite(Site):
    """A site whose pool has no backends but those of etcd."""

    def __init__(self, stage, address, *backends, tls=None, top=None, **block):
        discovery = {"type": "etcd", "address": address, "prefix": PREFIX, **block}
        if tls:
            discovery["tls"] = tls
        super().__init__(stage, *backends, discovery=discovery, top=top)

    def source(self):
        only, = self.admin.json("/api/v1/providers")
        return only

    def ids(self):
        return sorted(self.admin.endpoints())

    def wait_ids(self, *ids):
        wait_until(lambda: self.ids() == sorted(ids), f"the pool consists of {sorted(ids)}")

    def wait_state(self, state):
        wait_until(lambda: self.source()["state"] == state, f"the source is {state}")

    def wait_error(self, words):
        """Until that is what went wrong last; the sentence."""
        def said():
            error = self.source()["last_error"] or ""
            return words in error and error
        return wait_until(said, f"the source says {words!r}")


@pytest.fixture
def etcd(stage):
    return stage.ending(Etcd())


def key(name):
    return PREFIX + name


def register(etcd, *backends, lease=None, **more):
    for backend in backends:
        etcd.put(key(backend.name), {"address": backend.address, **more}, lease)


# ---- What is registered ----

def test_puts_and_deletes_appear(stage, etcd):
    a, b = stage.recorders("a", "b")
    register(etcd, a)
    site = EtcdSite(stage, etcd.address)
    assert set(serve(stage, site.proxy, 4)) == {"a"}, "it was there before the first request"
    register(etcd, b)
    site.wait_ids("a", "b")
    wait_until(lambda: set(serve(stage, site.proxy, 4)) == {"a", "b"}, "both serve")
    etcd.delete(key("a"))
    site.wait_ids("b")
    assert set(serve(stage, site.proxy, 4)) == {"b"}
    assert site.source()["state"] == "synced"


def test_a_value_may_be_an_address_and_says_more_as_an_object(stage, etcd):
    etcd.put(key("plain"), "127.0.0.1:9001")
    etcd.put(key("zone/rich"), {"address": "127.0.0.1:9002", "weight": 7, "zone": "z",
                                "metadata": {"version": "2"}})
    etcd.put(key("c"), {"address": "127.0.0.1:9003", "id": "named"})
    site = EtcdSite(stage, etcd.address)
    assert site.ids() == ["named", "plain", "zone:rich"]
    rich = site.admin.endpoints()["zone:rich"]
    assert (rich["weight"], rich["zone"], rich["metadata"]) == (7, "z", {"version": "2"})


def test_a_changed_value_changes_its_endpoint(stage, etcd):
    etcd.put(key("a"), {"address": "127.0.0.1:9001", "weight": 1})
    site = EtcdSite(stage, etcd.address)
    etcd.put(key("a"), {"address": "127.0.0.1:9001", "weight": 5})
    wait_until(lambda: site.admin.endpoints()["a"]["weight"] == 5, "the weight is another")


def test_a_lease_that_ends_takes_its_endpoint_away(stage, etcd):
    a, b = stage.recorders("a", "b")
    lease = etcd.lease(600)
    register(etcd, a, lease=lease)
    register(etcd, b)
    site = EtcdSite(stage, etcd.address)
    assert site.ids() == ["a", "b"]
    etcd.revoke(lease)
    site.wait_ids("b")


def test_a_lease_that_nobody_keeps_alive_expires(stage, etcd):
    a, b = stage.recorders("a", "b")
    register(etcd, b)
    site = EtcdSite(stage, etcd.address)
    register(etcd, a, lease=etcd.lease(1))
    site.wait_ids("a", "b")
    site.wait_ids("b")


def test_more_keys_than_a_page(stage, etcd):
    names = [f"n{i}" for i in range(1201)]
    etcd.put_all({key(name): f"127.0.0.1:{i + 1}" for i, name in enumerate(names)})
    site = EtcdSite(stage, etcd.address)
    site.wait_ids(*names)
    etcd.delete_all(key("n1"))
    site.wait_ids(*(name for name in names if not name.startswith("n1")))


def test_other_prefixes_are_nobodys_business(stage, etcd):
    etcd.put("/services/apple", "127.0.0.1:9001")
    etcd.put("/services/ap", "127.0.0.1:9001")
    etcd.put(key("a"), "127.0.0.1:9002")
    site = EtcdSite(stage, etcd.address)
    assert site.ids() == ["a"]


def test_nonsense_is_refused_one_by_one(stage, etcd):
    etcd.put(key("good"), "127.0.0.1:9001")
    site = EtcdSite(stage, etcd.address)
    etcd.put_all({key("json"): "{", key("words"): "two words", key("port"): "127.0.0.1:99999",
                  key("weight"): {"address": "127.0.0.1:9002", "weight": -1},
                  key("bytes"): b"\xff\x00", key("ä"): "127.0.0.1:9003",
                  key("later"): "127.0.0.1:9004"})
    site.wait_ids("good", "later")
    wait_until(lambda: site.source()["refused"]["count"] == 6, "six are refused")
    assert site.source()["state"] == "synced"
    etcd.put(key("json"), "127.0.0.1:9005")
    site.wait_ids("good", "json", "later")


def test_an_empty_prefix_leaves_the_last_good_set(stage, etcd):
    etcd.put(key("a"), "127.0.0.1:9001")
    site = EtcdSite(stage, etcd.address)
    etcd.delete(key("a"))
    wait_until(lambda: site.admin.events(type="discovery"), "that is told")
    assert site.ids() == ["a"]


# ---- Under load ----

def some_changes(chance, backends, present):
    """Thirty endpoints registered, changed or taken away; one of them stays as it is."""
    values, gone = {}, set()
    for i in chance.sample(range(1, 60), 30):
        name = f"n{i}"
        if name in present and chance.random() < 0.4:
            gone.add(name)
        else:
            values[name] = {"address": chance.choice(backends).address,
                            "weight": chance.randint(1, 9)}
    return values, gone


def test_a_thousand_changes_harm_no_request(stage, etcd, load_program):
    backends = [stage.failing(name) for name in "abcd"]
    chance = random.Random(5)
    present = {"n0"}
    etcd.put(key("n0"), backends[0].address)
    site = EtcdSite(stage, etcd.address)
    load = stage.ending(Load(load_program, site.proxy.port(), stage.room("load"), rate=100,
                             connections=8), "close")
    for _ in range(34):
        values, gone = some_changes(chance, backends, present)
        etcd.change_all({key(name): value for name, value in values.items()},
                        [key(name) for name in gone])
        present = (present | set(values)) - gone
    site.wait_ids(*present)
    load.stop().assert_all_answered()


# ---- When etcd is not there ----

def test_endpoints_stay_while_it_is_dead_and_are_followed_again(stage, etcd):
    a, b = stage.recorders("a", "b")
    register(etcd, a)
    site = EtcdSite(stage, etcd.address)
    etcd.kill()
    site.wait_state("failing")
    assert "connection refused" in site.wait_error("connect to " + etcd.address)
    assert set(serve(stage, site.proxy, 4)) == {"a"}
    etcd.start()
    site.wait_state("synced")
    assert site.ids() == ["a"]
    register(etcd, b)
    site.wait_ids("a", "b")


def test_what_happened_while_it_was_cut_off_is_seen_after_a_compaction(stage, etcd):
    etcd.put(key("a"), "127.0.0.1:9001")
    site = EtcdSite(stage, etcd.address)
    assert site.ids() == ["a"]
    site.proxy.send_signal(signal.SIGSTOP)
    try:
        etcd.kill()
        etcd.start()
        etcd.put(key("b"), "127.0.0.1:9002")
        etcd.delete(key("a"))
        etcd.compact()
    finally:
        site.proxy.send_signal(signal.SIGCONT)
    site.wait_ids("b")
    etcd.put(key("c"), "127.0.0.1:9003")
    site.wait_ids("b", "c")


def test_it_may_come_after_evergate(stage, etcd):
    etcd.put(key("a"), "127.0.0.1:9001")
    etcd.kill()
    site = EtcdSite(stage, etcd.address)
    assert site.ids() == []
    etcd.start()
    site.wait_ids("a")


def test_members_die_and_the_next_one_is_asked(stage):
    cluster = stage.ending(EtcdCluster())
    first, second, third = cluster.members
    first.put(key("a"), "127.0.0.1:9001")
    site = EtcdSite(stage, cluster.addresses)
    assert site.ids() == ["a"]
    first.kill()
    second.put_anyhow(key("b"), "127.0.0.1:9002")
    site.wait_ids("a", "b")
    first.start()
    second.kill()
    third.put_anyhow(key("c"), "127.0.0.1:9003")
    site.wait_ids("a", "b", "c")


# ---- Authentication ----

@pytest.fixture
def locked(stage, etcd):
    """(etcd with authentication, what a block says to read it, the password's file)."""
    path = stage.directory / "etcd.password"
    path.write_text("secret\n")
    etcd.add_reader("evergate", "secret", PREFIX)
    etcd.enable_authentication()
    return etcd, {"user": "evergate", "password_file": str(path)}, path


def test_a_user_who_may_read_the_prefix_is_enough(stage, locked):
    etcd, user, _ = locked
    etcd.put(key("a"), "127.0.0.1:9001")
    site = EtcdSite(stage, etcd.address, **user)
    assert site.ids() == ["a"]
    etcd.put(key("b"), "127.0.0.1:9002")
    site.wait_ids("a", "b")


def test_a_token_that_etcd_has_forgotten_is_asked_for_again(stage, locked):
    etcd, user, _ = locked
    etcd.put(key("a"), "127.0.0.1:9001")
    site = EtcdSite(stage, etcd.address, **user)
    etcd.kill()
    etcd.start()
    etcd.log_in()
    etcd.put(key("b"), "127.0.0.1:9002")
    site.wait_ids("a", "b")


def test_a_wrong_password_is_said_and_a_right_one_found_without_a_reload(stage, locked):
    etcd, user, path = locked
    path.write_text("mistaken\n")
    etcd.put(key("a"), "127.0.0.1:9001")
    site = EtcdSite(stage, etcd.address, **user)
    site.wait_error("authentication: status 400: etcdserver: authentication failed, "
                    "invalid user ID or password")
    assert "mistaken" not in site.proxy.stderr
    path.write_text("secret\n")
    site.wait_ids("a")


def test_without_a_user_it_says_what_etcd_says(stage, locked):
    etcd, _, _ = locked
    site = EtcdSite(stage, etcd.address)
    site.wait_error("status 400: etcdserver: user name is empty")


def test_another_prefix_is_forbidden(stage, locked):
    etcd, user, _ = locked
    site = EtcdSite(stage, etcd.address, **{**user, "prefix": "/other/"})
    site.wait_error("status 403: etcdserver: permission denied")


def test_authentication_that_is_turned_on_meanwhile(stage, etcd):
    path = stage.directory / "etcd.password"
    path.write_text("secret\n")
    etcd.put(key("a"), "127.0.0.1:9001")
    etcd.add_reader("evergate", "secret", PREFIX)
    site = EtcdSite(stage, etcd.address, user="evergate", password_file=str(path))
    assert site.ids() == ["a"]
    etcd.enable_authentication()
    etcd.kill()
    etcd.start()
    etcd.log_in()
    etcd.put(key("b"), "127.0.0.1:9002")
    site.wait_ids("a", "b")


# ---- TLS ----

def test_over_tls_with_a_certificate_of_its_own(stage, certificates):
    server = certificates.leaf("localhost", "IP:127.0.0.1")
    client = certificates.leaf("evergate")
    etcd = stage.ending(Etcd(leaf=server, ca=certificates.ca))
    etcd.put(key("a"), "127.0.0.1:9001")
    tls = {"ca": certificates.ca, "cert": client["cert"], "key": client["key"]}
    site = EtcdSite(stage, etcd.address, tls=tls)
    assert site.ids() == ["a"]
    etcd.put(key("b"), "127.0.0.1:9002")
    site.wait_ids("a", "b")
    named = EtcdSite(stage, f"localhost:{etcd.port}", tls=tls)
    named.wait_ids("a", "b")


def test_a_certificate_of_somebody_else_is_refused(stage, certificates):
    etcd = stage.ending(Etcd(leaf=certificates.leaf("other.test")))
    site = EtcdSite(stage, etcd.address, tls={"ca": certificates.ca})
    assert "TLS" in site.wait_error(f"connect to {etcd.address}: ")


def test_a_certificate_that_was_replaced_needs_no_reload(stage, certificates):
    authority = certificates.authority("another")
    etcd = stage.ending(Etcd(leaf=certificates.leaf("IP:127.0.0.1")))
    etcd.put(key("a"), "127.0.0.1:9001")
    file = stage.directory / "trusted.pem"
    shutil.copy(authority, file)
    site = EtcdSite(stage, etcd.address, tls={"ca": str(file)})
    site.wait_error("certificate verify failed")
    shutil.copy(certificates.ca, file)
    site.wait_ids("a")


def test_a_tls_port_that_is_asked_plainly_is_named(stage, certificates):
    etcd = stage.ending(Etcd(leaf=certificates.leaf("IP:127.0.0.1")))
    site = EtcdSite(stage, etcd.address)
    site.wait_error(f"{etcd.address}: closed without a complete answer")
