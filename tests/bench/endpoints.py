"""Pools of many endpoints: what a request costs with 3 and with 5,000 of them, and what each of them
costs in memory. All of them are one nginx, under as many addresses."""

import json
import os
import subprocess
import time

from load import SCENARIOS, run_wrk, with_cpu

FEW, MANY = 3, 5000
SETTLE_S = 1  # it listens, but may still be busy with its endpoints
WARM_UP_S = 2  # until there is a kept connection to each


def run_endpoints(name, make_proxy, backend, seconds):
    """`make_proxy(addresses, algorithm)`"""
    algorithm = SCENARIOS[name][2]
    load = (None, 32, "/1k", "GET", 0, "spread", False)
    results = {}
    for count in (FEW, MANY):
        with make_proxy(backend.addresses(count), algorithm) as proxy:
            time.sleep(SETTLE_S)
            resting = proxy.resident_bytes()
            run_wrk(load, proxy, WARM_UP_S)
            results[count] = with_cpu(proxy, lambda: run_wrk(load, proxy, seconds))
            results[count] |= {"resting_bytes": resting, "busy_bytes": proxy.resident_bytes()}
    few, many = results[FEW], results[MANY]
    more = MANY - FEW
    return {"few_us": few["cpu_us"], "many_us": many["cpu_us"],
            "errors": few["errors"] + many["errors"],
            "resting_bytes": (many["resting_bytes"] - few["resting_bytes"]) / more,
            "busy_bytes": (many["busy_bytes"] - few["busy_bytes"]) / more}


def endpoints_table(by_proxy, median, ratio):
    """(header, rows)"""
    header = ["proxy", f"CPU µs/request with {FEW}", f"with {MANY:,}", "/ nginx", "/ HAProxy",
              "kB per endpoint", "with its connection", "errors"]
    return header, [[proxy, f"{median(runs, 'few_us'):.1f}", f"{median(runs, 'many_us'):.1f}",
                     *ratio(proxy, "many_us"), f"{median(runs, 'resting_bytes') / 1000:.2f}",
                     f"{median(runs, 'busy_bytes') / 1000:.2f}",
                     str(sum(run["errors"] for run in runs))]
                    for proxy, runs in sorted(by_proxy.items())]


def run_pick(program, core):
    """{(algorithm, endpoints): {"pick_ns", "refresh_us", "pool_bytes"}}"""
    output = subprocess.run([program], capture_output=True, text=True, check=True,
                            preexec_fn=lambda: os.sched_setaffinity(0, {core})).stdout
    rows = [json.loads(line) for line in output.splitlines()]
    return {(row["algorithm"], row["endpoints"]): row for row in rows}


def pick_table(runs, median):
    """Nanoseconds for a choice by algorithm and size; the rest for the largest."""
    sizes = sorted({endpoints for _, endpoints in runs[0]})
    header = ["algorithm", *(f"ns with {size:,}" for size in sizes),
              f"µs for a change among {sizes[-1]:,}", "bytes per endpoint"]
    rows = []
    for algorithm in dict.fromkeys(name for name, _ in runs[0]):
        def middle(size, key, algorithm=algorithm):
            return median([run[algorithm, size] for run in runs], key)
        growth = middle(sizes[-1], "pool_bytes") - middle(sizes[0], "pool_bytes")
        rows.append([algorithm, *(f"{middle(size, 'pick_ns'):,.0f}" for size in sizes),
                     f"{middle(sizes[-1], 'refresh_us'):,.0f}",
                     f"{growth / (sizes[-1] - sizes[0]):,.0f}"])
    return header, rows
