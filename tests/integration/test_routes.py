"""Line 9 and 2: what routes match and what they do."""

import collections

import pytest

from lib import libconfig
from lib.waiting import wait_until


def routed(stage, *routes, pools=("app",)):
    """A proxy whose pools each have one backend that answers with the pool's name."""
    recorders = {name: stage.recorder(name) for name in pools}
    settings = libconfig.simple([], routes=list(routes))
    settings["pools"] = [libconfig.pool(name, [backend]) for name, backend in recorders.items()]
    return stage.evergate(settings), recorders


def to(pool, **match):
    return {"name": match.pop("name", pool), "pool": pool, **match}


def outcome(stage, proxy, path="/", **request):
    answered = stage.get(proxy, path, **request)
    return answered.text if answered.status == 200 else answered.status


@pytest.mark.parametrize("host, expected", [
    ("api.example.com", "exact"), ("API.Example.COM", "exact"), ("api.example.com:8080", "exact"),
    ("www.example.com", "wild"), ("a.b.example.com", "wild"), ("example.com", 404),
    ("badexample.com", 404), ("[::1]", 404), ("10.0.0.1", 404)])
def test_hosts_match_exactly_or_by_wildcard(stage, host, expected):
    proxy, _ = routed(stage, to("exact", host="api.example.com"), to("wild", host="*.example.com"),
                      pools=("exact", "wild"))
    assert outcome(stage, proxy, host=host) == expected


@pytest.mark.parametrize("path, expected", [
    ("/v1/", "prefix"), ("/v1/users?x=/y", "prefix"), ("/v10", 404), ("/exact", "exact"),
    ("/exact?q=1", "exact"), ("/exact/", 404), ("/img/42.png", "regex"), ("/img/x.png", 404)])
def test_paths_match_by_prefix_exactly_or_by_regex(stage, path, expected):
    proxy, _ = routed(
        stage, to("prefix", path="/v1/", path_match="prefix"),
        to("exact", path="/exact", path_match="exact"),
        to("regex", path="^/img/[0-9]+\\.png$", path_match="regex"),
        pools=("prefix", "exact", "regex"))
    assert outcome(stage, proxy, path) == expected


def test_the_first_match_wins(stage):
    proxy, _ = routed(stage, to("first", path="/a"), to("second", path="/"),
                      pools=("first", "second"))
    assert outcome(stage, proxy, "/a") == "first"
    assert outcome(stage, proxy, "/b") == "second"


@pytest.mark.parametrize("path", ["/x/../secret", "/%73ecret", "/./secret", "/x/%2e%2e/secret"])
def test_a_route_cannot_be_walked_around_by_another_spelling_of_its_path(stage, path):
    proxy, recorders = routed(
        stage, {"name": "guarded", "path": "/secret", "respond": {"status": 403, "body": "no"}},
        to("app", path="/"))
    answered = stage.get(proxy, path)
    assert answered.status in (400, 403)
    assert recorders["app"].count == 0


def test_headers_choose_a_route(stage):
    proxy, _ = routed(
        stage, to("canary", headers=[{"name": "X-Canary", "value": "1"}]), to("app"),
        pools=("canary", "app"))
    assert outcome(stage, proxy, headers=[("x-canary", "1")]) == "canary"
    assert outcome(stage, proxy, headers=[("x-canary", "2")]) == "app"
    assert outcome(stage, proxy) == "app"


def test_weights_split_traffic_between_pools(stage):
    proxy, _ = routed(
        stage, {"name": "split", "pools": [{"pool": "v1", "weight": 90},
                                           {"pool": "v2", "weight": 10}]},
        pools=("v1", "v2"))
    counts = collections.Counter(outcome(stage, proxy) for _ in range(300))
    assert counts["v1"] + counts["v2"] == 300
    assert 5 <= counts["v2"] <= 70, counts  # expected 30, sigma 5.2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_answered_without_a_backend(stage, status):
    proxy, recorders = routed(stage, {
        "name": "moved", "redirect": {"to": "https://new.example/there", "status": status}})
    answered = stage.get(proxy, "/old")
    assert (answered.status, answered.get("location")) == (status, "https://new.example/there")
    assert answered.get("x-evergate-error") is None
    assert recorders["app"].count == 0


def test_a_redirect_can_keep_the_path_and_query(stage):
    proxy, _ = routed(stage, {
        "name": "moved", "redirect": {"to": "https://new.example$path", "status": 308}})
    assert stage.get(proxy, "/a/b?c=d").get("location") == "https://new.example/a/b?c=d"


def test_a_fixed_answer_is_given_without_a_backend(stage):
    proxy, recorders = routed(stage, {
        "name": "fixed", "respond": {"status": 503, "body": "closed for today"}})
    client = stage.client(proxy)
    for _ in range(2):
        answered = client.get()
        assert (answered.status, answered.body) == (503, b"closed for today")
    assert client.get(method="HEAD").status == 503
    assert recorders["app"].count == 0


@pytest.mark.parametrize("sent, seen", [
    ("/v1/users?x=1", "/users?x=1"), ("/v1/", "/"), ("/v1/a/v1/", "/a/v1/")])
def test_a_rewrite_replaces_the_matched_prefix(stage, sent, seen):
    proxy, recorders = routed(stage, to("app", path="/v1/", rewrite={"prefix": "/"}))
    assert stage.get(proxy, sent).status == 200
    assert recorders["app"].last.target == seen


def test_request_headers_are_set_added_and_removed(stage):
    proxy, recorders = routed(stage, to("app", request_headers={
        "set": [{"name": "X-Set", "value": "ours"}], "add": [{"name": "X-Add", "value": "more"}],
        "remove": ["X-Gone", "Cookie"]}))
    stage.get(proxy, headers=[("X-Set", "theirs"), ("x-set", "again"), ("X-Add", "first"),
                              ("X-Gone", "1"), ("Cookie", "a=b"), ("X-Kept", "k")])
    seen = recorders["app"].last
    assert seen.all("x-set") == ["ours"]
    assert seen.all("x-add") == ["first", "more"]
    assert seen.get("x-gone") is None and seen.get("cookie") is None
    assert seen.get("x-kept") == "k"


def test_the_host_can_be_set_for_the_backend(stage):
    proxy, recorders = routed(stage, to("app", request_headers={
        "set": [{"name": "Host", "value": "inner.example"}]}))
    assert stage.get(proxy, host="outer.example").status == 200
    assert recorders["app"].last.all("host") == ["inner.example"]
    assert recorders["app"].last.get("x-forwarded-host") == "outer.example"


def test_response_headers_are_set_added_and_removed(stage):
    proxy, _ = routed(stage, to("app", response_headers={
        "set": [{"name": "X-Frame-Options", "value": "DENY"}],
        "add": [{"name": "X-Add", "value": "more"}], "remove": ["Content-Language"]}))
    answered = stage.get(proxy)
    assert answered.get("x-frame-options") == "DENY"
    assert answered.get("x-add") == "more"


def test_a_route_of_one_listener_is_closed_to_clients_of_another(stage):
    recorders = {name: stage.recorder(name) for name in ("app", "orders")}
    settings = libconfig.simple([], routes=[
        to("app", listener="edge"), to("orders", listener="inner", host="orders")])
    settings["listeners"].append({"name": "inner", "bind": "127.0.0.1:0"})
    settings["pools"] = [libconfig.pool(name, [backend]) for name, backend in recorders.items()]
    proxy = stage.evergate(settings, names=("edge", "inner"))
    assert outcome(stage, proxy, host="orders") == "app"
    inside = stage.client(proxy, "inner")
    assert inside.get(host="orders").text == "orders"
    assert inside.get(host="elsewhere").status == 404


def test_open_connections_go_by_the_new_names_of_listeners(stage):
    """The names change places with a reload; the doors stay where they are."""
    recorders = {name: stage.recorder(name) for name in ("app", "orders")}
    settings = libconfig.simple([], routes=[to("app", listener="edge"),
                                            to("orders", listener="inner")])
    settings["pools"] = [libconfig.pool(name, [backend]) for name, backend in recorders.items()]
    room = stage.room("doors")
    settings["listeners"] = [{"name": name, "bind": f"unix:{room}/{name}"}
                             for name in ("edge", "inner")]
    proxy = stage.evergate(settings, names=("edge", "inner"))
    outside, inside = (stage.client(proxy, name) for name in ("edge", "inner"))
    assert (outside.get().text, inside.get().text) == ("app", "orders")
    for listener, name in zip(settings["listeners"], ("inner", "edge")):
        listener["name"] = name
    proxy.reload(settings)
    wait_until(lambda: proxy.log_lines("reload by SIGHUP"), "it has reloaded")
    assert (outside.get().text, inside.get().text) == ("orders", "app")


def test_without_routes_the_only_pool_gets_everything(stage):
    backend = stage.recorder()
    proxy = stage.proxy(backend)
    assert stage.get(proxy, "/any", host="any.example").status == 200
    assert proxy.wait_access_lines(1)[0]["route"] == "default"


def test_options_asterisk_needs_a_route_for_every_path(stage):
    proxy, _ = routed(stage, to("app", path="/v1/"))
    assert outcome(stage, proxy, "*", method="OPTIONS") == 404
