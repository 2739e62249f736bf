"""What was changed over the management API outlives a reload and, with `state_file`, the process."""

import json
import re
import signal
import threading

import pytest

from lib.evergate import run_command
from lib.failover import NO_BREAKER, NO_OUTLIER, NO_RETRY, group, serve
from lib.libconfig import pool, to_libconfig
from lib.management import Management
from lib.reloads import Site, held
from lib.waiting import wait_until

PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "retry": NO_RETRY}
ENDPOINTS = "/api/v1/pools/app/endpoints"
POLICY = "/api/v1/pools/app/policy"


def with_state(stage, *backends, **settings):
    """(the site, where its changes are kept)."""
    path = stage.directory / "state.json"
    return Site(stage, *backends, top={"state_file": str(path)}, **{**PLAIN, **settings}), path


def register(admin, backend, **more):
    host, _, port = backend.address.rpartition(":")
    return admin.json(ENDPOINTS, "POST", {"id": backend.name, "address": host, "port": int(port),
                                          **more})


class Edited:
    """A site of a, b and c where everything has been done that the API can do: d is registered, a
    has a weight, b drains, c is deregistered, and the pool has another algorithm."""

    def __init__(self, stage, **settings):
        self.backends = {name: stage.failing(name) for name in "abcd"}
        self.site, self.path = with_state(stage, *(self.backends[n] for n in "abc"), **settings)
        admin = self.site.admin
        register(admin, self.backends["d"], weight=2, zone="z1", tags=["blue"])
        admin.json(f"{ENDPOINTS}/a", "PATCH", {"weight": 6})
        admin.json(f"{ENDPOINTS}/b/drain", "POST")
        assert admin.ask(f"{ENDPOINTS}/c", "DELETE").status in (200, 204)
        admin.json(POLICY, "PATCH", {"algorithm": "weighted"})

    def assert_stands(self, stage, proxy, admin):
        listed = {e["id"]: e for e in admin.json(ENDPOINTS)["endpoints"]}
        assert sorted(listed) == ["a", "b", "d"], listed
        assert listed["a"]["weight"] == 6
        assert listed["b"]["draining"]
        assert (listed["d"]["weight"], listed["d"]["zone"], listed["d"]["tags"]) == (
            2, "z1", ["blue"])
        assert admin.json(POLICY)["algorithm"] == "weighted"
        counts = serve(stage, proxy, 40)
        assert set(counts) == {"a", "d"} and counts["a"] > counts["d"] > 0, counts


def start_again(stage, site):
    """Another process of the same file."""
    proxy = stage.evergate(site.config)
    return proxy, Management(proxy)


def test_everything_survives_reloads_of_the_file(stage):
    edited = Edited(stage)
    site = edited.site
    edited.assert_stands(stage, site.proxy, site.admin)
    for step in range(3):
        site.config["routes"] = [{"name": f"all-{step}", "pool": "app"}]
        site.reload()
        edited.assert_stands(stage, site.proxy, site.admin)


def test_the_file_decides_what_nobody_changed(stage):
    edited = Edited(stage)
    site, e = edited.site, stage.failing("e")
    site.serve_from({**group(edited.backends["a"]), "weight": 9, "tags": ["green"]},
                    edited.backends["b"], e)
    site.reload()
    a = site.endpoint("a")
    assert (a["weight"], a["tags"]) == (6, ["green"])
    assert set(serve(stage, site.proxy, 30)) == {"a", "d", "e"}


def test_what_was_said_of_a_pool_waits_until_it_returns(stage):
    edited = Edited(stage)
    site = edited.site
    [app] = site.config["pools"]
    other = pool("other", [group(edited.backends["c"])])
    site.config["pools"] = [other]
    site.reload()
    assert serve(stage, site.proxy, 2) == {"c": 2}
    site.config["pools"] = [app]
    site.reload()
    edited.assert_stands(stage, site.proxy, site.admin)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_everything_survives_the_process(stage, number):
    edited = Edited(stage)
    if number == signal.SIGKILL:
        edited.site.proxy.expected_exit = -number
    edited.site.proxy.stop(number)
    proxy, admin = start_again(stage, edited.site)
    edited.assert_stands(stage, proxy, admin)


def test_without_a_state_file_a_new_process_starts_from_its_file(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site = Site(stage, a, **PLAIN)
    register(site.admin, b)
    assert set(serve(stage, site.proxy, 4)) == {"a", "b"}
    site.proxy.stop()
    proxy, _ = start_again(stage, site)
    assert serve(stage, proxy, 4) == {"a": 4}


def test_the_state_file_is_whole_at_every_moment(stage):
    """Read as fast as it goes while it is written: never half of it, never empty."""
    a, b = stage.failing("a"), stage.failing("b")
    site, path = with_state(stage, a)
    register(site.admin, b)
    wait_until(path.exists, "the file is there")
    stop, seen, wrong = threading.Event(), set(), []

    def read():
        while not stop.is_set():
            try:
                seen.add(json.dumps(json.loads(path.read_text())))
            except (OSError, ValueError) as broken:
                wrong.append(repr(broken))

    reader = threading.Thread(target=read)
    reader.start()
    for weight in range(2, 60):
        site.admin.json(f"{ENDPOINTS}/b", "PATCH", {"weight": weight})
    stop.set()
    reader.join()
    assert wrong == [] and len(seen) > 5
    assert [p.name for p in path.parent.iterdir() if p.name.startswith("state.json")] == [
        "state.json"]


def test_it_is_written_before_the_change_is_answered(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site, path = with_state(stage, a)
    register(site.admin, b, weight=3)
    said = json.loads(path.read_text())
    assert said["pools"]["app"]["endpoints"]["b"]["weight"] == 3


def test_it_is_for_the_owner_alone(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site, path = with_state(stage, a)
    register(site.admin, b)
    assert path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"version": 99, "pools": {}}', '{"version": 1, "pools": []}',
    '{"version": 1, "pools": {"app": {"endpoints": {"b0": {"weight": "heavy"}}}}}'])
def test_a_broken_state_file_is_refused_at_start(stage, text):
    path = stage.directory / "state.json"
    path.write_text(text)
    site = {"listeners": [{"name": "edge", "bind": "127.0.0.1:0"}],
            "pools": [pool("app", ["127.0.0.1:9"])], "admin": {"bind": "off"},
            "state_file": str(path)}
    file = stage.directory / "evergate.conf"
    file.write_text(to_libconfig(site))
    ended = run_command("run", "-c", file)
    assert ended.returncode == 1, ended
    assert re.search(r"state\.json|state_file", ended.stderr), ended.stderr
    assert path.read_text() == text  # it is left for who looks into it


def test_a_state_file_that_cannot_be_written_is_told_and_the_change_is_served(stage):
    a, b = stage.failing("a"), stage.failing("b")
    path = stage.directory / "gone" / "state.json"
    path.parent.mkdir()
    site = Site(stage, a, top={"state_file": str(path)}, **PLAIN)
    path.parent.rename(stage.directory / "moved")
    register(site.admin, b)
    site.proxy.wait_for_log(r"state\.json")
    assert set(serve(stage, site.proxy, 4)) == {"a", "b"}


def test_it_moves_when_the_file_says_so(stage):
    """What stood in the new place was never served, and is replaced."""
    edited = Edited(stage)
    for site, path in [(edited.site, stage.directory / "second.json"),
                       (edited.site, stage.directory / "third.json")]:
        path.write_text('{"version": 1, "pools": {"app": {"endpoints": {"a": null}}}}')
        site.config["state_file"] = str(path)
        assert "not_saved" not in site.reload()
        assert json.loads(path.read_text()) == json.loads(edited.path.read_text())
    proxy, admin = start_again(stage, edited.site)
    edited.assert_stands(stage, proxy, admin)


def test_a_file_that_it_does_not_fit_is_refused_with_the_way_out(stage):
    site, _ = with_state(stage, stage.failing("a"))
    site.admin.json(POLICY, "PATCH", {"retry": {"backoff": "200ms"}})
    site.config["pools"][0]["retry"] = {"backoff": "1ms", "max_backoff": "2ms"}
    for path in ("/api/v1/plan", "/api/v1/reload"):
        site.proxy.write_config(site.config)
        error = site.admin.error(422, path)
        assert error["message"].startswith('pool "app": policy: retry: backoff: "200ms" is longer')
        assert "said over the API" in error["message"] and "KEY=" in error["message"]
    site.admin.json(POLICY, "PATCH", {"retry": {"backoff": None}})
    site.reload()


def test_an_endpoint_registered_and_removed_by_hand_drains(stage):
    a, b = stage.failing("a"), stage.failing("b")
    b.mood = "hold"
    site = Site(stage, a, **PLAIN)
    register(site.admin, b)
    site.admin.json(f"{ENDPOINTS}/a/trip", "POST")
    client = held(stage, site.proxy, b)
    site.admin.json(f"{ENDPOINTS}/a/reset", "POST")
    site.admin.ask(f"{ENDPOINTS}/b", "DELETE")
    assert serve(stage, site.proxy, 6) == {"a": 6}
    b.release()
    assert client.read_response("GET").text == "b"
