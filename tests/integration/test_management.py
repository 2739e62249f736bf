"""Management: health, metrics, status, who may ask; and the demo's switches."""

import json
import re
import threading

import pytest

from lib import libconfig
from lib.raw_client import RawClient, head
from lib.scripted_backend import answer
from lib.waiting import wait_until
from test_build_and_start import Demo

MANAGED = re.compile(r"management is listening on ([^\s\"]+)")


def management(proxy):
    return wait_until(lambda: MANAGED.findall(proxy.stderr), "management listens")


def ask(address, path, method="GET", host="127.0.0.1", headers=()):
    client = RawClient(address)
    try:
        return client.get(path, host, headers, method)
    finally:
        client.close()


def start(stage, *backends, admin=None, **settings):
    return stage.proxy(*backends, admin={"bind": "127.0.0.1:0", **(admin or {})}, **settings)


def metrics(address):
    """Values by name with labels; every line must parse, every family must be announced once."""
    text = ask(address, "/metrics").text
    families = re.findall(r"^# TYPE (\S+) ", text, re.M)
    assert len(families) == len(set(families))
    values = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(r'([a-z_]+(?:\{[^}]*\})?) (\S+)', line)
        assert match, line
        name = match[1].partition("{")[0]
        assert name in families or re.sub("_(bucket|sum|count)$", "", name) in families, line
        assert match[1] not in values, line
        values[match[1]] = float(match[2])
    return values


def test_health_says_live_and_ready(stage):
    address, = management(start(stage, stage.recorder()))
    assert ask(address, "/health/live").status == 200
    assert ask(address, "/health/ready").status == 200
    answered = ask(address, "/health/ready", method="HEAD")
    assert (answered.status, answered.body, answered.get("content-length")) == (200, b"", "6")


def test_not_ready_when_every_endpoint_drains(stage):
    drained = {"id": "a", "address": stage.recorder().address, "drain": True}
    address, = management(start(stage, drained))
    assert ask(address, "/health/live").status == 200
    assert ask(address, "/health/ready").status == 503


def test_not_ready_while_draining_and_still_answering(stage):
    release = threading.Event()
    backend = stage.recorder(respond=lambda request: release.wait(120) and answer(b"late"))
    proxy = start(stage, backend)
    address, = management(proxy)
    client = stage.client(proxy)
    client.send(head(path="/hold"))
    backend.wait_for_requests(1)
    proxy.send_signal(15)
    wait_until(lambda: ask(address, "/health/ready").status == 503, "it is not ready")
    assert ask(address, "/health/live").status == 200
    assert json.loads(ask(address, "/api/v1/status").body)["state"] == "draining"
    release.set()
    assert client.read_response("GET").body == b"late"
    assert proxy.wait_exit() == 0


def test_metrics_count_what_was_done(stage):
    proxy = start(stage, stage.recorder())
    address, = management(proxy)
    client = stage.client(proxy)
    for _ in range(5):
        assert client.get("/").status == 200
    assert client.request(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status == 400
    served = 'evergate_requests_total{listener="edge",route="default",code="2xx"}'
    wait_until(lambda: metrics(address).get(served) == 5, "five answers")
    found = metrics(address)
    refused = 'evergate_requests_total{listener="edge",route="",code="4xx"}'
    assert found[refused] == 1
    assert found['evergate_listener_connections{listener="edge"}'] == 1
    assert found['evergate_upstream_connects_total{pool="app"}'] == 1
    assert found['evergate_upstream_reuse_total{pool="app"}'] == 4
    assert found['evergate_upstream_connections_idle{pool="app"}'] == 1
    assert found['evergate_upstream_requests_total{pool="app",endpoint="b0"}'] == 5
    assert found['evergate_endpoint_status{pool="app",endpoint="b0",status="healthy"}'] == 1
    assert found["evergate_connections_total"] == 1
    assert found["evergate_config_generation"] == 1
    assert found['evergate_config_reloads_total{result="done"}'] == 0
    assert found['evergate_bytes_total{direction="in"}'] > 0
    assert found["process_open_fds"] > 10


def test_status_names_what_runs(stage):
    proxy = start(stage, stage.recorder())
    address, = management(proxy)
    assert stage.get(proxy).status == 200
    status = json.loads(ask(address, "/api/v1/status").body)
    assert status["state"] == "serving"
    assert status["workers"] == libconfig.DEFAULT_WORKERS
    assert status["pid"] == proxy.process.pid
    assert status["config"] == {"file": str(proxy.config_path), "generation": 1}
    assert status["connections"]["total"] == 1
    assert status["listeners"][0]["address"] == proxy.address()


@pytest.mark.parametrize("method, path", [
    ("GET", "/"), ("GET", "/events/stream"),
    ("POST", "/api/v1/drill")])
def test_what_is_not_built_says_so(stage, method, path):
    address, = management(start(stage, stage.recorder()))
    answered = ask(address, path, method)
    assert answered.status == 404
    assert "not built yet" in json.loads(answered.body)["error"]["message"]


def test_wrong_paths_and_methods_are_refused(stage):
    address, = management(start(stage, stage.recorder()))
    assert json.loads(ask(address, "/nowhere").body)["error"]["type"] == "not_found"
    for method in ("PUT", "DELETE", "TRACE", "OPTIONS"):
        answered = ask(address, "/metrics", method=method)
        assert (answered.status, answered.get("allow")) == (405, "GET, HEAD")


POOL = "/api/v1/pools/app"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
ALLOWED = {
    "/health/live": "GET, HEAD", "/health/ready": "GET, HEAD", "/metrics": "GET, HEAD",
    "/api/v1/status": "GET, HEAD", "/api/v1/pools": "GET, HEAD", "/api/v1/events": "GET, HEAD",
    POOL: "GET, HEAD", f"{POOL}/endpoints": "GET, HEAD, POST",
    f"{POOL}/endpoints/b0": "GET, HEAD, PUT, PATCH, DELETE",
    **{f"{POOL}/endpoints/b0/{verb}": "POST"
       for verb in ("drain", "undrain", "trip", "reset", "check")},
    f"{POOL}/policy": "GET, HEAD, PATCH", f"{POOL}/failback": "POST",
    f"{POOL}/select": "POST", f"{POOL}/revert": "POST",
    "/api/v1/explain": "POST", "/api/v1/plan": "POST", "/api/v1/reload": "POST",
}


def test_every_path_names_the_methods_that_it_takes(stage):
    address, = management(start(stage, stage.recorder()))
    for path, allow in ALLOWED.items():
        for method in METHODS:
            if method in allow.split(", "):
                continue
            answered = ask(address, path, method)
            assert (answered.status, answered.get("allow")) == (405, allow), (method, path)
            if method != "HEAD":
                error = json.loads(answered.body)["error"]
                assert error["type"] == "method_not_allowed" and allow in error["message"]


def test_a_name_that_was_rebound_to_loopback_is_refused(stage):
    address, = management(start(stage, stage.recorder()))
    for good in ("127.0.0.1", "localhost:9900", "[::1]:9900"):
        assert ask(address, "/health/live", host=good).status == 200
    for bad in ("evil.example", "127.0.0.1.evil.example:9900"):
        assert ask(address, "/metrics", host=bad).status == 400


def test_a_token_guards_all_but_health(stage):
    token = stage.room("token") / "token"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.write_text("sesame\n")
    address, = management(start(stage, stage.recorder(), admin={"token_file": str(token)}))
    assert ask(address, "/health/live").status == 200
    for path in ("/metrics", "/api/v1/status", "/nowhere", "/"):
        answered = ask(address, path)
        assert (answered.status, answered.get("www-authenticate")) == (401, "Bearer")
        wrong = [("Authorization", "Bearer sesam")]
        assert ask(address, path, headers=wrong).status == 401
    right = [("Authorization", "Bearer sesame")]
    assert ask(address, "/api/v1/status", headers=right).status == 200


def test_the_unix_socket_is_for_owner_and_group_and_goes_at_the_end(stage):
    socket_path = stage.room("admin") / "admin.sock"
    socket_path.parent.mkdir(parents=True, exist_ok=True)
    proxy = start(stage, stage.recorder(), admin={"socket": str(socket_path)})
    wait_until(lambda: len(management(proxy)) == 2, "both doors are open")
    assert socket_path.stat().st_mode & 0o777 == 0o660
    assert ask(f"unix:{socket_path}", "/api/v1/status", host="any.name").status == 200
    assert proxy.stop() == 0
    assert not socket_path.exists()


def test_a_management_port_that_is_taken_is_named(stage):
    taken = stage.recorder()
    proxy = stage.evergate(libconfig.simple([taken], admin={"bind": taken.address}), names=())
    proxy.expected_exit = 1
    assert proxy.wait_exit() == 1
    assert re.search(rf"admin.bind: cannot listen on {taken.address}: .*in use", proxy.stderr)


def test_a_huge_request_to_management_is_refused(stage):
    address, = management(start(stage, stage.recorder()))
    client = stage.client(address)
    client.send(b"POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000000\r\n\r\n")
    assert client.read_response("POST").status == 413


def management_of(address):
    """The demo's management, through its proxy."""
    def endpoints():
        told = json.loads(ask(address, "/api/v1/pools/demo/endpoints").body)["endpoints"]
        return {e["id"]: e for e in told}
    return endpoints


def test_the_demo_survives_a_stopped_backend_and_shows_what_became_of_it(stage):
    demo = stage.ending(Demo(stage.room("demo")))
    address = wait_until(demo.proxy_url, "the demo prints a URL").removeprefix("http://")
    endpoints = management_of(address)

    def backends_seen(count=9):
        answered = [ask(address, "/api/hello") for _ in range(count)]
        assert {a.status for a in answered} == {200}
        return {a.get("x-backend") for a in answered}

    def switch(backend, verb):
        assert ask(address, f"/backends/{backend}/{verb}", method="POST").status == 200

    def is_now(backend, status):
        wait_until(lambda: endpoints()[backend]["status"] == status, f"{backend} is {status}")

    for backend in "abc":
        is_now(backend, "healthy")
    switch("b", "stop")
    assert backends_seen() == {"a", "c"}
    is_now("b", "unhealthy")
    assert "refused" in endpoints()["b"]["summary"]
    switch("b", "start")
    is_now("b", "healthy")
    wait_until(lambda: "b" in backends_seen(), "b serves again")
    assert ask(address, "/backends/z/stop", method="POST").status == 404
    assert ask(address, "/backends/a/explode", method="POST").status == 404
    assert ask(address, "/api/v1/pools/demo/endpoints/a/drain", method="POST").status == 403


def test_the_demo_shows_a_backend_whose_check_is_fine_while_its_traffic_fails(stage):
    demo = stage.ending(Demo(stage.room("demo")))
    address = wait_until(demo.proxy_url, "the demo prints a URL").removeprefix("http://")
    endpoints = management_of(address)
    assert ask(address, "/backends/c/break", method="POST").status == 200
    wait_until(lambda: ask(address, "/hello") and endpoints()["c"]["breaker"]["state"] != "closed",
               "c's breaker opens")
    assert endpoints()["c"]["status"] != "unhealthy"
    assert "status 500" in endpoints()["c"]["breaker"]["why"]
    states = json.loads(ask(address, "/backends").body)
    assert [b["state"] for b in states] == ["up", "up", "broken"]


def test_the_demos_backend_can_hang_and_ends_while_it_holds_requests(stage):
    demo = stage.ending(Demo(stage.room("demo")))
    address = wait_until(demo.proxy_url, "the demo prints a URL").removeprefix("http://")
    endpoints = management_of(address)
    assert ask(address, "/backends/a/hang", method="POST").status == 200
    wait_until(lambda: endpoints()["a"]["status"] == "unhealthy", "a is found out")
    assert ask(address, "/hello").status == 200
    assert ask(address, "/backends/a/start", method="POST").status == 200
    wait_until(lambda: endpoints()["a"]["status"] == "healthy", "a is well again")
    assert ask(address, "/backends/a/hang", method="POST").status == 200
