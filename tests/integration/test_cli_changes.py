"""reload, plan, explain, policies and endpoints from the command line, against a management that
answers whatever a test wants: what is asked, what is printed, and the exit codes."""

import json
import subprocess

import pytest

from lib.evergate import binary, run_command
from lib.fake_management import FakeManagement

PLAN = {
    "changes": [
        {"change": "changed", "of": "listener", "pool": "", "name": "edge", "detail":
            "max_connections 10000 -> 5000", "match_changes": False, "replaces": False,
            "needs_upgrade": False},
        {"change": "removed", "of": "listener", "pool": "", "name": "old", "detail": ""},
        {"change": "changed", "of": "route", "pool": "", "name": "api", "detail": "path /v1 -> /",
            "match_changes": True},
        {"change": "changed", "of": "pool", "pool": "", "name": "api",
            "detail": "retry: attempts 2 -> 3"},
        {"change": "added", "of": "endpoint", "pool": "api", "name": "c",
            "detail": "10.0.0.3:80"},
        {"change": "changed", "of": "endpoint", "pool": "api", "name": "a",
            "detail": "address 10.0.0.1:80 -> 10.0.0.9:80", "replaces": True},
    ],
    "kept": {"listeners": 1, "routes": 3, "pools": 0, "endpoints": 7},
    "risk": "high", "risk_why": 'listener "old" goes',
}
NO_PLAN = {"changes": [], "kept": {"listeners": 2, "routes": 4, "pools": 1, "endpoints": 9},
           "risk": "none", "risk_why": ""}
MISTAKES = (422, {"error": {"type": "validation", "message": "2 mistakes", "details": [
    {"file": "/etc/edge.conf", "line": 12, "message": "pool \"api\": weight: over 65535"},
    {"file": "/etc/edge.conf", "line": 0, "message": "no listener"}]}})


def planned(plan, **more):
    return {"verdict": "planned", "generation": 6, "plan": plan, "closing": 0, "draining": 0,
            "not_saved": None, **more}


@pytest.fixture(name="fake")
def fake_fixture(stage):
    def make(answers):
        return stage.ending(FakeManagement(answers))
    return make


def command(fake, *arguments):
    return run_command(*arguments, "--admin", fake.address)


@pytest.fixture(name="file")
def file_fixture(tmp_path):
    path = tmp_path / "new.conf"
    path.write_text("what stands here is not this side's business")
    return path


# ---- plan ----


def test_a_plan_is_a_diff_with_its_consequences(fake, file):
    management = fake({("POST", "/api/v1/plan"): planned(PLAN, closing=12, draining=3)})
    result = command(management, "plan", "-c", file)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "A reload would change generation 6 in 6 places:",
        "",
        "~ listener edge   max_connections 10000 -> 5000",
        "- listener old",
        "~ route    api    path /v1 -> / (other requests than before may take it)",
        "~ pool     api    retry: attempts 2 -> 3",
        "+ endpoint api/c  10.0.0.3:80",
        "~ endpoint api/a  address 10.0.0.1:80 -> 10.0.0.9:80 (a new endpoint under the same id)",
        "",
        "kept     1 listener, 3 routes, 0 pools, 7 endpoints",
        "closing  12 connections of clients, on listeners that go",
        "draining 3 requests in flight to endpoints that go; they are finished",
        'risk     high: listener "old" goes',
    ]
    assert management.asked == [("POST", "/api/v1/plan", {"file": str(file)})]


def test_the_file_is_named_by_its_whole_path(fake, file, monkeypatch):
    management = fake({("POST", "/api/v1/plan"): planned(NO_PLAN)})
    monkeypatch.chdir(file.parent)
    assert command(management, "plan", "-c", "./new.conf").returncode == 0
    assert management.asked[0][2] == {"file": str(file)}


def test_nothing_to_change_is_said_so(fake, file):
    management = fake({("POST", "/api/v1/plan"): planned(NO_PLAN)})
    result = command(management, "plan", "-c", file)
    assert "Nothing would change" in result.stdout and "risk     none" in result.stdout


@pytest.mark.parametrize("plan, options, code", [
    (PLAN, [], 0), (PLAN, ["--exit-code"], 4), (NO_PLAN, ["--exit-code"], 0),
    (PLAN, ["--exit-code", "--json"], 4)])
def test_a_script_can_ask_whether_something_would_change(fake, file, plan, options, code):
    management = fake({("POST", "/api/v1/plan"): planned(plan)})
    assert command(management, "plan", "-c", file, *options).returncode == code


def test_a_plan_in_json_is_the_apis_own(fake, file):
    answer = planned(PLAN, closing=12)
    management = fake({("POST", "/api/v1/plan"): answer})
    assert json.loads(command(management, "plan", "-c", file, "--json").stdout) == answer


def test_mistakes_of_a_file_are_told_line_by_line(fake, file):
    management = fake({("POST", "/api/v1/plan"): MISTAKES, ("POST", "/api/v1/reload"): MISTAKES})
    for arguments in (["plan", "-c", file], ["reload"]):
        result = command(management, *arguments)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.splitlines() == [
            '/etc/edge.conf:12: error: pool "api": weight: over 65535',
            "/etc/edge.conf: error: no listener"]


def test_a_refusal_in_json_is_the_apis_own_too(fake):
    management = fake({("POST", "/api/v1/reload"): MISTAKES})
    result = command(management, "reload", "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout) == MISTAKES[1]
    assert "edge.conf:12: error:" in result.stderr


def test_a_file_that_is_not_there_is_not_asked_about(fake, tmp_path):
    management = fake({})
    result = command(management, "plan", "-c", tmp_path / "absent.conf")
    assert result.returncode == 1 and "absent.conf: error: No such file" in result.stderr
    assert management.asked == []


def test_without_an_address_the_planned_file_says_where_management_is(stage, fake, tmp_path):
    management = fake({("POST", "/api/v1/plan"): planned(NO_PLAN)})
    path = tmp_path / "new.conf"
    path.write_text(f"""
        listeners = ( {{ name = "edge"; bind = "127.0.0.1:0"; }} );
        pools = ( {{ name = "app"; backends = ( {{ address = "127.0.0.1:9"; }} ); }} );
        admin = {{ bind = "{management.address}"; }};
    """)
    assert run_command("plan", "-c", path).returncode == 0
    path.write_text("nonsense = 1;")
    result = run_command("plan", "-c", path)
    assert result.returncode == 1 and "new.conf:1: error:" in result.stderr
    assert len(management.asked) == 1


# ---- reload ----


def test_a_reload_tells_what_it_did(fake):
    management = fake({("POST", "/api/v1/reload"): planned(PLAN, verdict="done", generation=7)})
    result = command(management, "reload")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Reloaded: generation 7 is served by every worker.\n\n~ list")
    assert "risk     high" in result.stdout
    assert management.asked == [("POST", "/api/v1/reload", None)]


def test_a_reload_that_was_not_saved_warns(fake):
    management = fake({("POST", "/api/v1/reload"):
                       planned(NO_PLAN, verdict="done", not_saved="disk full")})
    result = command(management, "reload")
    assert result.returncode == 0
    assert "warning: done, but a restart would lose it: disk full" in result.stderr


def test_a_reload_that_is_refused_otherwise_says_why(fake):
    management = fake({("POST", "/api/v1/reload"): (409, {"error": {
        "type": "conflict", "message": "the instance is draining"}})})
    result = command(management, "reload")
    assert (result.returncode, result.stderr) == (1, "evergate reload: the instance is draining\n")


@pytest.mark.parametrize("arguments", [["reload"], ["explain", "/"], ["top"],
                                       ["pools", "policy", "app"],
                                       ["endpoints", "remove", "app", "a"]])
def test_nobody_there_is_exit_code_3(stage, arguments):
    result = run_command(*arguments, "--admin", stage.refusing_port().address)
    assert result.returncode == 3 and "cannot reach management" in result.stderr


# ---- Endpoints and policies ----

ENDPOINT = {"id": "c", "pool": "api", "address": "10.0.0.3:80", "status": "healthy",
            "breaker": {"state": "closed"}, "stall": {"state": "clear"}, "usable": True,
            "outlier": {"ejected": False}, "effective_weight": 3.0, "priority": 2, "backup": False,
            "active": 0, "requests": 0, "failures": 0, "latency": {}, "summary": "Well."}


def test_an_endpoint_is_added_with_what_was_given(fake):
    management = fake({("POST", "/api/v1/pools/api/endpoints"): (201, ENDPOINT)})
    result = command(management, "endpoints", "add", "api", "c", "10.0.0.3:80", "--weight", "3",
                     "--priority=2", "--zone", "z", "--region", "r", "--tag", "blue", "--tag", "x",
                     "--metadata", "version=1.4.2", "--backup")
    assert (result.returncode, result.stderr) == (0, "")
    assert "10.0.0.3:80" in result.stdout and "healthy" in result.stdout
    assert management.asked == [("POST", "/api/v1/pools/api/endpoints", {
        "id": "c", "address": "10.0.0.3:80", "weight": 3, "priority": 2, "zone": "z",
        "region": "r", "tags": ["blue", "x"], "metadata": {"version": "1.4.2"}, "backup": True})]


def test_an_endpoint_is_changed_only_in_what_was_given(fake):
    path = "/api/v1/pools/api/endpoints/unix%3A%2Frun%2Fapp.sock"
    management = fake({("PATCH", path): ENDPOINT})
    assert command(management, "endpoints", "set", "api", "unix:/run/app.sock", "--weight", "0",
                   "--unset", "tags", "--backup=false").returncode == 0
    assert management.asked == [("PATCH", path, {"weight": 0, "tags": None, "backup": False})]
    result = command(management, "endpoints", "set", "api", "a")
    assert result.returncode == 2 and "set what?" in result.stderr


@pytest.mark.parametrize("answer, said", [
    ((204, None), "api/c is removed.\n"), ({**ENDPOINT, "leaving": True}, "api/c is removed.\n"),
    ({**ENDPOINT, "active": 1}, "api/c is removed; 1 request that it holds is finished.\n"),
    ({**ENDPOINT, "active": 3}, "api/c is removed; 3 requests that it holds are finished.\n")])
def test_an_endpoint_is_removed(fake, answer, said):
    management = fake({("DELETE", "/api/v1/pools/api/endpoints/c"): answer})
    result = command(management, "endpoints", "remove", "api", "c")
    assert (result.returncode, result.stdout, result.stderr) == (0, said, "")


@pytest.mark.parametrize("verb", ["drain", "undrain", "trip", "reset", "check"])
def test_an_endpoint_is_acted_on_by_hand(fake, verb):
    path = f"/api/v1/pools/api/endpoints/c/{verb}"
    management = fake({("POST", path): ENDPOINT})
    assert command(management, "endpoints", verb, "api", "c", "--why", "a deploy").returncode == 0
    assert command(management, "endpoints", verb, "api", "c").returncode == 0
    assert management.asked == [("POST", path, {"why": "a deploy"}), ("POST", path, None)]


POLICY = {"algorithm": "round_robin", "retry": {"attempts": 2, "on": ["connect", "reset"],
                                                "backoff": "25ms"}, "weights": {"a.1:80": 1}}


def test_a_policy_is_shown_by_its_keys(fake):
    management = fake({("GET", "/api/v1/pools/api/policy"): POLICY})
    result = command(management, "pools", "policy", "api")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows == [["KEY", "VALUE"], ["algorithm", "round_robin"], ["retry.attempts", "2"],
                    ["retry.on", "connect,reset"], ["retry.backoff", "25ms"],
                    ["weights.a.1:80", "1"]]


def test_a_policy_is_changed_by_its_keys(fake):
    path = "/api/v1/pools/api/policy"
    after = {**POLICY, "retry": {**POLICY["retry"], "attempts": 3}}
    management = fake({("GET", path): POLICY, ("PATCH", path): after})
    result = command(management, "pools", "policy", "api", "retry.attempts=3", "retry.on=connect",
                     "weights.a.1:80=5", "retry.backoff=")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["KEY", "BEFORE", "NOW"], ["retry.attempts", "2", "3"]]
    assert management.asked[1] == ("PATCH", path, {
        "retry": {"attempts": 3, "on": ["connect"], "backoff": None}, "weights": {"a.1:80": 5}})
    assert command(management, "pools", "policy", "api", "retry").returncode == 2


def test_a_policy_that_was_not_saved_warns(fake):
    path = "/api/v1/pools/api/policy"
    management = fake({("GET", path): POLICY, ("PATCH", path): {**POLICY, "not_saved": "full"}})
    result = command(management, "pools", "policy", "api", "algorithm=random")
    assert result.returncode == 0 and "lose it: full" in result.stderr
    assert result.stdout == "Nothing has changed.\n"


def test_a_change_that_is_refused_is_exit_code_1(fake):
    path = "/api/v1/pools/api/policy"
    management = fake({("GET", path): POLICY, ("PATCH", path): (422, {"error": {
        "type": "validation", "message": "1 mistake", "details": [
            {"file": None, "line": None, "message": 'pool "api": retry.attempts: 0 is below 1'}]}})})
    result = command(management, "pools", "policy", "api", "retry.attempts=0")
    assert (result.returncode, result.stderr) == (
        1, 'error: pool "api": retry.attempts: 0 is below 1\n')


# ---- What is not as it should be ----


@pytest.mark.parametrize("address", ["127.0.0.1", "", ":", "unix:"])
def test_an_address_that_is_none_is_wrong_usage(address):
    result = run_command("status", "--admin", address)
    assert result.returncode == 2 and "is no address" in result.stderr


def test_an_answer_that_is_no_object_is_not_evergates(fake):
    result = command(fake({("GET", "/api/v1/status"): [1, 2]}), "status")
    assert result.returncode == 3 and "not evergate's management" in result.stderr


def test_what_cannot_be_written_is_no_success(fake):
    management = fake({("GET", "/api/v1/pools/api/policy"): POLICY})
    for more in ((), ("--json",)):
        with open("/dev/full", "w", encoding="ascii") as full:
            result = subprocess.run(
                [str(binary()), "pools", "policy", "api", "--admin", management.address, *more],
                stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (result.returncode, result.stderr) == (
            1, "evergate: the output cannot be written: No space left on device\n")


def test_nothing_that_is_shown_can_steer_a_terminal(fake):
    evil = "\x1b[2J\x9b31m\r"
    management = fake({
        ("GET", "/api/v1/status"): {
            "version": evil, "state": evil, "config": {"file": evil}, "workers": 1,
            "listeners": [{"name": evil, "address": evil, "connections": 1}]},
        ("GET", "/api/v1/pools?endpoints=false"): {"pools": [{"name": evil, "summary": evil}]},
        ("GET", "/api/v1/events?limit=5"): {"events": [{"type": evil, "why": evil}]}})
    result = command(management, "status")
    assert result.returncode == 0, result
    assert not set("\x1b\x9b\r") & set(result.stdout)
    assert "1 worker\n" in result.stdout and "1 connection\n" in result.stdout


# ---- explain ----

EXPLAINED = {
    "listener": {"name": "edge", "address": "0.0.0.0:8080", "where": "edge.conf:3"},
    "routes": [{"name": "admin", "matched": False, "why": "its path is /admin/",
                "where": "edge.conf:10"},
               {"name": "api", "matched": True, "why": "the first that matches",
                "where": "edge.conf:12"}],
    "route": {"name": "api"},
    "pool": {"name": "api", "why": "the route's"},
    "endpoint": {"id": "a", "address": "10.0.0.1:80", "why": "its turn"},
    "candidates": [
        {"id": "a", "address": "10.0.0.1:80", "tier": 1, "status": "healthy", "breaker": "closed",
         "chosen": True, "why": "its turn"},
        {"id": "b", "address": "10.0.0.2:80", "tier": 1, "status": "unhealthy", "breaker": "open",
         "chosen": False, "why": "breaker open for 3 s"}],
    "policies": [{"name": "algorithm", "summary": "round_robin", "where": "default"},
                 {"name": "retry", "summary": "2 attempts on connect, reset",
                  "where": "edge.conf:31"}],
}


def test_a_request_is_explained_as_a_story(fake):
    management = fake({("POST", "/api/v1/explain"): EXPLAINED})
    result = command(management, "explain", "http://api.example.com:8080/v1/x?y=1", "-X", "POST",
                     "-H", "Accept: text/html", "--client", "192.0.2.1", "--listener", "edge")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "request   POST /v1/x?y=1, Host: api.example.com:8080",
        "listener  edge  0.0.0.0:8080  edge.conf:3",
        "route     api  edge.conf:12  the first that matches",
        "          PASSED OVER  WHERE         WHY",
        "          admin        edge.conf:10  its path is /admin/",
        "pool      api  the route's",
        "endpoint  a  10.0.0.1:80  its turn",
        "             ENDPOINT  ADDRESS      TIER  STATUS     BREAKER  WHY",
        "          >  a         10.0.0.1:80     1  healthy    closed   its turn",
        "             b         10.0.0.2:80     1  unhealthy  open     breaker open for 3 s",
        "",
        "POLICY     WHERE         WHAT",
        "retry      edge.conf:31  2 attempts on connect, reset",
        "algorithm  default       round_robin",
    ]
    assert management.asked == [("POST", "/api/v1/explain", {
        "listener": "edge", "client_ip": "192.0.2.1", "method": "POST",
        "host": "api.example.com:8080", "path": "/v1/x?y=1",
        "headers": {"Accept": "text/html"}})]


@pytest.mark.parametrize("url, headers, host, path", [
    ("/v1/", [], None, "/v1/"), ("/?to=http://x/", [], None, "/?to=http://x/"), ("example.com", [], "example.com", "/"),
    ("https://example.com?q", [], "example.com", "/?q"),
    ("/v1/", ["-H", "Host: other"], "other", "/v1/"),
    ("http://a/v1/", ["-H", "host: other"], "other", "/v1/")])
def test_a_url_may_be_as_short_as_it_likes(fake, url, headers, host, path):
    management = fake({("POST", "/api/v1/explain"): {}})
    result = command(management, "explain", url, *headers)
    assert result.returncode == 0
    assert "listener  none" in result.stdout and "route     none" in result.stdout
    asked = management.asked[0][2]
    assert (asked.get("host"), asked["path"], asked["method"]) == (host, path, "GET")
    assert asked["headers"] == {}


ROUTE = {"name": "api", "matched": True, "where": "edge.conf:12", "why": "the first that matches"}


@pytest.mark.parametrize("answered, lines", [
    ({"answer": {"status": 404, "type": "not_found", "message": "no route matches"}},
     ["route     none", "answer    404 not_found  no route matches"]),
    ({"routes": [ROUTE], "answer": {"status": 308, "redirect_to": "https://x/"}},
     ["route     api  edge.conf:12  the first that matches", "answer    308 to https://x/"]),
    ({"routes": [ROUTE], "answer": {"status": 204}}, ["answer    204"]),
    ({"routes": [ROUTE], "route": {**ROUTE, "rewrite": {"from": "/v1/", "to": "/", "path": "/x"}},
      "pool": {"name": "v1", "why": "95 % of the route's requests go to it"}, "endpoint": None,
      "why": "None of 2 endpoints can take it: breaker open.",
      "other_pools": [{"name": "v2", "why": "5 % of the route's requests go to it"}],
      "instead": {"status": 503, "type": "circuit_breaker", "message": "every breaker is open",
                  "waits": False, "stale_answer": True, "fallback_pool": "spare"}},
     ["rewrite   the backend is asked for /x",
      "pool      v1  95 % of the route's requests go to it",
      "or        v2  5 % of the route's requests go to it",
      "endpoint  None of 2 endpoints can take it: breaker open.",
      "instead   a stored answer, where there is one",
      "instead   the fallback's pool spare",
      "instead   503 circuit_breaker  every breaker is open"])])
def test_what_keeps_a_request_from_a_backend_is_told(fake, answered, lines):
    management = fake({("POST", "/api/v1/explain"): answered})
    result = command(management, "explain", "/")
    assert (result.returncode, result.stderr) == (0, "")
    told = result.stdout.splitlines()
    assert [line for line in told if line in lines] == lines, told


def test_an_explanation_in_json_is_the_apis_own(fake):
    management = fake({("POST", "/api/v1/explain"): EXPLAINED})
    assert json.loads(command(management, "explain", "/", "--json").stdout) == EXPLAINED


def test_an_explanation_of_a_missing_listener_is_refused(fake):
    management = fake({("POST", "/api/v1/explain"): (404, {"error": {
        "type": "not_found", "message": 'there is no listener "x"'}})})
    result = command(management, "explain", "/", "--listener", "x")
    assert (result.returncode, result.stderr) == (
        1, 'evergate explain: there is no listener "x"\n')
