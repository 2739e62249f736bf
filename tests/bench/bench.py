#!/usr/bin/env python3
"""evergate, nginx and HAProxy side by side on this machine.

Each proxy has one worker on one core of its own turn; the backend (nginx) and the load generator
share the other core. Rounds are interleaved: within a round every proxy runs every scenario, and who
goes first rotates, so that what the machine does besides hits all alike. Printed are medians over the
rounds; ratios are medians of each round's ratio.

CPU per request is the proxy processes' own processor time (user and system) from the scheduler's
nanosecond counters, divided by the requests that were answered in that time.

Environment or options: ROUNDS, SECONDS_PER_RUN, SCENARIOS, PROXIES, EVERGATE (the binary), BENCH_PICK
(the balancer alone; `make bench` builds it).
"""

import argparse
import os
import pathlib
import resource
import sys
import tempfile

from endpoints import run_endpoints, run_pick
from load import SCENARIOS, run_scenario
from proxies import PROXIES, USUAL, Backend, make_certificate
from report import Report

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parse_arguments():
    environment = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=int(environment("ROUNDS", "5")))
    parser.add_argument("--seconds", type=float,
                        default=float(environment("SECONDS_PER_RUN", "3")), help="per run")
    parser.add_argument("--scenarios", default=environment("SCENARIOS", " ".join(SCENARIOS)),
                        help="any of: " + " ".join(SCENARIOS))
    parser.add_argument("--proxies", default=environment("PROXIES", " ".join(USUAL)),
                        help="any of: " + " ".join(PROXIES))
    parser.add_argument("--binary", default=environment("EVERGATE", str(ROOT / "build/evergate")))
    parser.add_argument("--pick", metavar="PROGRAM",
                        default=environment("BENCH_PICK", str(ROOT / "build/bench/bench_pick")))
    parser.add_argument("--plain", action="store_true",
                        help="nginx and HAProxy add X-Forwarded-For only, as most set-ups do; "
                             "otherwise all three add the same fields")
    parser.add_argument("--access-log", action="store_true", help="all three write an access log")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables there too")
    arguments = parser.parse_args()
    arguments.binary = os.path.abspath(arguments.binary)
    for given, known, what in ((arguments.scenarios, SCENARIOS, "scenario"),
                               (arguments.proxies, PROXIES, "proxy")):
        for name in given.split():
            if name not in known:
                parser.error(f"unknown {what} {name}; known: {' '.join(known)}")
    return arguments


def choose_cores():
    """(the proxy's core, the core of the backend and the load)."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("two cores are needed: one for the proxy, one for backend and load")
    return cores[-1], cores[0]


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16384 if hard == resource.RLIM_INFINITY else min(hard, 16384)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def show_progress(text):
    if sys.stderr.isatty():
        print(f"{text:60}", end="\r", file=sys.stderr, flush=True)


def measure(arguments, directory, report):
    proxy_core, load_core = choose_cores()
    os.sched_setaffinity(0, {load_core})
    certificate = make_certificate(directory)
    names = arguments.proxies.split()
    with Backend(directory / "backend", load_core) as backend:
        for round_number in range(arguments.rounds):
            turn = round_number % len(names)
            for scenario in arguments.scenarios.split():
                show_progress(f"round {round_number + 1}/{arguments.rounds} {scenario}")
                if scenario == "pick":
                    report.add(scenario, "evergate", run_pick(arguments.pick, proxy_core))
                    continue
                for name in names[turn:] + names[:turn]:
                    def make_proxy(*pool, name=name):
                        return PROXIES[name](directory / name, proxy_core, backend, certificate,
                                             arguments, *pool)
                    report.add(scenario, name, run_one(scenario, make_proxy, backend, arguments))


def run_one(scenario, make_proxy, backend, arguments):
    if SCENARIOS[scenario][1] == "endpoints":
        return run_endpoints(scenario, make_proxy, backend, arguments.seconds)
    with make_proxy() as proxy:
        return run_scenario(scenario, proxy, arguments.seconds)


def main():
    arguments = parse_arguments()
    if "evergate" in arguments.proxies and not os.access(arguments.binary, os.X_OK):
        sys.exit(f"{arguments.binary} is missing: make build")
    raise_descriptor_limit()
    if "pick" in arguments.scenarios.split() and not os.access(arguments.pick, os.X_OK):
        sys.exit(f"{arguments.pick} is missing: make bench builds it")
    report = Report(arguments)
    with tempfile.TemporaryDirectory(prefix="evergate-bench-") as directory:
        measure(arguments, pathlib.Path(directory), report)
    show_progress("")
    print(report.text())
    if arguments.markdown:
        pathlib.Path(arguments.markdown).write_text(report.markdown())


if __name__ == "__main__":
    main()
