"""The redis check, with real servers and Sentinels: the traffic goes to the HTTP backend that
stands beside the right server (`check_address`), and events say why it moved."""

import pytest

from lib.databases import asked, assert_moved, password_file, start_beside, wait_why
from lib.failover import group, ms, serve, serve_until, start, wait_status
from lib.redis import MASTER_NAME, RedisSentinel
from lib.waiting import wait_until

PASSWORD = "correct-horse"


@pytest.fixture
def watched(stage):
    """A primary, a replica and three Sentinels."""
    return stage.ending(RedisSentinel())


@pytest.fixture
def pair(stage):
    """The same without Sentinels."""
    return stage.ending(RedisSentinel(sentinels=0))


def ask(stage, servers, **health):
    """(the proxy, its management): backend "a" beside the primary, "b" beside the replica."""
    addresses = (servers.primary.address, servers.replica.address)
    return start_beside(stage, addresses, type="redis", **health)


def ask_one(stage, address, **health):
    return start_beside(stage, (address,), type="redis", **health)


def sentinels(watched, *addresses):
    return {"sentinels": list(addresses or watched.sentinel_addresses), "master": MASTER_NAME}


# ---- Sentinel ----

def test_traffic_follows_the_sentinels_when_the_primary_is_killed(stage, watched):
    proxy, admin = ask(stage, watched, role="primary", **sentinels(watched))
    wait_status(admin, "healthy", "a")
    wait_why(admin, "b", "unhealthy",
             f"is not the primary: Sentinel names {watched.primary.address}")
    assert set(serve(stage, proxy, 5)) == {"a"}

    watched.kill_primary()
    wait_status(admin, "unhealthy", "a")
    watched.wait_promoted()
    serve_until(stage, proxy, "b", served=False)
    assert set(serve(stage, proxy, 5)) == {"b"}

    assert_moved(admin, lost="a", found="b")


def checked(admin, endpoint):
    return admin.json(f"/api/v1/pools/app/endpoints/{endpoint}")["check"]["checks"]


def test_an_old_primary_that_comes_back_is_not_believed(stage, watched):
    """It starts as a primary, until a Sentinel corrects it, which may take long: two primaries."""
    proxy, admin = ask(stage, watched, role="primary", **sentinels(watched))
    wait_status(admin, "healthy", "a")
    watched.kill_primary()
    watched.wait_promoted()
    serve_until(stage, proxy, "b", served=False)
    watched.primary.start()
    asked = checked(admin, "a")
    wait_until(lambda: checked(admin, "a") >= asked + 5, "it is asked now that it answers")
    assert len(admin.events(type="health", endpoint="a", to="healthy")) == 1, "not again"
    assert set(serve(stage, proxy, 5)) == {"b"}


def test_a_dead_and_a_silent_sentinel_are_passed_over(stage, watched):
    watched.sentinels[0].kill()
    watched.sentinels[1].freeze()
    proxy, admin = ask(stage, watched, role="primary", **sentinels(watched))
    wait_status(admin, "healthy", "a")
    assert set(serve(stage, proxy, 3)) == {"a"}


def test_without_any_sentinel_nobody_is_the_primary(stage, watched):
    for sentinel in watched.sentinels:
        sentinel.kill()
    _, admin = ask(stage, watched, role="primary", **sentinels(watched))
    why = wait_why(admin, "a", "unhealthy", "no Sentinel tells who is the primary")
    assert "connection refused" in why


def test_sentinels_are_found_by_name(stage, watched):
    names = [f"localhost:{sentinel.port}" for sentinel in watched.sentinels]
    _, admin = ask(stage, watched, role="primary", **sentinels(watched, *names))
    wait_status(admin, "healthy", "a")


def test_a_master_that_no_sentinel_knows_is_told(stage, watched):
    _, admin = ask(stage, watched, role="primary",
                            sentinels=watched.sentinel_addresses, master="nobody")
    wait_why(admin, "a", "unhealthy", "knows no such master")


def test_a_named_primary_that_does_not_answer_is_not_healthy(stage, watched):
    """Until its successor is chosen; here it never is, since only one Sentinel is left."""
    for sentinel in watched.sentinels[1:]:
        sentinel.kill()
    _, admin = ask(stage, watched, role="primary", timeout=ms(500),
                            **sentinels(watched))
    wait_status(admin, "healthy", "a")
    watched.primary.freeze()
    wait_why(admin, "a", "unhealthy", "no answer within")
    assert watched.named_by(watched.sentinels[0]) == watched.primary.address
    watched.primary.thaw()
    wait_status(admin, "healthy", "a")


# ---- The servers' own word ----

def test_traffic_follows_the_primary_when_the_replica_is_promoted_by_hand(stage, pair):
    proxy, admin = ask(stage, pair, role="primary")
    wait_status(admin, "healthy", "a")
    wait_why(admin, "b", "unhealthy", "is a standby, expected the primary")
    assert set(serve(stage, proxy, 5)) == {"a"}
    pair.kill_primary()
    wait_status(admin, "unhealthy", "a")
    pair.promote()
    serve_until(stage, proxy, "b", served=False)
    assert set(serve(stage, proxy, 5)) == {"b"}


def test_a_replica_that_lost_its_primary_is_degraded(stage, pair):
    proxy, admin = ask(stage, pair, role="standby")
    wait_status(admin, "healthy", "b")
    wait_why(admin, "a", "unhealthy", "is the primary, expected a standby")
    pair.kill_primary()
    wait_why(admin, "b", "degraded",
             f"its link to the primary {pair.primary.address} is down")
    assert set(serve(stage, proxy, 3)) == {"b"}, "degraded is better than nothing"


def test_a_frozen_server_is_silent_and_then_back(stage, pair):
    proxy, admin = ask(stage, pair, role="any", timeout=ms(400))
    wait_status(admin, "healthy", "a", "b")
    pair.replica.freeze()
    wait_why(admin, "b", "unhealthy", "no answer within")
    assert set(serve(stage, proxy, 3)) == {"a"}
    pair.replica.thaw()
    wait_status(admin, "healthy", "b")


def test_a_server_is_asked_over_its_unix_socket(stage, pair):
    _, admin = ask_one(stage, pair.primary.unix_address, role="primary")
    wait_status(admin, "healthy", "a")


def test_the_pools_tls_is_the_checks_too(stage, pair, certificates):
    """The HTTP backend speaks TLS as well: it is the pool that does."""
    leaf = certificates.leaf("IP:127.0.0.1")
    backend = stage.recorder("a", tls=certificates.server_context(leaf))
    address = pair.primary.offer_tls(leaf)
    proxy, admin = start(stage, group(backend, check_address=address),
                         health=asked(type="redis", role="primary"), tls={"ca": certificates.ca})
    wait_status(admin, "healthy", "a")
    assert set(serve(stage, proxy, 2)) == {"a"}


def test_a_certificate_of_another_server_is_refused(stage, pair, certificates):
    backend = stage.recorder("a")
    address = pair.primary.offer_tls(certificates.leaf("other.test"))
    _, admin = start(stage, group(backend, check_address=address),
                     health=asked(type="redis", role="primary"), tls={"ca": certificates.ca})
    wait_why(admin, "a", "unhealthy", "TLS:")


# ---- Logging in ----

@pytest.fixture
def guarded(stage):
    return stage.ending(RedisSentinel(sentinels=0, password=PASSWORD))


def test_a_wrong_password_is_told_and_a_corrected_file_is_read_again(stage, guarded):
    path = password_file(stage, "wrong")
    _, admin = ask(stage, guarded, role="primary", password_file=str(path))
    wait_why(admin, "a", "unhealthy", "AUTH: WRONGPASS")
    path.write_text(PASSWORD)
    wait_status(admin, "healthy", "a")


def test_a_missing_password_is_told(stage, guarded):
    _, admin = ask(stage, guarded, role="primary")
    wait_why(admin, "a", "unhealthy", "NOAUTH Authentication required.")


def test_a_user_of_the_access_list_logs_in(stage, guarded):
    guarded.primary.command("ACL", "SETUSER", "probe", "on", ">secret", "+ping", "+role")
    path = password_file(stage, "secret")
    _, admin = ask_one(stage, guarded.primary.address, role="primary", user="probe",
                       password_file=str(path))
    wait_status(admin, "healthy", "a")
