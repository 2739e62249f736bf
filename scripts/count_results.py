#!/usr/bin/env python3
"""Adds up test cases from the JUnit files of ctest and pytest.

For each file one line; then, as the very last line of output, "N passed, N failed". A file that is
missing or holds no test counts as one failure: a stage that ran nothing proves nothing. A ctest test
that is a Criterion program counts as its test cases.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

SYNTHESIS = re.compile(r"Synthesis:\s+Tested:\s+(\d+)\s+\|\s+Passing:\s+(\d+)\s+"
                       r"\|\s+Failing:\s+(\d+)\s+\|\s+Crashing:\s+(\d+)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def failed(case):
    return case.get("status") == "fail" or any(
        case.find(kind) is not None for kind in ("failure", "error"))


def count_case(case):
    """(passed, failed) of one <testcase>."""
    if case.find("skipped") is not None and not failed(case):
        return 0, 0
    output = COLOUR.sub("", case.findtext("system-out") or "")
    passed = broken = 0
    for tested, passing, _, _ in SYNTHESIS.findall(output):
        passed += int(passing)
        broken += int(tested) - int(passing)
    if failed(case):
        return passed, max(broken, 1)  # a leak fails the program though every case passed
    return (passed, broken) if passed + broken else (1, 0)


def count_file(path):
    """(passed, failed, remark) of one JUnit file."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        return 0, 1, f"no results: {error}"
    cases = list(root.iter("testcase"))
    if not cases:
        return 0, 1, "ran nothing"
    counts = [count_case(case) for case in cases]
    skipped = sum(1 for count in counts if count == (0, 0))
    names = [f"{case.get('classname')}: {case.get('name')}" for case in cases if failed(case)]
    remark = f"{skipped} skipped" if skipped else ""
    if skipped == len(cases):
        return 0, 1, "ran nothing, " + remark
    return sum(c[0] for c in counts), sum(c[1] for c in counts), "; ".join(
        filter(None, [remark, *(f"failed: {name}" for name in names)]))


def main():
    passed = broken = 0
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        good, bad, remark = count_file(path)
        passed += good
        broken += bad
        print(f"{path.stem:24}{good:6} passed {bad:6} failed  {remark}")
    print(f"{passed} passed, {broken} failed")
    return 1 if broken or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
