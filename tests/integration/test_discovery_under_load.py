"""Endpoints come and go in every kind of registry while requests are under way, and registries die:
clients notice nothing. `make soak ARGS="--only discovery"` does the same ten thousand times."""

import time

import pytest

from lib.load import assert_unharmed, begin_load
from lib.registries import REGISTRIES, Crowd, RegistrySite

RATE = 300
CHANGES, CHANGES_PER_SECOND = 200, 200
QUIET = {"log": {"level": "info", "access": "off"}}


@pytest.fixture(params=REGISTRIES)
def registry(stage, request):
    return stage.ending(REGISTRIES[request.param](stage))


def push(registry, crowd, changes):
    """At a steady pace; the proxy takes as many of them at once as it likes."""
    began_s = time.monotonic()
    for number in range(0, changes, registry.TOGETHER):
        registry.change(crowd)
        time.sleep(max(0.0, began_s + number / CHANGES_PER_SECOND - time.monotonic()))


def test_hundreds_of_changes_are_noticed_by_nobody(stage, registry, load_program):
    crowd = Crowd(stage)
    registry.begin(crowd)
    site = RegistrySite(stage, registry, top=QUIET)
    site.wait_crowd(crowd)
    loads = begin_load(stage, load_program, site.proxy, RATE)
    push(registry, crowd, CHANGES)
    site.wait_crowd(crowd)
    assert_unharmed(loads)
    source = site.source()
    assert (source["state"], source["failures"], source["refused"]["count"]) == ("synced", 0, 0)
    assert source["syncs"] > 1


def test_a_registry_that_dies_is_one_event_and_no_failure(stage, registry, load_program):
    crowd = Crowd(stage)
    registry.begin(crowd)
    site = RegistrySite(stage, registry, top=QUIET)
    site.wait_crowd(crowd)
    loads = begin_load(stage, load_program, site.proxy, RATE)
    registry.go_down()
    lost = site.wait_state("failing")
    assert lost["endpoints"] == len(crowd.present)
    site.wait_crowd(crowd)
    registry.come_up()
    site.wait_state("synced")
    registry.change(crowd)
    site.wait_crowd(crowd)
    assert_unharmed(loads)
    site.wait_source_events("failing", "synced")
