"""What an operator reads and does: the API's pools, endpoints and events, actions by hand, and the
commands that show them."""

import json
import os
import re
import signal
import subprocess
import urllib.parse

import pytest

from lib.evergate import binary, run_command
from lib.failover import ADMIN, NO_OUTLIER, breaker, checks, group, retry, serve, start
from lib.raw_client import RawClient, head
from lib.scripted_backend import answer
from lib.waiting import wait_until

ENDPOINTS = "/api/v1/pools/app/endpoints"


def pair(stage, **settings):
    a, b = stage.failing("a"), stage.failing("b")
    return a, b, *start(stage, a, b, **settings)


def act(admin, endpoint, verb, body=None):
    return admin.json(f"{ENDPOINTS}/{endpoint}/{verb}", "POST", body)


def error_of(answered):
    return json.loads(answered.body)["error"]


def send(admin, path, method="POST", headers=(), body=b""):
    """A request with headers of the test's own."""
    client = RawClient(admin.address)
    try:
        fields = [("Content-Length", str(len(body))), *headers]
        return client.request(head(method, path, "127.0.0.1", fields) + body)
    finally:
        client.close()


# ---- Reading ----


def test_a_pool_is_told_with_its_tiers_counts_and_policies(stage):
    a, b, proxy, admin = pair(stage, algorithm="least_connections")
    serve(stage, proxy, 6)
    pool = admin.json("/api/v1/pools/app")
    assert pool["name"] == "app" and pool["algorithm"] == "least_connections"
    assert (pool["endpoints_total"], pool["endpoints_usable"]) == (2, 2)
    assert pool["statuses"]["healthy"] == 2
    assert pool["requests"] == 6
    assert (pool["panicking"], pool["pending"]) == (False, 0)
    tier, = pool["tiers"]
    assert (tier["priority"], tier["endpoints"], tier["healthy"]) == (1, 2, 2)
    assert (tier["capacity_percent"], tier["load_percent"], tier["held_back"]) == (100, 100, False)
    assert pool["policy"]["breaker"]["failure_threshold"] == 5
    assert pool["policy"]["failback"]["mode"] == "auto"
    assert pool["policy"]["health"] is None
    assert pool["summary"] == "2 of 2 endpoints can serve"
    assert [e["id"] for e in pool["endpoints"]] == ["a", "b"]


def test_every_pool_is_listed_with_or_without_its_endpoints(stage):
    _, _, _, admin = pair(stage)
    pool, = admin.json("/api/v1/pools")["pools"]
    assert [e["id"] for e in pool["endpoints"]] == ["a", "b"]
    assert [e.keys() for e in pool["endpoints"]] == \
        [e.keys() for e in admin.json(ENDPOINTS)["endpoints"]]
    pool, = admin.json("/api/v1/pools?endpoints=false")["pools"]
    assert pool["name"] == "app" and "endpoints" not in pool


def test_an_endpoint_is_told_as_configured_and_as_it_is(stage):
    a = stage.failing("a")
    settings = {"weight": 3, "priority": 2, "region": "r", "zone": "z", "tags": ["blue", "new"],
                "metadata": {"version": "1.4.2"}, "max_connections": 7}
    proxy, admin = start(stage, group(a, **settings), stage.failing("b"))
    told = admin.json(f"{ENDPOINTS}/a")
    assert {name: told[name] for name in settings} == settings
    assert (told["address"], told["pool"], told["backup"]) == (a.address, "app", False)
    assert (told["status"], told["usable"], told["resolved"]) == ("healthy", True, True)
    assert told["effective_weight"] == 3
    assert told["breaker"]["state"] == "closed" and told["breaker"]["last_failures"] == []
    assert told["outlier"]["ejected"] is False and told["outlier"]["why"] is None
    assert told["stall"]["state"] == "clear"
    assert told["check"] is None
    assert told["summary"].startswith("Healthy since ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["status_since"])


def test_an_id_with_a_slash_is_asked_for_escaped(stage):
    path = stage.room("unix") / "b.sock"
    proxy, admin = start(stage, {"address": f"unix:{path}"})
    name = urllib.parse.quote(f"unix:{path}", safe="")
    assert admin.json(f"{ENDPOINTS}/{name}")["id"] == f"unix:{path}"
    assert act(admin, name, "drain")["status"] == "draining"
    assert admin.ask(f"{ENDPOINTS}/unix:{path}").status == 404


def test_failures_are_told_with_their_evidence(stage):
    a, b, proxy, admin = pair(stage, breaker=breaker(recovery_timeout="10m",
                                                     max_recovery_timeout="10m"),
                              outlier=NO_OUTLIER, retry=retry())
    a.mood = "503"
    wait_until(lambda: serve(stage, proxy, 2) and admin.breaker("a") == "open", "a's breaker opens")
    told = admin.json(f"{ENDPOINTS}/a")
    assert told["usable"] is False
    assert (told["failures"], told["breaker"]["openings"]) == (3, 1)
    assert told["breaker"]["state"] == "open" and told["breaker"]["by_hand"] is False
    assert "3 failures in a row" in told["breaker"]["why"] and "503" in told["breaker"]["why"]
    assert 0 < told["breaker"]["retry_in_seconds"] <= 600
    assert [f["status"] for f in told["breaker"]["last_failures"]] == [503, 503, 503]
    assert told["summary"].startswith("Breaker open since ")
    assert "find out whether it is well again" in told["summary"]
    pool = admin.json("/api/v1/pools/app?endpoints=false")
    assert pool["summary"] == "1 of 2 endpoints can serve"


# ---- What may be asked, and how it is refused ----


@pytest.mark.parametrize("path", ["/api/v1/pools/none", "/api/v1/pools/none/endpoints",
                                  f"{ENDPOINTS}/none", "/api/v1/pools/none/endpoints/a",
                                  "/api/v1/pools/", "/api/v1/pools/app/", "/api/v1/pools/app/more",
                                  f"{ENDPOINTS}/a/more", "/api/v1", "/api/v2/pools"])
def test_what_does_not_exist_is_a_404_that_names_it(stage, path):
    _, _, _, admin = pair(stage)
    answered = admin.ask(path)
    assert answered.status == 404
    assert error_of(answered)["type"] == "not_found"


@pytest.mark.parametrize("method, path, allow", [
    ("POST", "/api/v1/pools", "GET, HEAD"), ("DELETE", "/api/v1/events", "GET, HEAD"),
    ("GET", f"{ENDPOINTS}/a/drain", "POST"), ("HEAD", f"{ENDPOINTS}/a/trip", "POST"),
    ("PUT", f"{ENDPOINTS}/a/reset", "POST"), ("GET", "/api/v1/pools/app/failback", "POST"),
    ("OPTIONS", f"{ENDPOINTS}/a", "GET, HEAD, PUT, PATCH, DELETE"),
    ("PUT", ENDPOINTS, "GET, HEAD, POST"), ("POST", f"{ENDPOINTS}/a",
                                            "GET, HEAD, PUT, PATCH, DELETE")])
def test_a_wrong_method_is_told_the_right_ones_and_does_nothing(stage, method, path, allow):
    _, _, _, admin = pair(stage)
    answered = admin.ask(path, method)
    assert (answered.status, answered.get("allow")) == (405, allow)
    assert admin.events() == []


@pytest.mark.parametrize("path", ["/api/v1/events?since=x", "/api/v1/events?since=-1",
                                  "/api/v1/events?limit=1001", "/api/v1/events?sinec=1",
                                  "/api/v1/events?since", "/api/v1/pools?endpoints=no",
                                  "/api/v1/pools/app?verbose=1", "/api/v1/status?x=1",
                                  f"{ENDPOINTS}/%zz", "/api/v1/pools/%00"])
def test_what_is_malformed_is_a_400(stage, path):
    _, _, _, admin = pair(stage)
    answered = admin.ask(path)
    assert (answered.status, error_of(answered)["type"]) == (400, "validation")


def test_a_page_of_another_origin_may_change_nothing(stage):
    _, _, _, admin = pair(stage)
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"http://{admin.address}x"):
        answered = send(admin, f"{ENDPOINTS}/a/drain", headers=[("Origin", origin)])
        assert (answered.status, error_of(answered)["type"]) == (403, "forbidden")
    assert admin.json(f"{ENDPOINTS}/a")["status"] == "healthy"
    own = send(admin, f"{ENDPOINTS}/a/drain", headers=[("Origin", "http://127.0.0.1")])
    assert own.status == 200 and json.loads(own.body)["status"] == "draining"


def test_a_body_is_json_and_says_why(stage):
    _, _, _, admin = pair(stage)
    path, typed = f"{ENDPOINTS}/a/drain", [("Content-Type", "application/json")]
    assert send(admin, path, body=b'{"why": "x"}').status == 400
    assert send(admin, path, body=b"why=x",
                headers=[("Content-Type", "application/x-www-form-urlencoded")]).status == 400
    for wrong in (b"{", b"{}}", b'{"why": "x", "why": "y"}', b'{"why": "\xff"}', b"\0"):
        assert send(admin, path, headers=typed, body=wrong).status == 400, wrong
    for wrong in (b"[]", b'"x"', b'{"why": 1}', b'{"when": "x"}', b'{"why": "x", "more": 1}'):
        assert send(admin, path, headers=typed, body=wrong).status == 422, wrong
    assert admin.events() == []
    assert send(admin, path, headers=typed, body=b"{}").status == 200
    act(admin, "b", "drain", {"why": "deploy \u00fc"})
    assert "deploy \u00fc" in admin.events(endpoint="b")[0]["why"]


def test_a_body_over_the_limit_is_refused(stage):
    _, _, _, admin = pair(stage)
    body = b'{"why": "' + b"x" * 100_000 + b'"}'
    answered = send(admin, f"{ENDPOINTS}/a/drain", body=body,
                    headers=[("Content-Type", "application/json")])
    assert answered.status == 413
    assert admin.events() == []


# ---- Doing ----


def test_a_drained_endpoint_finishes_what_it_has_and_gets_no_more(stage):
    a, b, proxy, admin = pair(stage)
    a.mood = "hold"
    clients = [stage.client(proxy) for _ in range(2)]
    for client in clients:
        client.send(head())
    a.wait_held(1)
    told = act(admin, "a", "drain", {"why": "deploy"})
    assert (told["status"], told["draining"], told["usable"]) == ("draining", True, False)
    assert told["active"] == 1 and "1 is still in flight" in told["summary"]
    assert set(serve(stage, proxy, 6)) == {"b"}
    a.mood = "good"
    a.release()
    assert sorted(client.read_response("GET").text for client in clients) == ["a", "b"]
    wait_until(lambda: admin.json(f"{ENDPOINTS}/a")["active"] == 0, "a has nothing left")
    event, = admin.events(type="drain")
    assert (event["endpoint"], event["address"], event["to"]) == ("a", a.address, "draining")
    assert "deploy" in event["why"]
    assert act(admin, "a", "undrain")["status"] == "healthy"
    wait_until(lambda: set(serve(stage, proxy, 6)) == {"a", "b"}, "a has its share again")


def test_doing_it_twice_is_harmless(stage):
    _, _, _, admin = pair(stage)
    for verb, status, state in [("drain", "draining", "closed"), ("undrain", "healthy", "closed"),
                                ("trip", "healthy", "open"), ("reset", "healthy", "closed")]:
        for _ in range(2):
            told = act(admin, "a", verb)
            assert (told["status"], told["breaker"]["state"]) == (status, state)
    assert len(admin.events(type="drain")) == 2


def test_a_tripped_breaker_stays_open_until_it_is_reset(stage):
    _, _, proxy, admin = pair(stage, breaker=breaker())
    told = act(admin, "a", "trip", {"why": "looks odd"})
    assert (told["breaker"]["state"], told["breaker"]["by_hand"]) == ("open", True)
    assert told["breaker"]["retry_in_seconds"] is None
    assert "looks odd" in told["breaker"]["why"]
    assert "until its breaker is reset" in told["summary"]
    assert set(serve(stage, proxy, 6)) == {"b"}
    told = act(admin, "a", "reset")
    assert told["breaker"]["state"] == "closed" and told["usable"] is True
    assert set(serve(stage, proxy, 6)) == {"a", "b"}


def test_a_check_by_hand_does_not_wait_for_the_schedule(stage):
    a, b, proxy, admin = pair(stage, health=checks(interval="1h", fast_interval="1h", fall=1))
    for name in "ab":
        act(admin, name, "check")
        wait_until(lambda n=name: admin.status(n) == "healthy", f"{name} was checked")
    a.health = 503
    assert act(admin, "a", "check")["id"] == "a"
    wait_until(lambda: admin.status("a") == "unhealthy", "a is found out")
    told = admin.json(f"{ENDPOINTS}/a")
    assert "503" in told["status_why"] and told["summary"].startswith("Unhealthy since ")
    assert told["check"]["last"] and told["check"]["failed"] >= 1
    event = admin.events(type="health", endpoint="a")[-1]
    assert (event["from"], event["to"]) == ("healthy", "unhealthy") and "503" in event["why"]
    a.health = 200
    act(admin, "a", "check")
    wait_until(lambda: admin.status("a") == "healthy", "a is back")


def test_what_the_last_bad_check_found_may_be_newer_than_the_status(stage):
    a, b, proxy, admin = pair(stage, health=checks(interval="1h", fast_interval="1h", fall=1))
    a.health = 503
    act(admin, "a", "check")
    wait_until(lambda: admin.status("a") == "unhealthy", "a is found out")
    a.health = 500
    act(admin, "a", "check")

    def newest():
        return admin.json(f"{ENDPOINTS}/a")["check"]["last_failure_why"]
    wait_until(lambda: "500" in newest(), "a is asked again")
    told = admin.json(f"{ENDPOINTS}/a")
    assert "503" in told["status_why"] and "500" not in told["status_why"]
    assert "The last bad check: status 500" in told["summary"]
    assert told["check"]["last_failure"] == told["check"]["last"]


def test_a_pool_without_checks_cannot_be_checked(stage):
    _, _, _, admin = pair(stage)
    answered = admin.ask(f"{ENDPOINTS}/a/check", "POST")
    assert (answered.status, error_of(answered)["type"]) == (409, "conflict")


def test_load_fails_back_when_an_operator_says_so(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, group(b, priority=2), failback={"mode": "manual"})
    act(admin, "a", "trip")
    wait_until(lambda: admin.json("/api/v1/pools/app")["tiers"][1]["load_percent"] == 100,
               "the load is on b")
    assert set(serve(stage, proxy, 2)) == {"b"}
    act(admin, "a", "reset")
    wait_until(lambda: admin.json("/api/v1/pools/app")["tiers"][0]["held_back"],
               "a could take it again")
    assert set(serve(stage, proxy, 4)) == {"b"}
    assert "the failback policy waits" in admin.json("/api/v1/pools/app")["summary"]
    assert admin.json("/api/v1/pools/app/failback", "POST")["name"] == "app"
    wait_until(lambda: set(serve(stage, proxy, 2)) == {"a"}, "the load is on a")
    assert admin.ask("/api/v1/pools/none/failback", "POST").status == 404


# ---- Events ----


def test_events_are_read_page_by_page(stage):
    _, _, _, admin = pair(stage)
    for _ in range(3):
        act(admin, "a", "trip")
        act(admin, "a", "reset")
    everything = admin.json("/api/v1/events")
    assert [e["id"] for e in everything["events"]] == [1, 2, 3, 4, 5, 6]
    assert everything["last_id"] == 6
    page = admin.json("/api/v1/events?since=0&limit=4")
    assert [e["id"] for e in page["events"]] == [1, 2, 3, 4] and page["last_id"] == 4
    page = admin.json(f"/api/v1/events?since={page['last_id']}&limit=4")
    assert [e["id"] for e in page["events"]] == [5, 6] and page["last_id"] == 6
    assert admin.json("/api/v1/events?since=6") == {"events": [], "last_id": 6}
    assert admin.json("/api/v1/events?since=600") == {"events": [], "last_id": 6}
    latest = admin.json("/api/v1/events?limit=2")
    assert [e["id"] for e in latest["events"]] == [5, 6]
    assert admin.json("/api/v1/events?limit=0") == {"events": [], "last_id": 6}


def test_an_event_says_who_what_why_and_for_how_long(stage):
    a, _, _, admin = pair(stage)
    act(admin, "a", "drain")
    event, = admin.events(type="drain")
    assert set(event) == {"id", "time", "type", "severity", "pool", "endpoint", "address", "from",
                          "to", "why", "was_seconds", "next"}
    assert (event["pool"], event["endpoint"], event["from"]) == ("app", "a", "healthy")
    assert event["severity"] in ("info", "warn", "error") and event["next"]


def test_the_metrics_show_what_the_api_shows(stage):
    a, b, proxy, admin = pair(stage, health=checks(), breaker=breaker(recovery_timeout="10m",
                                                                      max_recovery_timeout="10m"),
                              retry=retry(), outlier=NO_OUTLIER)
    wait_until(lambda: admin.status("a") == admin.status("b") == "healthy", "both are checked")
    a.mood = "503"
    wait_until(lambda: serve(stage, proxy, 2) and admin.breaker("a") == "open", "a's breaker opens")
    for state, times in [("open", 1), ("half_open", 0), ("closed", 0)]:
        assert admin.metric("evergate_breaker_transitions_total", endpoint="a", to=state) == times
    assert admin.metric("evergate_health_checks_total", endpoint="a", result="passed") >= 1
    assert admin.metric("evergate_upstream_results_total", endpoint="a", result="failure") == 3
    assert admin.metric("evergate_upstream_requests_total", endpoint="a") == \
        admin.json(f"{ENDPOINTS}/a")["requests"]
    assert admin.metric("evergate_retries_total") == 3
    assert admin.metric("evergate_events_total", type="breaker") == 1
    assert admin.metric("evergate_tier_load_ratio", pool="app", priority="1") == 1
    act(admin, "b", "drain")
    assert admin.status("b") == "draining"
    assert admin.metric("evergate_events_total", type="drain") == 1


def test_a_label_cannot_break_its_line(stage):
    """The id is the address where none is given, and a path may hold what a name may not."""
    path = stage.room("unix") / 'a"b\\c'
    _, admin = start(stage, {"address": f"unix:{path}"})
    line, = [line for line in admin.ask("/metrics").text.splitlines()
             if line.startswith("evergate_endpoint_active")]
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    assert line == f'evergate_endpoint_active{{pool="app",endpoint="unix:{escaped}"}} 0'


def test_thousands_of_endpoints_are_told_whole(stage):
    backends = [{"id": f"e{i}", "address": f"127.0.0.1:{i + 1}"} for i in range(3000)]
    _, admin = start(stage, *backends)
    assert len(admin.json(ENDPOINTS)["endpoints"]) == 3000
    active = [s for s in admin.metrics() if s.startswith("evergate_endpoint_active{")]
    assert len(active) == 3000
    assert admin.json("/api/v1/pools?endpoints=false")["pools"][0]["endpoints_total"] == 3000


# ---- The command line ----


def command(admin, *arguments):
    return run_command(*arguments, "--admin", admin.address)


def test_the_commands_print_tables_without_colour_into_a_pipe(stage):
    a, b, proxy, admin = pair(stage)
    serve(stage, proxy, 4)
    act(admin, "a", "drain", {"why": "deploy"})
    for arguments, words in [
            (["status"], ["evergate ", "serving", "edge on", "app", "drain"]),
            (["pools"], ["POOL", "app", "round_robin", "1/2"]),
            (["endpoints"], ["ENDPOINT", a.address, "draining", "a: Draining since", "deploy"]),
            (["endpoints", "app"], ["ENDPOINT", a.address, "draining", "a: Draining since"]),
            (["events"], ["app/a", "drain", "healthy -> draining", "deploy"])]:
        result = command(admin, *arguments)
        assert result.returncode == 0, result
        assert "\x1b" not in result.stdout
        for word in words:
            assert word in result.stdout, (arguments, word, result.stdout)


def test_json_is_the_apis_own(stage):
    _, _, _, admin = pair(stage)
    act(admin, "a", "trip")
    for arguments, path in [(["pools"], "/api/v1/pools"), (["endpoints", "app"], ENDPOINTS),
                            (["endpoints"], "/api/v1/pools"), (["events"], "/api/v1/events")]:
        told, asked = json.loads(command(admin, *arguments, "--json").stdout), admin.json(path)
        assert told.keys() == asked.keys()
    assert json.loads(command(admin, "events", "--since", "1", "--json").stdout)["events"] == []
    assert json.loads(command(admin, "status", "--json").stdout)["state"] == "serving"


def test_exit_codes_tell_a_wrong_name_from_wrong_usage_and_from_nobody_there(stage):
    _, _, _, admin = pair(stage)
    result = command(admin, "endpoints", "none")
    assert result.returncode == 1 and 'there is no pool "none"' in result.stderr
    assert command(admin, "events", "--since", "x").returncode == 2
    assert command(admin, "pools", "app").returncode == 2
    nobody = stage.refusing_port()
    result = run_command("status", "--admin", nobody.address)
    assert result.returncode == 3 and "cannot reach management" in result.stderr
    result = run_command("status", "--admin", "unix:/nonexistent/admin.sock")
    assert result.returncode == 3
    assert run_command("status", "--admin", "what is this").returncode == 2


def test_what_is_no_management_is_not_taken_for_it(stage):
    for reply in (b"", b"SSH-2.0-x\r\n", answer(b"<html>"),
                  b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"):
        other = stage.backend(lambda peer, r=reply: (peer.read_request(), peer.send(r)))
        result = run_command("pools", "--admin", other.address)
        assert result.returncode == 3, (reply, result)


def test_management_is_found_by_the_configuration_with_its_token(stage):
    room = stage.room("admin")
    (room / "token").write_text("sesame\n")
    socket = room / "admin.sock"
    proxy = stage.proxy(stage.failing("a"), admin={"bind": "off", "socket": str(socket),
                                                   "token_file": str(room / "token")})
    wait_until(socket.exists, "management listens")
    assert run_command("status", "-c", proxy.config_path).returncode == 0
    assert run_command("status", "-a", f"unix:{socket}", "-t", room / "token").returncode == 0
    result = run_command("status", "-a", f"unix:{socket}")
    assert result.returncode == 1 and "token" in result.stderr
    assert run_command("status", "-a", f"unix:{socket}", "-t", room / "none").returncode == 1


def test_events_are_followed_until_interrupted(stage):
    _, _, _, admin = pair(stage)
    act(admin, "a", "drain")
    output = stage.room("follow") / "out"
    with open(output, "wb") as out:
        follower = subprocess.Popen(
            [str(binary()), "events", "--follow", "--admin", admin.address], stdout=out)
    try:
        wait_until(lambda: "app/a  drain" in output.read_text(), "what was is shown")
        act(admin, "b", "drain")
        wait_until(lambda: "app/b  drain" in output.read_text(), "what comes is shown")
        assert output.read_text().count("app/a  drain") == 1
    finally:
        follower.send_signal(signal.SIGINT)
        follower.wait()


def test_a_terminal_gets_colours_unless_it_asks_for_none(stage):
    _, _, _, admin = pair(stage)
    for environment, coloured in [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False),
                                  ({"TERM": "xterm", "NO_COLOR": "1"}, False)]:
        reader, writer = os.openpty()
        subprocess.run([str(binary()), "pools", "--admin", admin.address], stdout=writer,
                       check=True, env={**os.environ, "NO_COLOR": "", **environment})
        os.close(writer)
        seen = b""
        try:
            while chunk := os.read(reader, 4096):
                seen += chunk
        except OSError:  # a pty's way to say that nobody has the other end
            pass
        os.close(reader)
        assert (b"\x1b[" in seen) == coloured, seen
