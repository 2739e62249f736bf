#!/usr/bin/env python3
"""Breaks real servers behind evergate under load and tells what clients saw of it.

    make chaos
    make chaos ARGS="--scenarios kill,stop --workers 4"
    make chaos ARGS="--only bars --rounds 5 --markdown docs/failover.md"

Sections: "scenarios", a table of every way to fail; "bars", what must hold (exit code 1 if it does
not). A machine that is busy with other things shows it here: run it on a quiet one.
"""

import argparse
import pathlib
import shutil
import sys
import tempfile

from places import EVERGATE, LOAD  # first: it sets where lib is found

from backends import Skipped
from bars import BARS, run_bars
from measure import Run
from report import Report
from scenarios import COMMON, SCENARIOS, configuration

from lib.management import Management
from lib.stage import Stage
from lib.waiting import wait_until


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--workers", default="1,4", help="numbers of workers (default 1,4)")
    parser.add_argument("--rate", type=int, default=2000, help="requests per second")
    parser.add_argument("--only", choices=["scenarios", "bars"])
    parser.add_argument("--bars", default=",".join(BARS))
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison (default 3)")
    parser.add_argument("--plain", action="store_true",
                        help="nginx and HAProxy add X-Forwarded-For only; otherwise all three add "
                             "the same fields")
    parser.add_argument("--markdown", metavar="FILE",
                        help="write the tables there too: between its marks, if it has them")
    parser.add_argument("--keep", action="store_true", help="keep the logs and say where they are")
    arguments = parser.parse_args()
    for name in arguments.scenarios.split(","):
        if name not in SCENARIOS:
            parser.error(f"unknown scenario {name}; known: {' '.join(SCENARIOS)}")
    arguments.bars = arguments.bars.split(",")
    for name in arguments.bars:
        if name not in BARS:
            parser.error(f"unknown bar {name}; known: {' '.join(BARS)}")
    arguments.workers = [int(number) for number in arguments.workers.split(",")]
    return arguments


def run_scenario(name, workers, rate, directory):
    stage = Stage(directory)
    try:
        scenario = SCENARIOS[name](stage)
        groups = scenario.build()
        settings = {**COMMON, **scenario.settings}
        proxy = stage.evergate(configuration(groups, settings, workers, **scenario.top))
        admin = Management(proxy)
        for endpoint in scenario.fit:
            wait_until(lambda e=endpoint: admin.status(e) == "healthy", f"{endpoint} is healthy")
        run = Run(scenario, proxy, admin, rate, stage.directory).carry_out()
        return run.result()
    finally:
        stage.close()


def run_scenarios(arguments, report, directory):
    for name in arguments.scenarios.split(","):
        for workers in arguments.workers:
            room = directory / f"{name}-{workers}"
            room.mkdir()
            try:
                result = run_scenario(name, workers, arguments.rate, room)
                report.add_scenario(SCENARIOS[name].title, workers, result)
            except Skipped as why:
                report.skip_scenario(SCENARIOS[name].title, workers, str(why))
                break


def main():
    arguments = parse_arguments()
    for program in (EVERGATE, LOAD):
        if not program.exists():
            sys.exit(f"{program} is missing: make chaos builds it")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="evergate-chaos-"))
    report = Report(arguments)
    try:
        if arguments.only != "bars":
            report.begin_scenarios()
            run_scenarios(arguments, report, directory)
        if arguments.only != "scenarios":
            run_bars(arguments, report, directory)
    finally:
        if arguments.keep:
            print(f"logs are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if arguments.markdown:
        report.write(pathlib.Path(arguments.markdown))
    return 0 if report.all_held else 1


if __name__ == "__main__":
    sys.exit(main())
