"""What all sources have in common, shown with files: how they are told of, how they are tried
again, and what is kept over a restart."""

import json
import os
import signal
import stat

from lib.failover import serve
from lib.found_file import FoundFile, FoundSite
from lib.management import Management
from lib.waiting import wait_until

GONE = {"id": "gone", "address": "127.0.0.9:80"}


def source_of(site):
    only, = site.providers()
    return only


def wait_state(site, state):
    wait_until(lambda: source_of(site)["state"] == state, f"the source is {state}")
    return source_of(site)


# ---- Status ----

def test_a_source_that_answers_shows_how_it_is(stage):
    found = FoundFile(stage, GONE)
    shown = source_of(FoundSite(stage, found))
    assert (shown["type"], shown["source"]) == ("file", str(found.path))
    assert (shown["state"], shown["endpoints"], shown["pools"]) == ("synced", 1, ["app"])
    assert shown["last_sync"] >= shown["since"] and shown["last_sync"].endswith("Z")
    assert 0 <= shown["last_sync_ago_s"] < 3600
    assert (shown["last_error"], shown["last_error_at"], shown["next_try_in_s"]) == (None,) * 3
    assert (shown["syncs"], shown["failures"], shown["from_cache"]) == (1, 0, False)


def test_a_source_that_fails_shows_why_and_when_it_is_tried_again(stage):
    found = FoundFile(stage, GONE)
    site = FoundSite(stage, found)
    found.remove()
    shown = wait_state(site, "failing")
    assert shown["last_error"] == "No such file or directory"
    assert shown["endpoints"] == 1, "the last good set"
    assert 0 <= shown["next_try_in_s"] <= 30
    assert shown["last_error_at"] >= shown["last_sync"]
    wait_until(lambda: source_of(site)["failures"] >= 3, "it is tried again by itself")
    assert source_of(site)["next_try_in_s"] <= 4, "0.5, 1, 2, 4 s at most"
    found.write(GONE)
    shown = wait_state(site, "synced")
    assert shown["next_try_in_s"] is None and shown["last_error"] is not None


def test_an_outage_is_two_events_however_long_it_is(stage):
    found = FoundFile(stage, GONE)
    site = FoundSite(stage, found)
    found.remove()
    wait_until(lambda: source_of(site)["failures"] >= 3, "it failed more than once")
    found.write(GONE)
    wait_state(site, "synced")
    told = [(event["from"], event["to"]) for event in site.admin.events(type="discovery")]
    assert told == [("synced", "failing"), ("failing", "synced")]


# ---- allow_empty ----

def test_an_empty_answer_is_told_once(stage):
    a = stage.failing("a")
    found = FoundFile(stage, a)
    site = FoundSite(stage, found)
    for _ in range(3):
        before = source_of(site)["syncs"]
        found.write()
        wait_until(lambda: source_of(site)["syncs"] > before, "it was read")
    assert source_of(site)["state"] == "synced"
    assert len(site.admin.events(type="discovery", severity="warn")) == 1
    assert set(serve(stage, site.proxy, 3)) == {"a"}


def test_an_answer_full_of_nonsense_is_no_empty_one(stage):
    a = stage.failing("a")
    found = FoundFile(stage, a)
    site = FoundSite(stage, found, block={"allow_empty": True})
    found.write({"id": "x", "adress": "127.0.0.1:80"}, {"id": "y"})
    wait_until(lambda: source_of(site)["refused"]["count"] == 2, "both are refused")
    assert source_of(site)["endpoints"] == 1
    assert set(serve(stage, site.proxy, 3)) == {"a"}
    found.write()
    site.wait_ids()


# ---- The cache ----

def cached_site(stage, found, cache, **block):
    return FoundSite(stage, found, block={"cache": str(cache), **block})


def held(cache):
    """The ids that it holds; none while it is not there."""
    try:
        return {e["id"] for e in json.loads(cache.read_text())["endpoints"]}
    except FileNotFoundError:
        return set()


def test_a_restart_while_the_source_is_gone_begins_with_what_was_found_last(stage):
    a, b = stage.failing("a"), stage.failing("b")
    cache = stage.room("cache") / "found.json"
    found = FoundFile(stage, a)
    first = cached_site(stage, found, cache)
    wait_until(lambda: held(cache) == {"a"}, "the set is kept")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    found.write(a, b)
    first.wait_ids("a", "b")
    first.proxy.stop(signal.SIGTERM)
    assert held(cache) == {"a", "b"}, "what was still to be written is written at the end"
    assert os.listdir(cache.parent) == [cache.name], "nothing is left beside it"
    found.remove()
    second = cached_site(stage, found, cache)
    shown = source_of(second)
    assert (shown["state"], shown["endpoints"], shown["from_cache"]) == ("failing", 2, True)
    assert set(serve(stage, second.proxy, 10)) == {"a", "b"}
    found.write(b)
    second.wait_ids("b")
    assert source_of(second)["from_cache"] is False
    wait_until(lambda: held(cache) == {"b"}, "the new set is kept")


def test_a_source_that_answers_at_the_start_counts_before_its_cache(stage):
    a, b = stage.failing("a"), stage.failing("b")
    cache = stage.room("cache") / "found.json"
    cache.write_text(json.dumps({"endpoints": [{"id": "a", "address": a.address}]}))
    site = cached_site(stage, FoundFile(stage, b), cache)
    assert set(serve(stage, site.proxy, 4)) == {"b"}, "the start waits for the answer"


def test_a_cache_that_is_broken_is_a_warning(stage):
    a = stage.failing("a")
    cache = stage.room("cache") / "found.json"
    cache.write_text('{"endpoints": [')
    site = cached_site(stage, FoundFile(stage, a), cache)
    site.proxy.wait_for_log("starting without it")
    assert set(serve(stage, site.proxy, 2)) == {"a"}
    wait_until(lambda: held_or_none(cache) == {"a"}, "it is written anew")


def held_or_none(cache):
    try:
        return held(cache)
    except ValueError:
        return None


def test_a_cache_keeps_the_last_set_that_was_not_empty(stage):
    a = stage.failing("a")
    cache = stage.room("cache") / "found.json"
    found = FoundFile(stage, a)
    site = cached_site(stage, found, cache)
    found.write()
    site.admin.wait_for_event(type="discovery", severity="warn")
    site.proxy.stop(signal.SIGTERM)
    assert held(cache) == {"a"}


def test_a_cache_of_a_pool_that_may_be_empty_says_that_it_is(stage):
    a = stage.failing("a")
    cache = stage.room("cache") / "found.json"
    found = FoundFile(stage, a)
    site = cached_site(stage, found, cache, allow_empty=True)
    found.write()
    site.wait_ids()
    site.proxy.stop(signal.SIGTERM)
    assert json.loads(cache.read_text()) == {"endpoints": []}


def test_a_source_that_is_empty_at_a_restart_does_not_cost_the_pool_what_the_cache_holds(stage):
    a = stage.failing("a")
    cache = stage.room("cache") / "found.json"
    found = FoundFile(stage, a)
    site = cached_site(stage, found, cache)
    found.write()
    site.admin.wait_for_event(type="discovery", to="empty")
    site.proxy.stop(signal.SIGTERM)
    again = cached_site(stage, found, cache)
    assert source_of(again)["state"] == "synced"
    assert set(serve(stage, again.proxy, 3)) == {"a"}


def test_a_cache_that_two_pools_share_keeps_what_one_of_them_needs(stage):
    a = stage.failing("a")
    cache = stage.room("cache") / "found.json"
    found = FoundFile(stage, a)
    site = cached_site(stage, found, cache, allow_empty=True)
    site.add_pool(found.pool("careful", block={"cache": str(cache)}))
    site.reload()
    found.write()
    site.wait_ids()
    assert site.ids("careful") == ["a"]
    site.proxy.stop(signal.SIGTERM)
    again = stage.evergate(site.config)
    assert sorted(Management(again).endpoints("careful")) == ["a"]
    assert stage.get(again).status == 503, "the source says so itself"


def test_a_pool_that_is_renamed_while_its_source_is_empty_keeps_its_endpoints(stage):
    a = stage.failing("a")
    found = FoundFile(stage, a)
    site = FoundSite(stage, found)
    found.write()
    site.admin.wait_for_event(type="discovery", to="empty")
    site.pool["name"] = "renamed"
    site.config["routes"] = [{"name": "all", "pool": "renamed"}]
    site.reload()
    assert site.ids("renamed") == ["a"]
    assert set(serve(stage, site.proxy, 3)) == {"a"}
