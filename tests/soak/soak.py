#!/usr/bin/env python3
"""Changes a running instance over and over under load and tells what clients saw of it: nothing.

    make soak
    make soak ARGS="--only reloads --reloads 200"
    make soak ARGS="--markdown docs/operations.md"

"reloads": a configuration with other backends each time, by the management API and by SIGHUP, under
a steady load and open WebSockets. "upgrades": SIGUSR2, each time a new process. "discovery": endpoints
that come and go in every kind of registry, and registries that die. Exit code 1 unless everything
held. For a plain build: a sanitizer's memory says nothing.
"""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "chaos")]
os.environ.setdefault("CHAOS_LOAD", str(ROOT / "build" / "chaos" / "chaos_load"))

from lib.evergate import binary  # noqa: E402
from lib.load import compile_load  # noqa: E402
from lib.registries import REGISTRIES  # noqa: E402
from lib.stage import Stage  # noqa: E402
from report import Report  # noqa: E402

import discovery  # noqa: E402
import reloads  # noqa: E402
import upgrades  # noqa: E402

PARTS = {"reloads": reloads.run, "upgrades": upgrades.run, "discovery": discovery.run}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--warm-up", type=int, default=100,
                        help="reloads before memory is measured the first time (default 100)")
    parser.add_argument("--pace", type=float, default=0.25,
                        help="seconds from one reload to the next (default 0.25)")
    parser.add_argument("--upgrades", type=int, default=20)
    parser.add_argument("--changes", type=int, default=10000,
                        help="of endpoints, by each registry (default 10000)")
    parser.add_argument("--changes-per-second", type=int, default=100)
    parser.add_argument("--registries", default=",".join(REGISTRIES))
    parser.add_argument("--dead", type=float, default=60,
                        help="seconds that a registry is dead for (default 60)")
    parser.add_argument("--endpoints", type=int, default=5000, help="in a large pool")
    parser.add_argument("--websockets", type=int, default=200)
    parser.add_argument("--rate", type=int, default=1000, help="requests per second")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--markdown", metavar="FILE",
                        help="write the table there too: between its marks, if it has them")
    parser.add_argument("--keep", action="store_true", help="keep the logs and say where they are")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    for program in (binary(), compile_load(None)):
        if not program.exists():
            sys.exit(f"{program} is missing: make soak builds it")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="evergate-soak-"))
    arguments.load = compile_load(None)
    report = Report(arguments)
    try:
        for name, run in PARTS.items():
            if arguments.only in (None, name):
                stage = Stage(directory / name)
                try:
                    run(stage, arguments, report)
                finally:
                    stage.close()
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
