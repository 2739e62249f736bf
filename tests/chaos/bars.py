"""What must hold: the limits that failover was built to, each with 1 and with 4 workers."""

import json
import re
import signal
import statistics
import subprocess
import time

from lib.management import Management
from lib.stage import Stage

from backends import NodeBackend, nginx_on
from measure import LoadProcess, Run
from places import ROOT
from rivals import RIVALS
from scenarios import COMMON, Kill, Stop, configuration

REQUEST_LUA = ROOT / "tests" / "bench" / "request.lua"
STORM_S = 10
P99_LIMIT_MS = 100


def pool_only(settings=None):
    return {"timeouts": COMMON["timeouts"], **(settings or {})}


def run_under_load(cls, workers, rate, directory):
    """A scenario without any checks: what traffic alone notices."""
    stage = Stage(directory)
    try:
        scenario = cls(stage)
        proxy = stage.evergate(configuration(scenario.build(), pool_only(), workers))
        return Run(scenario, proxy, Management(proxy), rate, stage.directory).carry_out().result()
    finally:
        stage.close()


def bar_kill(arguments, report, directory, workers):
    result = run_under_load(Kill, workers, arguments.rate, directory)
    report.add_bar(f"kill -9 of one of three at {arguments.rate}/s, {workers} workers: 0 failed",
                   f"{result['failed']} of {result['requests']} failed, "
                   f"worst {result['worst_ms']:.1f} ms", result["failed"] == 0)


def bar_stop(arguments, report, directory, workers):
    result = run_under_load(Stop, workers, arguments.rate, directory)
    report.add_bar(f"SIGSTOP of one of three at {arguments.rate}/s, {workers} workers: 0 failed, "
                   "at most what was sent there slow",
                   f"{result['failed']} of {result['requests']} failed, {result['slow']} slow, "
                   f"{result['sent_to_broken']:.0f} sent there, worst {result['worst_ms']:.0f} ms",
                   result["failed"] == 0 and result["slow"] <= result["sent_to_broken"])


def bar_storm(arguments, report, directory, workers, breaker):
    """Every other answer of every backend is a 503."""
    stage = Stage(directory)
    try:
        nodes = [stage.ending(NodeBackend(stage.room("node"), name)) for name in "abc"]
        groups = [{"id": name, "address": node.address} for name, node in zip("abc", nodes)]
        settings = pool_only({} if breaker else {
            "breaker": {"failure_threshold": 0, "error_percent": 0},
            "outlier": {"consecutive_5xx": 0}, "retry": {"attempts": 3}})
        proxy = stage.evergate(configuration(groups, settings, workers))
        for node in nodes:
            node.say("storm")
        load = LoadProcess(proxy.port(), arguments.rate, stage.directory, seconds=STORM_S)
        load.process.wait()
        incoming = len(load.records())
        upstream = sum(node.total() for node in nodes)
    finally:
        stage.close()
    what = "breakers as by default" if breaker else "no breaker, 3 attempts"
    report.add_bar(f"half of all answers are 503, {workers} workers, {what}: at most 1.25 x",
                   f"{upstream} upstream for {incoming}: {upstream / incoming:.3f} x",
                   upstream <= 1.25 * incoming)


# ---- The comparison ----

def wrk(port, seconds):
    return subprocess.Popen(
        ["wrk", "-t2", "-c32", f"-d{seconds}s", "--latency", "-s", str(REQUEST_LUA),
         f"http://127.0.0.1:{port}/", "--", "GET", "0", "keep"],
        stdout=subprocess.PIPE, text=True)


def compare_once(cls, workers, directory, plain):
    """8 s of closed-loop load; one backend killed after 2 s, another stopped after 4 s."""
    stage = Stage(directory)
    try:
        servers = [nginx_on(stage, name) for name in "abc"]
        proxy = stage.ending(cls(stage.room(cls.name), [s.address for s in servers], workers,
                                 plain))
        warm_up = wrk(proxy.port, 1)
        warm_up.communicate()
        load = wrk(proxy.port, 8)
        time.sleep(2)
        servers[0].kill()
        time.sleep(2)
        servers[1].process.send_signal(signal.SIGSTOP)
        text, _ = load.communicate()
        servers[1].process.send_signal(signal.SIGCONT)
        result = json.loads(text.splitlines()[-1])
        worst = re.search(r"Latency +\S+ +\S+ +(\S+)", text)
        return {**result, "worst": worst.group(1) if worst else "-"}
    finally:
        stage.close()


def compare(arguments, report, directory, workers):
    results = {cls.name: [] for cls in RIVALS}
    for round_number in range(arguments.rounds):
        turn = round_number % len(RIVALS)
        for cls in RIVALS[turn:] + RIVALS[:turn]:
            room = directory / f"{cls.name}-{round_number}"
            room.mkdir()
            results[cls.name].append(compare_once(cls, workers, room, arguments.plain))
    for name, found in results.items():
        report.add_comparison((
            name, str(workers), str(sum(r["errors"] for r in found)),
            f"{median(found, 'p99_us') / 1000:.1f} ms ({each(found, 'p99_us', 1000)})",
            found[-1]["worst"],
            f"{median(found, 'requests'):.0f} ({each(found, 'requests', 1)})"))
    ours, nginx = results["evergate"], results["nginx"]
    report.add_bar(f"comparison, {workers} workers: none failed",
                   f"{sum(r['errors'] for r in ours)} failed",
                   sum(r["errors"] for r in ours) == 0)
    report.add_bar(f"comparison, {workers} workers: p99 under {P99_LIMIT_MS} ms",
                   f"{median(ours, 'p99_us') / 1000:.1f} ms",
                   median(ours, "p99_us") < P99_LIMIT_MS * 1000)
    report.add_bar(f"comparison, {workers} workers: more requests than nginx",
                   f"{median(ours, 'requests'):.0f} : {median(nginx, 'requests'):.0f}",
                   median(ours, "requests") > median(nginx, "requests"))


def median(results, key):
    return statistics.median(result[key] for result in results)


def each(results, key, unit):
    """Every round's, so that a busy machine shows."""
    return ", ".join(f"{result[key] / unit:.0f}" for result in results)


BARS = ("kill", "stop", "storm", "storm-hard", "compare")


def run_bars(arguments, report, directory):
    for workers in arguments.workers:
        parts = [
            ("kill", lambda room, w=workers: bar_kill(arguments, report, room, w)),
            ("stop", lambda room, w=workers: bar_stop(arguments, report, room, w)),
            ("storm", lambda room, w=workers: bar_storm(arguments, report, room, w, True)),
            ("storm-hard", lambda room, w=workers: bar_storm(arguments, report, room, w, False)),
            ("compare", lambda room, w=workers: compare(arguments, report, room, w)),
        ]
        for name, part in parts:
            if name not in arguments.bars:
                continue
            room = directory / f"bar-{name}-{workers}"
            room.mkdir()
            part(room)
