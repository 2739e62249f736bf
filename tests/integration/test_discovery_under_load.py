"""Endpoints come and go in every kind of registry while requests are under way, and registries die:
clients notice nothing. `make soak ARGS="--only discovery"` does the same ten thousand times."""

import time

import pytest

from lib.load import Load, compile_load
from lib.registries import REGISTRIES, Crowd, RegistrySite
from lib.waiting import PATIENCE

RATE = int(300 / PATIENCE)
CHANGES, CHANGES_PER_SECOND = 200, 100
QUIET = {"log": {"level": "info", "access": "off"}}


@pytest.fixture(scope="session")
def load_program(tmp_path_factory):
    return compile_load(tmp_path_factory.mktemp("load"))


@pytest.fixture(params=REGISTRIES)
def registry(stage, request):
    return stage.ending(REGISTRIES[request.param](stage))


def begin_load(stage, program, proxy):
    """Clients that keep their connections, and clients that come for one request each."""
    room = stage.room("load")
    return [stage.ending(Load(program, proxy.port(), room, name, rate, fresh=fresh), "close")
            for name, rate, fresh in (("kept", RATE, False), ("fresh", max(1, RATE // 4), True))]


def assert_unharmed(loads):
    for load in loads:
        load.stop().assert_all_answered()


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
    loads = begin_load(stage, load_program, site.proxy)
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
    loads = begin_load(stage, load_program, site.proxy)
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
