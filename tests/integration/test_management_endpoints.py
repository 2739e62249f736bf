"""Endpoints registered, changed, drained and deregistered over the API: at once, in all workers,
without a failed request, and as a reload and a restart find them."""

import json
import re
import threading

import pytest

from lib.failover import group, serve, start
from lib.scripted_backend import answer
from lib.waiting import wait_until

ENDPOINTS = "/api/v1/pools/app/endpoints"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def one(stage, **settings):
    """A pool of the file with one endpoint "a"."""
    a = stage.failing("a")
    return a, *start(stage, a, **settings)


def held(stage, name):
    """A backend that answers when it is let go: (backend, let go)."""
    release = threading.Event()
    backend = stage.recorder(name, respond=lambda request: release.wait(120) and
                             answer(name.encode()))
    return backend, release


# ---- Register ----


def test_a_registered_endpoint_is_created_told_and_serves(stage):
    a, proxy, admin = one(stage)
    b = stage.failing("b")
    answered = admin.ask(ENDPOINTS, "POST", {
        "id": "b", "address": b.address, "weight": 3, "priority": 1, "region": "r", "zone": "z",
        "tags": ["blue"], "metadata": {"version": "2"}, "max_connections": 9})
    assert answered.status == 201
    assert answered.get("location") == f"{ENDPOINTS}/b"
    told = json.loads(answered.body)
    assert (told["id"], told["address"], told["weight"], told["region"], told["zone"],
            told["tags"], told["metadata"], told["max_connections"], told["leaving"]) == \
        ("b", b.address, 3, "r", "z", ["blue"], {"version": "2"}, 9, False)
    assert TIME.fullmatch(told["created_at"]) and TIME.fullmatch(told["updated_at"])
    assert told["id"] == admin.json(answered.get("location"))["id"]
    assert set(serve(stage, proxy, 8)) == {"a", "b"}


def test_without_an_id_its_address_is_its_id(stage):
    _, _, admin = one(stage)
    b = stage.failing("b")
    answered = admin.ask(ENDPOINTS, "POST", {"address": b.address})
    assert answered.status == 201
    assert json.loads(answered.body)["id"] == b.address
    answered = admin.ask(ENDPOINTS, "POST", {"address": "unix:/run/none/b.sock"})
    assert answered.get("location") == f"{ENDPOINTS}/unix%3A%2Frun%2Fnone%2Fb.sock"
    assert admin.json(answered.get("location"))["address"] == "unix:/run/none/b.sock"


def test_an_id_that_is_taken_is_a_conflict(stage):
    a, proxy, admin = one(stage)
    before = admin.json(f"{ENDPOINTS}/a")
    assert admin.error(409, ENDPOINTS, "POST", {"id": "a", "address": "127.0.0.1:9"})["type"] == \
        "conflict"
    assert admin.json(f"{ENDPOINTS}/a")["address"] == before["address"]
    body = {"id": "b", "address": "127.0.0.1:9"}
    assert admin.ask(ENDPOINTS, "POST", body).status == 201
    assert admin.error(409, ENDPOINTS, "POST", body)["type"] == "conflict"


def test_of_two_who_register_one_id_at_the_same_moment_one_is_told_so(stage):
    _, _, admin = one(stage)
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(
        admin.ask(ENDPOINTS, "POST", {"id": "b", "address": "127.0.0.1:9"}).status))
        for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 7


@pytest.mark.parametrize("body, says", [
    ({}, "address"), ({"id": "b"}, "address"), ({"id": "", "address": "127.0.0.1:9"}, "id"),
    ({"id": 7, "address": "127.0.0.1:9"}, "id"), ({"id": "b", "address": "nonsense"}, "nonsense"),
    ({"id": "b", "address": "127.0.0.1:99999"}, "99999"),
    ({"id": "b", "address": "127.0.0.1:9", "weight": 70000}, "weight"),
    ({"id": "b", "address": "127.0.0.1:9", "weight": "3"}, "weight"),
    ({"id": "b", "address": "127.0.0.1:9", "weight": None, "priority": 0}, "priority"),
    ({"id": "b", "address": "127.0.0.1:9", "tags": "blue"}, "tags"),
    ({"id": "b", "address": "127.0.0.1:9", "wieght": 3}, "wieght"),
    ({"id": "b", "address": "127.0.0.1:9", "drain": "yes"}, "drain"),
])
def test_a_mistake_is_named_and_changes_nothing(stage, body, says):
    _, _, admin = one(stage)
    error = admin.error(422, ENDPOINTS, "POST", body)
    assert error["type"] == "validation"
    assert says in error["message"]
    assert list(admin.endpoints()) == ["a"]


def test_all_mistakes_are_told_at_once(stage):
    _, _, admin = one(stage)
    error = admin.error(422, ENDPOINTS, "POST",
                        {"id": "b", "address": "x", "weight": -1, "colour": "red"})
    assert len(error["details"]) == 3
    messages = [detail["message"] for detail in error["details"]]
    assert error["message"] == messages[0]
    for word in ("address", "weight", "colour"):
        assert [m for m in messages if word in m], messages


# ---- Replace, change ----


def test_put_replaces_all_of_it_and_creates_what_is_not_there(stage):
    a, proxy, admin = one(stage)
    b = stage.failing("b")
    answered = admin.ask(f"{ENDPOINTS}/b", "PUT", {"address": b.address, "weight": 5})
    assert (answered.status, answered.get("location")) == (201, f"{ENDPOINTS}/b")
    replaced = admin.ask(f"{ENDPOINTS}/b", "PUT", {"address": b.address, "tags": ["x"]})
    assert (replaced.status, replaced.get("location")) == (200, None)
    told = json.loads(replaced.body)
    assert (told["weight"], told["tags"]) == (1, ["x"])
    assert admin.error(422, f"{ENDPOINTS}/b", "PUT", {"weight": 5})["message"]
    assert admin.error(422, f"{ENDPOINTS}/b", "PUT", {"id": "c", "address": b.address})["message"]
    assert admin.json(f"{ENDPOINTS}/b", "PUT", {"id": "b", "address": b.address})["tags"] == []


def test_what_is_shown_can_be_sent_back(stage):
    a, proxy, admin = one(stage)
    b = stage.failing("b")
    admin.json(ENDPOINTS, "POST", {"id": "b", "name": "the new one", "address": b.address,
                                   "tags": ["x"], "metadata": {"k": "v"}, "zone": "z"})
    shown = admin.json(f"{ENDPOINTS}/b")
    assert (shown["name"], shown["source"]) == ("the new one", "api")
    assert admin.json(f"{ENDPOINTS}/a")["source"].startswith(str(proxy.config_path))
    again = admin.json(f"{ENDPOINTS}/b", "PUT", {**shown, "weight": 9})
    kept = ("id", "name", "address", "port", "protocol", "priority", "region", "zone", "tags",
            "metadata", "backup", "max_connections", "drain", "health_check", "created_at")
    assert {key: again[key] for key in kept} == {key: shown[key] for key in kept}
    assert again["weight"] == 9


def test_patch_changes_what_it_names_and_keeps_state_and_counts(stage):
    a, proxy, admin = one(stage)
    serve(stage, proxy, 3)
    before = admin.json(f"{ENDPOINTS}/a")
    after = admin.json(f"{ENDPOINTS}/a", "PATCH", {"weight": 7, "metadata": {"k": "v"}})
    assert (after["weight"], after["metadata"]) == (7, {"k": "v"})
    assert (after["address"], after["requests"]) == (before["address"], before["requests"])
    assert after["created_at"] == before["created_at"]
    assert after["updated_at"] >= before["updated_at"]
    back = admin.json(f"{ENDPOINTS}/a", "PATCH", {"weight": None})
    assert (back["weight"], back["metadata"]) == (1, {"k": "v"})


def test_weight_zero_takes_it_out_at_once_and_its_weight_brings_it_back(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b)
    assert admin.json(f"{ENDPOINTS}/a", "PATCH", {"weight": 0})["usable"] is False
    assert set(serve(stage, proxy, 6)) == {"b"}
    assert admin.json(f"{ENDPOINTS}/a", "PATCH", {"weight": 1})["usable"] is True
    assert set(serve(stage, proxy, 8)) == {"a", "b"}


def test_another_address_is_another_endpoint_of_the_same_id(stage):
    a, proxy, admin = one(stage)
    serve(stage, proxy, 2)
    moved = stage.failing("moved")
    told = admin.json(f"{ENDPOINTS}/a", "PATCH", {"address": moved.address})
    assert (told["id"], told["address"], told["requests"]) == ("a", moved.address, 0)
    assert set(serve(stage, proxy, 4)) == {"moved"}


def test_what_is_not_there_cannot_be_changed(stage):
    _, _, admin = one(stage)
    for method, body in (("PATCH", {"weight": 2}), ("DELETE", None)):
        assert admin.error(404, f"{ENDPOINTS}/none", method, body)["type"] == "not_found"
        assert admin.error(404, "/api/v1/pools/none/endpoints/a", method, body)
    assert admin.error(404, "/api/v1/pools/none/endpoints/a", "PUT", {"address": "127.0.0.1:9"})
    assert admin.error(404, "/api/v1/pools/none/endpoints", "POST", {"address": "127.0.0.1:9"})
    for verb in ("drain", "undrain", "trip", "reset", "check"):
        assert admin.error(404, f"{ENDPOINTS}/none/{verb}", "POST")
        assert admin.error(404, f"/api/v1/pools/none/endpoints/a/{verb}", "POST")


@pytest.mark.parametrize("method, path", [("POST", ENDPOINTS), ("PUT", f"{ENDPOINTS}/a"),
                                          ("PATCH", f"{ENDPOINTS}/a")])
def test_a_body_must_be_an_object_of_json(stage, method, path):
    _, _, admin = one(stage)
    assert admin.error(400, path, method)["type"] == "validation"
    typed = [("Content-Type", "application/json")]
    assert admin.send(path, method, b"{", typed).status == 400
    assert admin.send(path, method, b"{}").status == 400
    assert admin.send(path, method, b'{"weight":1,"weight":2}', typed).status == 400
    assert admin.send(path, method, b"[]", typed).status == 422
    assert admin.send(path, method, b" " * 70000 + b"{}", typed).status == 413


def test_an_id_cannot_be_changed(stage):
    _, _, admin = one(stage)
    assert "id" in admin.error(422, f"{ENDPOINTS}/a", "PATCH", {"id": "z"})["message"]
    assert admin.json(f"{ENDPOINTS}/a", "PATCH", {"id": "a", "weight": 2})["weight"] == 2


# ---- Deregister ----


def test_a_deregistered_endpoint_finishes_what_it_holds_and_is_gone(stage):
    a, release = held(stage, "a")
    proxy, admin = start(stage, group(a), group(stage.failing("b"), priority=2))
    client = stage.client(proxy)
    client.send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    a.wait_for_requests(1)
    told = admin.json(f"{ENDPOINTS}/a", "DELETE")
    assert (told["id"], told["leaving"]) == ("a", True)
    assert admin.ask(f"{ENDPOINTS}/a").status == 404
    assert list(admin.endpoints()) == ["b"]
    leaving, = [e for e in admin.json(ENDPOINTS)["endpoints"] if e["leaving"]]
    assert (leaving["id"], leaving["status"], leaving["usable"]) == ("a", "draining", False)
    assert set(serve(stage, proxy, 4)) == {"b"}
    pool = admin.json("/api/v1/pools/app?endpoints=false")
    assert (pool["endpoints_total"], pool["endpoints_leaving"]) == (1, 1)
    release.set()
    wait_until(lambda: len(admin.json(ENDPOINTS)["endpoints"]) == 1, "a is forgotten")


def test_its_id_can_be_registered_again(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b)
    admin.json(f"{ENDPOINTS}/a", "DELETE")
    again = stage.failing("again")
    assert admin.ask(ENDPOINTS, "POST", {"id": "a", "address": again.address}).status == 201
    assert set(serve(stage, proxy, 8)) == {"again", "b"}


# ---- Drain ----


def test_a_drain_is_kept_in_the_configuration_and_tells_why(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b)
    told = admin.json(f"{ENDPOINTS}/a/drain", "POST", {"why": "deploy 1.4.2"})
    assert (told["status"], told["draining"], told["drain"]) == ("draining", True, True)
    assert "deploy 1.4.2" in told["status_why"]
    assert set(serve(stage, proxy, 4)) == {"b"}
    assert len(admin.events(type="drain", endpoint="a")) == 1
    assert admin.json(f"{ENDPOINTS}/a/drain", "POST")["status"] == "draining"
    assert len(admin.events(type="drain", endpoint="a")) == 1
    told = admin.json(f"{ENDPOINTS}/a/undrain", "POST")
    assert (told["draining"], told["drain"]) == (False, False)
    assert set(serve(stage, proxy, 8)) == {"a", "b"}


def test_a_drain_survives_a_reload_and_an_end_of_it_the_file_that_says_otherwise(stage):
    a = stage.failing("a")
    proxy, admin = start(stage, {**group(a), "drain": True}, stage.failing("b"))
    admin.json(f"{ENDPOINTS}/b/drain", "POST")
    told = admin.json(f"{ENDPOINTS}/a/undrain", "POST")
    assert (told["status"], told["drain"]) == ("healthy", False)
    assert admin.json("/api/v1/reload", "POST")
    assert {i: e["draining"] for i, e in admin.endpoints().items()} == {"a": False, "b": True}


def test_an_end_of_a_drain_gives_the_key_back_to_the_file(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b)
    admin.json(f"{ENDPOINTS}/a/drain", "POST")
    admin.json(f"{ENDPOINTS}/a/undrain", "POST")
    text = proxy.config_path.read_text()
    proxy.write_config(text.replace('id = "a";', 'id = "a"; drain = true;', 1))
    admin.json("/api/v1/reload", "POST")
    assert admin.endpoints()["a"]["status"] == "draining"


# ---- The file, a reload, a restart ----


def test_what_was_registered_changed_and_taken_away_survives_a_reload(stage):
    a, b = stage.failing("a"), stage.failing("b")
    proxy, admin = start(stage, a, b)
    c = stage.failing("c")
    admin.json(ENDPOINTS, "POST", {"id": "c", "address": c.address})
    admin.json(f"{ENDPOINTS}/a", "PATCH", {"weight": 4})
    admin.json(f"{ENDPOINTS}/b", "DELETE")
    proxy.write_config(proxy.config_path.read_text().replace('"info"', '"debug"'))
    admin.json("/api/v1/reload", "POST")
    now = admin.endpoints()
    assert sorted(now) == ["a", "c"]
    assert now["a"]["weight"] == 4
    assert set(serve(stage, proxy, 10)) == {"a", "c"}


def test_with_a_state_file_it_survives_a_restart(stage):
    a, b = stage.failing("a"), stage.failing("b")
    state = stage.room("state") / "state.json"
    proxy, admin = start(stage, a, top={"state_file": str(state)})
    admin.json(ENDPOINTS, "POST", {"id": "b", "address": b.address, "weight": 2})
    admin.json(f"{ENDPOINTS}/a/drain", "POST")
    assert json.loads(state.read_text())["pools"]["app"]["endpoints"]["b"]["weight"] == 2
    text = proxy.config_path.read_text()
    assert proxy.stop() == 0
    again = stage.evergate(text)
    now = type(admin)(again).endpoints()
    assert (sorted(now), now["b"]["weight"], now["a"]["status"]) == (["a", "b"], 2, "draining")
    assert set(serve(stage, again, 4)) == {"b"}


def test_no_request_fails_while_endpoints_come_and_go(stage):
    a, proxy, admin = one(stage)
    others = [stage.failing(f"x{i}") for i in range(3)]
    stop, failed = threading.Event(), []

    def load():
        while not stop.is_set():
            answered = stage.get(proxy)
            if answered.status != 200:
                failed.append(answered)
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(30):
            other = others[turn % 3]
            assert admin.ask(f"{ENDPOINTS}/x", "PUT", {"address": other.address}).status in \
                (200, 201)
            assert admin.ask(f"{ENDPOINTS}/x", "PATCH", {"weight": 1 + turn % 4}).status == 200
            if turn % 5 == 4:
                assert admin.ask(f"{ENDPOINTS}/x", "DELETE").status == 200
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
