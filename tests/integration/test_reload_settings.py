"""Reload: settings that are not of endpoints or listeners, and what only a new process can have."""

import pytest

from lib.evergate import binary
from lib.failover import ADMIN, NO_BREAKER, NO_OUTLIER, NO_RETRY, group, serve
from lib.libconfig import DEFAULT_WORKERS, simple
from lib.management import Management
from lib.reloads import Site, held
from lib.waiting import wait_until

LONG = "10m"
PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "retry": NO_RETRY}


def test_a_routes_time_limit_counts_for_new_requests(stage):
    a = stage.failing("a")
    a.mood = "hold"
    site = Site(stage, a, routes=[{"name": "all", "pool": "app", "timeout": LONG}], **PLAIN)
    before = held(stage, site.proxy, a)
    site.config["routes"][0]["timeout"] = "50ms"
    site.reload()
    assert stage.get(site.proxy).status == 504
    a.release()
    assert before.read_response("GET").status == 200


def test_a_pools_time_limits_count_for_new_requests(stage):
    a = stage.failing("a")
    a.mood = "hold"
    site = Site(stage, a, timeouts={"response": LONG}, **PLAIN)
    before = held(stage, site.proxy, a)
    site.pool["timeouts"]["response"] = "50ms"
    site.reload()
    assert stage.get(site.proxy).status == 504
    a.release()
    assert before.read_response("GET").status == 200


def test_another_algorithm_and_other_weights_count_at_once(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site = Site(stage, a, b, top={"workers": 1}, **PLAIN)
    assert serve(stage, site.proxy, 8) == {"a": 4, "b": 4}
    site.pool["algorithm"] = "weighted"
    site.backends[0]["weight"] = 3
    site.reload()
    assert serve(stage, site.proxy, 8) == {"a": 6, "b": 2}


def test_a_breakers_threshold_counts_for_the_next_failure(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site = Site(stage, a, b, outlier=NO_OUTLIER, retry=NO_RETRY, breaker=NO_BREAKER)
    a.mood = "503"
    for _ in range(10):
        stage.get(site.proxy)
    assert site.admin.breaker("a") == "closed"
    site.pool["breaker"] = {**NO_BREAKER, "failure_threshold": 2, "recovery_timeout": LONG}
    site.reload()
    wait_until(lambda: stage.get(site.proxy) and site.admin.breaker("a") == "open", "it opens")
    assert serve(stage, site.proxy, 6) == {"b": 6}


def test_a_drained_backend_of_the_file_gets_nothing_new_and_comes_back(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site = Site(stage, a, b, **PLAIN)
    site.backends[0]["drain"] = True
    site.reload()
    assert serve(stage, site.proxy, 6) == {"b": 6}
    assert site.admin.status("a") == "draining"
    site.backends[0]["drain"] = False
    site.reload()
    assert set(serve(stage, site.proxy, 6)) == {"a", "b"}


def test_the_access_log_changes_its_file_and_its_format(stage):
    site = Site(stage, stage.failing("a"))
    stage.get(site.proxy, "/to-stdout")
    site.proxy.wait_access_lines(1)
    path = site.proxy.directory / "access.log"
    site.config["log"].update(access=str(path))
    site.reload()
    stage.get(site.proxy, "/to-file")
    assert site.proxy.wait_access_lines(1, path)[0]["path"] == "/to-file"
    site.config["log"].update(format="text")
    site.reload()
    stage.get(site.proxy, "/as-text")
    wait_until(lambda: "/as-text" in path.read_text(), "the line comes")
    [line] = [line for line in path.read_text().splitlines() if "/as-text" in line]
    assert not line.startswith("{")
    site.config["log"].update(access="off")
    site.reload()
    assert stage.get(site.proxy, "/unsaid").status == 200
    site.config["log"].update(access="stdout", format="json")
    site.reload()
    stage.get(site.proxy, "/at-last")
    site.proxy.wait_access_lines(2)
    assert [line["path"] for line in site.proxy.access_lines()] == ["/to-stdout", "/at-last"]
    assert "/unsaid" not in path.read_text()


def test_the_log_level_changes(stage):
    refusing = {"id": "r", "address": stage.refusing_port().address}
    site = Site(stage, refusing, **PLAIN)
    assert stage.get(site.proxy).status == 502
    assert site.proxy.log_lines("debug") == []
    site.config["log"]["level"] = "debug"
    site.reload()
    assert stage.get(site.proxy).status == 502
    site.proxy.wait_for_log("debug")


@pytest.mark.parametrize("key, value", [
    ("workers", DEFAULT_WORKERS + 1),
    ("admin", {"bind": "127.0.0.1:0", "socket": "/tmp/evergate-unused.sock"})])
def test_what_needs_a_new_process_says_so(stage, key, value):
    site = Site(stage, stage.failing("a"))
    site.config[key] = value
    told = site.reload()
    [change] = [c for c in told["plan"]["changes"] if c["of"] == "process"]
    assert change["name"].startswith(key) and change["needs_upgrade"], told
    assert site.admin.json("/api/v1/status")["workers"] == DEFAULT_WORKERS
    assert stage.get(site.proxy).status == 200


def test_the_same_file_changes_nothing(stage):
    site = Site(stage, stage.failing("a"))
    told = site.reload()
    assert told["plan"]["changes"] == [] and told["plan"]["risk"] == "none", told
    assert told["plan"]["kept"]["endpoints"] == 1


@pytest.mark.parametrize("beside", [False, True])
def test_where_a_file_is_asked_from_changes_nothing(stage, beside):
    """The instance was given a relative name; whoever asks for a plan gives the whole one."""
    config = simple([stage.failing("a")], admin=ADMIN, state_file="state.json",
                    log={"access": "./access.log"})
    proxy = stage.evergate(config, command=[str(binary()), "run", "-c", "evergate.conf"])
    admin = Management(proxy)
    asked = proxy.config_path
    if beside:
        asked = proxy.directory / "other.conf"
        asked.write_text(proxy.config_path.read_text())
    told = admin.json("/api/v1/plan", "POST", {"file": str(asked)})
    assert told["plan"]["changes"] == [], told
    asked.write_text(asked.read_text().replace("./access.log", "./other.log"))
    told = admin.json("/api/v1/plan", "POST", {"file": str(asked)})
    assert [change["name"] for change in told["plan"]["changes"]] == ["log"], told


def test_the_answer_lists_what_changed_and_what_was_kept(stage):
    a, b, c = (stage.failing(name) for name in "abc")
    site = Site(stage, a, b, routes=[{"name": "all", "pool": "app"}])
    site.serve_from({**group(a), "weight": 3}, c)
    told = site.reload()
    found = {(change["of"], change["name"]): change["change"] for change in told["plan"]["changes"]}
    assert found[("endpoint", "a")] == "changed"
    assert found[("endpoint", "b")] == "removed"
    assert found[("endpoint", "c")] == "added"
    [weight] = [c["detail"] for c in told["plan"]["changes"] if c["name"] == "a"]
    assert "weight 1 -> 3" in weight
    assert (told["plan"]["kept"]["listeners"], told["plan"]["kept"]["routes"]) == (1, 1)
    assert told["generation"] == site.reloader.generation()
