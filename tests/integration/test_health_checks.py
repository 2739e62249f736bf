"""Active checks, type by type: what they ask, what an answer makes of an endpoint, and that traffic
does not notice them. postgres and redis have files of their own."""

import threading
import time

import pytest

from lib.evergate import Evergate
from lib.failover import ADMIN, checks, group, ms, serve, start, wait_status
from lib.libconfig import pool, simple
from lib.management import Management
from lib.processes import is_running, script
from lib.scripted_backend import answer
from lib.waiting import wait_until

LONG = "10m"  # longer than any test

#: The first verdict comes from a single check.
ONCE = {"fall": 1, "rise": 1}


def why(admin, endpoint, to):
    """The evidence of the first change to `to`."""
    return admin.wait_for_event(type="health", endpoint=endpoint, to=to)["why"]


def saying(stage, name, body, status="200 OK"):
    """A backend whose every answer is this one."""
    reply = {"bytes": answer(body.encode(), status)}
    made = stage.recorder(name, lambda request: reply["bytes"])
    made.reply = reply
    return made


def assert_verdict(stage, backend, status, evidence, **health):
    """One check of one endpoint leads to this status, and says why."""
    _, admin = start(stage, group(backend), health=checks(**{**ONCE, **health}))
    wait_status(admin, status, backend.name)
    assert evidence in why(admin, backend.name, status)
    return admin


# ---- http ----

def test_the_request_is_the_one_that_is_configured(stage):
    backend = saying(stage, "a", "ok")
    assert_verdict(stage, backend, "healthy", "", path="/ready?full=1", method="POST", body="ping",
                   headers=[{"name": "X-Token", "value": "secret"}])
    request = backend.requests[0]
    assert (request.method, request.target) == ("POST", "/ready?full=1")
    assert request.get("host") == backend.address
    assert request.get("x-token") == "secret"
    assert request.get("user-agent").startswith("evergate-health/")
    assert request.get("connection") == "close"
    assert bytes(request.body) == b"ping"


@pytest.mark.parametrize("status, verdict, evidence", [
    ("200 OK", "healthy", ""),
    ("299 Odd", "healthy", ""),
    ("404 Not Found", "unhealthy", "status 404, expected 200-299"),
    ("503 Unavailable", "unhealthy", "status 503, expected 200-299"),
    ("429 Too Many Requests", "degraded", "status 429"),
])
def test_the_status_is_the_verdict(stage, status, verdict, evidence):
    assert_verdict(stage, saying(stage, "a", "", status), verdict, evidence, degraded_status="429")


def test_the_expected_statuses_can_be_chosen(stage):
    assert_verdict(stage, saying(stage, "a", "", "401 Unauthorized"), "healthy", "",
                   expect_status="200-204, 401")


@pytest.mark.parametrize("expected, verdict, evidence", [
    ("database up", "healthy", ""),
    ("database down", "unhealthy", 'body does not contain "database down"'),
    ("~(cache|database) up$", "healthy", ""),
    ("~^up", "unhealthy", 'body does not match "^up"'),
])
def test_the_body_can_be_expected(stage, expected, verdict, evidence):
    assert_verdict(stage, saying(stage, "a", "queue up, database up"), verdict, evidence,
                   expect_body=expected)


def test_an_endpoint_that_refuses_is_unhealthy(stage):
    refusing = stage.refusing_port()
    refusing.name = "a"
    assert_verdict(stage, refusing, "unhealthy", "connection refused")


def test_an_endpoint_that_does_not_answer_in_time_is_unhealthy(stage):
    backend = stage.backend(lambda peer: peer.wait_gone())
    backend.name = "a"
    assert_verdict(stage, backend, "unhealthy", "no answer within")


def test_an_endpoint_that_is_slow_is_degraded(stage):
    def late(request):
        time.sleep(0.1)
        return answer(b"ok")
    backend = stage.recorder("a", late)
    assert_verdict(stage, backend, "degraded", "degraded above 50 ms", interval="5s",
                   timeout="5s", degraded_latency="50ms")


def test_a_degraded_endpoint_serves_when_no_healthy_one_can(stage):
    a, b = stage.failing("a"), stage.failing("b")
    a.health = 429
    proxy, admin = start(stage, a, b, health=checks(degraded_status="429"))
    wait_status(admin, "degraded", "a")
    wait_status(admin, "healthy", "b")
    assert set(serve(stage, proxy, 10)) == {"b"}
    b.health = 500
    wait_status(admin, "unhealthy", "b")
    assert set(serve(stage, proxy, 10)) == {"a"}


# ---- http over TLS ----

def tls_backend(stage, certificates, *names, client_ca=None, **leaf):
    context = certificates.server_context(certificates.leaf(*names, **leaf), client_ca)
    return stage.failing("a", tls=context)


def test_tls_is_spoken_with_the_pools_own_settings(stage, certificates):
    backend = tls_backend(stage, certificates, "inner.test", client_ca=certificates.ca)
    leaf = certificates.leaf("client.test")
    proxy, admin = start(stage, backend, health=checks(**ONCE), tls={
        "sni": "inner.test", "ca": certificates.ca, "cert": leaf["cert"], "key": leaf["key"]})
    wait_status(admin, "healthy", "a")
    serve(stage, proxy, 3)


@pytest.mark.parametrize("names, leaf", [
    (("other.test",), {}),
    (("inner.test",), {"expired": True}),
])
def test_a_certificate_that_is_not_good_is_unhealthy(stage, certificates, names, leaf):
    backend = tls_backend(stage, certificates, *names, **leaf)
    _, admin = start(stage, backend, health=checks(**ONCE),
                     tls={"sni": "inner.test", "ca": certificates.ca})
    wait_status(admin, "unhealthy", "a")
    assert "TLS: " in why(admin, "a", "unhealthy")
    assert backend.checks == 0


def test_a_certificate_that_is_not_verified_does_not_matter(stage, certificates):
    backend = tls_backend(stage, certificates, "other.test", expired=True)
    _, admin = start(stage, backend, health=checks(**ONCE), tls={"verify": False})
    wait_status(admin, "healthy", "a")


# ---- tcp ----

def test_tcp_asks_only_whether_somebody_accepts(stage):
    backend = stage.failing("a")
    gone = stage.refusing_port()
    proxy, admin = start(stage, backend, {"id": "b", "address": gone.address},
                         health=checks(type="tcp", path=""))
    wait_status(admin, "healthy", "a")
    wait_status(admin, "unhealthy", "b")
    assert "connection refused" in why(admin, "b", "unhealthy")
    assert set(serve(stage, proxy, 5)) == {"a"}
    assert all(not peer.received for peer in backend.peers if peer.index == 0)


# ---- exec ----

def exec_checks(command, **more):
    return {"type": "exec", "command": command, "interval": ms(500), "fast_interval": "30ms",
            "timeout": ms(500), **ONCE, **more}


@pytest.mark.parametrize("text, verdict, evidence", [
    ("exit 0", "healthy", ""),
    ("echo replica lags; exit 1", "degraded", "exit status 1: replica lags"),
    ("echo first; echo no disk >&2; exit 3", "unhealthy", "exit status 3: no disk"),
    ("kill -SEGV $$", "unhealthy", "killed by signal 11"),
])
def test_a_commands_exit_status_is_the_verdict(stage, text, verdict, evidence):
    backend = stage.failing("a")
    _, admin = start(stage, backend, health=exec_checks(script(stage, text)))
    wait_status(admin, verdict, "a")
    assert evidence in why(admin, "a", verdict)


def test_a_command_learns_whom_it_is_for(stage):
    backend = stage.failing("a")
    told = stage.directory / "told"
    command = script(stage, f'echo "$EG_POOL $EG_ENDPOINT_ID $EG_ADDRESS $EG_HOST $EG_PORT $1"'
                            f' >{told}.new; mv {told}.new {told}')
    start(stage, backend, health=exec_checks(command + " ${EG_PORT}"))
    wait_until(told.exists, "the command was run")
    assert told.read_text() == f"app a {backend.address} 127.0.0.1 {backend.port} {backend.port}\n"


def test_a_command_that_hangs_is_killed_with_its_children(stage):
    backend = stage.failing("a")
    pids = stage.directory / "pids"
    command = script(stage, f"sleep 1000 & echo $! >>{pids}; echo $$ >>{pids}; wait")
    proxy, admin = start(stage, backend, health=exec_checks(command))
    wait_status(admin, "unhealthy", "a")
    assert "killed, it had not ended within" in why(admin, "a", "unhealthy")
    begun = [int(line) for line in pids.read_text().split()]
    assert len(begun) >= 2
    wait_until(lambda: not any(map(is_running, begun[:2])), "the first two are gone")
    proxy.stop()
    wait_until(lambda: not any(is_running(int(line)) for line in pids.read_text().split()),
               "none outlives evergate")


def test_a_program_that_is_missing_is_told_at_the_start(stage):
    config = simple([stage.refusing_port()],
                    pool_settings={"health": exec_checks("/no/such/program --x")})
    proxy = stage.ending(Evergate(stage.room("evergate"), config))
    proxy.expected_exit = 1
    assert proxy.wait_exit() == 1
    assert "/no/such/program" in proxy.stderr and "that can be run" in proxy.stderr


# ---- when ----

def test_an_endpoint_is_unknown_until_it_was_asked_and_one_success_is_enough(stage):
    may_answer = threading.Event()

    def held(request):
        if request.target == "/health":
            may_answer.wait()
        return answer(b"a")
    a = stage.recorder("a", held)
    proxy, admin = start(stage, group(a), health=checks(interval=LONG, timeout="30s", rise=5))
    a.wait_for_requests(1)
    assert admin.status("a") == "unknown"
    may_answer.set()
    wait_status(admin, "healthy", "a")
    assert a.count == 1
    serve(stage, proxy, 3)


def test_a_failure_counts_from_fall_and_a_success_from_rise(stage):
    a = stage.failing("a")
    _, admin = start(stage, a, health=checks(rise=3, fall=4))
    wait_status(admin, "healthy", "a")
    a.health = 500
    wait_status(admin, "unhealthy", "a")
    assert "4 checks in a row failed, the last: status 500" in why(admin, "a", "unhealthy")
    a.health = 200
    event = admin.wait_for_event(type="health", endpoint="a", to="healthy", **{"from": "unhealthy"})
    assert "3 checks in a row" in event["why"]


def test_what_fails_is_asked_more_often_than_what_is_well(stage):
    """With an interval longer than the test, only the faster checks of an ill endpoint go on."""
    a, b = stage.failing("a"), stage.failing("b")
    b.health = 500
    proxy, admin = start(stage, a, b, health=checks(interval=LONG))
    wait_status(admin, "healthy", "a")
    wait_status(admin, "unhealthy", "b")
    wait_until(lambda: b.checks >= 20, "b is asked again and again")
    assert a.checks == 1
    b.health = 200
    wait_status(admin, "healthy", "b")
    set_by = b.checks
    serve(stage, proxy, 20)
    assert (a.checks, b.checks) == (1, set_by)


def test_a_drained_endpoint_is_asked_and_comes_back_with_a_verdict(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b, health=checks())
    wait_status(admin, "healthy", "a", "b")
    admin.json("/api/v1/pools/app/endpoints/a/drain", "POST")
    wait_status(admin, "draining", "a")
    seen = a.checks
    wait_until(lambda: a.checks > seen + 2, "a is asked while it is drained")
    assert set(serve(stage, proxy, 6)) == {"b"}
    admin.json("/api/v1/pools/app/endpoints/a/undrain", "POST")
    wait_status(admin, "healthy", "a")
    assert set(serve(stage, proxy, 6)) == {"a", "b"}


def test_a_check_can_be_asked_for(stage):
    a = stage.failing("a")
    _, admin = start(stage, a, health=checks(interval=LONG))
    wait_status(admin, "healthy", "a")
    assert a.checks == 1
    admin.json("/api/v1/pools/app/endpoints/a/check", "POST")
    wait_until(lambda: a.checks == 2, "a is asked a second time")


# ---- whom ----

def test_another_address_can_be_asked_instead(stage):
    served, sidecar = stage.failing("a"), stage.failing("sidecar")
    proxy, admin = start(stage, group(served, check_address=sidecar.address), health=checks())
    wait_status(admin, "healthy", "a")
    sidecar.health = 500
    wait_status(admin, "unhealthy", "a")
    assert served.checks == 0
    assert stage.get(proxy).status == 503


def test_a_name_is_asked_once_it_is_resolved(stage):
    a = stage.failing("a")
    dns = stage.dns({"a.backend.test": ["127.0.0.1"]})
    proxy, admin = start(stage, {"id": "a", "address": f"a.backend.test:{a.port}"},
                         health=checks(), top={"env": dns.environment})
    wait_status(admin, "healthy", "a")
    serve(stage, proxy, 3)


def test_a_unix_socket_can_be_asked(stage):
    a = stage.failing("a", address=f"unix:{stage.directory}/a.sock")
    _, admin = start(stage, a, health=checks())
    wait_status(admin, "healthy", "a")


# ---- many ----

def test_two_thousand_endpoints_are_asked_at_the_set_pace_and_traffic_goes_on(stage):
    pace, count = 800, 2000
    served = stage.nginx('location / { return 200 "served"; }')
    many = [{"id": f"e{number}", "address": served.address} for number in range(count)]
    config = simple([served], admin=ADMIN, supervision={"checks_per_second": pace, "events": 5000})
    config["pools"].append(pool("many", many, health={
        "type": "http", "interval": "1s", "fast_interval": "1s", "timeout": "1s"}))
    config["routes"] = [{"name": "all", "pool": "app"}]
    proxy = stage.evergate(config)
    admin = Management(proxy)

    began, first = time.monotonic(), admin.metric("evergate_health_checks_total", pool="many")
    serve(stage, proxy, 100)
    wait_until(lambda: all(e["status"] == "healthy" for e in endpoints(admin)),
               "all 2,000 were asked", pause_s=0.2)  # what it reads is half a megabyte
    serve(stage, proxy, 100)
    done = admin.metric("evergate_health_checks_total", pool="many") - first
    assert done <= pace * (time.monotonic() - began + 0.1) + 1
    proxy.wait_for_log("health checks are .* late: more are due than "
                       f"supervision.checks_per_second = {pace} allows")


def endpoints(admin):
    listed = admin.json("/api/v1/pools/many/endpoints")
    return listed["endpoints"] if isinstance(listed, dict) else listed
