#!/usr/bin/env python3
"""Checks what the tree promises: one rule per run, so that each is a test of its own.

    check_tree.py arrows     a folder includes only itself, what its CMakeLists.txt names under USES,
                             and what those use
    check_tree.py headers    every header compiles alone
    check_tree.py banned     no function that ignores the size of what it writes or reads
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

FOLDERS = ["base", "confine", "net", "http", "client", "cache", "config", "balancer", "health",
           "upstream", "checks", "discovery", "proxy", "admin", "cli"]

USES = re.compile(r"\bUSES((?:\s+[a-z]+)+)")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z_0-9]+)/', re.M)
BANNED = re.compile(r"\b(sprintf|vsprintf|strcpy|strcat|strtok|sscanf|atoi|atol|gets)\s*\(")
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def sources(pattern="*.[ch]"):
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob(pattern))


def reachable(folder):
    """The folder and all that its arrows lead to."""
    found = {folder}
    match = USES.search((ROOT / folder / "CMakeLists.txt").read_text())
    for used in match.group(1).split() if match else []:
        found |= reachable(used)
    return found


def check_arrows():
    allowed = {folder: reachable(folder) for folder in FOLDERS}
    for path in sources():
        own = path.relative_to(ROOT).parts[0]
        for folder in INCLUDE.findall(path.read_text()):
            if folder not in allowed[own]:
                yield f"{path.relative_to(ROOT)} includes from {folder}/: no arrow leads there"


def check_banned():
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    for path in sources():
        code = COMMENT_OR_STRING.sub(blank, path.read_text())
        for match in BANNED.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            yield f"{path.relative_to(ROOT)}:{line}: {match.group(1)}"


def compile_header(path):
    flags = subprocess.run(["pkg-config", "--cflags", "libevent", "libconfig", "libcares"],
                           capture_output=True, text=True, check=True).stdout.split()
    result = subprocess.run(
        [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall",
         "-Werror", "-I", str(ROOT), "-I", "/usr/share/include/llhttp", *flags,
         "-x", "c", "-include", str(path), "/dev/null"],
        capture_output=True, text=True, check=False)
    return f"{path.relative_to(ROOT)} does not compile alone:\n{result.stderr}" if result.returncode else ""


def check_headers():
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(compile_header, sources("*.h")))


def main():
    checks = {"arrows": check_arrows, "headers": check_headers, "banned": check_banned}
    if len(sys.argv) != 2 or sys.argv[1] not in checks:
        sys.exit(__doc__)
    mistakes = list(checks[sys.argv[1]]())
    print("\n".join(mistakes) if mistakes else "as promised")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
