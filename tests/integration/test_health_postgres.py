"""The postgres check, with real servers: the traffic goes to the HTTP backend that stands beside
the right database (`check_address`), and events say why it moved."""

import shutil

import pytest

from lib.databases import asked, assert_moved, password_file, start_beside, wait_why
from lib.failover import group, ms, serve, serve_until, start, wait_status
from lib.postgres import PROBE_PASSWORD, PROBE_USER, PostgresPair
from lib.waiting import wait_until


@pytest.fixture
def pair(stage):
    return stage.ending(PostgresPair())


@pytest.fixture
def lone(stage):
    return stage.ending(PostgresPair(with_standby=False))


def ask(stage, pair, **health):
    """(the proxy, its management): backend "a" beside the primary, "b" beside the standby."""
    addresses = (pair.primary.address, pair.standby.address)
    return start_beside(stage, addresses, type="postgres", **{"user": "postgres", **health})


def ask_one(stage, lone, address=None, **health):
    addresses = (address or lone.primary.address,)
    return start_beside(stage, addresses, type="postgres", **{"user": "postgres", **health})


# ---- Roles ----

def test_traffic_follows_the_primary_when_the_standby_is_promoted(stage, pair):
    proxy, admin = ask(stage, pair, role="primary")
    wait_status(admin, "healthy", "a")
    wait_why(admin, "b", "unhealthy", "is a standby, expected the primary")
    assert set(serve(stage, proxy, 5)) == {"a"}

    pair.kill_primary()
    wait_why(admin, "a", "unhealthy", "connection refused")
    pair.promote()
    serve_until(stage, proxy, "b", served=False)
    assert set(serve(stage, proxy, 5)) == {"b"}

    assert_moved(admin, lost="a", found="b")


def test_reads_go_to_standbys_only(stage, pair):
    proxy, admin = ask(stage, pair, role="standby")
    wait_status(admin, "healthy", "b")
    wait_why(admin, "a", "unhealthy", "is the primary, expected a standby")
    assert set(serve(stage, proxy, 5)) == {"b"}


def test_an_old_primary_that_comes_back_as_a_standby_gets_no_writes(stage, pair):
    proxy, admin = ask(stage, pair, role="primary")
    wait_status(admin, "healthy", "a")
    pair.primary.stop()
    pair.promote()
    serve_until(stage, proxy, "b", served=False)
    pair.rebuild(pair.primary, pair.standby)
    _, newcomer = ask(stage, pair, role="primary")
    wait_why(newcomer, "a", "unhealthy", "is a standby, expected the primary")
    wait_status(admin, "unhealthy", "a")  # all of that may take less time than two checks
    assert set(serve(stage, proxy, 5)) == {"b"}
    assert len(admin.events(type="health", endpoint="a", to="healthy")) == 1, "not again"


# ---- Logging in ----

def test_a_wrong_password_is_told_and_a_corrected_file_is_read_again(stage, lone):
    path = password_file(stage, "wrong")
    proxy, admin = ask_one(stage, lone, user=PROBE_USER, password_file=str(path),
                                    role="primary")
    wait_why(admin, "a", "unhealthy",
             f'FATAL: password authentication failed for user "{PROBE_USER}"')
    path.write_text(PROBE_PASSWORD)
    wait_status(admin, "healthy", "a")
    assert set(serve(stage, proxy, 3)) == {"a"}


def test_md5_passwords_work_too(stage, lone):
    lone.primary.query("SET password_encryption = md5;"
                       f" ALTER ROLE {PROBE_USER} PASSWORD '{PROBE_PASSWORD}'")
    lone.primary.change_login(method="md5")
    path = password_file(stage, PROBE_PASSWORD)
    _, admin = ask_one(stage, lone, user=PROBE_USER, password_file=str(path))
    wait_status(admin, "healthy", "a")


def test_a_server_that_wants_a_password_where_none_is_configured_is_told(stage, lone):
    _, admin = ask_one(stage, lone, user=PROBE_USER)
    wait_why(admin, "a", "unhealthy",
             "asks for a password and none is configured (password_file)")


def test_a_database_that_does_not_exist_is_told(stage, lone):
    _, admin = ask_one(stage, lone, database="nowhere")
    wait_why(admin, "a", "unhealthy", 'FATAL: database "nowhere" does not exist')


def test_the_check_says_goodbye(stage, lone):
    """Or the server's log would fill with connections that ended unexpectedly."""
    _, admin = ask_one(stage, lone)
    wait_status(admin, "healthy", "a")
    wait_until(lambda: endpoint_checks(admin) >= 3, "three checks")
    assert "unexpected EOF" not in lone.primary.log
    assert "could not receive data" not in lone.primary.log


def endpoint_checks(admin):
    return admin.metric("evergate_health_checks_total", endpoint="a")


# ---- Ways to be down ----

def test_a_server_that_is_starting_up_is_told_apart_from_a_dead_one(stage, pair):
    """Its recovery asks for an archived file first, and that takes as long as the test likes."""
    hold = pair.room.write("hold", "")
    pair.standby.stop()
    pair.standby.configure(
        f"restore_command = 'while [ -e {hold} ]; do sleep 0.05; done; false'")
    pair.standby.spawn()
    wait_until(lambda: "starting up" in pair.standby.psql("SELECT 1").stderr, "it is starting up")
    proxy, admin = ask(stage, pair, role="any")
    wait_why(admin, "b", "unhealthy", "FATAL: the database system is starting up")
    assert set(serve(stage, proxy, 3)) == {"a"}
    hold.unlink()
    wait_status(admin, "healthy", "b")
    serve_until(stage, proxy, "b")


def test_a_frozen_server_is_silent_and_then_back(stage, pair):
    proxy, admin = ask(stage, pair, role="any", timeout=ms(400))
    wait_status(admin, "healthy", "a", "b")
    pair.standby.freeze()
    wait_why(admin, "b", "unhealthy", "no answer within")
    assert set(serve(stage, proxy, 3)) == {"a"}
    pair.standby.thaw()
    wait_status(admin, "healthy", "b")


# ---- Replication lag ----

def test_a_standby_that_falls_behind_is_used_last(stage, pair):
    proxy, admin = ask(stage, pair, role="any", max_lag=ms(1000))
    wait_status(admin, "healthy", "a", "b")
    pair.pause_replay()
    pair.write()
    why = wait_why(admin, "b", "degraded", "replication lag")
    assert "limit" in why and "not connected" not in why
    assert set(serve(stage, proxy, 5)) == {"a"}
    pair.resume_replay()
    wait_status(admin, "healthy", "b")
    serve_until(stage, proxy, "b")


def test_an_idle_primary_does_not_make_its_standby_late(stage, pair):
    pair.write()
    wait_until(pair.caught_up, "the standby has replayed it")
    wait_until(lambda: float(pair.standby.query(
        "SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())")) > 1,
        "its last transaction is older than the limit")
    _, admin = ask(stage, pair, role="any", max_lag="500ms")
    wait_status(admin, "healthy", "b")
    wait_until(lambda: admin.metric("evergate_health_checks_total", endpoint="b") >= 5,
               "five checks")
    assert admin.events(type="health", endpoint="b", to="degraded") == []


def test_a_standby_without_its_primary_is_late_from_then_on(stage, pair):
    """No more than "since it was last known to be up to date", and with the reason."""
    proxy, admin = ask(stage, pair, role="standby", max_lag=ms(1000))
    wait_status(admin, "healthy", "b")
    pair.kill_primary()
    wait_why(admin, "b", "degraded", "not connected to its primary")
    assert set(serve(stage, proxy, 3)) == {"b"}, "degraded is better than nothing"


# ---- Where and how it is reached ----

def test_a_server_is_asked_over_its_unix_socket(stage, lone):
    _, admin = ask_one(stage, lone, address=lone.primary.unix_address, role="primary")
    wait_status(admin, "healthy", "a")


def tls_settings(lone, leaf):
    for kind in ("cert", "key"):
        target = lone.room.path / f"server.{kind}"
        shutil.copyfile(leaf[kind], target)
        target.chmod(0o600)
        lone.room.give(target)
    return (f"ssl = on\nssl_cert_file = '{lone.room.path}/server.cert'\n"
            f"ssl_key_file = '{lone.room.path}/server.key'")


def start_with_tls(stage, lone, certificates, leaf, tls):
    """The HTTP backend speaks TLS as well: it is the pool that does."""
    backend = stage.recorder("a", tls=certificates.server_context(
        certificates.leaf("IP:127.0.0.1")))
    lone.primary.stop()
    lone.primary.configure(tls_settings(lone, leaf))
    lone.primary.start()
    return start(stage, group(backend, check_address=lone.primary.address),
                 health=asked(type="postgres", role="primary"), tls=tls)


def test_the_pools_tls_is_the_checks_too(stage, lone, certificates):
    proxy, admin = start_with_tls(stage, lone, certificates, certificates.leaf("IP:127.0.0.1"),
                                  {"ca": certificates.ca})
    lone.primary.change_login(connection="hostssl")
    wait_status(admin, "healthy", "a")
    assert set(serve(stage, proxy, 2)) == {"a"}


def test_a_certificate_of_another_server_is_refused(stage, lone, certificates):
    _, admin = start_with_tls(stage, lone, certificates, certificates.leaf("other.test"),
                              {"ca": certificates.ca})
    wait_why(admin, "a", "unhealthy", "TLS:")


def test_a_server_without_tls_is_not_asked_in_plain_text(stage, lone, certificates):
    backend = stage.recorder("a", tls=certificates.server_context(
        certificates.leaf("IP:127.0.0.1")))
    _, admin = start(stage, group(backend, check_address=lone.primary.address),
                     health=asked(type="postgres", role="primary"), tls={"ca": certificates.ca})
    wait_why(admin, "a", "unhealthy", "does not offer TLS")
