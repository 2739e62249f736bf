"""Reload after reload, other backends each time, under load and open WebSockets."""

import statistics
import time

from lib.load import Load
from lib.reloads import Footprint, Reloader
from lib.websocket_crowd import WebSocketCrowd

from scenery import KINDS, add_crowds, add_load, begin_load, make_tour

BURST_RATE, BURST_S = 15000, 2
BY_SIGNAL_EVERY = 5  # the others are asked for over the API, which waits
SETTLE_S = 2.0
SAMPLES = 20
GROWTH_BAR = 0.05
CONNECTIONS = ("evergate_connections", "evergate_upstream_connections")
IN_TRANSIT = 8  # connections that were counted just before they came or went


class Soak:
    def __init__(self, stage, arguments):
        self.stage, self.arguments = stage, arguments
        self.tour = make_tour(stage, arguments.workers)
        self.proxy = stage.evergate(self.tour.config(0))
        self.reloader = Reloader(self.proxy)
        self.crowd = stage.ending(WebSocketCrowd(
            self.proxy.url("/talk", scheme="ws"), stage.room("crowd"), arguments.websockets, 200),
            "close").wait_open()
        self.load = begin_load(stage, arguments, self.proxy.port())
        self.slowest_s = 0.0
        self.step = 0

    def change(self):
        self.step += 1
        began_s = time.monotonic()
        config = self.tour.config(self.step)
        if self.step % BY_SIGNAL_EVERY == 0:
            self.reloader.by_signal(config)
        else:
            self.reloader.by_api(config)
        took_s = time.monotonic() - began_s
        self.slowest_s = max(self.slowest_s, took_s)
        time.sleep(max(0.0, self.arguments.pace - took_s))

    def burst(self):
        """As many at once as there can ever be: what an allocator keeps of a busy moment is there
        before memory is measured, and cannot look like growth."""
        room = self.stage.room("burst")
        for kind in KINDS.values():
            Load(self.arguments.load, self.proxy.port(), room, rate=BURST_RATE, seconds=BURST_S,
                 **kind).wait()

    def change_until(self, step):
        while self.step < step:
            self.change()
            if self.step % 100 == 0:
                print(f"          {self.step} reloads: {Footprint(self.proxy.process.pid)}",
                      flush=True)

    def at_home(self):
        """The footprint with the configuration of the start, over some breaths of the load."""
        self.proxy.write_config(self.tour.config(0))
        self.reloader.by_api()
        time.sleep(SETTLE_S)
        samples = []
        for _ in range(SAMPLES):
            samples.append(self.footprint())
            time.sleep(SETTLE_S / SAMPLES)
        middle = samples[0]
        middle.rss_kb = statistics.median(sample.rss_kb for sample in samples)
        middle.descriptors = statistics.median(sample.descriptors for sample in samples)
        return middle

    def footprint(self):
        """Without the descriptors of connections: how many of those there are is the load's."""
        taken = Footprint(self.proxy.process.pid)
        metrics = self.reloader.admin.metrics()
        taken.descriptors -= sum(value for series, value in metrics.items()
                                 if series.partition("{")[0] in CONNECTIONS)
        return taken


def run(stage, arguments, report):
    soak = Soak(stage, arguments)
    began_s = time.monotonic()
    soak.change_until(min(arguments.warm_up, arguments.reloads))
    soak.burst()
    before = soak.at_home()
    soak.change_until(arguments.reloads)
    took_s = time.monotonic() - began_s
    after = soak.at_home()
    add_results(soak, report, took_s)
    add_footprints(report, before, after)


def add_results(soak, report, took_s):
    count = soak.arguments.reloads
    report.add_bar(f"{count} reloads, other backends each time, within 10 minutes",
                   f"{took_s:.0f} s, the slowest {soak.slowest_s * 1000:.0f} ms", took_s <= 600)
    add_crowds(report, "that talk", [soak.crowd])
    add_load(report, "during the reloads", [load.stop() for load in soak.load])


def add_footprints(report, before, after):
    growth = after.rss_kb / before.rss_kb - 1
    report.add_bar("memory at the end against that after the warm-up, within 5 %",
                   f"{before.rss_kb:.0f} kB -> {after.rss_kb:.0f} kB ({growth:+.1%})",
                   growth <= GROWTH_BAR)
    report.add_bar("threads", f"{before.threads} -> {after.threads}",
                   before.threads == after.threads)
    report.add_bar("descriptors besides those of connections, give or take 8",
                   f"{before.descriptors:.0f} -> {after.descriptors:.0f}",
                   after.descriptors <= before.descriptors + IN_TRANSIT)
