"""What discovery finds is served like any other change: nothing is restarted, nobody notices. With
the file provider, whose sets a test changes in a moment; each provider has tests of its own."""

import contextlib
import itertools
import json
import pathlib
import signal
import socket
import threading
from urllib.parse import quote

import pytest

from lib.dynasty import dynasty
from lib.evergate import Evergate, run_command
from lib.failover import ADMIN, NO_BREAKER, NO_OUTLIER, NO_RETRY, checks, group, serve, wait_status
from lib.found_file import FoundFile, FoundSite, entry
from lib.libconfig import pool, simple
from lib.load import assert_unharmed, begin_load
from lib.management import Management
from lib.reloads import Site, held
from lib.service_manager import ServiceManager
from lib.waiting import DEADLINE_S, wait_until

PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "retry": NO_RETRY}
ENDPOINTS = "/api/v1/pools/app/endpoints"
RATE = 200


def servers(stage, names):
    return {name: stage.failing(name) for name in names}


def started(stage, names="ab", **settings):
    """(a site whose pool is found, its file, every server by name)."""
    all_servers = servers(stage, "abcd")
    found = FoundFile(stage, *(all_servers[name] for name in names))
    return FoundSite(stage, found, **{**PLAIN, **settings}), found, all_servers


# ---- At start ----

def test_what_is_found_at_the_start_is_there_before_the_first_request(stage):
    site, _, _ = started(stage)
    assert set(serve(stage, site.proxy, 10)) == {"a", "b"}
    shown = site.endpoint("a")
    assert shown["source"] == "discovery"
    assert site.admin.events(type="endpoint") == [], "of the start nothing is told"
    assert site.reloader.generation() == 1


def test_a_source_that_is_not_there_keeps_nobody_from_starting(stage):
    a = stage.failing("a")
    found = FoundFile(stage, a)
    found.remove()
    site = FoundSite(stage, found, group(stage.failing("static")), **PLAIN)
    assert set(serve(stage, site.proxy, 4)) == {"static"}
    found.write(a)
    site.wait_ids("a", "static")
    assert set(serve(stage, site.proxy, 10)) == {"a", "static"}


def test_a_start_that_waits_for_a_source_ends_when_it_is_told_to(stage):
    silent = stage.ending(socket.create_server(("127.0.0.1", 0)), "close")
    silent.settimeout(DEADLINE_S)
    block = {"type": "consul", "address": "127.0.0.1:%d" % silent.getsockname()[1],
             "service": "app"}
    proxy = stage.ending(Evergate(stage.room("evergate"),
                                  simple([], pool_settings={"discovery": block})))
    stage.ending(silent.accept()[0], "close")  # and never answered
    proxy.stop(signal.SIGTERM)
    assert proxy.log_lines("stopping before anything was served"), proxy.stderr
    assert not proxy.log_lines("is listening on")


def test_static_backends_stand_beside_those_found_and_before_their_namesakes(stage):
    static, a = stage.failing("static"), stage.failing("a")
    found = FoundFile(stage, a, {**entry(a), "id": "static"})
    site = FoundSite(stage, found, group(static), **PLAIN)
    assert site.ids() == ["a", "static"]
    assert site.endpoint("static")["address"] == static.address
    assert set(serve(stage, site.proxy, 10)) == {"a", "static"}


# ---- Coming and going ----

def test_endpoints_come_and_go_under_load_and_nobody_notices(stage, load_program):
    site, found, all_servers = started(stage)
    loads = begin_load(stage, load_program, site.proxy, RATE)
    for names in ("abc", "bc", "bcd", "cd", "acd", "ab", "d", "abcd") * 3:
        found.write(*(all_servers[name] for name in names))
        site.wait_ids(*names)
    assert_unharmed(loads)
    assert all(server.count > 0 for server in all_servers.values())


def test_one_that_is_found_no_more_finishes_what_it_holds(stage):
    site, found, all_servers = started(stage, "b")
    all_servers["b"].mood = "hold"
    client = held(stage, site.proxy, all_servers["b"])
    found.write(all_servers["a"])
    site.wait_ids("a")
    gone = site.admin.wait_for_event(type="endpoint", to="deregistered", endpoint="b")
    assert gone["why"] == "no longer found"
    assert set(serve(stage, site.proxy, 6)) == {"a"}
    all_servers["b"].release()
    assert client.read_head().status == 200
    site.admin.wait_for_event(type="endpoint", to="gone", endpoint="b")


def test_a_burst_of_sets_ends_with_the_last_one(stage):
    site, found, all_servers = started(stage)
    for step in range(200):
        found.write(all_servers["a"], entry(all_servers["b"], weight=1 + step))
    wait_until(lambda: site.endpoint("b")["weight"] == 200, "the last set is served")
    assert site.reloader.generation() < 200, "not one by one"


def test_the_same_set_again_is_no_change(stage):
    site, found, all_servers = started(stage)
    syncs = site.providers()[0]["syncs"]
    found.write(all_servers["b"], all_servers["a"])
    wait_until(lambda: site.providers()[0]["syncs"] > syncs, "it was read again")
    found.write(all_servers["a"], all_servers["b"], all_servers["c"])
    site.wait_ids("a", "b", "c")
    # What is listed is counted a moment later, when every worker serves by it.
    wait_until(lambda: site.reloader.generation() > 1, "the change is over")
    assert site.reloader.generation() == 2


def test_a_new_address_is_another_endpoint_under_the_same_id(stage):
    site, found, all_servers = started(stage)
    found.write(all_servers["a"], {**entry(all_servers["c"]), "id": "b"})
    wait_until(lambda: site.admin.endpoints()["b"]["address"] == all_servers["c"].address,
               "b is at another place")
    assert set(serve(stage, site.proxy, 10)) == {"a", "c"}


def test_counters_of_those_that_stay_go_on(stage):
    site, found, all_servers = started(stage)
    serve(stage, site.proxy, 10)
    before = site.endpoint("a")["requests"]
    found.write(entry(all_servers["a"], weight=3), all_servers["c"])
    site.wait_ids("a", "c")
    assert site.endpoint("a")["requests"] >= before > 0
    assert site.endpoint("a")["weight"] == 3


# ---- Nothing found ----

def test_an_answer_without_endpoints_leaves_the_pool_those_it_had(stage):
    site, found, all_servers = started(stage)
    found.write()
    event = site.admin.wait_for_event(type="discovery", to="empty")
    assert (event["severity"], event["pool"]) == ("warn", "app"), event
    assert set(serve(stage, site.proxy, 10)) == {"a", "b"}
    found.write(all_servers["c"])
    site.wait_ids("c")


def test_with_allow_empty_it_is_believed(stage):
    site, found, all_servers = started(stage, block={"allow_empty": True})
    found.write()
    site.wait_ids()
    assert stage.get(site.proxy).status == 503
    found.write(all_servers["a"])
    # It is listed a moment before every worker knows it, and there is nobody else.
    wait_until(lambda: stage.get(site.proxy).status == 200, "it is served")
    assert set(serve(stage, site.proxy, 4)) == {"a"}


def test_nonsense_is_left_out_and_the_rest_is_served(stage):
    site, found, all_servers = started(stage)
    found.write(all_servers["a"], {"id": "x", "address": "nowhere at all"}, all_servers["c"],
                {"id": "y"}, {"id": "c", "address": "127.0.0.1:1"})
    site.wait_ids("a", "c")
    wait_until(lambda: site.providers()[0]["refused"]["count"] == 3, "three were left out")
    site.admin.wait_for_event(type="discovery", to="refused", severity="warn")
    assert "3 left out" in run_command("providers", "--admin", site.admin.address).stdout


def test_a_dead_source_costs_nothing_but_a_line(stage):
    site, found, all_servers = started(stage)
    found.remove()
    lost = site.admin.wait_for_event(type="discovery", to="failing")
    assert (lost["from"], lost["pool"], lost["severity"]) == ("synced", "app", "warn")
    assert "2 endpoints" in lost["next"], lost
    assert set(serve(stage, site.proxy, 10)) == {"a", "b"}
    status = run_command("status", "--admin", site.admin.address).stdout
    [line] = [line for line in status.splitlines() if line.startswith("discovery")]
    assert str(found.path) in line and "the last 2 endpoints stay" in line
    found.write(all_servers["a"])
    site.wait_ids("a")
    site.admin.wait_for_event(type="discovery", **{"from": "failing"}, to="synced")
    assert "discovery   " not in run_command("status", "--admin", site.admin.address).stdout


# ---- Operators ----

def test_what_an_operator_said_of_one_that_was_found_survives_the_next_set(stage):
    site, found, all_servers = started(stage, "abc")
    site.admin.json(f"{ENDPOINTS}/a", "PATCH", {"weight": 7})
    site.admin.json(f"{ENDPOINTS}/b/drain", "POST")
    assert site.admin.ask(f"{ENDPOINTS}/c", "DELETE").status in (200, 204)
    site.wait_ids("a", "b")
    found.write(entry(all_servers["a"], weight=2, zone="z1"), all_servers["b"], all_servers["c"],
                all_servers["d"])
    site.wait_ids("a", "b", "d")
    a = site.endpoint("a")
    assert (a["weight"], a["zone"], a["source"]) == (7, "z1", "api")
    assert site.endpoint("b")["status"] == "draining"
    assert set(serve(stage, site.proxy, 20)) == {"a", "d"}
    site.admin.json(f"{ENDPOINTS}/b/undrain", "POST")
    serve_all(stage, site, {"a", "b", "d"})


def serve_all(stage, site, names):
    wait_until(lambda: set(serve(stage, site.proxy, 30)) == names, f"{names} answer")


def test_an_edit_between_two_sets_loses_neither(stage):
    site, found, all_servers = started(stage)
    found.write(all_servers["a"], all_servers["b"], all_servers["c"])
    site.wait_ids("a", "b", "c")
    host, _, port = all_servers["d"].address.rpartition(":")
    site.admin.json(ENDPOINTS, "POST", {"id": "d", "address": host, "port": int(port)})
    assert site.ids() == ["a", "b", "c", "d"]
    found.write(all_servers["a"])
    site.wait_ids("a", "d")


def test_what_was_said_of_a_found_unix_socket_is_no_mistake_when_it_has_gone(stage):
    """Its id is an address, which nobody could register under another address."""
    a, b = stage.failing("a"), stage.failing("b")
    path = f"unix:{stage.room('socket')}/s"
    found = FoundFile(stage, {"address": path}, a)
    second = FoundFile(stage, b)
    state_file = str(stage.room("state") / "state.json")
    site = FoundSite(stage, found, top={"state_file": state_file}, **PLAIN)
    site.add_pool(second.pool("second"))
    site.reload()
    site.admin.json(f"{ENDPOINTS}/{quote(path, safe='')}", "PATCH", {"address": b.address})
    found.write(a)
    second.write(a, b)
    site.wait_ids("a", "b", pool="second")
    assert not site.admin.events(type="discovery", to="refused")
    site.proxy.stop(signal.SIGTERM)
    assert serve(stage, stage.evergate(site.config), 4)


# ---- What the source reports ----

def test_what_the_source_reports_decides_beside_our_checks(stage):
    site, found, all_servers = started(stage, health=checks())
    wait_status(site.admin, "healthy", "a", "b")
    found.write(entry(all_servers["a"], reported="unhealthy"), all_servers["b"])
    wait_status(site.admin, "unhealthy", "a")
    shown = site.endpoint("a")
    assert shown["reported"] == "unhealthy"
    assert shown["status_why"] == "reported unhealthy by discovery"
    event = site.admin.wait_for_event(type="health", endpoint="a", to="unhealthy")
    assert event["why"] == "reported unhealthy by discovery"
    assert set(serve(stage, site.proxy, 6)) == {"b"}
    found.write(entry(all_servers["a"], reported="healthy"), all_servers["b"])
    wait_status(site.admin, "healthy", "a")
    serve_all(stage, site, {"a", "b"})


def test_one_that_is_reported_draining_drains(stage):
    site, found, all_servers = started(stage)
    found.write(entry(all_servers["a"], reported="draining"), all_servers["b"])
    wait_status(site.admin, "draining", "a")
    assert site.admin.wait_for_event(type="drain", endpoint="a")["why"] == "drained by discovery"
    assert set(serve(stage, site.proxy, 6)) == {"b"}
    found.write(all_servers["a"], all_servers["b"])
    wait_status(site.admin, "healthy", "a")


# ---- Reloads ----

def test_a_reload_of_something_else_leaves_the_source_alone(stage):
    site, _, all_servers = started(stage)
    before = site.providers()
    site.add_pool(pool("other", [group(all_servers["c"])]))
    site.reload()
    after = site.providers()
    for key in ("since", "syncs", "last_sync", "pools"):
        assert after[0][key] == before[0][key], key
    assert site.ids() == ["a", "b"]


def test_pools_of_one_source_share_its_watch(stage):
    site, found, all_servers = started(stage)
    site.add_pool(found.pool("second", block={"allow_empty": True}))
    site.reload()
    [source] = site.providers()
    assert source["pools"] == ["app", "second"]
    assert site.ids("second") == ["a", "b"]
    found.write()
    site.wait_ids(pool="second")
    assert site.ids() == ["a", "b"], "this one does not allow it"


def test_from_backends_of_the_file_to_found_ones_and_back_without_a_failed_request(stage,
                                                                                   load_program):
    all_servers = servers(stage, "abcd")
    found = FoundFile(stage, all_servers["c"], all_servers["d"])
    site = Site(stage, all_servers["a"], all_servers["b"], **PLAIN)
    loads = begin_load(stage, load_program, site.proxy, RATE)
    assert site.admin.json("/api/v1/providers") == []
    for _ in range(3):
        site.serve_from()
        site.pool["discovery"] = found.block()
        site.reload()
        assert sorted(site.admin.endpoints()) == ["c", "d"], "it has waited for the new source"
        del site.pool["discovery"]
        site.serve_from(all_servers["a"], all_servers["b"])
        site.reload()
        assert sorted(site.admin.endpoints()) == ["a", "b"]
        assert site.admin.json("/api/v1/providers") == []
    assert_unharmed(loads)


def test_a_new_source_that_does_not_answer_leaves_the_pool_what_its_file_named(stage):
    all_servers = servers(stage, "ab")
    found = FoundFile(stage, all_servers["b"])
    found.remove()
    site = Site(stage, all_servers["a"], **PLAIN)
    site.serve_from()
    site.pool["discovery"] = found.block()
    site.reload()
    assert set(serve(stage, site.proxy, 4)) == {"a"}
    found.write(all_servers["b"])
    wait_until(lambda: list(site.admin.endpoints()) == ["b"], "what was found takes its place")


def test_a_new_pool_whose_source_is_dead_says_where_to_look(stage):
    a = stage.failing("a")
    found = FoundFile(stage, a)
    found.remove()
    site = Site(stage, a, **PLAIN)
    site.config["pools"].append(found.pool("new"))
    site.config["routes"] = [{"name": "new", "path": "/new", "pool": "new"},
                             {"name": "all", "pool": "app"}]
    site.reload()
    answered = stage.get(site.proxy, "/new")
    assert (answered.status, answered.get("X-Evergate-Error")) == (503, "connection")
    assert set(serve(stage, site.proxy, 3)) == {"a"}, "the rest of the reload is served"
    summary = site.admin.json("/api/v1/pools/new")["summary"]
    assert summary == 'no endpoints: none were found, "evergate providers" tells why'
    told = run_command("providers", "--admin", site.admin.address).stdout
    assert "No such file or directory; it has told of no endpoints; next try in" in told
    found.write(a)
    wait_until(lambda: stage.get(site.proxy, "/new").status == 200, "they have come")


def silent_source(stage):
    """A block of a server that accepts connections and never answers."""
    return {"type": "consul", "address": stage.silent_port().address, "service": "app"}


def test_a_new_source_that_is_silent_is_not_waited_for_longer_than_a_moment(stage):
    site, found, all_servers = started(stage)
    site.pool["discovery"] = silent_source(stage)
    site.reload()
    [source] = site.providers()
    assert (source["type"], source["state"]) == ("consul", "connecting")
    assert set(serve(stage, site.proxy, 6)) == {"a", "b"}, "what was found before stays"
    found.write(all_servers["c"])
    site.pool["discovery"] = found.block()
    site.reload()
    assert site.ids() == ["c"]


def test_another_source_in_the_place_of_one_that_answers(stage):
    site, _, all_servers = started(stage)
    other = FoundFile(stage, all_servers["c"])
    site.pool["discovery"] = other.block()
    site.reload()
    assert site.ids() == ["c"]
    [source] = site.providers()
    assert str(other.path) in source["source"]


def test_a_refused_reload_forgets_the_sources_it_brought(stage):
    site, _, all_servers = started(stage)
    other = FoundFile(stage, all_servers["c"])
    site.add_pool(other.pool("second"))
    site.config["routes"] = [{"name": "x", "pool": "nobody"}]
    site.refused()
    wait_until(lambda: len(site.providers()) == 1, "only what is served is asked")


def test_a_plan_asks_no_source(stage):
    site, _, all_servers = started(stage)
    other = FoundFile(stage, all_servers["c"])
    site.add_pool(other.pool("second"))
    site.proxy.write_config(site.config)
    planned = site.admin.json("/api/v1/plan", "POST", {})
    assert [c for c in planned["plan"]["changes"] if c["name"] == "second"], planned
    assert len(site.providers()) == 1


# ---- Upgrades and the end ----

def test_an_upgrade_while_the_source_is_dead_keeps_who_was_found(stage):
    all_servers = servers(stage, "ab")
    found = FoundFile(stage, all_servers["a"], all_servers["b"])
    site_pool = {"discovery": found.block(), **PLAIN}
    proxy = dynasty(stage, pool_settings=site_pool, admin={"bind": "127.0.0.1:0"})
    assert set(serve(stage, proxy, 10)) == {"a", "b"}
    found.remove()
    proxy.wait_for_log("discovery synced -> failing")
    proxy.upgrade()
    assert set(serve(stage, proxy, 10)) == {"a", "b"}
    found.write(all_servers["a"])
    wait_until(lambda: set(serve(stage, proxy, 6)) == {"a"}, "the heir has found it again")


@contextlib.contextmanager
def restless(found, sets):
    """The file changes all the time, from one set to the next and around."""
    stop = threading.Event()

    def change():
        for backends in itertools.cycle(sets):
            found.write(*backends)
            if stop.wait(0.01):
                return

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_upgrades_while_the_source_changes_all_the_time_fail_no_request(stage, load_program):
    a, b, c, d = (stage.failing(name) for name in "abcd")
    found = FoundFile(stage, a, b)
    proxy = dynasty(stage, pool_settings={"discovery": found.block(), **PLAIN},
                    admin={"bind": "127.0.0.1:0"})
    loads = begin_load(stage, load_program, proxy, RATE)
    with restless(found, [(a, b), (b, c), (c, d), (d, a)]):
        for _ in range(3):
            elder = proxy.pid
            proxy.upgrade()
            proxy.wait_gone(elder)
    found.write(c)
    wait_until(lambda: set(serve(stage, proxy, 6)) == {"c"}, "the last heir has the last set")
    assert_unharmed(loads)


def test_management_answers_while_a_reload_waits_for_a_source(stage):
    site, _, _ = started(stage)
    site.pool["discovery"] = silent_source(stage)
    site.proxy.write_config(site.config)
    client = stage.client(site.admin.address)
    client.send(b"POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_until(lambda: len(site.providers()) == 2, "the new source is asked, the old one still")
    assert site.admin.ask("/health/ready").status == 200
    client.close()
    wait_until(lambda: len(site.providers()) == 1, "it is served, though nobody hears of it")
    site.reload()


def test_stopping_ends_a_reload_that_waits_for_a_source(stage):
    site, _, _ = started(stage)
    site.pool["discovery"] = silent_source(stage)
    site.proxy.reload(site.config)
    wait_until(lambda: len(site.providers()) == 2, "the new source is asked, the old one still")
    site.proxy.stop(signal.SIGTERM)
    # On a machine that is slow enough, the reload was over before the signal came.
    assert (site.proxy.log_lines("no reload: evergate is stopping")
            or site.proxy.log_lines("reload by SIGHUP"))


def test_a_reload_that_a_stop_cuts_short_does_not_say_that_it_is_ready(stage):
    name = str(stage.room("notify") / "notify")
    manager = stage.ending(ServiceManager(name), "close")
    site, _, _ = started(stage, env={"NOTIFY_SOCKET": name})
    site.pool["discovery"] = silent_source(stage)
    site.proxy.reload(site.config)
    wait_until(lambda: len(site.providers()) == 2, "the new source is asked, the old one still")
    site.proxy.stop(signal.SIGTERM)
    said = manager.heard()
    stopping = next(i for i, words in enumerate(said) if "STOPPING" in words)
    assert not [words for words in said[stopping:] if "READY" in words], said


# ---- What is told ----

def test_each_change_of_a_pool_is_an_event_with_its_numbers(stage):
    site, found, all_servers = started(stage)
    found.write(entry(all_servers["a"], weight=5), all_servers["c"], all_servers["d"])
    event = site.admin.wait_for_event(type="discovery", pool="app")
    assert (event["from"], event["to"]) == ("2 endpoints", "3 endpoints")
    assert event["why"] == f'file "{found.path}"'[:100] + event["why"][100:]
    assert event["why"].endswith("2 came, 1 went, 1 changed"), event
    came = site.admin.wait_for_event(type="endpoint", endpoint="c", to="registered")
    assert came["why"] == "found by discovery"
    changed = site.admin.wait_for_event(type="endpoint", endpoint="a", to="changed")
    assert changed["why"] == "weight 1 -> 5"
    assert site.admin.events(type="config") == []


def test_hundreds_that_come_at_once_are_no_flood_of_lines(stage):
    site, found, all_servers = started(stage, top={"supervision": {"events": 4096}})
    crowd = [{"id": f"n{i}", "address": f"127.0.0.9:{10000 + i}"} for i in range(500)]
    found.write(all_servers["a"], *crowd)
    wait_until(lambda: len(site.ids()) == 501, "all have come")
    assert len(site.admin.events(type="endpoint", to="registered")) == 500
    assert len(site.proxy.log_lines("registered: found by discovery")) <= 64
    site.proxy.wait_for_log("more endpoints came, changed or went")


def test_metrics_of_a_source(stage):
    site, found, all_servers = started(stage)
    labels = {"type": "file"}
    assert site.admin.metric("evergate_discovery_up", **labels) == 1
    assert site.admin.metric("evergate_discovery_endpoints", **labels) == 2
    assert site.admin.metric("evergate_discovery_syncs_total", **labels) >= 1
    assert site.admin.metric("evergate_discovery_last_sync_timestamp_seconds", **labels) > 1e9
    found.write(all_servers["a"], {"id": "nothing"})
    wait_until(lambda: site.admin.metric("evergate_discovery_refused_total", **labels) == 1,
               "one was refused")
    found.remove()
    wait_until(lambda: site.admin.metric("evergate_discovery_up", **labels) == 0, "it is lost")
    assert site.admin.metric("evergate_discovery_failures_total", **labels) >= 1
    assert site.admin.metric("evergate_discovery_endpoints", **labels) == 1


def test_providers_on_the_command_line(stage):
    site, found, _ = started(stage)
    printed = run_command("providers", "--admin", site.admin.address)
    heading, line = printed.stdout.splitlines()
    assert heading.split()[:4] == ["TYPE", "SOURCE", "POOLS", "STATE"]
    assert line.split()[0] == "file" and "synced" in line and str(found.path) in line
    answered = json.loads(run_command("providers", "--json", "--admin", site.admin.address).stdout)
    assert answered[0]["pools"] == ["app"]


def test_without_discovery_there_is_no_thread_of_it(stage):
    proxy = stage.proxy(stage.failing("a"), admin=ADMIN)
    admin = Management(proxy)
    assert admin.json("/api/v1/providers") == []
    assert admin.json("/api/v1/status")["discovery"] == {"sources": 0, "failing": []}
    tasks = pathlib.Path(f"/proc/{proxy.process.pid}/task").iterdir()
    names = {(task / "comm").read_text().strip() for task in tasks}
    assert not [name for name in names if "discovery" in name], names
