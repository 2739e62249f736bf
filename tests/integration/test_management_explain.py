"""Why a request goes where it goes: select and explain, against what the proxy then does."""

import json

import pytest

from lib import libconfig
from lib.failover import ADMIN, NO_OUTLIER, breaker, group, retry, serve, start
from lib.management import Management
from lib.waiting import wait_until

SELECT, EXPLAIN = "/api/v1/pools/app/select", "/api/v1/explain"


def candidates(told):
    return {c["id"]: c for c in told["candidates"]}


def select(admin, **question):
    return admin.json(SELECT, "POST", question)


# ---- Select ----


def test_select_tells_whom_a_request_would_get_and_takes_nothing(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b)
    for _ in range(5):
        told = select(admin)
        assert told["endpoint"]["id"] in ("a", "b")
        assert [c["chosen"] for c in told["candidates"]].count(True) == 1
        assert all(c["eligible"] for c in told["candidates"])
    assert (told["pool"], told["instead"], told["hash_key"], told["session"]) == \
        ("app", None, None, None)
    assert [e["requests"] for e in admin.endpoints().values()] == [0, 0]
    assert [e["active"] for e in admin.endpoints().values()] == [0, 0]


def test_select_agrees_with_the_proxy_where_the_choice_is_by_hash(stage):
    backends = [stage.failing(f"s{i}") for i in range(5)]
    proxy, admin = start(stage, *backends, algorithm="consistent_hash", hash_key="header:x-user")
    for user in ("ann", "bob", "cy", "dee", "eve", "fay"):
        told = select(admin, headers={"X-User": user})
        assert told["hash_key"] == {"by": "header", "name": "x-user", "value": user}
        answered = stage.get(proxy, headers=[("X-User", user)])
        assert answered.text == told["endpoint"]["id"], user
    told = select(admin, client_ip="203.0.113.9")
    assert told["hash_key"]["value"] == "203.0.113.9"
    assert {select(admin, client_ip="203.0.113.9")["endpoint"]["id"] for _ in range(4)} == \
        {told["endpoint"]["id"]}


def test_select_knows_the_session_that_a_cookie_names(stage):
    backends = [stage.failing(f"s{i}") for i in range(4)]
    proxy, admin = start(stage, *backends, sticky={"cookie": "EG"})
    answered = stage.get(proxy)
    cookie = answered.get("set-cookie").partition(";")[0]
    told = select(admin, headers={"Cookie": cookie})
    assert told["session"] == {"cookie": "EG", "known": True, "endpoint": answered.text}
    assert told["endpoint"]["id"] == answered.text
    assert "cookie names it" in told["why"]
    told = select(admin, headers={"Cookie": "EG=forged"})
    assert told["session"] == {"cookie": "EG", "known": False, "endpoint": None}


def test_each_candidate_that_is_passed_over_says_why(stage):
    names = ["ok", "drained", "tripped", "idle", "later", "spare"]
    made = {name: stage.failing(name) for name in names}
    proxy, admin = start(
        stage, group(made["ok"]), group(made["drained"], drain=True), group(made["tripped"]),
        group(made["idle"], weight=0), group(made["later"], priority=2),
        group(made["spare"], backup=True), failover={"min_healthy_percent": 10})
    admin.json("/api/v1/pools/app/endpoints/tripped/trip", "POST")
    told = select(admin)
    assert told["endpoint"]["id"] == "ok" and told["endpoint"]["tier"] == 1
    passed = {i: c for i, c in candidates(told).items() if i != "ok"}
    assert not any(c["eligible"] or c["chosen"] for c in passed.values())
    assert len({c["why"] for c in passed.values()}) >= 4
    assert passed["drained"]["status"] == "draining" and "drain" in passed["drained"]["why"]
    assert passed["tripped"]["breaker"] == "open" and "breaker" in passed["tripped"]["why"]
    assert passed["idle"]["weight"] == 0 and "weight" in passed["idle"]["why"]
    assert passed["later"]["tier"] == 2 and "level" in passed["later"]["why"]
    assert passed["spare"]["tier"] == "backup"
    assert set(serve(stage, proxy, 4)) == {"ok"}


def test_where_nobody_can_take_it_the_answer_says_what_happens_instead(stage):
    a = stage.failing("a")
    proxy, admin = start(stage, a)
    admin.json("/api/v1/pools/app/endpoints/a/trip", "POST")
    told = select(admin)
    assert told["endpoint"] is None
    assert (told["instead"]["status"], told["instead"]["type"]) == (503, "circuit_breaker")
    answered = stage.get(proxy)
    assert (answered.status, answered.get("x-evergate-error")) == (503, "circuit_breaker")
    admin.json("/api/v1/pools/app/endpoints/a/reset", "POST")
    admin.json("/api/v1/pools/app/endpoints/a/drain", "POST")
    told = select(admin)
    assert (told["instead"]["status"], told["instead"]["type"]) == (503, "connection")
    assert stage.get(proxy).get("x-evergate-error") == "connection"


def test_an_open_breaker_is_told_while_it_lasts(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b, outlier=NO_OUTLIER, retry=retry(), breaker=breaker(
        recovery_timeout="10m", max_recovery_timeout="10m"))
    a.mood = "503"
    wait_until(lambda: serve(stage, proxy, 2) and admin.breaker("a") == "open", "a's opens")
    told = select(admin)
    assert told["endpoint"]["id"] == "b"
    assert candidates(told)["a"]["breaker"] == "open"


# ---- Explain ----


def routed(stage):
    """(a backend by name, the proxy, its management)."""
    made = {name: stage.failing(name) for name in ("v1", "v2", "rest")}
    config = libconfig.simple([], routes=[
        {"name": "host", "host": "api.example.com", "path": "/v1/", "pool": "rest",
         "rewrite": {"prefix": "/"}, "timeout": "5s"},
        {"name": "read", "path": "/read", "methods": ["GET"], "pool": "rest"},
        {"name": "canary", "path": "/split", "headers": [{"name": "x-canary", "value": "1"}],
         "pool": "v2"},
        {"name": "split", "path": "/split",
         "pools": [{"pool": "v2", "weight": 5}, {"pool": "v1", "weight": 95}]},
        {"name": "old", "path": "/old", "redirect": {"to": "https://new/", "status": 308}},
        {"name": "stop", "path": "/stop", "respond": {"status": 410, "body": "gone"}},
    ], admin=ADMIN)
    config["pools"] = [libconfig.pool(name, [group(backend)]) for name, backend in made.items()]
    config["pools"][2]["retry"] = {"attempts": 3}
    proxy = stage.evergate(config)
    return made, proxy, Management(proxy)


def explain(admin, **question):
    return admin.json(EXPLAIN, "POST", question)


def test_explain_walks_from_the_listener_to_the_endpoint(stage):
    _, proxy, admin = routed(stage)
    told = explain(admin, host="api.example.com", path="/v1/x/../y?q=1", client_ip="203.0.113.9")
    assert told["listener"]["name"] == "edge"
    assert told["request"]["matched_path"] == "/v1/y"
    route = told["route"]
    assert (route["name"], route["action"], route["timeout_seconds"]) == ("host", "pool", 5)
    assert route["rewrite"] == {"from": "/v1/", "to": "/", "path": "/y?q=1"}
    assert route["file"] == str(proxy.config_path) and route["line"] > 0
    assert (told["pool"]["name"], told["pool"]["percent"]) == ("rest", 100)
    assert told["endpoint"]["id"] == "rest"
    assert told["other_pools"] == []
    policies = {policy["name"]: policy for policy in told["policies"]}
    assert policies["retry"]["where"].startswith(f"{proxy.config_path}:")
    assert "attempts 3" in policies["retry"]["summary"]
    assert policies["breaker"]["where"] == "default"


def test_explain_tells_why_each_route_before_was_passed_over(stage):
    _, _, admin = routed(stage)
    told = explain(admin, method="PUT", path="/split", headers={"X-Canary": "2"})
    assert [(r["name"], r["matched"], r["verdict"]) for r in told["routes"]] == [
        ("host", False, "host"), ("read", False, "path"), ("canary", False, "header"),
        ("split", True, "matches")]
    assert told["routes"][2]["why"] == 'the header x-canary is "2", not "1"'
    assert (told["pool"]["name"], told["pool"]["percent"]) == ("v1", 95)
    other, = told["other_pools"]
    assert (other["name"], other["percent"], other["select"]["endpoint"]["id"]) == ("v2", 5, "v2")
    assert explain(admin, path="/split", headers={"x-canary": "1"})["pool"]["name"] == "v2"


def test_explain_tells_what_evergate_answers_by_itself(stage):
    _, proxy, admin = routed(stage)
    for question, status in ((("PUT", "/read"), 405), (("GET", "/nowhere"), 404),
                             (("GET", "/old"), 308), (("GET", "/stop"), 410)):
        told = explain(admin, method=question[0], path=question[1])
        assert told["answer"]["status"] == status
        assert (told["pool"], told["endpoint"]) == (None, None)
        assert stage.get(proxy, question[1], method=question[0]).status == status


def test_explain_says_what_the_api_has_changed(stage):
    _, proxy, admin = routed(stage)
    admin.json("/api/v1/pools/rest/policy", "PATCH", {"breaker": {"failure_threshold": 2}})
    told = explain(admin, host="api.example.com", path="/v1/")
    policy, = [p for p in told["policies"] if p["name"] == "breaker"]
    assert policy["where"] == "api" and "failure_threshold 2" in policy["summary"]


@pytest.mark.parametrize("path", [SELECT, EXPLAIN])
@pytest.mark.parametrize("body, says", [
    ({"method": "G T"}, "refused"), ({"path": "no slash"}, "refused"), ({"path": 7}, "path"),
    ({"client_ip": "me"}, "client_ip"), ({"headers": {"x": 1}}, "headers"),
    ({"headers": {"x": "a\r\nHost: b"}}, "headers"), ({"host": "a\nb"}, "host"),
    ({"colour": "red"}, "colour"),
])
def test_a_question_that_is_no_request_is_refused(stage, path, body, says):
    _, admin = start(stage, stage.failing("a"))
    assert says in admin.error(422, path, "POST", body)["message"]


def test_questions_are_refused_as_everything_is(stage):
    _, admin = start(stage, stage.failing("a"))
    assert admin.error(404, "/api/v1/pools/none/select", "POST", {})
    assert admin.error(422, SELECT, "POST", {"listener": "edge"})
    assert admin.error(422, EXPLAIN, "POST", {"listener": "none"})
    assert admin.json(EXPLAIN, "POST", {"listener": "edge"})["listener"]["name"] == "edge"
    for path in (SELECT, EXPLAIN):
        answered = admin.ask(path, "GET")
        assert (answered.status, answered.get("allow")) == (405, "POST")
        assert json.loads(answered.body)["error"]["type"] == "method_not_allowed"
