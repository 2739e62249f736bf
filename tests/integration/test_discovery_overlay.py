"""What an operator said of endpoints that are found, and what becomes of it and of them when file,
source and operator speak one after the other."""

from lib.failover import NO_BREAKER, NO_OUTLIER, NO_RETRY, serve
from lib.found_file import FoundFile, FoundSite, entry
from lib.reloads import Site
from lib.waiting import wait_until

PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "retry": NO_RETRY}
ENDPOINTS = "/api/v1/pools/app/endpoints"


def remove(site, name):
    assert site.admin.ask(f"{ENDPOINTS}/{name}", "DELETE").status in (200, 204)


def test_a_plan_of_another_file_changes_nothing_of_what_was_said(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site = Site(stage, a, b, **PLAIN)
    remove(site, "b")
    site.config["pools"][0]["backends"].pop()
    site.proxy.write_config(site.config)
    site.admin.json("/api/v1/plan", "POST", {})
    site.admin.json(f"{ENDPOINTS}/a", "PATCH", {"weight": 2})
    assert sorted(site.admin.endpoints()) == ["a"], "b was taken out"
    assert serve(stage, site.proxy, 6) == {"a": 6}


def test_what_an_operator_took_out_stays_out_when_its_source_loses_it_for_a_moment(stage):
    a, b, c = (stage.failing(name) for name in "abc")
    found = FoundFile(stage, a, b)
    site = FoundSite(stage, found, **PLAIN)
    remove(site, "b")
    found.write(a, c)
    site.wait_ids("a", "c")
    found.write(a, b)
    site.wait_ids("a")
    assert serve(stage, site.proxy, 6) == {"a": 6}


def test_what_is_given_back_to_its_source_is_what_that_says_by_now(stage):
    """While it was hidden, nobody could see that it had moved."""
    a, b, moved = (stage.failing(name) for name in ("a", "b", "moved"))
    found = FoundFile(stage, a, b)
    site = FoundSite(stage, found, **PLAIN)
    remove(site, "b")
    generation = site.admin.json("/api/v1/status")["config"]["generation"]
    found.write(a, entry(moved) | {"id": "b"})
    wait_until(lambda: site.admin.json("/api/v1/status")["config"]["generation"] > generation,
               "what was found is known")
    site.admin.json("/api/v1/pools/app/revert", "POST")
    site.wait_ids("a", "b")
    assert site.endpoint("b")["address"] == moved.address
