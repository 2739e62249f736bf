"""The shape of the source, checked statically: arrows, headers that stand alone, banned calls."""

import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: Who may include whom: each folder its own headers and those of the folders it may use.
ALLOWED = {
    "base": {"base"},
    "confine": {"base", "confine"},
    "net": {"base", "net"},
    "http": {"base", "http"},
    "cache": {"base", "http", "cache"},
    "config": {"base", "net", "http", "config"},
    "balancer": {"base", "net", "http", "config", "balancer"},
    "health": {"base", "net", "http", "config", "balancer", "health"},
    "upstream": {"base", "net", "http", "config", "balancer", "health", "upstream"},
    "client": {"base", "net", "http", "client"},
    "checks": {"base", "net", "http", "config", "balancer", "health", "upstream", "client",
               "confine", "checks"},
    "discovery": {"base", "net", "http", "config", "client", "discovery"},
    "proxy": {"base", "net", "http", "cache", "config", "balancer", "health", "client", "checks",
              "confine", "discovery", "upstream", "proxy"},
}
ALLOWED["admin"] = ALLOWED["proxy"] | {"admin"}
ALLOWED["cli"] = ALLOWED["admin"] | {"cli"}

BANNED = ["sprintf", "vsprintf", "strcpy", "strcat", "strncat", "strtok", "sscanf", "atoi", "atol",
          "gets", "alloca"]

HEADERS = sorted(path for folder in ALLOWED for path in (ROOT / folder).rglob("*.h"))

SOURCES = sorted([*HEADERS, *(p for folder in ALLOWED for p in (ROOT / folder).rglob("*.c"))])


def name(path):
    return str(path.relative_to(ROOT))


def code_of(path):
    """The text without comments and string literals."""
    text = path.read_text()
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', '""', text, flags=re.S)


def includes_of(path):
    return re.findall(r'^#include "([^"]+)"', path.read_text(), re.M)


def test_there_are_sources():
    assert len(SOURCES) > 50


def test_includes_follow_the_arrows():
    wrong = []
    for path in SOURCES:
        folder = path.relative_to(ROOT).parts[0]
        for included in includes_of(path):
            if included.split("/")[0] not in ALLOWED[folder]:
                wrong.append(f"{name(path)} includes {included}")
    assert wrong == []


def test_a_header_for_insiders_stays_inside_its_folder():
    """x_internal.h is for its own folder; what others need belongs into the façade."""
    wrong = []
    for path in SOURCES:
        folder = path.relative_to(ROOT).parts[0]
        for included in includes_of(path):
            if included.endswith("_internal.h") and included.split("/")[0] != folder:
                wrong.append(f"{name(path)} includes {included}")
    assert wrong == []


def test_every_include_is_from_the_root_and_exists():
    wrong = [f"{name(path)} includes {included}" for path in SOURCES
             for included in includes_of(path) if not (ROOT / included).is_file()]
    assert wrong == []


@pytest.mark.parametrize("header", HEADERS, ids=name)
def test_a_header_compiles_alone(header, tmp_path):
    compiler = shutil.which("gcc") or shutil.which("cc")
    source = tmp_path / "alone.c"
    source.write_text(f'#include "{name(header)}"\n#include "{name(header)}"\n')
    flags = subprocess.run(
        ["pkg-config", "--cflags", "libevent", "openssl", "libconfig", "libcares"],
        capture_output=True, text=True, check=False).stdout.split()
    result = subprocess.run(
        [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Werror", "-Wno-unused-function",
         "-fsyntax-only", f"-I{ROOT}", "-I/usr/share/include/llhttp", *flags, str(source)],
        capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_banned_functions_are_absent():
    pattern = re.compile(rf"\b({'|'.join(BANNED)})\s*\(")
    found = [f"{name(path)}: {match.group(1)}" for path in SOURCES
             for match in pattern.finditer(code_of(path))]
    assert found == []


def test_every_file_says_what_it_is_for():
    """A banner: the first comment comes before the first declaration."""
    wrong = []
    for path in SOURCES:
        text = re.sub(r"^\s*(#\w+[^\n]*\n|\s*\n)*", "", path.read_text())
        if not text.startswith(("/*", "//")):
            wrong.append(name(path))
    assert wrong == []


def test_headers_have_guards():
    def guard(path):
        return "EVERGATE_" + re.sub(r"\W", "_", name(path)).upper()

    wrong = [name(path) for path in HEADERS
             if not re.search(rf"^#ifndef {guard(path)}$", path.read_text(), re.M)]
    assert wrong == []


def test_no_structs_are_typedefed():
    wrong = [name(path) for path in SOURCES
             if re.search(r"\btypedef\s+struct\b[^;]*\{", code_of(path))]
    assert wrong == []


def test_no_file_has_grown_beyond_reason():
    wrong = [(name(path), count) for path in SOURCES
             if (count := path.read_text().count("\n")) > 600]
    assert wrong == []
