"""Endpoints that come and go in every kind of registry, thousands of times under load; a registry
that is dead for a minute; and pools of thousands."""

import json
import statistics
import time

from lib.load import Load
from lib.registries import REGISTRIES, Crowd, RegistrySite
from lib.reloads import Footprint
from lib.waiting import wait_until

from scenery import KINDS, add_load, begin_load, failures

BURST_RATE, BURST_S = 15000, 2
SETTLE_S = 2.0
SAMPLES = 20
GROWTH_BAR = 0.05
HEARD = 50
SPARE_DESCRIPTORS = 8  # of connections that were counted just before they came or went
CONNECTIONS = ("evergate_connections", "evergate_upstream_connections")


class Soak:
    def __init__(self, stage, arguments, name, **crowd):
        self.stage, self.arguments = stage, arguments
        self.crowd = Crowd(stage, **crowd)
        self.registry = stage.ending(REGISTRIES[name](stage))
        self.registry.begin(self.crowd)
        # Few events, so that their memory is full soon and does not look like growth.
        self.site = RegistrySite(stage, self.registry, top={
            "workers": arguments.workers, "supervision": {"events": 128},
            "log": {"level": "info", "access": "off"}})
        self.site.wait_crowd(self.crowd)
        self.pushed = 0

    def push(self, count):
        """Changes at a steady pace, until so many were made."""
        began_s, pace = time.monotonic(), self.arguments.changes_per_second
        for number in range(0, count, self.registry.TOGETHER):
            self.registry.change(self.crowd)
            self.pushed += self.registry.TOGETHER
            time.sleep(max(0.0, began_s + number / pace - time.monotonic()))
        self.site.wait_crowd(self.crowd)

    def hear(self):
        """How long it takes until a change is served."""
        comes, number = self.registry.change(self.crowd)
        began_s = time.monotonic()
        path = f"/api/v1/pools/app/endpoints/e{number}"

        def heard():
            answered = self.site.admin.ask(path)
            there = answered.status == 200 and not json.loads(answered.body)["leaving"]
            return there == comes
        wait_until(heard, f"the change of e{number} is served")
        return time.monotonic() - began_s

    def burst(self):
        """What an allocator keeps of a busy moment is there before memory is measured."""
        room = self.stage.room("burst")
        for kind in KINDS.values():
            Load(self.arguments.load, self.site.proxy.port(), room, rate=BURST_RATE,
                 seconds=BURST_S, **kind).wait()

    def footprint(self):
        """The middle of some breaths of the load, without the descriptors of connections."""
        time.sleep(SETTLE_S)
        samples, descriptors = [], []
        for _ in range(SAMPLES):
            taken = Footprint(self.site.proxy.process.pid)
            metrics = self.site.admin.metrics()
            samples.append(taken)
            descriptors.append(taken.descriptors - sum(
                value for series, value in metrics.items()
                if series.partition("{")[0] in CONNECTIONS))
            time.sleep(SETTLE_S / SAMPLES)
        middle = samples[0]
        middle.rss_kb = statistics.median(sample.rss_kb for sample in samples)
        middle.descriptors = statistics.median(descriptors)
        return middle


def run(stage, arguments, report):
    for name in arguments.registries.split(","):
        run_changes(stage, arguments, report, name)
    for name in arguments.registries.split(","):
        run_death(stage, arguments, report, name)
    for name in arguments.registries.split(","):
        if REGISTRIES[name].MOST >= arguments.endpoints:
            run_many(stage, arguments, report, name)


def run_changes(stage, arguments, report, name):
    soak = Soak(stage, arguments, name)
    soak.push(arguments.changes // 10)
    soak.burst()
    before = soak.footprint()
    loads = begin_load(stage, arguments, soak.site.proxy.port())
    pushed, began_s = soak.pushed, time.monotonic()
    soak.push(arguments.changes)
    took_s = time.monotonic() - began_s
    results = [load.stop() for load in loads]
    after = soak.footprint()
    source = soak.site.source()
    what = f"{soak.pushed - pushed} changes by {name}"
    report.add_bar(f"{what}: heard of, and no failure of the source",
                   f"{took_s:.0f} s, in {source['syncs']} sets",
                   source["state"] == "synced" and source["failures"] == 0)
    add_load(report, f"during {what}", results)
    growth = after.rss_kb / before.rss_kb - 1
    report.add_bar(f"memory before and after {what}, within 5 %",
                   f"{before.rss_kb:.0f} kB -> {after.rss_kb:.0f} kB ({growth:+.1%})",
                   growth <= GROWTH_BAR)
    report.add_bar(f"threads, and descriptors besides connections', before and after {what}",
                   f"{before.threads} -> {after.threads}, "
                   f"{before.descriptors:.0f} -> {after.descriptors:.0f}",
                   before.threads == after.threads
                   and after.descriptors <= before.descriptors + SPARE_DESCRIPTORS)
    soak.site.proxy.stop()


def run_death(stage, arguments, report, name):
    soak = Soak(stage, arguments, name)
    loads = begin_load(stage, arguments, soak.site.proxy.port())
    soak.registry.go_down()
    time.sleep(arguments.dead)
    lost = soak.site.source()
    soak.registry.come_up()
    soak.site.wait_state("synced")
    soak.registry.change(soak.crowd)
    soak.site.wait_crowd(soak.crowd)
    results = [load.stop() for load in loads]
    events = [event["to"] for event in soak.site.source_events()]
    failed = sum(result.failed for result in results)
    report.add_bar(f"{name} dead for {arguments.dead} s: requests that failed; events",
                   f"{failures(results)}; {', '.join(events)} "
                   f"after {lost['failures']} tries",
                   failed == 0 and events == ["failing", "synced"]
                   and lost["state"] == "failing"
                   and lost["endpoints"] > 0)
    soak.site.proxy.stop()


def run_many(stage, arguments, report, name):
    """A change among thousands: the source tells all of them, or what has changed, as it can."""
    soak = Soak(stage, arguments, name, size=arguments.endpoints + 10,
                present=arguments.endpoints, least=arguments.endpoints - 10)
    loads = begin_load(stage, arguments, soak.site.proxy.port())
    times_s = sorted(soak.hear() for _ in range(HEARD))
    results = [load.stop() for load in loads]
    after = soak.footprint()
    add_load(report, f"while {HEARD} of {arguments.endpoints} endpoints by {name} change", results)
    report.add_bar(f"a change among {arguments.endpoints} by {name} is served after",
                   f"{times_s[HEARD // 2] * 1000:.0f} ms, the slowest {times_s[-1] * 1000:.0f} ms; "
                   f"the process has {after.rss_kb / 1024:.0f} MB", True)
    soak.site.proxy.stop()
