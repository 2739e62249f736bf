"""Tiers: priorities, spilling over, zones and regions, backups, and how load comes back."""

import pytest

from lib.failover import (NO_BREAKER, NO_OUTLIER, checks, group, serve, spread, start,
                          wait_status)
from lib.waiting import wait_until

PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "health": checks()}


def tiers(stage, layout, **settings):
    """Backends by name; layout: {"a": {"priority": 1}, ...}."""
    backends = {name: stage.failing(name) for name in layout}
    groups = [group(backends[name], **more) for name, more in layout.items()]
    proxy, admin = start(stage, *groups, **{**PLAIN, **settings})
    wait_status(admin, "healthy", *layout)
    # A later tier may have had its first verdict before an earlier one: that is over when the
    # first one serves.
    admin.settled = wait_until(lambda: settled(admin), "the first tier has the load")
    return backends, proxy, admin


def settled(admin):
    first = admin.json("/api/v1/pools/app")["tiers"][0]
    return first["load_percent"] == 100 and (admin.last_event() or 1)


def wait_moved(admin):
    return admin.wait_for_event(type="failover", since=admin.settled)


def fail(backends, admin, *names):
    for name in names:
        backends[name].health = 500
    wait_status(admin, "unhealthy", *names)


def repair(backends, admin, *names):
    for name in names:
        backends[name].health = 200
    wait_status(admin, "healthy", *names)


def served_by(stage, proxy, count=20):
    return set(serve(stage, proxy, count))


def wait_served_by(stage, proxy, names):
    wait_until(lambda: served_by(stage, proxy, 12) == set(names), f"{names} serve")


TWO_TIERS = {"a": {"priority": 1}, "b": {"priority": 1},
             "c": {"priority": 2}, "d": {"priority": 2}}


def test_the_lowest_priority_number_is_used_alone_while_it_is_whole(stage):
    _, proxy, admin = tiers(stage, TWO_TIERS)
    assert served_by(stage, proxy) == {"a", "b"}
    assert admin.events(type="failover", since=admin.settled) == []


def test_a_lost_tier_costs_no_request_and_the_next_one_takes_all(stage):
    backends, proxy, admin = tiers(stage, TWO_TIERS)
    fail(backends, admin, "a", "b")
    assert served_by(stage, proxy) == {"c", "d"}
    event = wait_moved(admin)
    assert (event["pool"], event["endpoint"]) == ("app", None)
    assert event["why"]
    repair(backends, admin, "a", "b")
    wait_served_by(stage, proxy, "ab")
    admin.wait_for_event(type="failback", since=admin.settled)


def test_a_killed_tier_costs_no_request_even_before_a_check_has_seen_it(stage):
    """Connections are refused: retries carry it until the breakers have taken the tier out."""
    backends, proxy, admin = tiers(
        stage, TWO_TIERS, health=checks(interval="1h"),
        breaker={"failure_threshold": 3, "recovery_timeout": "10m",
                 "max_recovery_timeout": "10m"})
    backends["a"].go_down()
    backends["b"].go_down()
    serve(stage, proxy, 60)
    assert served_by(stage, proxy) == {"c", "d"}
    for name in "ab":
        admin.wait_for_event(type="breaker", endpoint=name, to="open")


def test_load_spills_over_in_part_as_a_tier_loses_capacity(stage):
    """Half of tier 1 is left: it keeps 50/70 of the load, the rest spills to tier 2."""
    backends, proxy, admin = tiers(stage, TWO_TIERS)
    fail(backends, admin, "a")
    wait_moved(admin)
    counts = spread(stage, proxy, 400)
    assert set(counts) == {"b", "c", "d"}
    assert 220 <= counts["b"] <= 350, counts  # 286 expected
    assert counts["c"] + counts["d"] >= 50


def test_a_tier_above_min_healthy_percent_keeps_all_of_the_load(stage):
    layout = {name: {"priority": 1} for name in "abcd"} | {"e": {"priority": 2}}
    backends, proxy, admin = tiers(stage, layout)
    fail(backends, admin, "a")
    assert served_by(stage, proxy, 60) == {"b", "c", "d"}


def test_min_healthy_percent_100_spills_at_the_first_loss(stage):
    backends, proxy, admin = tiers(stage, TWO_TIERS, failover={"min_healthy_percent": 100})
    fail(backends, admin, "a")
    wait_moved(admin)
    counts = spread(stage, proxy, 200)
    assert 60 <= counts["b"] <= 140, counts


def test_three_tiers_are_used_one_after_the_other(stage):
    backends, proxy, admin = tiers(
        stage, {"a": {"priority": 1}, "b": {"priority": 5}, "c": {"priority": 10}})
    assert served_by(stage, proxy) == {"a"}
    fail(backends, admin, "a")
    wait_served_by(stage, proxy, "b")
    fail(backends, admin, "b")
    wait_served_by(stage, proxy, "c")
    repair(backends, admin, "a")
    wait_served_by(stage, proxy, "a")


def test_a_backup_serves_only_when_nobody_else_can(stage):
    backends, proxy, admin = tiers(
        stage, {"a": {"priority": 1}, "b": {"priority": 2}, "spare": {"backup": True}})
    fail(backends, admin, "a")
    wait_served_by(stage, proxy, "b")
    fail(backends, admin, "b")
    wait_served_by(stage, proxy, ["spare"])
    repair(backends, admin, "b")
    wait_served_by(stage, proxy, "b")


def test_degraded_endpoints_of_the_first_tier_come_after_healthy_ones_of_the_second(stage):
    """A degraded endpoint is lost capacity: load moves on, but it is better than nothing."""
    backends, proxy, admin = tiers(
        stage, {"a": {"priority": 1}, "b": {"priority": 2}},
        health=checks(degraded_status="429"))
    backends["a"].health = 429
    wait_status(admin, "degraded", "a")
    wait_served_by(stage, proxy, "b")
    fail(backends, admin, "b")
    wait_served_by(stage, proxy, "a")


# ---- Zones and regions ----

HERE = {"region": "east", "zone": "east-1"}
ZONES = {"a": {"region": "east", "zone": "east-1"}, "b": {"region": "east", "zone": "east-2"},
         "c": {"region": "west", "zone": "west-1"}}


def test_the_own_zone_serves_then_the_region_then_the_rest(stage):
    backends, proxy, admin = tiers(stage, ZONES, locality="prefer", top=HERE)
    assert served_by(stage, proxy) == {"a"}
    fail(backends, admin, "a")
    wait_served_by(stage, proxy, "b")
    fail(backends, admin, "b")
    wait_served_by(stage, proxy, "c")
    repair(backends, admin, "a", "b")
    wait_served_by(stage, proxy, "a")


def test_with_locality_off_places_do_not_matter(stage):
    _, proxy, _ = tiers(stage, ZONES, locality="off", top=HERE)
    assert served_by(stage, proxy) == {"a", "b", "c"}


def test_priority_goes_before_place(stage):
    layout = {"far": {"priority": 1, "region": "west", "zone": "west-1"},
              "near": {"priority": 2, **HERE}}
    backends, proxy, admin = tiers(stage, layout, locality="prefer", top=HERE)
    assert served_by(stage, proxy) == {"far"}
    fail(backends, admin, "far")
    wait_served_by(stage, proxy, ["near"])


def test_a_zone_that_loses_capacity_spills_to_the_next(stage):
    layout = {"a": {**HERE}, "b": {**HERE}, "c": {"region": "east", "zone": "east-2"}}
    backends, proxy, admin = tiers(stage, layout, locality="prefer", top=HERE)
    assert served_by(stage, proxy) == {"a", "b"}
    fail(backends, admin, "a")
    wait_moved(admin)
    counts = spread(stage, proxy, 200)
    assert set(counts) == {"b", "c"} and counts["b"] > counts["c"], counts


# ---- How load comes back ----

PRIMARY_AND_STANDBY = {"a": {"priority": 1}, "b": {"priority": 2}}


def failed_over(stage, **failback):
    backends, proxy, admin = tiers(stage, PRIMARY_AND_STANDBY, failback=failback)
    fail(backends, admin, "a")
    wait_served_by(stage, proxy, "b")
    repair(backends, admin, "a")
    return backends, proxy, admin


def test_failback_auto_returns_at_once(stage):
    _, proxy, admin = failed_over(stage, mode="auto")
    wait_served_by(stage, proxy, "a")
    admin.wait_for_event(type="failback", since=admin.settled)


def test_failback_delayed_waits_until_it_was_fit_for_long_enough(stage):
    _, proxy, _ = failed_over(stage, mode="delayed", after="1h")
    assert served_by(stage, proxy, 40) == {"b"}


def test_failback_delayed_returns_after_its_time(stage):
    _, proxy, admin = failed_over(stage, mode="delayed", after="200ms")
    wait_served_by(stage, proxy, "a")
    admin.wait_for_event(type="failback", since=admin.settled)


def test_failback_gradual_returns_a_step_at_a_time(stage):
    """10 % at once or after the first step, and no more for an hour."""
    _, proxy, _ = failed_over(stage, mode="gradual", after="1h", step="10%")
    counts = spread(stage, proxy, 100)
    assert counts["b"] >= 75, counts


def test_failback_gradual_ends_with_everything_back(stage):
    _, proxy, _ = failed_over(stage, mode="gradual", after="20ms", step="20%")
    wait_served_by(stage, proxy, "a")


def test_failback_manual_waits_for_the_operator(stage):
    _, proxy, admin = failed_over(stage, mode="manual")
    assert served_by(stage, proxy, 40) == {"b"}
    admin.json("/api/v1/pools/app/failback", "POST")
    wait_served_by(stage, proxy, "a")


@pytest.mark.parametrize("mode", ["delayed", "manual"])
def test_a_standby_that_fails_ends_the_waiting(stage, mode):
    """Load that waits on the standby goes back at once when the standby dies."""
    backends, proxy, admin = failed_over(stage, mode=mode, after="1h")
    fail(backends, admin, "b")
    assert served_by(stage, proxy) == {"a"}
