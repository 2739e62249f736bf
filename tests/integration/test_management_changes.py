"""Reload, plan and policies over the API: what is answered, what is kept, what a mistake costs."""

import json
import os
import re

import pytest

from lib import libconfig
from lib.failover import ADMIN, serve, start
from lib.management import Management
from lib.waiting import wait_until

POLICY = "/api/v1/pools/app/policy"


def one(stage, **settings):
    a = stage.failing("a")
    return a, *start(stage, a, **settings)


def rewrite(proxy, old, new):
    text = proxy.config_path.read_text()
    assert old in text
    proxy.write_config(text.replace(old, new, 1))


# ---- Reload ----


def test_a_reload_tells_what_changed_what_was_kept_and_the_generation(stage):
    a, proxy, admin = one(stage)
    b = stage.failing("b")
    rewrite(proxy, "backends = (", f'backends = ( {{ id = "b"; address = "{b.address}"; }},')
    told = admin.json("/api/v1/reload", "POST")
    assert (told["generation"], told["changed"], told["closing"], told["draining"]) == \
        (2, True, 0, 0)
    added, = [c for c in told["plan"]["changes"] if c["of"] == "endpoint"]
    assert (added["change"], added["pool"], added["name"]) == ("added", "app", "b")
    assert told["kept"]["listeners"] == 1 and told["kept"]["endpoints"] == 1
    assert told["risk"] == "low"
    assert admin.json("/api/v1/status")["config"]["generation"] == 2
    assert set(serve(stage, proxy, 6)) == {"a", "b"}


def test_a_reload_of_the_same_changes_nothing(stage):
    a, proxy, admin = one(stage)
    told = admin.json("/api/v1/reload", "POST")
    assert (told["changed"], told["plan"]["changes"], told["risk"]) == (False, [], "none")
    assert set(serve(stage, proxy, 2)) == {"a"}


@pytest.mark.parametrize("path", ["/api/v1/reload", "/api/v1/plan"])
def test_a_bad_file_changes_nothing_and_every_mistake_is_told_with_its_place(stage, path):
    a, proxy, admin = one(stage)
    rewrite(proxy, 'level = "info"', 'level = "loud"')
    rewrite(proxy, 'id = "a"', 'id = "a"; wieght = 3')
    error = admin.error(422, path)
    assert error["type"] == "validation"
    assert len(error["details"]) == 2
    for detail in error["details"]:
        assert detail["file"] == str(proxy.config_path) and detail["line"] > 0
    messages = " ".join(detail["message"] for detail in error["details"])
    assert "loud" in messages and "wieght" in messages
    assert admin.json("/api/v1/status")["config"]["generation"] == 1
    assert set(serve(stage, proxy, 2)) == {"a"}


def test_a_file_that_is_no_more_is_an_error(stage):
    a, proxy, admin = one(stage)
    proxy.config_path.unlink()
    assert "No such file" in admin.error(422, "/api/v1/reload")["message"]
    assert set(serve(stage, proxy, 2)) == {"a"}


def test_a_reload_that_cannot_bind_changes_nothing(stage):
    a, proxy, admin = one(stage)
    taken = stage.recorder()
    rewrite(proxy, "listeners = (",
            f'listeners = ( {{ name = "more"; bind = "{taken.address}"; }},')
    assert taken.address in admin.error(422, "/api/v1/reload")["message"]
    assert admin.json("/api/v1/status")["config"]["generation"] == 1


def test_a_reload_takes_no_body_but_an_empty_object(stage):
    _, _, admin = one(stage)
    assert admin.ask("/api/v1/reload", "POST", {}).status == 200
    assert admin.error(422, "/api/v1/reload", "POST", {"file": "/etc/passwd"})
    assert admin.send("/api/v1/reload", "POST", b"x").status == 400


def test_the_token_is_read_anew_by_a_reload_however_it_is_asked_for(stage):
    path = stage.room("token") / "token"
    path.write_text("old\n")
    proxy = stage.proxy(stage.recorder(), admin={**ADMIN, "token_file": str(path)})
    admin = Management(proxy)

    def status(token, where="/api/v1/status", method="GET"):
        return admin.send(where, method, headers=[("Authorization", f"Bearer {token}")]).status
    assert (status("old"), status("new")) == (200, 401)
    path.write_text("new\n")
    assert status("old", "/api/v1/reload", "POST") == 200
    assert (status("old"), status("new")) == (401, 200)
    path.write_text("third\n")
    proxy.send_signal(1)
    wait_until(lambda: status("third") == 200, "SIGHUP has it read, too")
    assert status("new") == 401
    path.unlink()
    assert status("third", "/api/v1/reload", "POST") == 422
    assert (status("third"), status("")) == (200, 401)


def test_a_token_comes_and_goes_with_the_file(stage):
    path = stage.room("token") / "token"
    path.write_text("sesame\n")
    proxy = stage.proxy(stage.recorder(), admin=ADMIN)
    admin = Management(proxy)
    text = proxy.config_path.read_text()
    proxy.write_config(re.sub(r"admin = \{", f'admin = {{ token_file = "{path}";', text))
    change, = admin.json("/api/v1/reload", "POST")["plan"]["changes"]
    assert (change["name"], change["needs_upgrade"]) == ("admin", False)
    assert admin.ask("/api/v1/status").status == 401
    proxy.write_config(text)
    assert admin.send("/api/v1/reload", "POST",
                      headers=[("Authorization", "Bearer sesame")]).status == 200
    assert admin.ask("/api/v1/status").status == 200


def test_another_door_waits_for_the_next_process(stage):
    a, proxy, admin = one(stage)
    text = proxy.config_path.read_text()
    proxy.write_config(re.sub(r'admin = \{ bind = "[^"]*"', 'admin = { bind = "127.0.0.2:0"', text))
    for path in ("/api/v1/plan", "/api/v1/reload"):
        change, = admin.json(path, "POST")["plan"]["changes"]
        assert (change["of"], change["name"], change["needs_upgrade"]) == \
            ("process", "admin", True)
    assert admin.ask("/health/live").status == 200


# ---- Plan ----


def test_a_plan_is_what_a_reload_would_do_and_does_nothing(stage):
    a, proxy, admin = one(stage)
    rewrite(proxy, 'id = "a"', 'id = "a"; weight = 3')
    told = admin.json("/api/v1/plan", "POST")
    change, = told["plan"]["changes"]
    assert (change["change"], change["of"], change["name"]) == ("changed", "endpoint", "a")
    assert "weight 1 -> 3" in change["detail"]
    assert told["generation"] == 1
    assert admin.endpoints()["a"]["weight"] == 1
    assert admin.json("/api/v1/reload", "POST")["plan"] == told["plan"]
    assert admin.endpoints()["a"]["weight"] == 3


def test_a_plan_of_another_file(stage):
    a, proxy, admin = one(stage)
    other = stage.room("other") / "other.conf"
    other.write_text(proxy.config_path.read_text().replace('"a"', '"z"', 1))
    told = admin.json("/api/v1/plan", "POST", {"file": str(other)})
    assert {(c["change"], c["name"]) for c in told["plan"]["changes"]
            if c["of"] == "endpoint"} == {("added", "z"), ("removed", "a")}
    assert list(admin.endpoints()) == ["a"]


def test_a_plan_reads_no_file_that_its_asker_could_not(stage):
    a, proxy, admin = one(stage)
    secret = stage.room("secret") / "secret"
    secret.write_text("password")
    secret.chmod(0o600)
    pipe = stage.room("pipe") / "pipe"
    os.mkfifo(pipe)
    for file in (str(secret), str(pipe), "/dev/zero", "/proc", "relative.conf", "",
                 str(secret) + ".none", 7, None):
        answered = admin.ask("/api/v1/plan", "POST", {"file": file})
        assert answered.status == 422, file
        assert b"password" not in answered.body
    assert admin.error(422, "/api/v1/plan", "POST", {"fiel": "/x"})
    assert admin.ask("/health/live").status == 200


def test_a_plan_does_not_tell_a_stranger_which_files_there_are(stage):
    _, _, admin = one(stage)
    there = stage.room("there") / "secret"
    there.write_text("x")
    there.chmod(0o600)

    def refusal(file):
        return admin.error(422, "/api/v1/plan", "POST", {"file": file})["message"].replace(file, "")
    assert refusal(str(there)) == refusal(str(there) + ".none")


def test_a_plan_quotes_to_a_stranger_only_what_everybody_may_read(stage):
    _, proxy, admin = one(stage)
    beside = proxy.config_path.parent / "token"
    beside.write_text("password = hunter2;")
    for mode, quoted in ((0o644, True), (0o600, False)):
        beside.chmod(mode)
        error = admin.error(422, "/api/v1/plan", "POST", {"file": str(beside)})
        assert ("hunter2" in str(error)) == quoted
        assert error["details"][0]["line"] == 1
    including = proxy.config_path.parent / "including.conf"
    including.write_text('@include "token"\n')
    error = admin.error(422, "/api/v1/plan", "POST", {"file": str(including)})
    assert "hunter2" not in str(error)


def test_who_has_the_token_or_the_socket_may_name_any_file(stage):
    where = stage.room("socket") / "admin.sock"
    proxy = stage.proxy(stage.recorder(), admin={**ADMIN, "socket": str(where)})
    wait_until(where.exists, "the socket is there")
    other = stage.room("other") / "other.conf"
    other.write_text(proxy.config_path.read_text())
    other.chmod(0o600)
    admin = Management(proxy)
    assert admin.error(422, "/api/v1/plan", "POST", {"file": str(other)})
    admin.address = f"unix:{where}"
    assert admin.json("/api/v1/plan", "POST", {"file": str(other)})["changed"] is False


# ---- Policies ----


def test_a_policy_is_told_in_the_files_words(stage):
    _, _, admin = one(stage, algorithm="least_connections", retry={"attempts": 3})
    told = admin.json(POLICY)
    assert told["algorithm"] == "least_connections"
    assert told["retry"]["attempts"] == 3 and told["retry"]["backoff"] == "25ms"
    for part in ("breaker", "outlier", "failover", "failback", "weights"):
        assert part in told


def test_a_policy_changes_live_and_survives_a_reload(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b)
    told = admin.json(POLICY, "PATCH", {
        "algorithm": "weighted", "retry": {"attempts": 4, "backoff": "7ms"},
        "breaker": {"failure_threshold": 2}, "failover": {"min_healthy_percent": 50},
        "weights": {"a": 0}})
    assert (told["algorithm"], told["retry"]["attempts"], told["retry"]["backoff"],
            told["breaker"]["failure_threshold"], told["failover"]["min_healthy_percent"],
            told["weights"]["a"]) == ("weighted", 4, "7ms", 2, 50, 0)
    assert admin.json(POLICY) == told
    assert set(serve(stage, proxy, 4)) == {"b"}
    admin.json("/api/v1/reload", "POST")
    assert admin.json(POLICY) == told
    back = admin.json(POLICY, "PATCH", {"algorithm": None, "weights": {"a": None}})
    assert back["algorithm"] != "weighted" and back["weights"]["a"] == 1
    assert back["retry"]["attempts"] == 4


@pytest.mark.parametrize("body, says", [
    ({"algorithm": "fair"}, "fair"), ({"retry": {"attempts": 0}}, "attempts"),
    ({"retry": {"backoff": 25}}, "backoff"), ({"breaker": {"wndow": "1s"}}, "wndow"),
    ({"backends": []}, "backends"), ({"name": "x"}, "name"), ({"retry": []}, "retry"),
    ({"weights": {"a": -1}}, "weight"), ({"health": {"command": ["true"]}}, "health"),
    ({"recovery": {"command": ["true"]}}, "recovery"),
])
def test_a_mistake_in_a_policy_is_named_and_changes_nothing(stage, body, says):
    _, _, admin = one(stage)
    before = admin.json(POLICY)
    error = admin.error(422, POLICY, "PATCH", body)
    assert error["type"] == "validation" and says in error["message"]
    assert admin.json(POLICY) == before


def test_a_weight_is_of_an_endpoint_that_is_there(stage):
    """Not of one that never was, nor of one that was deregistered: it would be back."""
    _, _, admin = one(stage)
    before = admin.json(POLICY)
    error = admin.error(422, POLICY, "PATCH", {"weights": {"a": 5, "ghost": 5}})
    assert error["message"] == 'weights: pool "app" has no endpoint "ghost"'
    assert admin.json(POLICY) == before
    admin.json("/api/v1/pools/app/endpoints/a", "DELETE")
    assert admin.error(422, POLICY, "PATCH", {"weights": {"a": 5}})
    assert admin.json(POLICY)["weights"] == {}


def test_what_was_given_back_is_said_to_be_the_files(stage):
    _, _, admin = one(stage, retry={"attempts": 3})
    admin.json(POLICY, "PATCH", {"retry": {"attempts": 4}, "weights": {"a": 5}})
    admin.json(POLICY, "PATCH", {"retry": {"attempts": None}, "weights": None})
    [retry] = [p for p in admin.json("/api/v1/explain", "POST", {})["policies"]
               if p["name"] == "retry"]
    assert retry["file"].endswith(".conf") and retry["line"] > 0
    assert admin.json("/api/v1/pools/app/endpoints/a")["source"].startswith(retry["file"])


def test_mistakes_of_what_was_said_over_the_api_stand_in_no_file(stage):
    _, _, admin = one(stage)
    [detail] = admin.error(422, POLICY, "PATCH", {"algorithm": "fair"})["details"]
    assert (detail["file"], detail["line"]) == (None, None)


def test_one_change_is_one_change(stage):
    _, _, admin = one(stage)
    admin.json(POLICY, "PATCH", {"retry": {"attempts": 4}})
    assert " 1 change, risk" in admin.events(type="config")[-1]["why"]


def test_policies_are_refused_as_everything_is(stage):
    _, _, admin = one(stage)
    assert admin.error(404, "/api/v1/pools/none/policy", "GET")
    assert admin.error(404, "/api/v1/pools/none/policy", "PATCH", {"algorithm": "random"})
    assert admin.error(400, POLICY, "PATCH")
    assert admin.error(422, POLICY, "PATCH", [])
    answered = admin.ask(POLICY, "PUT", {})
    assert (answered.status, answered.get("allow")) == (405, "GET, HEAD, PATCH")


# ---- While it ends ----


def test_nothing_is_changed_any_more_while_it_drains(stage):
    from test_management_endpoints import held
    a, release = held(stage, "a")
    proxy = stage.evergate(libconfig.simple([{"id": "a", "address": a.address}], admin=ADMIN))
    admin = Management(proxy)
    client = stage.client(proxy)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    a.wait_for_requests(1)
    proxy.send_signal(15)
    wait_until(lambda: admin.json("/api/v1/status")["state"] == "draining", "it drains")
    for method, path, body in (("POST", "/api/v1/reload", None), ("PATCH", POLICY, {}),
                               ("POST", "/api/v1/pools/app/endpoints",
                                {"address": "127.0.0.1:9"})):
        error = admin.error(503, path, method, body)
        assert error["type"] == "unavailable"
    release.set()
    assert client.read_response("GET").text == "a"
    assert proxy.wait_exit() == 0
